"""Which origin takes which source, and what it offers."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from automind_data import origins
from automind_data.common.errors import AutomindError
from automind_data.origins import find_origin, origin_types
from tests.scratch import PATHS, content, make_bundle, make_release


def test_every_origin_says_what_it_is() -> None:
    kinds = [origin.kind for origin in origin_types()]
    assert {"folder", "bundle", "figshare", "share link"} <= set(kinds)
    assert len(set(kinds)) == len(kinds)


def test_an_unknown_source_is_refused_with_all_that_would_do(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match="is not a ") as caught:
        find_origin(str(tmp_path / "nowhere"))
    for origin in origin_types():
        assert origin.accepts in str(caught.value)


@pytest.mark.parametrize(
    "source",
    ["figshare.com/s/5ec2e7", "ftp://figshare.com/s/5ec2e7?a=1", "ftp://a.org/b?token=5ec2e7"],
)
def test_a_refusal_shows_no_secret(source: str) -> None:
    with pytest.raises(AutomindError) as caught:
        find_origin(source)
    assert "5ec2e7" not in str(caught.value)


def test_a_folder_offers_its_files_by_relative_path(tmp_path: Path) -> None:
    folder = make_release(tmp_path / "2030.1")
    origin = find_origin(str(folder))
    assert (origin.kind, origin.release) == ("folder", "2030.1")
    offers = {offer.name: offer for offer in origin.offers()}
    assert set(offers) == set(PATHS)
    opened = offers[PATHS[0]].open
    assert opened is not None
    with opened() as stream:
        assert stream.read() == content(PATHS[0], "first")
    assert origin.base_url("top/") == str(folder / "top")


@pytest.mark.parametrize("top", ["", "datasets/", "automind/datasets/"])
def test_a_bundle_offers_its_members_as_they_are_named(tmp_path: Path, top: str) -> None:
    bundle = make_bundle(tmp_path / "automind-2030.1.ZIP", top)
    origin = find_origin(str(bundle))
    assert (origin.kind, origin.release) == ("bundle", "automind-2030.1")
    assert origin.base_url("") is None
    for offer in origin.offers():
        path = offer.name.removeprefix(top)
        assert offer.open is not None
        with offer.open() as stream:
            assert stream.read() == content(path, "first")
        assert offer.size == len(content(path, "first"))


@pytest.mark.parametrize(
    "name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "..\\evil.csv"]
)
def test_a_bundle_with_a_name_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle.zip")
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"1\n")
    with pytest.raises(AutomindError, match="refused"):
        find_origin(str(bundle)).offers()


def test_a_bundle_with_a_link_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle.zip")
    link = zipfile.ZipInfo("dgms/other.pickle")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(AutomindError, match="is a link"):
        find_origin(str(bundle)).offers()


def test_a_cut_off_bundle_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle.zip")
    bundle.write_bytes(bundle.read_bytes()[:-30])
    with pytest.raises(AutomindError, match="cut off"):
        find_origin(str(bundle)).offers()


def test_a_new_host_is_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nearby.py").write_text(
        "class Nearby:\n"
        "    kind, accepts = 'nearby', 'nearby:NAME'\n"
        "    def __init__(self, source): self.release = source[7:]\n"
        "    @classmethod\n"
        "    def matches(cls, source): return source.startswith('nearby:')\n"
        "ORIGIN = Nearby\n"
    )
    monkeypatch.setattr(origins, "__path__", [*origins.__path__, str(tmp_path)])
    try:
        assert find_origin("nearby:2030.1").release == "2030.1"
    finally:
        sys.modules.pop("automind_data.origins.nearby", None)
