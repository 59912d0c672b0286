"""The remote in git holds what the sample commits reach, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from automind_data import embed as embed_module
from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.embed import MAX_BYTES, embed, named_commits, reached
from automind_data.pinning.config import OBJECTS, cache_objects
from automind_data.pinning.objects import Objects
from automind_data.pinning.tracked import reader_of_folder
from tests.scratch import (
    PATHS,
    changes,
    commit,
    content,
    dvc,
    git,
    make_clone,
    make_release,
    run_import,
    snapshot,
)

CSV = "observations/organoid_summary.csv"
FOLDER_STAGE = {
    "cmd": "mkdir -p derived/model && echo 1 > derived/model/a && echo 22 > derived/model/b",
    "deps": [f"datasets/{CSV}"],
    "outs": ["derived/model"],
}
UNPACKED_STAGE = {
    "cmd": "mkdir -p datasets/dgms/open && echo 333 > datasets/dgms/open/c",
    "outs": [{"datasets/dgms/open": {"cache": False}}],
}
PIPELINE = {"stages": {"model": FOLDER_STAGE, "open": UNPACKED_STAGE}}


def store(clone: Path) -> Objects:
    return Objects(clone / ".dvc-sample" / OBJECTS)


def table(clone: Path, *rows: tuple[str, str]) -> None:
    lines = ["# Releases", "", "| release | commit | date | what changed |", "|---|---|---|---|"]
    lines += [f"| {release} | `{at}` | 2030-01-02 | things |" for release, at in rows]
    (clone / "datasets" / "RELEASES.md").write_text("\n".join(lines) + "\n")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with one committed sample release and a derived folder, not embedded yet."""
    clone = make_clone(tmp_path / "clone")
    run_import(clone, make_release(tmp_path / "2030.1"), embed=True)
    (clone / "dvc.yaml").write_text(json.dumps(PIPELINE))
    (clone / ".gitignore").write_text("/datasets/dgms/open\n")
    dvc(clone, "repro", "-q")
    commit(clone, "2030.1")
    return clone


def second(clone: Path, tmp_path: Path) -> None:
    """Import a second sample release in which one file differs."""
    release = make_release(tmp_path / "2030.2")
    (release / CSV).write_bytes(content(CSV, "second"))
    run_import(clone, release, embed=True)
    dvc(clone, "repro", "-q")
    commit(clone, "2030.2")


def test_named_commits() -> None:
    text = (
        "# Releases\n\n| release | Commit | date | what changed |\n|:--|--:|---|---|\n"
        "| 2030.2 | [`0123abc`](../../commit/0123abc) | 2030-01-02 | deadbeef |\n"
        f"| 2030.1 | {'a1' * 20} | 2030-01-01 | - |\n"
    )
    assert named_commits(text) == ["0123abc", "a1" * 20]


@pytest.mark.parametrize("cell", ["soon", "", "`0123abc` or `0123abd`"])
def test_a_row_without_its_commit_is_refused(cell: str) -> None:
    with pytest.raises(AutomindError, match=r"RELEASES\.md: names \d commits for release '2030.1'"):
        named_commits(f"| release | commit |\n|---|---|\n| 2030.1 | {cell} |\n")


def test_a_table_without_the_column_is_refused() -> None:
    with pytest.raises(AutomindError, match="no table with a column `commit`"):
        named_commits("| release | date |\n|---|---|\n")


def test_a_clone_pulls_everything_after_it(clone: Path, tmp_path: Path) -> None:
    report = embed(clone)
    assert len(report.added) == 3  # the folder's list and its two files
    assert report.dropped == ()
    assert report.size == sum(store(clone).path(md5).stat().st_size for md5 in store(clone))
    commit(clone, "embedded")
    git(tmp_path, "clone", "-q", clone.as_uri(), "other")
    dvc(tmp_path / "other", "pull", "-q")
    assert (tmp_path / "other" / "derived" / "model" / "b").read_text() == "22\n"
    assert (tmp_path / "other" / "datasets" / CSV).read_bytes() == content(CSV, "first")
    again = embed(clone)
    assert (again.added, again.dropped, again.size) == ((), (), report.size)
    assert changes(clone) == []


def test_outputs_that_are_never_stored_are_not_wanted(clone: Path) -> None:
    lock = (clone / "dvc.lock").read_text()
    assert "datasets/dgms/open" in lock
    embed(clone)
    assert not any(store(clone).path(md5).read_bytes() == b"333\n" for md5 in store(clone))


