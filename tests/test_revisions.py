"""Reading any commit of a clone, or of a git URL, without checking it out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from automind_data import open_release
from automind_data.common.errors import AutomindError
from automind_data.embed import embed
from automind_data.pinning.config import cache_objects, options
from automind_data.pinning.objects import Objects
from automind_data.pinning.remote_clone import is_url
from automind_data.revisions import Revision
from tests.conftest import ROOT
from tests.scratch import changes, commit, dvc, git, make_clone, make_release, run_import, snapshot

TABLE = "derived/tables/training.parquet"
NOTE = "derived/dgms/psd/note.txt"
CSV = "observations/organoid_summary.csv"
MAKE = """
import pathlib, sys
import pyarrow as pa, pyarrow.parquet as pq
mark = float(pathlib.Path(sys.argv[1]).read_text())
for folder in ("derived/tables", "derived/dgms/psd"):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
made = pa.table({"burst_num": [mark], "isi_cv_mu": [1.0]})
pq.write_table(made, "derived/tables/training.parquet")
pathlib.Path("derived/dgms/psd/note.txt").write_text(str(mark))
"""
PIPELINE = {
    "stages": {
        "table": {
            "cmd": "python make.py mark",
            "deps": ["mark", "make.py"],
            "outs": [TABLE, "derived/dgms/psd"],
        }
    }
}


def derive(clone: Path, mark: str) -> str:
    (clone / "mark").write_text(mark)
    dvc(clone, "repro", "-q")
    return commit(clone, mark)


@pytest.fixture(scope="session")
def two_commits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a sample release and two commits of a derived table, tagged one and two."""
    folder = tmp_path_factory.mktemp("commits")
    clone = make_clone(folder / "clone")
    run_import(clone, make_release(folder / "2030.1"), embed=True)
    (clone / "make.py").write_text(MAKE)
    (clone / "dvc.yaml").write_text(json.dumps(PIPELINE))
    for mark, tag in (("1", "one"), ("2", "two")):
        derive(clone, mark)
        embed(clone)
        commit(clone, tag)
        git(clone, "tag", tag)
    return clone


@pytest.fixture
def clone(two_commits: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(two_commits, tmp_path / "clone", symlinks=True))


def value(place: Path | str, rev: str | None = None) -> float:
    found = open_release(place, rev).table("training", columns=["burst_num"])
    assert list(found.columns) == ["burst_num"]
    return float(found["burst_num"].iloc[0])


def empty_cache(clone: Path) -> None:
    shutil.rmtree(cache_objects(clone))


def test_every_commit_reads_without_a_checkout(clone: Path) -> None:
    before = snapshot(clone)
    assert [value(clone, rev) for rev in ("one", "two", None)] == [1.0, 2.0, 2.0]
    assert value(clone, "HEAD~2") == 1.0
    assert snapshot(clone) == before
    assert changes(clone) == []


def test_bytes_in_git_are_found_without_a_cache(clone: Path, tmp_path: Path) -> None:
    """Also those that only the history of git has: `embed` drops what HEAD does not reach."""
    git(tmp_path, "clone", "-q", clone.as_uri(), "fresh")
    fresh = tmp_path / "fresh"
    assert [value(fresh, rev) for rev in ("one", "two", None)] == [1.0, 2.0, 2.0]
    one = Revision(fresh, "one")
    found = one.find(NOTE)
    assert found is not None and found.read_text() == "1.0"
    md5 = one.md5(NOTE)
    assert md5 is not None and found == Objects(cache_objects(fresh)).path(md5)
    assert one.find(f"datasets/{CSV}") is not None
    assert not (fresh / TABLE).exists()


def test_a_damaged_object_in_git_is_not_read(clone: Path) -> None:
    empty_cache(clone)
    md5 = Revision(clone, "two").md5(TABLE)
    assert md5 is not None
    damaged = Objects(clone / ".dvc-sample/files/md5").path(md5)
    damaged.chmod(0o644)
    damaged.write_bytes(b"no table")
    found = Revision(clone, "two").find(TABLE)
    assert found is not None and found != damaged
    assert value(clone, "two") == 2.0


