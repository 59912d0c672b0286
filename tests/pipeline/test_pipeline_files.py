"""`dvc.yaml` and `dvc.lock` against the package and the layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from automind_data.common.layout import ARCHIVES, DATASETS, DGMS, FILES
from automind_data.diagram import block
from tests.conftest import ROOT, run
from tests.import_graph import files_of_command


def load(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(ROOT / name)


def groups() -> dict[str, dict[str, Any]]:
    """Each stage of `dvc.yaml` with its body, wrapped in foreach or not."""
    return {name: stage.get("do", stage) for name, stage in load("dvc.yaml")["stages"].items()}


def stages() -> list[str]:
    names = []
    for name, stage in load("dvc.yaml")["stages"].items():
        names += [f"{name}@{key}" for key in stage["foreach"]] if "foreach" in stage else [name]
    return names


def commands(stage: dict[str, Any]) -> list[str]:
    """The commands of a stage, each on one line."""
    listed = stage["cmd"] if isinstance(stage["cmd"], list) else [stage["cmd"]]
    return [" ".join(command.split()) for command in listed]


@pytest.mark.parametrize("name", groups())
def test_deps_are_the_files_that_the_stage_runs(name: str) -> None:
    stage = groups()[name]
    needed = set().union(*(files_of_command(line) for line in commands(stage)))
    listed = {dep for dep in stage["deps"] if dep.startswith("src/")}
    folders = {dep for dep in listed if (ROOT / dep).is_dir()}
    covered = {
        file
        for file in needed
        if file in listed or any(str(p) in folders for p in Path(file).parents)
    }
    assert covered == needed, f"add to deps of {name}: {sorted(needed - covered)}"
    idle = {
        dep
        for dep in listed
        if dep not in needed and not any(file.startswith(f"{dep}/") for file in needed)
    }
    assert not idle, f"remove from deps of {name}: {sorted(idle)}"


def test_package_data_is_a_dep_of_the_stage_that_reads_it() -> None:
    for name, stage in groups().items():
        listed = {dep for dep in stage["deps"] if dep.startswith("src/")}
        needed = set().union(*(files_of_command(line) for line in commands(stage)))
        for file in (ROOT / "src" / "automind_data").rglob("*"):
            package = next((p for p in file.parents if (p / "__init__.py").is_file()), file.parent)
            reader = (package / "__init__.py").relative_to(ROOT).as_posix()
            if file.suffix in {".html", ".css", ".js", ".yaml"} and reader in needed:
                path = file.relative_to(ROOT)
                assert any(str(place) in listed for place in (path, *path.parents)), (name, path)


def test_no_out_names_a_remote_and_nothing_depends_on_an_unpacked_folder() -> None:
    unpacked = {f"datasets/{archive.folder}/{archive.name}" for archive in ARCHIVES.values()}
    for stage in groups().values():
        for out in stage["outs"]:
            assert isinstance(out, str) or "remote" not in str(out)
        for dep in stage["deps"]:
            assert dep not in unpacked and "/${key}/" not in dep


def test_every_stage_is_in_the_lock() -> None:
    assert set(load("dvc.lock")["stages"]) == set(stages())
    assert len(stages()) <= 35


def test_the_stages_cover_the_layout() -> None:
    names = set(stages())
    assert {f"unpack@{name}" for name in ARCHIVES} <= names
    assert {f"tabulate@{name}" for name in ARCHIVES} <= names
    assert {f"sample@{name}" for name in DATASETS} <= names
    assert {f"convert-dgm@{name}" for name in DGMS} <= names
    wired = load("dvc.yaml")["stages"]["sample"]["foreach"]
    assert wired == {
        name: {"dgm": each.dgm, "observations": each.observations}
        for name, each in DATASETS.items()
    }


def test_every_published_file_is_imported_once() -> None:
    found = {
        path.relative_to(ROOT / "datasets").as_posix().removesuffix(".dvc")
        for path in (ROOT / "datasets").rglob("*.dvc")
    }
    assert found == {file.path for file in FILES}


def test_unpacked_folders_are_ignored_by_git() -> None:
    for archive in ARCHIVES.values():
        path = f"datasets/{archive.folder}/{archive.name}/x.csv"
        assert run("git", "check-ignore", path, cwd=ROOT).stdout.strip() == path


def test_the_embedded_store_is_small() -> None:
    store = ROOT / ".dvc-sample"
    assert sum(file.stat().st_size for file in store.rglob("*") if file.is_file()) <= 60_000_000


def test_the_readme_draws_this_pipeline() -> None:
    assert block(ROOT) in (ROOT / "README.md").read_text(encoding="utf-8")
