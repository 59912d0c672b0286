"""What `automind-data info` says about a clone."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from automind_data.cli.verb_info import command
from automind_data.common.errors import AutomindError
from automind_data.inventory import Inventory, take_inventory
from automind_data.pinning import pending
from automind_data.pinning.config import cache_objects
from automind_data.pinning.objects import Objects
from tests.scratch import PATHS, commit, content, dvc, git, make_clone, make_release, run_import

CSV = "observations/organoid_summary.csv"
PIPELINE = {
    "stages": {
        "unpack": {
            "foreach": {"synthetic": {"folder": "discovered_posterior_samples"}},
            "do": {
                "cmd": "mkdir -p datasets/${item.folder}/${key}"
                " && echo 12 > datasets/${item.folder}/${key}/a.txt",
                "deps": ["datasets/${item.folder}/${key}.zip"],
                "outs": [{"datasets/${item.folder}/${key}": {"cache": False}}],
            },
        },
        "table": {
            "cmd": f"mkdir -p derived && cp datasets/{CSV} derived/table.csv",
            "deps": [f"datasets/{CSV}"],
            "outs": ["derived/table.csv"],
        },
        "model": {
            "cmd": "mkdir -p derived/model; echo 1 > derived/model/a; echo 22 > derived/model/b",
            "outs": ["derived/model"],
        },
    }
}


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample clone with three derived outputs, one of them not stored, all pushed."""
    folder = tmp_path_factory.mktemp("derived")
    clone = make_clone(folder / "clone")
    run_import(clone, make_release(folder / "2030.1"), embed=True)
    (clone / "dvc.yaml").write_text(json.dumps(PIPELINE))
    (clone / "derived").mkdir()
    dvc(clone, "repro", "-q")
    dvc(clone, "push", "-q")
    commit(clone, "derived")
    return clone


def states(found: Inventory) -> dict[str, tuple[bool, bool, str]]:
    return {
        entry.path: (entry.in_workspace, entry.in_cache, entry.where)
        for entry in (*found.files, *found.derived)
    }


def test_where_everything_was_made(derived: Path) -> None:
    found = take_inventory(derived)
    assert (found.release, found.sample, found.kind) == ("2030.1", True, "sample release")
    assert (found.licence, found.push_remote) == ("not stated", "embedded")
    assert [entry.path for entry in found.files] == [f"datasets/{path}" for path in PATHS]
    assert [entry.size for entry in found.files] == [len(content(path, "first")) for path in PATHS]
    outputs = {entry.path: entry for entry in found.derived}
    assert outputs["derived/model"].md5.endswith(".dir")
    assert (outputs["derived/model"].files, outputs["derived/model"].size) == (2, 5)
    unpacked = outputs["datasets/discovered_posterior_samples/synthetic"]
    assert (unpacked.stored, unpacked.in_cache, unpacked.in_workspace) == (False, False, True)
    assert unpacked.stage == "unpack@synthetic"
    stored = sum(len(content(path, "first")) for path in (*PATHS, CSV)) + 5
    assert (found.size, found.to_fetch, found.to_place, found.disk) == (stored, 0, 0, 0)


def test_a_fresh_clone_has_all_of_it_remote(derived: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", derived.as_uri(), "clone")
    found = take_inventory(tmp_path / "clone")
    unpacked = "datasets/discovered_posterior_samples/synthetic"
    expected = dict.fromkeys(states(found), (False, False, "remote only"))
    assert states(found) == {**expected, unpacked: (False, False, "to be made")}
    assert found.to_fetch == found.to_place == found.size > 0
    assert found.disk == 2 * found.size


def test_what_is_fetched_is_counted_where_it_is(derived: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", derived.as_uri(), "clone")
    clone = tmp_path / "clone"
    dvc(clone, "fetch", "-q", f"datasets/{CSV}.dvc")
    dvc(clone, "pull", "-q", "derived/model")
    found = take_inventory(clone)
    assert states(found)[f"datasets/{CSV}"] == (False, True, "cache")
    assert states(found)["derived/model"] == (True, True, "workspace")
    size = len(content(CSV, "first"))
    assert found.to_fetch == found.size - 5 - 2 * size  # the table has the same bytes
    assert found.to_place == found.size - 5
    model = next(entry for entry in found.derived if entry.path == "derived/model")
    cache = Objects(cache_objects(clone))
    cache.path("b026324c6904b2a9cb4b88d6d61c81d1").unlink()
    assert states(take_inventory(clone))["derived/model"] == (True, False, "workspace")
    cache.path(model.md5).chmod(0o644)
    cache.path(model.md5).write_text("{}x")
    with pytest.raises(AutomindError, match="is not a list of a folder's files"):
        take_inventory(clone)


def test_a_working_file_of_another_size_does_not_count(derived: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(derived, clone, symlinks=True)
    (clone / "datasets" / CSV).unlink()
    (clone / "datasets" / CSV).write_text("a,b\n")
    assert states(take_inventory(clone))[f"datasets/{CSV}"] == (False, True, "cache")


def test_a_clone_without_a_release(tmp_path: Path) -> None:
    found = take_inventory(make_clone(tmp_path / "clone"))
    assert (found.release, found.sample, found.files, found.derived) == (None, False, (), ())
    assert found.unpinned == PATHS


def test_a_lock_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    (clone / "dvc.lock").write_text("stages: [")
    with pytest.raises(AutomindError, match=r"dvc\.lock: cannot be read"):
        take_inventory(clone)


def test_the_page_and_the_json_say_the_same(derived: Path) -> None:
    page = CliRunner().invoke(command, ["--root", str(derived)])
    assert page.exit_code == 0
    said = json.loads(CliRunner().invoke(command, ["--json", "--root", str(derived)]).stdout)
    assert said == json.loads(json.dumps(take_inventory(derived).as_dict())) | {
        "disk_free": said["disk_free"]
    }
    assert "2030.1 (SAMPLE DATA)" in page.stdout
    assert "licence    not stated" in page.stdout
    for entry in (*said["files"], *said["derived"]):
        line = next(line for line in page.stdout.splitlines() if f" {entry['path']} " in line)
        assert entry["md5"] in line
        assert entry["where"] in line


def test_a_folder_inside_the_clone_will_do(derived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(derived / "datasets" / "dgms")
    assert "2030.1" in CliRunner().invoke(command, []).stdout


def test_neither_dvc_nor_data_libraries_are_loaded(derived: Path) -> None:
    import subprocess

    code = (
        "import sys; from automind_data.inventory import take_inventory;"
        f"take_inventory({str(derived)!r});"
        "print({'dvc', 'torch', 'pandas', 'polars', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_a_fetch_will_pin_is_listed(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    awaited = (pending.PendingFile(CSV, 7),)
    said = pending.Pending(
        "2031.1", "share link", "https://figshare.com", "2031-01-01", "-", awaited
    )
    pending.write(clone, said)
    found = take_inventory(clone)
    assert found.awaited == (CSV,) and set(found.unpinned) == set(PATHS) - {CSV}
    page = CliRunner().invoke(command, ["--root", str(clone)]).stdout
    assert f"  awaited      datasets/{CSV}" in page
