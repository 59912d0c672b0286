"""Pinning a figshare article: no byte of data, nothing lost, nothing secret in git."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.pinning.config import cache_objects, options
from automind_data.pinning.dvcfile import dvc_path, parse_import
from automind_data.pinning.importer import ReleaseImport
from automind_data.pinning.objects import Objects
from automind_data.pinning.release import RELEASE_FILE
from tests.figshare_server import FigshareServer
from tests.origins.test_figshare import Odd, put
from tests.origins.test_schemas import hold_to_schemas
from tests.scratch import (
    PATHS,
    changes,
    commit,
    content,
    dvc,
    git,
    make_clone,
    make_release,
    quick_figshare,
    run_import,
    snapshot,
    tracked_text,
)

CSV = "observations/organoid_summary.csv"
PICKLE = "dgms/psd_posterior.pickle"
ODD_TITLE = "Which network?\nAn atlas"


@pytest.fixture(scope="session")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two versions of a release; all but two files are the same."""
    folder = tmp_path_factory.mktemp("versions")
    first, second = (make_release(folder / name) for name in ("1", "2"))
    for path in (CSV, PICKLE):
        (second / path).write_bytes(content(path, "second, and longer"))
    return [first, second]


@pytest.fixture
def server(versions: list[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Odd]:
    with Odd(versions) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture(scope="session")
def pinned_first(versions: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed clone that pins version 1 and has none of its bytes."""
    clone = make_clone(tmp_path_factory.mktemp("pinned") / "clone")
    with pytest.MonkeyPatch.context() as patch, Odd(versions) as server:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        server.article_change = put(title=ODD_TITLE)
        report = run_import(clone, quick_figshare("figshare:1000001/1"))
        assert server.data_bytes() == 0
    assert (report.changed, report.to_fetch) == (PATHS, PATHS)
    assert changes(clone) == sorted(report.written)
    commit(clone, "version 1")
    return clone


@pytest.fixture
def clone(pinned_first: Path, tmp_path: Path) -> Path:
    """A fresh clone of it."""
    git(tmp_path, "clone", "-q", pinned_first.as_uri(), "clone")
    return tmp_path / "clone"


def pinned(clone: Path, path: str) -> Any:
    return parse_import(path, (clone / dvc_path(path)).read_bytes())


def typed(
    clone: Path, *arguments: str | Path, stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automind_data", "import", *map(str, arguments)],
        cwd=clone,
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def status(clone: Path) -> Any:
    """What `dvc status` lists; its warnings come after that."""
    return json.JSONDecoder().raw_decode(dvc(clone, "status", "--json"))[0]


def test_every_file_says_all_that_is_known(clone: Path, versions: list[Path]) -> None:
    hold_to_schemas(clone)
    for path in PATHS:
        file = pinned(clone, path)
        assert (file.md5, file.size) == (
            md5_of(versions[0] / path),
            (versions[0] / path).stat().st_size,
        )
        assert file.source.startswith("remote://figshare/500000")
        origin = file.origin
        assert (origin.release, origin.kind) == ("figshare-1000001.v1", "figshare")
        assert (origin.article, origin.version) == (1000001, 1)
        assert (origin.doi, origin.date) == ("10.6084/m9.figshare.1000001.v1", "2026-01-01")
        assert (origin.title, origin.licence) == ("Which network？ An atlas", "CC BY 4.0")
        assert "frozen: true" in (clone / dvc_path(path)).read_text()
    said = options((clone / ".dvc" / "config").read_text())
    assert said["core", "remote"] == "storage"
    assert said['remote "figshare"', "url"] == "https://ndownloader.figshare.com/files"
    assert not (clone / ".dvc" / "config.local").exists()


def test_no_question_mark_in_git(clone: Path) -> None:
    texts = tracked_text(clone)
    assert set(map(dvc_path, PATHS)) < set(texts)
    assert [name for name, text in texts.items() if "?" in text] == []


def test_dvc_diff_lists_the_files_without_their_bytes(clone: Path, server: Odd) -> None:
    said = json.loads(dvc(clone, "diff", "--json", "HEAD~1", "HEAD"))
    assert sorted(each["path"] for each in said["added"]) == sorted(
        f"datasets/{path}" for path in PATHS
    )
    run_import(clone, quick_figshare("figshare:1000001/2"))
    commit(clone, "version 2")
    said = json.loads(dvc(clone, "diff", "--json", "HEAD~1", "HEAD"))
    assert sorted(each["path"] for each in said["modified"]) == sorted(
        f"datasets/{path}" for path in (CSV, PICKLE)
    )
    assert not said["added"] and not said["deleted"]


def test_status_asks_nobody(clone: Path, server: Odd) -> None:
    dvc(clone, "remote", "modify", "--local", "figshare", "url", server.download)
    said = status(clone)
    assert set(said) == set(map(dvc_path, PATHS))
    assert server.log == []


def test_dvc_takes_the_files_for_its_own(clone: Path) -> None:
    from dvc.dvcfile import load_file
    from dvc.repo import Repo

    for path in PATHS:
        text = (clone / dvc_path(path)).read_text()
        stage = load_file(Repo(str(clone)), str(clone / dvc_path(path))).stage
        assert stage.md5 == stage.compute_md5()
        stage.dump(update_lock=False)
        assert (clone / dvc_path(path)).read_text() == text


@pytest.mark.parametrize(
    "md5",
    [
        "12345678901234567890123456789012",
        "0b010101010101010101010101010101",
        "12345678901234567890123456789e12",
        "00000000000000000000000000000000",
    ],
)
def test_an_md5_that_looks_like_a_number_stays_text(tmp_path: Path, server: Odd, md5: str) -> None:
    from dvc.dvcfile import load_file
    from dvc.repo import Repo

    clone = make_clone(tmp_path / "clone")
    server.file_change = put(computed_md5=md5, supplied_md5=md5)
    run_import(clone, quick_figshare("figshare:1000001"))
    stage = load_file(Repo(str(clone)), str(clone / dvc_path(PICKLE))).stage
    assert stage.outs[0].hash_info.value == md5
    assert stage.md5 == stage.compute_md5()
    assert pinned(clone, PICKLE).md5 == md5
    hold_to_schemas(clone)


def test_the_same_version_again_changes_nothing(clone: Path, server: Odd) -> None:
    before = snapshot(clone)
    report = run_import(clone, quick_figshare("figshare:1000001/1"))
    assert (report.changed, report.same, report.written) == ((), PATHS, ())
    assert report.to_fetch == PATHS
    assert snapshot(clone) == before
    done = typed(clone, "https://doi.org/10.6084/m9.figshare.1000001.v1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("nothing that git tracks has changed\nnext: automind-data fetch\n")
    assert snapshot(clone) == before


def test_a_plan_says_what_would_change(clone: Path, server: Odd, versions: list[Path]) -> None:
    before = snapshot(clone)
    with ReleaseImport(quick_figshare("figshare:1000001/2"), clone) as work:
        assert list(work.read()) == []
        plan = work.plan()
    assert (plan.before, plan.release) == ("figshare-1000001.v1", "figshare-1000001.v2")
    states = {change.path: change.state for change in plan.changes}
    assert states == {**dict.fromkeys(PATHS, "same"), CSV: "replaced", PICKLE: "replaced"}
    sizes = [(c.before, c.after) for c in plan.changes if c.path == CSV]
    assert sizes == [tuple((folder / CSV).stat().st_size for folder in versions)]
    assert snapshot(clone) == before


def test_a_newer_version_over_an_older_one(clone: Path, server: Odd, versions: list[Path]) -> None:
    old, new = ((folder / CSV).stat().st_size for folder in versions)
    before = snapshot(clone)
    asked = typed(clone, "figshare:1000001/2")
    assert asked.returncode == 1
    assert asked.stdout.startswith("release figshare-1000001.v1 → figshare-1000001.v2\n")
    assert f"{CSV}  " in asked.stdout and f"{old} bytes → {new} bytes\n" in asked.stdout
    assert asked.stdout.count("  same  ") == len(PATHS) - 2
    assert asked.stderr.count("\n") == 1 and "2 pinned files" in asked.stderr
    assert "--yes" in asked.stderr
    assert snapshot(clone) == before
    began = time.monotonic()
    done = typed(clone, "figshare:1000001/2", "--yes")
    print(
        f"import of a version: {time.monotonic() - began:.2f} s, {server.data_bytes()} data bytes"
    )
    assert done.returncode == 0, done.stderr
    assert server.data_bytes() == 0
    assert {request.door for request in server.log} == {"json"}
    assert changes(clone) == sorted([dvc_path(CSV), dvc_path(PICKLE), RELEASE_FILE])
    assert "next: automind-data fetch, then dvc repro" in done.stdout
    assert pinned(clone, CSV).md5 == md5_of(versions[1] / CSV)
    assert pinned(clone, CSV).origin.version == 2
    assert [name for name, text in tracked_text(clone).items() if "?" in text] == []
    hold_to_schemas(clone)


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_somebody_at_a_terminal_is_asked(clone: Path, server: Odd, answer: str, code: int) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = typed(clone, "figshare:1000001/2", stdin=theirs)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == code, done.stderr
    assert "Replace 2 pinned files?" in done.stdout
    assert bool(changes(clone)) == (code == 0)


def test_a_first_import_does_not_ask(tmp_path: Path, server: Odd) -> None:
    clone = make_clone(tmp_path / "clone")
    began = time.monotonic()
    done = typed(clone, "figshare:1000001/2", "--release", "2030.2")
    print(f"first import: {time.monotonic() - began:.2f} s, {server.data_bytes()} data bytes")
    assert done.returncode == 0, done.stderr
    assert "→" not in done.stdout
    assert json.loads((clone / RELEASE_FILE).read_text())["release"] == "2030.2"


def test_bytes_that_are_here_are_used_and_the_others_go(
    clone: Path, server: Odd, versions: list[Path]
) -> None:
    """Else a stage would read the older release's working file for the newer one."""
    run_import(clone, versions[0])
    assert changes(clone) == []
    assert dvc(clone, "status", "-q") == ""
    report = run_import(clone, quick_figshare("figshare:1000001/2"))
    assert report.changed == report.to_fetch == (PICKLE, CSV)
    for path in PATHS:
        working = clone / "datasets" / path
        assert working.exists() == (path not in report.to_fetch)
    assert Objects(cache_objects(clone)).has(md5_of(versions[0] / CSV))
    said = status(clone)
    assert set(said) == {dvc_path(CSV), dvc_path(PICKLE)}
    run_import(clone, quick_figshare("figshare:1000001/1"))
    assert dvc(clone, "status", "-q") == ""
    assert server.data_bytes() == 0


def test_a_working_file_that_nothing_else_has_is_kept(clone: Path, server: Odd) -> None:
    (clone / "datasets" / CSV).parent.mkdir(exist_ok=True)
    (clone / "datasets" / CSV).write_bytes(b"my own\nnumbers\n")
    before = snapshot(clone)
    with pytest.raises(AutomindError, match="nothing else has its bytes"):
        run_import(clone, quick_figshare("figshare:1000001/2"))
    assert snapshot(clone) == before


def test_a_file_saved_while_somebody_is_asked_is_kept(clone: Path, server: Odd) -> None:
    with ReleaseImport(quick_figshare("figshare:1000001/2"), clone) as work:
        list(work.read())
        (clone / "datasets" / CSV).parent.mkdir(exist_ok=True)
        (clone / "datasets" / CSV).write_bytes(b"my own\nnumbers\n")
        before = snapshot(clone)
        with pytest.raises(AutomindError, match="nothing else has its bytes"):
            work.pin()
    assert snapshot(clone) == before


def test_no_room_is_needed_for_bytes_that_come_later(
    clone: Path, server: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(clone)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert run_import(clone, quick_figshare("figshare:1000001/2")).changed == (PICKLE, CSV)


def test_a_folder_pin_gets_the_address_that_others_can_reach(
    tmp_path: Path, server: Odd, versions: list[Path]
) -> None:
    clone = make_clone(tmp_path / "clone")
    run_import(clone, versions[0], release="2030.1")
    report = run_import(clone, quick_figshare("figshare:1000001/1"), release="2030.1")
    assert (report.changed, report.to_fetch) == (PATHS, ())
    for path in PATHS:
        assert pinned(clone, path).source == f"remote://figshare/{server.file_id(path, 1)}"
    assert dvc(clone, "status", "-q") == ""
    run_import(clone, versions[0], release="2030.1")
    assert pinned(clone, CSV).origin.kind == "figshare"


def test_missing_and_extra_files(tmp_path: Path, versions: list[Path], server: Odd) -> None:
    clone, part = make_clone(tmp_path / "clone"), tmp_path / "part"
    shutil.copytree(versions[0], part)
    (part / CSV).unlink()
    (part / "notes.txt").write_text("hello\n")
    server.add_version(part)
    with pytest.raises(AutomindError, match=f"1 of 12 files are missing .{CSV}"):
        run_import(clone, quick_figshare("figshare:1000001/3"))
    assert changes(clone) == []
    report = run_import(clone, quick_figshare("figshare:1000001/3"), partial=True)
    assert (report.missing, report.extra) == ((CSV,), ("notes.txt",))
    assert len(report.changed) == len(PATHS) - 1
    run_import(clone, quick_figshare("figshare:1000001/2"))
    with ReleaseImport(quick_figshare("figshare:1000001/3"), clone, partial=True) as work:
        list(work.read())
        states = {change.path: change.state for change in work.plan().changes}
    assert (states[CSV], states[PICKLE]) == ("no longer there", "replaced")


def test_a_sample_release_needs_its_bytes(clone: Path, server: Odd) -> None:
    before = snapshot(clone)
    with pytest.raises(AutomindError, match="cannot be embedded"):
        run_import(clone, quick_figshare("figshare:1000001/2"), embed=True)
    assert snapshot(clone) == before


def test_a_name_with_a_question_mark_is_refused(clone: Path, server: Odd) -> None:
    with pytest.raises(AutomindError, match="question marks"):
        run_import(clone, quick_figshare("figshare:1000001/2"), release="which?")


KILLED = """
import os, signal, sys
from automind_data.pinning import importer
from tests.scratch import quick_figshare
real, left = importer.write_text, int(sys.argv[2])
def write_text(*arguments):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    real(*arguments)
importer.write_text = write_text
with importer.ReleaseImport(quick_figshare("figshare:1000001/2"), sys.argv[1]) as work:
    list(work.read())
    work.pin()
"""


def test_a_kill_is_mended_by_the_same_import(
    clone: Path, server: FigshareServer, versions: list[Path]
) -> None:
    run_import(clone, versions[0])
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(clone), "1"], check=False, capture_output=True, cwd=root
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert changes(clone) == [dvc_path(PICKLE)]
    run_import(clone, quick_figshare("figshare:1000001/2"))
    assert changes(clone) == sorted([dvc_path(CSV), dvc_path(PICKLE), RELEASE_FILE])
    assert not (clone / "datasets" / PICKLE).exists()
    assert not (clone / "datasets" / CSV).exists()