def test_a_commit_whose_bytes_are_in_a_remote_is_pulled(clone: Path, tmp_path: Path) -> None:
    run_import(clone, make_release(tmp_path / "2031.1", "second"))
    derive(clone, "3")
    dvc(clone, "remote", "modify", "--local", "storage", "url", str(tmp_path / "store"))
    dvc(clone, "push", "-q")
    derive(clone, "4")
    empty_cache(clone)
    assert Revision(clone, "HEAD~1").find(TABLE) is None
    assert value(clone, "HEAD~1") == 3.0
    shutil.rmtree(tmp_path / "store")
    empty_cache(clone)
    with pytest.raises(AutomindError, match="neither in the cache nor in a remote") as caught:
        value(clone, "HEAD~1")
    assert "git checkout HEAD~1 && dvc pull derived/tables/training.parquet" in str(caught.value)


def test_the_working_tree_is_as_it_stands(clone: Path) -> None:
    pd.DataFrame({"burst_num": [9.0]}).to_parquet(clone / TABLE)
    assert value(clone) == 9.0
    (clone / TABLE).unlink()
    assert value(clone) == 2.0
    empty_cache(clone)
    shutil.rmtree(clone / ".dvc-sample")
    with pytest.raises(AutomindError, match="is not there; next: run `dvc pull`"):
        value(clone)


@pytest.mark.parametrize("rev", ["nowhere", "--all", "", "HEAD:mark", "HEAD^{tree}"])
def test_an_unknown_revision_is_refused(clone: Path, rev: str) -> None:
    with pytest.raises(AutomindError, match="is no commit, branch or tag"):
        open_release(clone, rev)


def test_what_a_revision_does_not_have(clone: Path) -> None:
    with pytest.raises(AutomindError, match=r"heldout\.parquet: is not in one"):
        open_release(clone, "one").table("heldout")
    with pytest.raises(AutomindError, match="has no column isi_cv"):
        open_release(clone, "one").table("training", columns=["isi_cv"])
    with pytest.raises(AutomindError, match=r"holds no datasets/release\.json"):
        open_release(clone, git(clone, "rev-list", "--max-parents=0", "HEAD").strip())


def test_a_folder_without_a_release(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match=r"holds no datasets/release\.json"):
        open_release(tmp_path)


def test_a_git_url(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "account"))
    url = clone.as_uri()
    assert [value(url, rev) for rev in ("one", "two", None)] == [1.0, 2.0, 2.0]
    (kept,) = (tmp_path / "account").glob("*/clones/*")
    local = options((kept / ".dvc" / "config.local").read_text())
    assert local == {('remote "embedded"', "url"): str(kept / ".dvc-sample")}
    derive(clone, "5")
    embed(clone)
    commit(clone, "five")
    assert value(url) == 5.0
    assert len(list((tmp_path / "account").glob("*/clones/*"))) == 1
    with pytest.raises(AutomindError, match="is no commit"):
        value(url, "nowhere")
    nowhere = (tmp_path / "nowhere").as_uri()
    with pytest.raises(AutomindError, match="cannot be cloned"):
        value(nowhere)
    assert len(list((tmp_path / "account").glob("*/clones/*"))) == 1


def test_a_url_that_runs_something_is_no_url() -> None:
    for text in ("ext::sh -c true", "--upload-pack=x", "https://-x", "/a/b", "a b@c:d"):
        assert not is_url(text)


def test_the_sample_releases_of_this_repository() -> None:
    table = (ROOT / "datasets" / "RELEASES.md").read_text(encoding="utf-8")
    commits = [line.split("|")[2].strip(" `") for line in table.splitlines() if "(sample" in line]
    new, old = (open_release(ROOT, rev) for rev in commits[:2])
    assert len(new.table("heldout", ["isi_cv_mu"])) - len(old.table("heldout", ["isi_cv_mu"])) == 20
    row = new.observations("mouse-hc").iloc[0]
    x = new.dgm("psd").conditioning(row)
    assert (new.dgm("psd").sample(x, 5) == old.dgm("psd").sample(x, 5)).all()
    assert len(new.samples("organoids", columns=["x_o"])) > 0
