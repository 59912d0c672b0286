"""The notebooks, run by a real kernel on the release that this repository tracks."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from automind_data.common.layout import OBSERVATION_TABLES
from automind_data.tables import tabulate
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def checkout(release: Path, dgms: Path, tmp_path: Path) -> Path:
    """A folder that opens as a release: its density estimators and observations."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "datasets").mkdir()
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc")
    shutil.copy(ROOT / "datasets/release.json", tmp_path / "datasets")
    shutil.copytree(dgms, tmp_path / "derived/dgms")
    for table in OBSERVATION_TABLES.values():
        out = tmp_path / f"derived/observations/{table.name}.parquet"
        list(tabulate(release / table.path, out))
    (tmp_path / "notebooks").mkdir()
    return tmp_path


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, checkout: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(checkout / "notebooks")}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    assert pictures(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_shows_its_picture(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 300_000
    assert "sample data" in notebook.cells[0].source
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(len(cell.source.splitlines()) for cell in code) < 10
    assert pictures(notebook)[-1].startswith(b"\x89PNG")


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    return [
        base64.b64decode(output.data["image/png"])
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def test_the_folder_of_notebooks_is_not_empty() -> None:
    assert NOTEBOOKS
