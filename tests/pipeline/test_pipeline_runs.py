"""What a user does with a clone: pull, reproduce, change a parameter."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from automind_data.common.layout import ARCHIVES, DATASETS
from tests.conftest import run, tracked_md5

pytestmark = pytest.mark.pipeline
Ran = Callable[[str], list[str]]
UNPACK = [f"unpack@{name}" for name in ARCHIVES]


def set_param(clone: Path, old: str, new: str) -> None:
    path = clone / "params.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def git_status(clone: Path) -> str:
    return run("git", "status", "--porcelain", cwd=clone).stdout


def derived(clone: Path) -> dict[str, bytes]:
    return {
        path.relative_to(clone).as_posix(): path.read_bytes()
        for path in sorted((clone / "derived").rglob("*"))
        if path.is_file() and path.name != ".gitignore"
    }


def test_pull_then_unpack_then_nothing_then_what_a_parameter_changes(clone: Path, ran: Ran) -> None:
    run("dvc", "pull", cwd=clone)
    status = json.loads(run("dvc", "status", "--json", cwd=clone).stdout)
    assert sorted(status) == sorted(UNPACK)
    assert sorted(ran(run("dvc", "repro", cwd=clone).stdout)) == sorted(UNPACK)
    for archive in ARCHIVES.values():
        assert any((clone / "datasets" / archive.folder / archive.name).iterdir())
    assert ran(run("dvc", "repro", cwd=clone).stdout) == []
    assert json.loads(run("dvc", "status", "--json", cwd=clone).stdout) == {}
    assert git_status(clone) == ""

    set_param(clone, "observation: first", "observation: 161029_0")
    assert ran(run("dvc", "repro", cwd=clone).stdout) == ["report"]
    set_param(clone, "n_samples: 200", "n_samples: 30")
    after = ran(run("dvc", "repro", cwd=clone).stdout)
    wanted = [*(f"sample@{name}" for name in DATASETS), "sample-recording", "report"]
    assert sorted(after) == sorted(wanted)
    table = pd.read_parquet(clone / "derived/samples/mouse-hc.parquet")
    assert set(table.groupby("x_o").size()) == {30}
    listed = "observations: [161029_0]"
    set_param(clone, "observations: discovered", listed)
    assert ran(run("dvc", "repro", cwd=clone).stdout) == ["sample@organoids", "report"]
    assert json.loads(run("dvc", "metrics", "show", "--json", cwd=clone).stdout)


def test_an_unknown_parameter_stops_before_anything_runs(clone: Path) -> None:
    run("dvc", "pull", cwd=clone)
    before = derived(clone)
    set_param(clone, "n_samples: 200", "n_samples: 30\n  colour: red")
    for command in (["automind-data", "validate", "params.yaml"], ["dvc", "repro", "sample"]):
        done = run(*command, cwd=clone, check=False)
        assert done.returncode != 0
        assert "params.yaml: unknown key sampling.colour" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
    assert derived(clone) == before


@pytest.mark.parametrize("locked", [True, False])
def test_sampling_needs_no_training_archive(clone: Path, ran: Ran, locked: bool) -> None:
    md5 = tracked_md5(clone, "training_prior_samples/training.zip")
    (clone / ".dvc-sample/files/md5" / md5[:2] / md5[2:]).unlink()
    if not locked:
        (clone / "dvc.lock").unlink()
    set_param(clone, "n_samples: 200", "n_samples: 30")
    target = "sample@mouse-hc"
    done = run("dvc", "repro", "--pull", "--allow-missing", target, cwd=clone)
    assert target in ran(done.stdout)
    assert len(pd.read_parquet(clone / "derived/samples/mouse-hc.parquet")) > 0
    assert not (clone / "datasets/training_prior_samples/training.zip").exists()


def test_a_changed_row_count_samples_nothing_anew(clone: Path) -> None:
    lock = YAML(typ="safe", pure=True).load(clone / "dvc.lock")["stages"]
    for name in DATASETS:
        deps = {dep["path"] for dep in lock[f"sample@{name}"]["deps"]}
        assert not any(
            dep.startswith("derived/tables/") and dep.endswith("parquet") for dep in deps
        )
        gate = json.loads(
            (clone / ".dvc-sample/files/md5").joinpath(*_object(lock, name)).read_text()
        )
        assert set(gate) == {"dataset", "verdict", "errors"}


def _object(lock: dict[str, dict[str, list[dict[str, str]]]], name: str) -> tuple[str, str]:
    outs = lock[f"convert-archive@{name}"]["outs"]
    md5 = next(out["md5"] for out in outs if "/gate/" in out["path"])
    return md5[:2], md5[2:]


def test_every_command_on_one_thread_gives_the_same_bytes(clone: Path) -> None:
    """The commands of the pipeline as they stand, from the published files alone, without dvc."""
    run("dvc", "pull", cwd=clone)
    before = derived(clone)
    for path in before:
        (clone / path).unlink()
    stages = YAML(typ="safe", pure=True).load(clone / "dvc.lock")["stages"]
    for name in in_order(stages):
        commands = stages[name]["cmd"]
        for command in [commands] if isinstance(commands, str) else commands:
            run(*shlex.split(command), cwd=clone, AUTOMIND_THREADS="1", POLARS_MAX_THREADS="1")
    after = derived(clone)
    assert {path for path in {*before, *after} if after.get(path) != before.get(path)} == set()


def in_order(stages: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Names of stages, each after those that make what it reads."""
    makers = {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", [])}

    def before(name: str) -> set[str]:
        deps = [PurePosixPath(dep["path"]) for dep in stages[name].get("deps", [])]
        places = {str(place) for dep in deps for place in (dep, *dep.parents)}
        inside = {out for out in makers for dep in deps if dep in PurePosixPath(out).parents}
        return {makers[place] for place in (places & set(makers)) | inside}

    return iter(TopologicalSorter({name: before(name) for name in stages}).static_order())
