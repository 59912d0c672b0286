"""What `fetch` brings, from where, and what it leaves alone."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automind_data.common.errors import AutomindError
from automind_data.fetching.run import Fetch
from automind_data.fetching.wanted import choose_paths
from automind_data.pinning.dvcfile import dvc_path
from automind_data.web import Patience
from tests.fetching.clones import (
    PATH,
    QUICK,
    big_release,
    cache_of,
    cached,
    fetch,
    import_of,
    leave_part,
    part_of,
    partials,
    pin,
    pinned_clone,
    typed,
)
from tests.figshare_server import Fault, FigshareServer
from tests.scratch import PATHS, dvc, make_clone, make_release, run_import

PICKLE = "dgms/psd_posterior.pickle"


@pytest.fixture
def server(tmp_path: Path, monkeypatch) -> Iterator[FigshareServer]:
    """A server of the twelve files that stands in for figshare."""
    with FigshareServer([make_release(tmp_path / "release")]) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AUTOMIND_FIGSHARE_TOKEN", raising=False)
        yield server


@pytest.fixture
def clone(tmp_path: Path, server: FigshareServer) -> Path:
    """A clone that pins the twelve files."""
    return pinned_clone(tmp_path / "clone", server)


def test_everything_is_fetched_and_checked_out(clone: Path, server: FigshareServer) -> None:
    report = fetch(clone, checkout=True)
    assert (report.fetched, report.cached, report.failed) == (PATHS, (), {})
    for file in server.versions[0]:
        assert (clone / "datasets" / file.path).read_bytes() == file.local.read_bytes()
    assert cached(clone) == {file.md5 for file in server.versions[0]}
    assert "up to date" in dvc(clone, "status")
    assert not partials(clone).exists()
    assert len(server.requests("api")) == 12 and not server.requests("download", "json")


def test_what_is_cached_is_not_asked_for(clone: Path, server: FigshareServer) -> None:
    fetch(clone)
    before = len(server.log)
    report = fetch(clone, checkout=True)
    assert (report.fetched, report.cached) == ((), PATHS)
    assert len(server.log) == before
    assert (clone / "datasets" / PICKLE).exists()


def test_the_command(clone: Path, server: FigshareServer) -> None:
    process = typed(clone, server, "--interval", "0", "datasets/dgms")
    said, wrong = process.communicate()
    assert (process.returncode, wrong) == (0, "")
    assert said == f"  fetched  dgms/burst_posterior.pickle\n  fetched  {PICKLE}\n"
    assert (clone / "datasets" / PICKLE).exists()
    process = typed(clone, server, "datasets/nonsense.zip")
    said, wrong = process.communicate()
    assert (process.returncode, said) == (1, "")
    assert wrong.startswith("automind-data: datasets/nonsense.zip: is no file or folder of the rel")


@pytest.mark.parametrize(
    ("typed", "base", "chosen"),
    [
        ([], ".", PATHS),
        (["datasets"], ".", PATHS),
        (["."], ".", PATHS),
        (["dgms"], ".", [path for path in PATHS if path.startswith("dgms/")]),
        (["datasets/dgms/"], ".", [path for path in PATHS if path.startswith("dgms/")]),
        (["datasets/dgms/psd_posterior.pickle.dvc"], ".", [PICKLE]),
        (["psd_posterior.pickle"], "datasets/dgms", [PICKLE]),
        ([PICKLE, "datasets/dgms/psd_posterior.pickle"], "datasets", [PICKLE]),
        ([f"../{PICKLE}.dvc"], "datasets/observations", [PICKLE]),
    ],
)
def test_paths(tmp_path: Path, typed: list[str], base: str, chosen: list[str]) -> None:
    (tmp_path / base).mkdir(parents=True, exist_ok=True)
    assert choose_paths(tmp_path, typed, set(PATHS), tmp_path / base) == tuple(chosen)


def test_absolute_paths_and_strangers(tmp_path: Path) -> None:
    known = {PICKLE}
    absolute = str(tmp_path / "datasets" / PICKLE)
    assert choose_paths(tmp_path, [absolute], known, tmp_path) == (PICKLE,)
    for stranger in ("nonsense", "psd", "/etc", "../datasets", ""):
        with pytest.raises(AutomindError, match="no file or folder of the release"):
            choose_paths(tmp_path, [stranger], known, tmp_path)
    with pytest.raises(AutomindError, match="is not pinned in this clone; next: automind-data imp"):
        choose_paths(tmp_path, [PATHS[0]], known, tmp_path)


def test_it_goes_on_where_it_stopped(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", 500_000)]) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        leave_part(clone, file.md5, file.size, file.local.read_bytes()[:300_000])
        server.faults = [Fault("cut", first=2)]
        fetch(clone)
        asked = server.requests("storage")
        assert [request.start for request in asked] == [300_000, 400_000, 450_000]
        assert server.data_bytes() == 200_000
        assert len(server.requests("api")) == 3
    assert cached(clone) == {file.md5}


def test_a_whole_part_needs_no_request(clone: Path, server: FigshareServer) -> None:
    file = server.served(server.file_id(PICKLE))
    leave_part(clone, file.md5, file.size, file.local.read_bytes())
    assert fetch(clone, PICKLE).fetched == (PICKLE,)
    assert server.log == []


def test_a_part_of_something_else_is_dropped(clone: Path, server: FigshareServer) -> None:
    file = server.served(server.file_id(PICKLE))
    leave_part(clone, file.md5, file.size + 1, file.local.read_bytes()[:20])
    fetch(clone, PICKLE)
    assert [request.start for request in server.requests("storage")] == [0]
    assert cached(clone) == {file.md5}


def test_an_empty_file_needs_no_request(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", 0)]) as server:
        clone = pinned_clone(tmp_path / "clone", server)
        assert fetch(clone).fetched == (PATH,)
        assert server.log == []
    assert cached(clone) == {"d41d8cd98f00b204e9800998ecf8427e"}


def test_files_come_side_by_side(clone: Path, server: FigshareServer) -> None:
    server.rate = 600
    fetch(clone, jobs=4, patience=replace(QUICK, slowest=10))
    server.settle()
    bodies = server.requests("storage")
    assert len(bodies) == 12
    most = max(sum(other.when <= body.when < other.until for other in bodies) for body in bodies)
    assert most == 4
    assert cached(clone) == {file.md5 for file in server.versions[0]}


def test_two_at_once_bring_each_byte_once(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", 400_000)], rate=300_000) as server:
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        pair = [typed(clone, server, "--interval", "0") for _ in range(2)]
        said = [process.communicate(timeout=60) for process in pair]
        assert [process.returncode for process in pair] == [0, 0], said
        assert sorted(out for out, _ in said) == [f"  cached   {PATH}\n", f"  fetched  {PATH}\n"]
        assert server.data_bytes() == file.size
    assert cached(clone) == {file.md5}
    assert (clone / "datasets" / PATH).read_bytes() == file.local.read_bytes()
    assert not partials(clone).exists()


def test_leaving_early_keeps_what_came(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", 400_000)], rate=200_000) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        work = Fetch(clone, patience=QUICK)
        for event in work.download():
            if event["done"] > 50_000:
                break
        assert cached(clone) == set()
        kept = part_of(clone, file.md5).stat().st_size
        assert 50_000 <= kept < 400_000
        server.rate = None
        fetch(clone)
        assert server.requests("storage")[-1].start == kept
    assert cached(clone) == {file.md5}


def test_a_working_file_that_nothing_else_has_stays(clone: Path, server: FigshareServer) -> None:
    working = clone / "datasets" / PICKLE
    working.parent.mkdir(parents=True, exist_ok=True)
    working.write_bytes(b"mine")
    report = fetch(clone, checkout=True)
    assert list(report.failed) == [PICKLE]
    assert str(report.failed[PICKLE]).endswith(
        "is not what the clone pins, and nothing else has its bytes; next: move it away."
    )
    assert working.read_bytes() == b"mine"
    assert (clone / "datasets" / PATHS[0]).exists()
    working.unlink()
    assert fetch(clone, PICKLE, checkout=True).failed == {}
    assert working.exists()


def test_a_full_disk_is_said_before_anything_is_asked(
    clone: Path, server: FigshareServer, monkeypatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(AutomindError, match="has 10 bytes free where"):
        fetch(clone)
    assert server.log == []


def test_the_token_opens_and_is_never_shown(tmp_path: Path, monkeypatch, capsys) -> None:
    with FigshareServer([make_release(tmp_path / "release")], public=False) as server:
        clone = pinned_clone(tmp_path / "clone", server)
        process = typed(
            clone,
            server,
            *("--interval", "0", "--no-checkout", "--tries", "1", PICKLE),
            environment={"AUTOMIND_FIGSHARE_TOKEN": "wrong-guess"},
        )
        said, wrong = process.communicate()
        assert process.returncode == 1
        assert "forbids it (403)" in wrong and "wrong-guess" not in said + wrong
        local = clone / ".dvc" / "config.local"
        local.write_text("['remote \"figshare\"']\n    password = secret\n")
        process = typed(clone, server, "--interval", "0", "--no-checkout", PICKLE)
        assert process.communicate() == (f"  fetched  {PICKLE}\n", "")
        assert not server.requests("api")
        queries = [request.query for request in server.requests("download")]
        assert queries == ["private_link=wrong-guess", "private_link=secret"]
        for path in partials(clone).rglob("*"):
            assert b"secret" not in path.read_bytes()


def test_one_request_a_second_to_the_api(clone: Path, server: FigshareServer) -> None:
    fetch(clone, "dgms", "observations", patience=Patience(interval=0.2))
    times = [request.when for request in server.requests("api")]
    assert len(times) == 6
    assert times[-1] - times[0] > 0.9


class _Plain(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        with contextlib.suppress(OSError):
            super().copyfile(source, outputfile)


@pytest.fixture
def web_folder(server: FigshareServer) -> Iterator[str]:
    """The release on a plain web server that knows no Range."""
    folder = server.versions[0][0].local.parents[1]
    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Plain, directory=str(folder)))
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_address[1]}"
    http.shutdown()
    http.server_close()


def from_release(tmp_path: Path, server: FigshareServer, url: str | None) -> Path:
    """A clone that pins the files at `remote://release/`."""
    clone = make_clone(tmp_path / "other")
    pin(
        clone,
        [import_of(server, file, f"remote://release/{file.path}") for file in server.versions[0]],
    )
    if url is not None:
        local = clone / ".dvc" / "config.local"
        local.write_text(f"['remote \"release\"']\n    url = {url}\n")
    return clone


def test_from_a_folder(tmp_path: Path, server: FigshareServer) -> None:
    clone = from_release(tmp_path, server, str(tmp_path / "release"))
    file = server.served(server.file_id(PICKLE))
    leave_part(clone, file.md5, file.size, file.local.read_bytes()[:20])
    assert fetch(clone).fetched == PATHS
    (tmp_path / "release" / PICKLE).write_bytes(b"another size")
    cache_of(clone).path(file.md5).unlink()
    failed = fetch(clone).failed
    assert "has 12 bytes where" in str(failed[PICKLE])
    (tmp_path / "release" / PICKLE).write_bytes(b"x" * file.size)
    assert "sends other bytes than are pinned" in str(fetch(clone).failed[PICKLE])
    (tmp_path / "release" / PICKLE).unlink()
    assert f"{PICKLE} is not there; next: open " in str(fetch(clone).failed[PICKLE])
    assert file.md5 not in cached(clone)


def test_from_a_folder_that_is_nowhere(tmp_path: Path, server: FigshareServer) -> None:
    failed = fetch(from_release(tmp_path, server, None)).failed
    assert len(failed) == 12 and "is not there" in str(failed[PICKLE])


def test_from_a_web_folder(tmp_path: Path, server: FigshareServer, web_folder: str) -> None:
    clone = from_release(tmp_path, server, web_folder)
    file = server.served(server.file_id(PICKLE))
    leave_part(clone, file.md5, file.size, b"wrong bytes")
    assert fetch(clone).fetched == PATHS
    assert cached(clone) == {file.md5 for file in server.versions[0]}
    assert server.log == []


def test_from_the_folder_in_git(tmp_path: Path, server: FigshareServer) -> None:
    clone = make_clone(tmp_path / "embedding")
    run_import(clone, tmp_path / "release", release="test", embed=True)
    for md5 in cached(clone):
        cache_of(clone).path(md5).unlink()
    assert fetch(clone).fetched == PATHS
    assert cached(clone) == {file.md5 for file in server.versions[0]}


def test_from_a_source_that_nothing_explains(tmp_path: Path, server: FigshareServer) -> None:
    clone = make_clone(tmp_path / "other")
    (file, *_) = server.versions[0]
    for source, said in (
        ("remote://nowhere/a", "comes from the remote nowhere, which has no url"),
        ("gopher://example.org/a", "comes from gopher://example.org/a, which cannot be fetched"),
    ):
        (clone / dvc_path(file.path)).unlink(missing_ok=True)
        pinned = import_of(server, file, source)
        (clone / dvc_path(file.path)).write_text(
            f"deps:\n- path: {source}\nouts:\n- md5: '{pinned.md5}'\n  size: {pinned.size}\n"
            "  path: a\nmeta:\n  origin:\n    release: r\n    kind: k\n    address: a\n"
            "    retrieved: '2026-01-01'\n    licence: l\n"
        )
        assert said in str(fetch(clone).failed[file.path])


def test_help_and_start_need_no_dvc(clone: Path, server: FigshareServer) -> None:
    code = (
        "import sys; from automind_data.common.command import main\n"
        "sys.argv = ['automind-data', 'fetch', '--no-checkout', '--interval', '0']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'dvc', 'torch', 'pandas', 's3fs'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=clone, capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"
    assert "  fetched  " in shown.stdout
