"""The project's own files: dependencies pinned and explained, parameters commented."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import run

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"].values()
WANTED = [*PROJECT["dependencies"], *(each for extra in EXTRAS for each in extra)]
NAMES = sorted({re.split(r"[\[<>=]", each)[0] for each in WANTED} - {PROJECT["name"]})


@pytest.mark.parametrize("name", NAMES)
def test_a_dependency_is_pinned_and_earns_a_line(root: Path, name: str) -> None:
    pins = (root / "requirements.lock").read_text().splitlines()
    assert [pin for pin in pins if re.match(rf"{re.escape(name)}==\d", pin, re.IGNORECASE)]
    assert f"`{name}`" in (root / "README.md").read_text()


def test_every_pin_is_exact(root: Path) -> None:
    for line in (root / "requirements.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)


def test_nothing_is_left_out_of_the_pins(root: Path) -> None:
    run(sys.executable, "-m", "pip", "check", cwd=root)


def test_every_parameter_is_explained(root: Path) -> None:
    """A value stands below a comment, or in a list whose key does."""
    explained = False
    for line in (root / "params.yaml").read_text().splitlines():
        if not line.strip():
            explained = False
        elif line.strip().startswith("#"):
            explained = True
        elif not line.rstrip().endswith(":"):
            assert explained, line


def test_the_verbs_of_the_makefile_are_listed(root: Path) -> None:
    text = (root / "Makefile").read_text()
    for verb in ("repro", "test", "lint", "bench", "embed", "help"):
        assert re.search(rf"^{verb}:.* ## ", text, re.MULTILINE)