def test_named_releases_stay_and_others_go(clone: Path, tmp_path: Path) -> None:
    first = git(clone, "rev-parse", "HEAD").strip()
    md5 = md5_of(clone / "datasets" / CSV)
    second(clone, tmp_path)
    table(clone, ("2030.1", first[:8]))
    embed(clone)
    assert store(clone).has(md5)
    extra = store(clone).path("ab" * 16)
    extra.parent.mkdir()
    extra.write_text("left over")
    table(clone)
    assert set(embed(clone).dropped) == {md5, "ab" * 16}
    assert not extra.parent.exists()
    assert not store(clone).has(md5)
    table(clone, ("2030.1", first))
    assert embed(clone).added == (md5,)


def test_the_working_tree_counts_when_it_is_asked_for(clone: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.2")
    (release / CSV).write_bytes(content(CSV, "second"))
    run_import(clone, release, embed=True)
    new = md5_of(release / CSV)
    embed(clone, working_tree=True)
    assert store(clone).has(new)
    assert embed(clone).dropped == (new,)


def test_a_commit_whose_pushes_go_elsewhere_brings_nothing_into_git(
    clone: Path, tmp_path: Path
) -> None:
    embed(clone)
    at_sample = git(clone, "rev-parse", "HEAD").strip()
    release = make_release(tmp_path / "2031.1")
    (release / CSV).write_bytes(content(CSV, "secret"))
    run_import(clone, release)
    dvc(clone, "repro", "-q")
    commit(clone, "2031.1")
    embed(clone)
    assert not store(clone).has(md5_of(release / CSV))
    kept = {md5_of(release / path) for path in PATHS if path != CSV}
    assert set(store(clone)) == kept  # the sources of imports that are still the sample's
    table(clone, ("2030.1", at_sample))
    embed(clone)
    assert set(store(clone)) > kept


def test_lost_bytes_are_refused_and_nothing_is_dropped(clone: Path) -> None:
    embed(clone)
    before = snapshot(clone / ".dvc-sample")
    lost = md5_of(clone / "datasets" / CSV)
    for objects in (store(clone), Objects(cache_objects(clone))):
        objects.path(lost).unlink()
    before.pop(f"files/md5/{lost[:2]}/{lost[2:]}")
    with pytest.raises(AutomindError, match=f"{lost}: is pinned, but is neither"):
        embed(clone)
    assert snapshot(clone / ".dvc-sample") == before


def test_damaged_bytes_come_from_the_cache(clone: Path) -> None:
    embed(clone)
    md5 = md5_of(clone / "datasets" / CSV)
    store(clone).path(md5).chmod(0o644)
    store(clone).path(md5).write_bytes(content(CSV, "worst"))
    assert embed(clone).added == (md5,)
    assert store(clone).path(md5).read_bytes() == content(CSV, "first")


def test_too_much_is_refused(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(clone / ".dvc-sample")
    monkeypatch.setattr(embed_module, "MAX_BYTES", 1000)
    with pytest.raises(AutomindError, match="more than the limit of 1000"):
        embed(clone)
    assert snapshot(clone / ".dvc-sample") == before


def test_an_unknown_commit_is_refused(clone: Path) -> None:
    table(clone, ("2030.1", "0123abc"))
    with pytest.raises(AutomindError, match="names the commit 0123abc, which is not in this clone"):
        embed(clone)


def test_before_the_first_commit(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    git(clone, "update-ref", "-d", "HEAD")
    run_import(clone, make_release(tmp_path / "2030.1"), embed=True)
    assert embed(clone, working_tree=True).objects == len(PATHS)
    assert len(embed(clone).dropped) == len(PATHS)


def test_it_runs_as_a_module(clone: Path) -> None:
    command = [sys.executable, "-m", "automind_data.embed", "--root", str(clone)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{len(PATHS) + 3} objects" in done.stdout
    table(clone, ("2030.1", "0123abc"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("embed: datasets/RELEASES.md: names the commit")
    assert "Traceback" not in done.stderr


def test_this_repository_has_every_object_that_it_pins(root: Path) -> None:
    """And no more than the limit in git."""
    objects = store(root)
    names = [path.relative_to(root).as_posix() for path in (root / "datasets").rglob("*.dvc")]
    pinned = reached(reader_of_folder(root), names)
    assert len(pinned) >= len(PATHS)
    assert sorted(md5 for md5 in pinned if not objects.whole(md5)) == []
    size = sum(path.stat().st_size for path in (root / ".dvc-sample").rglob("*") if path.is_file())
    assert size <= MAX_BYTES
