"""Articles of figshare: how they are named, what the API says, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.origins import Stated, find_origin
from automind_data.origins.figshare import FigshareOrigin
from automind_data.origins.share_link import ShareLinkOrigin
from tests.figshare_server import Fault, FigshareServer
from tests.scratch import PATHS, make_clone, make_release, quick_figshare, run_import, snapshot

ARTICLE = "figshare:1000001"
PICKLE = "dgms/psd_posterior.pickle"
CSV = "observations/organoid_summary.csv"
Change = Callable[[dict[str, Any]], Any]


class Odd(FigshareServer):
    """A server whose answers about the article, or about one file, are changed."""

    article_change: Change | None = None
    file_change: Change | None = None
    changed = PICKLE

    def described(self, version: int) -> dict[str, Any]:
        said = super().described(version)
        if self.article_change:
            self.article_change(said)
        return said

    def listed(self, file: Any) -> Any:
        said = super().listed(file)
        if self.file_change and file.path == self.changed:
            answer = self.file_change(said)
            return said if answer is None else answer
        return said


def page_as(server: FigshareServer, page: Callable[[Any, list[Any]], list[Any]]) -> None:
    """Let the server make its pages of files in another way."""
    server._http.RequestHandlerClass.page = page


def cap_pages(server: FigshareServer, limit: int, by_asked_size: bool = False) -> None:
    """Let no page hold more than `limit` files.

    A page begins where it would if all before it had that many, or the size asked for.
    """

    def page(handler: Any, files: list[Any]) -> list[Any]:
        asked = int(handler.query.get("page_size", limit))
        size = asked if by_asked_size else min(asked, limit)
        start = (int(handler.query.get("page", 1)) - 1) * size
        return files[start : start + min(size, limit)]

    page_as(server, page)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions; a file that no release has comes with the second."""
    folder = tmp_path_factory.mktemp("served")
    versions = [make_release(folder / mark, mark) for mark in ("first", "second")]
    (versions[1] / "notes.txt").write_text("hello\n")
    return versions


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, versions: list[Path], **options: Any) -> Iterator[Odd]:
    with Odd(versions, **options) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, releases: list[Path]) -> Iterator[Odd]:
    with served(monkeypatch, releases) as running:
        yield running


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch, releases: list[Path]) -> Iterator[Odd]:
    with served(monkeypatch, releases, folders=False) as running:
        yield running


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that nothing is written to."""
    return make_clone(tmp_path_factory.mktemp("empty") / "clone")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("figshare:1000001", "1000001"),
        ("figshare:1000001/2", "1000001/2"),
        ("FIGSHARE:7", "7"),
        ("https://figshare.com/articles/dataset/Some_title/1000001", "1000001"),
        ("https://figshare.com/articles/dataset/Some_title/1000001/2", "1000001/2"),
        ("https://figshare.com/articles/dataset/2020/1000001/2/", "1000001/2"),
        ("http://Figshare.com/articles/online_resource/T/12?file=34#x", "12"),
        ("https://uni-x.figshare.com/articles/software/T/12/3", "12/3"),
        ("10.6084/m9.figshare.1000001", "1000001"),
        ("10.6084/M9.figshare.1000001.v2", "1000001/2"),
        ("doi:10.6084/m9.figshare.1000001.v2", "1000001/2"),
        ("https://doi.org/10.6084/m9.figshare.1000001.v12", "1000001/12"),
    ],
)
def test_an_article_has_many_names(source: str, name: str) -> None:
    origin = find_origin(source)
    assert isinstance(origin, FigshareOrigin)
    assert str(origin) == f"figshare:{name}"


@pytest.mark.parametrize(
    "source",
    [
        "figshare:",
        "figshare:abc",
        "figshare:0",
        "figshare:1/0",
        "figshare:1/v2",
        "figshare:-1",
        "figshare:１２",
        "10.6084/m9.figshare.c.123",
        "doi:10.1234/abc",
        "https://figshare.com/articles/Old_form/123/2",
        "https://figshare.com/articles/123",
        "https://figshare.com/collections/A/123",
        "https://figshare.com/account/articles/1?private_link=secret",
    ],
)
def test_other_names_are_refused_with_the_right_form(source: str) -> None:
    with pytest.raises(AutomindError, match=r"names no figshare article; next: .*figshare:ARTICLE"):
        try:
            find_origin(source)
        except AutomindError as error:
            assert "secret" not in str(error)
            raise


def test_other_places_are_not_taken_for_figshare() -> None:
    share_link = "https://figshare.com/s/0123456789abcdef"
    assert not FigshareOrigin.matches(share_link)
    assert isinstance(find_origin(share_link), ShareLinkOrigin)
    for source in ("https://example.org/figshare.com/articles", "https://notfigshare.com/articles"):
        assert not FigshareOrigin.matches(source)
        assert not ShareLinkOrigin.matches(source)


@pytest.mark.parametrize("folders", [True, False])
def test_files_come_with_md5_size_and_id_and_without_bytes(
    monkeypatch: pytest.MonkeyPatch, releases: list[Path], folders: bool
) -> None:
    with served(monkeypatch, releases, folders=folders) as server:
        offers = {offer.name: offer for offer in quick_figshare(f"{ARTICLE}/2").offers()}
        assert server.data_bytes() == 0
        assert {request.door for request in server.log} == {"json"}
        for path in PATHS:
            offer = offers.pop(path if folders else PurePosixPath(path).name)
            assert (offer.md5, offer.size) == (
                md5_of(releases[1] / path),
                (releases[1] / path).stat().st_size,
            )
            assert offer.source == f"remote://figshare/{server.file_id(path, 2)}"
            assert (offer.open, offer.local, offer.flaw) == (None, None, None)
        assert list(offers) == ["notes.txt"]


@pytest.mark.parametrize("by_asked_size", [False, True])
@pytest.mark.parametrize("limit", [1, 5, 10, 12, 13, 1000])
def test_all_pages_are_read_whatever_the_server_allows(
    server: Odd, limit: int, by_asked_size: bool
) -> None:
    cap_pages(server, limit, by_asked_size)
    assert len(quick_figshare(f"{ARTICLE}/2").offers()) == len(PATHS) + 1


@pytest.mark.parametrize("size", [None, 5])
def test_all_pages_are_read_without_the_size_of_the_article(server: Odd, size: int | None) -> None:
    server.article_change = lambda said: said.update(size=size)
    for limit in (1, 10, 1000):
        cap_pages(server, limit)
        assert len(quick_figshare(f"{ARTICLE}/2").offers()) == len(PATHS) + 1


def test_no_request_is_made_in_vain(server: Odd) -> None:
    quick_figshare(f"{ARTICLE}/1").offers()
    assert len(server.log) == 2
    cap_pages(server, 10)
    quick_figshare(f"{ARTICLE}/1").offers()
    assert len(server.log) == 2 + 3


def test_a_list_without_end_is_refused(server: Odd) -> None:
    count = iter(range(1, 10**9))
    server.changed = PATHS[0]
    server.file_change = lambda said: {**said, "id": next(count)}
    page_as(server, lambda handler, files: files[:1] * 1000)
    with pytest.raises(AutomindError, match="more than 10000 files"):
        quick_figshare(ARTICLE).offers()


def test_without_a_version_the_newest_is_pinned_by_its_number(server: Odd) -> None:
    origin = quick_figshare(ARTICLE)
    origin.offers()
    assert origin.release == "figshare-1000001.v2"
    assert server.log[0].path == "/v2/articles/1000001"
    assert {request.path for request in server.log[1:]} == {"/v2/articles/1000001/versions/2/files"}


def test_what_the_api_states(server: Odd) -> None:
    origin = quick_figshare(f"{ARTICLE}/1")
    assert origin.stated == Stated(
        licence="CC BY 4.0",
        article=1000001,
        version=1,
        doi="10.6084/m9.figshare.1000001.v1",
        title="Test release",
        date="2026-01-01",
    )
    assert origin.address == "https://figshare.com/articles/dataset/Test_release/1000001/1"
    assert (origin.release, origin.kind) == ("figshare-1000001.v1", "figshare")


@pytest.mark.parametrize("nothing", [None, ""])
def test_what_the_api_does_not_state(server: Odd, nothing: str | None) -> None:
    gone = ("doi", "title", "published_date", "url_public_html", "figshare_url")
    licence = None if nothing is None else {"name": nothing}
    server.article_change = lambda said: said.update(dict.fromkeys(gone, nothing), license=licence)
    origin = quick_figshare(ARTICLE)
    said = origin.stated
    assert {said.licence, said.doi, said.title, said.date} == {"not stated"}
    assert origin.address == "https://figshare.com"


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("http://figshare.com/articles/dataset/T/1", "https://figshare.com/articles/dataset/T/1"),
        ("https://u:p@figshare.com/a?private_link=secret#x", "https://figshare.com/a"),
        ("https://figshare.com/a b\n/ä", "https://figshare.com/a%20b/%C3%A4"),
        ("http://127.0.0.1/a", "https://doi.org/10.6084/m9.figshare.1000001.v2"),
        ("javascript:x", "https://doi.org/10.6084/m9.figshare.1000001.v2"),
    ],
)
def test_the_address_is_public_and_has_no_query(server: Odd, stated: str, shown: str) -> None:
    server.article_change = lambda said: said.update(url_public_html=stated, figshare_url="")
    assert quick_figshare(ARTICLE).address == shown


def refused(source: str, clone: Path) -> str:
    before = snapshot(clone)
    with pytest.raises(AutomindError) as caught:
        run_import(clone, quick_figshare(source))
    assert snapshot(clone) == before
    said = str(caught.value)
    assert "\n" not in said and said.isprintable()
    assert said.startswith(source)
    assert "; next: " in said
    return said


def put(**values: Any) -> Change:
    return lambda said: said.update(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(is_link_only=True), f"{PICKLE} is only a link"),
        (put(computed_md5=""), f"{PICKLE} has no md5"),
        (put(computed_md5=None), f"{PICKLE} has no md5"),
        (lambda said: said.pop("computed_md5") and None, f"{PICKLE} has no md5"),
        (put(computed_md5="0" * 31), f"{PICKLE} has no md5"),
        (put(computed_md5="g" * 32), f"{PICKLE} has no md5"),
        (put(computed_md5="0" * 32 + "\n"), f"{PICKLE} has no md5"),
        (put(computed_md5=12345678901234567890), "not of the form"),
        (put(supplied_md5="0" * 32), f"{PICKLE} arrived damaged"),
        (put(size=0), f"{PICKLE} has a size of 0 bytes"),
        (put(size=-5), f"{PICKLE} has a size of -5 bytes"),
        (put(size="66"), "not of the form"),
        (put(size=1.5), "not of the form"),
        (put(size=True), "not of the form"),
        (put(id="50000008"), "not of the form"),
        (put(id=None), "not of the form"),
        (put(id=0), "with the id 0"),
        (put(id=-1), "with the id -1"),
        (put(name=None), "not of the form"),
        (put(name=""), "which no file can have"),
        (put(name=".."), "which no file can have"),
        (put(name="../psd_posterior.pickle"), "which no file can have"),
        (put(name="/etc/psd_posterior.pickle"), "which no file can have"),
        (put(name="..\\psd_posterior.pickle"), "which no file can have"),
        (put(name="a\x1b[2Jb"), "which no file can have"),
        (put(name="psd_posterior.pickle\0"), "which no file can have"),
        (put(name="other.pickle"), f"1 of 12 files are missing ({PICKLE})"),
        (put(name="burst_posterior.pickle"), "dgms/burst_posterior.pickle is there 2 times"),
        (lambda said: ["a", "b"], "not of the form"),
        (lambda said: "a", "not of the form"),
    ],
)
@pytest.mark.parametrize("folders", [True, False])
def test_an_odd_file_is_refused(
    request: pytest.FixtureRequest, empty: Path, change: Change, words: str, folders: bool
) -> None:
    server = request.getfixturevalue("server" if folders else "flat")
    server.file_change = change
    assert words in refused(f"{ARTICLE}/2", empty)
    assert server.data_bytes() == 0


def test_two_ids_with_one_name_are_told_apart(flat: Odd, empty: Path) -> None:
    flat.file_change = put(name="burst_posterior.pickle")
    said = refused(f"{ARTICLE}/2", empty)
    for path in (PICKLE, "dgms/burst_posterior.pickle"):
        assert f"burst_posterior.pickle at remote://figshare/{flat.file_id(path)}" in said


def test_all_problems_are_said_at_once(server: Odd, empty: Path) -> None:
    server.file_change = put(is_link_only=True)
    server.faults = [Fault("no-md5", file=server.file_id(CSV))]
    said = refused(f"{ARTICLE}/2", empty)
    assert f"{PICKLE} is only a link" in said
    assert f"{CSV} has no md5" in said


def test_an_odd_file_that_no_release_has_is_skipped(server: Odd, empty: Path) -> None:
    server.changed = "notes.txt"
    server.file_change = put(is_link_only=True, computed_md5="", size=0)
    offers = {offer.name: offer for offer in quick_figshare(f"{ARTICLE}/2").offers()}
    assert offers["notes.txt"].flaw


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(id=5), "answers with article 5"),
        (put(version=1), "version 1"),
        (put(version="2"), "not of the form"),
        (lambda said: said.pop("version") and None, "not of the form"),
        (put(title=["x"]), "not of the form"),
        (put(license="CC BY"), "not of the form"),
        (put(folder_structure={"50000020": 5}), "not of the form"),
        (put(folder_structure="dgms"), "not of the form"),
    ],
)
def test_an_odd_article_is_refused(server: Odd, empty: Path, change: Change, words: str) -> None:
    server.article_change = change
    assert words in refused(f"{ARTICLE}/2", empty)


@pytest.mark.parametrize("folder", ["..", "../..", "a/../b", "//etc", "a//b", "a\\b", "a\x07"])
def test_a_folder_that_leads_away_is_refused(server: Odd, empty: Path, folder: str) -> None:
    number = str(server.file_id(PICKLE))
    server.article_change = lambda said: said["folder_structure"].update({number: folder})
    assert "which no file can have" in refused(f"{ARTICLE}/2", empty)


@pytest.mark.parametrize("folders", [[], None, {}])
def test_no_folders_have_many_forms(server: Odd, folders: Any) -> None:
    server.article_change = put(folder_structure=folders)
    names = {offer.name for offer in quick_figshare(f"{ARTICLE}/1").offers()}
    assert names == {PurePosixPath(path).name for path in PATHS}


@pytest.mark.parametrize("name", ["404", "403", "html", "challenge", "empty", "500", "gone"])
def test_an_api_that_does_not_answer_is_one_sentence(server: Odd, empty: Path, name: str) -> None:
    server.faults = [Fault(name, door="json")]
    refused(f"{ARTICLE}/2", empty)


def test_an_article_that_is_not_there(server: Odd, empty: Path) -> None:
    refused("figshare:12", empty)
    refused(f"{ARTICLE}/3", empty)
