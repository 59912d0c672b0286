"""A release on a plain web server, pinned from its checksum file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.origins import Origin, find_origin
from automind_data.origins.web_folder import WebFolderOrigin
from automind_data.pinning.config import option
from automind_data.pinning.dvcfile import dvc_path, parse_import
from automind_data.web import Client, Patience
from tests.origins.test_schemas import hold_to_schemas
from tests.scratch import PATHS, changes, commit, content, dvc, make_clone, make_release, run_import
from tests.test_checksums import A

QUICK = Patience(tries=1, timeout=5)


@dataclass
class Site:
    """A folder on loopback, and what was asked for."""

    folder: Path
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def downloads(self) -> list[str]:
        return [path for method, path in self.asked if method == "GET"]

    def write_checksums(self, mark: str = "  ", end: str = "\n") -> None:
        names = sorted(path for path in self.folder.rglob("*") if path.is_file())
        lines = [
            f"{md5_of(path)}{mark}{path.relative_to(self.folder).as_posix()}" for path in names
        ]
        (self.folder / "MD5SUMS").write_bytes("".join(f"{line}{end}" for line in lines).encode())

    def origin(self) -> Origin:
        return WebFolderOrigin(f"{self.url}/", Client(QUICK))


@contextmanager
def serve(folder: Path) -> Iterator[Site]:
    site = Site(folder)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def parse_request(self) -> bool:
            whole = super().parse_request()
            if whole:
                site.asked.append((self.command, self.path))
            return whole

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder.parent)))
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/{folder.name}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serve(make_release(tmp_path / "2030.1")) as site:
        site.write_checksums()
        yield site


def test_pinned_without_a_data_byte_and_then_found_by_dvc(tmp_path: Path, site: Site) -> None:
    clone = make_clone(tmp_path / "clone")
    report = run_import(clone, site.url + "/")
    assert (report.release, report.kind, report.changed) == ("2030.1", "web folder", PATHS)
    assert site.downloads == ["/2030.1/MD5SUMS"]
    for path in PATHS:
        pinned = parse_import(path, (clone / dvc_path(path)).read_bytes())
        assert pinned is not None
        assert pinned.md5 == md5_of(site.folder / path)
        assert pinned.size == len(content(path, "first"))
        assert pinned.source == f"remote://release/{path}"
        assert pinned.origin.address == site.url
    hold_to_schemas(clone)
    said = option(clone, 'remote "release"', "url")
    assert said is not None and said[0] == site.url
    commit(clone, "2030.1")
    site.asked.clear()
    assert dvc(clone, "status").count("not in cache:") == len(PATHS)
    diff = json.loads(dvc(clone, "diff", "--json", "HEAD^", "HEAD"))
    assert {file["path"] for file in diff["added"]} == {f"datasets/{path}" for path in PATHS}
    assert site.asked == []
    dvc(clone, "update", dvc_path(PATHS[0]))
    assert (clone / "datasets" / PATHS[0]).read_bytes() == content(PATHS[0], "first")
    assert f"/2030.1/{PATHS[0]}" in site.downloads


def test_the_same_again_changes_nothing(tmp_path: Path, site: Site) -> None:
    clone = make_clone(tmp_path / "clone")
    run_import(clone, site.origin())
    commit(clone, "2030.1")
    site.write_checksums(mark=" *", end="\r\n")
    report = run_import(clone, site.origin())
    assert (report.changed, report.written, changes(clone)) == ((), (), [])


def test_a_flat_folder_gives_no_address_to_dvc(tmp_path: Path) -> None:
    with serve(make_release(tmp_path / "flat", flat=True)) as site:
        site.write_checksums()
        clone = make_clone(tmp_path / "clone")
        assert run_import(clone, site.origin()).changed == PATHS
        assert option(clone, 'remote "release"', "url") == ("../.dvc-release", clone / ".dvc")


def test_a_release_in_a_folder_below_the_checksum_file(tmp_path: Path) -> None:
    make_release(tmp_path / "site" / "data sets")
    with serve(tmp_path / "site") as site:
        site.write_checksums()
        clone = make_clone(tmp_path / "clone")
        assert run_import(clone, site.origin(), release="x").changed == PATHS
        said = option(clone, 'remote "release"', "url")
        assert said is not None and said[0] == f"{site.url}/data%20sets"


def test_no_checksum_file(site: Site) -> None:
    (site.folder / "MD5SUMS").unlink()
    with pytest.raises(AutomindError, match=r"MD5SUMS: is not there; next: make one there: md5sum"):
        site.origin().offers()


def test_a_listed_file_that_is_not_there(site: Site) -> None:
    (site.folder / PATHS[3]).unlink()
    with pytest.raises(AutomindError, match=rf"MD5SUMS: lists {PATHS[3]}, which is not there"):
        site.origin().offers()


def test_a_checksum_file_that_is_another_thing(site: Site) -> None:
    (site.folder / "MD5SUMS").write_text(f"{A}  ../x\n")
    with pytest.raises(AutomindError, match="no path in the folder"):
        site.origin().offers()
    (site.folder / "MD5SUMS").write_bytes(b"\xff\xfe" * 9)
    with pytest.raises(AutomindError, match="not text"):
        site.origin().offers()
    (site.folder / "MD5SUMS").write_bytes(f"{A}  x\n".encode() * 40_000)
    with pytest.raises(AutomindError, match="more than 1048576 bytes"):
        site.origin().offers()


def test_nobody_answers(tmp_path: Path) -> None:
    with serve(make_release(tmp_path / "gone")) as site:
        pass
    with pytest.raises(AutomindError, match="refuses the connection"):
        site.origin().offers()


@pytest.mark.parametrize(
    "source",
    [
        "https://example.org/data?private_link=hush",
        "https://example.org/data#hush",
        "https://anna:hush@example.org/data",
        "https://hush@example.org/data",
        "http://example.org/data/",
        "https://example.org/da ta/",
    ],
)
def test_addresses_that_are_refused(source: str) -> None:
    with pytest.raises(AutomindError) as refused:
        find_origin(source)
    assert "hush" not in str(refused.value)
    assert "https://" in refused.value.next_step


def test_the_address_is_clean() -> None:
    origin = find_origin("HTTPS://Example.org/data/2030.1//")
    assert (origin.kind, origin.release) == ("web folder", "2030.1")
    assert origin.address == "https://Example.org/data/2030.1"
    assert origin.base_url("") == origin.address
    assert origin.base_url("top/") == f"{origin.address}/top"
    assert find_origin("https://example.org").release == "example.org"
