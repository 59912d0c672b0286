"""Files that can only be pinned when they have come: those of a share link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from automind_data.common.files import md5_of
from automind_data.pinning import pending
from automind_data.pinning.pending import Pending, PendingFile
from automind_data.pinning.tracked import read_imports, reader_of_folder
from tests.fetching.clones import cached, fetch, partials, typed
from tests.figshare_server import Fault, FigshareServer
from tests.scratch import PATHS, changes, commit, content, dvc, git, make_clone, make_release

PICKLE = "dgms/psd_posterior.pickle"
LINK = "https://figshare.com/s/…"


@pytest.fixture
def server(tmp_path: Path, monkeypatch) -> Iterator[FigshareServer]:
    """A private article that only the token `secret` opens."""
    with FigshareServer([make_release(tmp_path / "release")], public=False) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AUTOMIND_FIGSHARE_TOKEN", "secret")
        yield server


@pytest.fixture
def clone(tmp_path: Path, server: FigshareServer) -> Path:
    """A clone that awaits the twelve files."""
    clone = make_clone(tmp_path / "clone")
    files = tuple(PendingFile(file.path, file.id) for file in server.versions[0])
    pending.write(clone, Pending("test", "share link", LINK, "2026-01-01", "not stated", files))
    return clone


def test_awaited_files_are_pinned_when_they_come(clone: Path, server: FigshareServer) -> None:
    report = fetch(clone, "dgms", checkout=True)
    assert report.pinned == ("dgms/burst_posterior.pickle", PICKLE)
    assert len(pending.read_pending(clone).files) == 10
    report = fetch(clone, checkout=True)
    assert (len(report.pinned), len(report.cached), report.failed) == (10, 2, {})
    assert pending.read_pending(clone) is None
    pins = read_imports(reader_of_folder(clone))
    for file in server.versions[0]:
        assert (pins[file.path].md5, pins[file.path].size) == (file.md5, file.size)
        assert pins[file.path].source == f"remote://figshare/{file.id}"
        assert md5_of(clone / "datasets" / file.path) == file.md5
    assert cached(clone) == {file.md5 for file in server.versions[0]}
    assert len(server.requests("storage")) == 12 and not server.requests("api")
    assert not partials(clone).exists()
    assert "up to date" in dvc(clone, "status")
    for name in changes(clone):
        assert b"secret" not in (clone / name).read_bytes()


def test_the_command_names_them(clone: Path, server: FigshareServer) -> None:
    process = typed(clone, server, "--interval", "0", PICKLE)
    assert process.communicate() == (f"  pinned   {PICKLE}\n", "")
    assert process.returncode == 0


@pytest.mark.parametrize("name", ["html-right-length", "challenge", "empty", "404"])
def test_what_is_no_file_is_not_pinned(clone: Path, server: FigshareServer, name: str) -> None:
    server.faults = [Fault(name, file=server.file_id(PICKLE))]
    report = fetch(clone, "dgms")
    assert report.pinned == ("dgms/burst_posterior.pickle",)
    assert list(report.failed) == [PICKLE]
    assert PICKLE in {file.path for file in pending.read_pending(clone).files}
    assert len(cached(clone)) == 1
    server.faults = []
    assert fetch(clone).failed == {}


def test_a_file_that_is_not_whole_is_refused_and_asked_for_again(
    clone: Path, server: FigshareServer
) -> None:
    file = server.served(server.file_id(PATHS[0]))
    file.local.write_bytes(content(PATHS[0], "first")[:-30] + b"x" * 30)
    failed = fetch(clone, PATHS[0]).failed
    assert "sends a file that is cut off or is not a zip; next: open " in str(failed[PATHS[0]])
    assert cached(clone) == set()
    file.local.write_bytes(content(PATHS[0], "first"))
    assert fetch(clone, PATHS[0]).pinned == (PATHS[0],)


def test_it_goes_on_where_it_stopped(clone: Path, server: FigshareServer) -> None:
    file = server.served(server.file_id(PICKLE))
    server.faults = [Fault("cut")]
    assert list(fetch(clone, PICKLE).failed) == [PICKLE]
    server.faults = []
    assert fetch(clone, PICKLE).pinned == (PICKLE,)
    starts = [request.start for request in server.requests("storage")]
    assert starts == [0, file.size // 2, file.size * 3 // 4]


@pytest.mark.parametrize("name", ["chunked", "chunked-cut", "short-length", "long-length"])
def test_lengths_that_mislead(clone: Path, server: FigshareServer, name: str) -> None:
    server.faults = [Fault(name, first=1)]
    first = fetch(clone, PICKLE)
    assert first.pinned == (PICKLE,) or list(first.failed) == [PICKLE]
    if first.failed:
        assert fetch(clone, PICKLE).pinned == (PICKLE,)
    assert cached(clone) == {server.served(server.file_id(PICKLE)).md5}


def test_a_working_file_that_nothing_else_has_keeps_the_bytes_waiting(
    clone: Path, server: FigshareServer
) -> None:
    working = clone / "datasets" / PICKLE
    working.parent.mkdir(parents=True, exist_ok=True)
    working.write_bytes(b"mine")
    report = fetch(clone, PICKLE)
    assert "nothing else has its bytes; next: move it away" in str(report.failed[PICKLE])
    assert working.read_bytes() == b"mine"
    working.unlink()
    asked = len(server.log)
    assert fetch(clone, PICKLE).pinned == (PICKLE,)
    assert len(server.log) == asked


def test_a_public_link_opens_its_own_files(
    tmp_path: Path, server: FigshareServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For colleagues too, who have the address and nothing else."""
    monkeypatch.delenv("AUTOMIND_FIGSHARE_TOKEN")
    public = "https://figshare.com/s/secret"
    file = server.versions[0][0]
    for number, (address, works) in enumerate(((public, True), ("https://figshare.com", False))):
        clone = make_clone(tmp_path / str(number))
        awaited = (PendingFile(file.path, file.id),)
        pending.write(clone, Pending("test", "share link", address, "2026-01-01", "-", awaited))
        assert (fetch(clone).failed == {}) is works
    clone = tmp_path / "0"
    commit(clone, "pinned")
    git(tmp_path, "clone", "-q", clone.as_uri(), "colleague")
    assert fetch(tmp_path / "colleague").fetched == (file.path,)
