"""Fixtures: the release that this repository tracks, and what is derived from it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
BIN = Path(sys.executable).parent


def sample_md5s() -> dict[str, str]:
    """Published path → md5 of the newest sample release in this repository's history."""
    table = (ROOT / "datasets" / "RELEASES.md").read_text(encoding="utf-8")
    commit = next(
        line.split("|")[2].strip(" `") for line in table.splitlines() if "(sample data)" in line
    )
    shown = run("git", "show", f"{commit}:datasets/release.json", cwd=ROOT, check=False)
    text = shown.stdout or (ROOT / "datasets" / "release.json").read_text(encoding="utf-8")
    return {file["path"]: file["md5"] for file in json.loads(text)["files"]}


def tracked_md5(root: Path, path: str) -> str:
    """The md5 that the tracked `.dvc` file pins for a published file."""
    pinned = YAML(typ="safe", pure=True).load(root / "datasets" / f"{path}.dvc")
    return str(pinned["outs"][0]["md5"])


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The twelve files of the newest sample release, in the published layout."""
    return copy_release(tmp_path_factory.mktemp("release"))


def copy_release(folder: Path) -> Path:
    """Copy the twelve files of the newest sample release to a folder."""
    from automind_data.common.layout import FILES

    md5s = sample_md5s()
    for file in FILES:
        md5 = md5s[file.path]
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / ".dvc-sample" / "files" / "md5" / md5[:2] / md5[2:], target)
    return folder


@pytest.fixture(scope="session")
def dgms(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the converted density estimators `psd` and `burst`."""
    from automind_data.common.layout import DGMS
    from automind_data.pickles.convert import convert_posterior

    folder = tmp_path_factory.mktemp("dgms")
    for name, path in DGMS.items():
        convert_posterior(release / path, folder / name)
    return folder


@pytest.fixture(autouse=True)
def torch_state() -> Iterator[None]:
    """Fail a test that leaves torch's global state changed."""
    before = (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled())
    yield
    assert (torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()) == before


def run(
    *command: str | Path, cwd: Path, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of this environment (`dvc`, `automind-data`, `git`) in a folder."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
