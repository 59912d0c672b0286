"""Fresh clones of this repository, as it stands in the working folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, run


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with one commit: the files that git tracks here, as they stand."""
    folder = tmp_path_factory.mktemp("origin") / "repository"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    for command in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "all"),
    ):
        run("git", *command, cwd=folder)
    return folder


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Path:
    """A fresh clone, nothing pulled."""
    target = tmp_path / "clone"
    run("git", "clone", "-q", origin, target, cwd=tmp_path)
    return target


@pytest.fixture
def ran() -> Callable[[str], list[str]]:
    """Names of the stages that the output of `dvc repro` says it ran."""

    def names(output: str) -> list[str]:
        start = "Running stage '"
        lines = [line for line in output.splitlines() if line.startswith(start)]
        return [line.removeprefix(start).split("'")[0] for line in lines]

    return names
