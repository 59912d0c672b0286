"""The release of a clone, opened in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS

if TYPE_CHECKING:
    import pandas as pd

    from automind_data.dgm import DGM

__all__ = ["Release", "open_release"]


class Release:
    """Tables, observations, density estimators and samples of one clone; see `open_release`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the table of an archive (`training`, `mouse-vis`, …), only `columns` if given."""
        return self._table(f"tables/{name}.parquet", columns)

    def observations(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read an observation table, by its own name or by that of a data set."""
        if name in DATASETS:
            name = DATASETS[name].observations
        return self._table(f"observations/{name}.parquet", columns)

    def samples(self, dataset: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the posterior samples of a data set (`organoids`, `mouse-hc`, …)."""
        return self._table(f"samples/{dataset}.parquet", columns)

    def dgm(self, name: str) -> DGM:
        """Open a density estimator: `psd`, `burst`, or the one inside a data set's archive."""
        from automind_data.dgm.model import load

        self._require(f"dgms/{name}/dgm.json")
        return load(self.root / "derived" / "dgms" / name)

    def _table(self, path: str, columns: Sequence[str] | None) -> pd.DataFrame:
        from automind_data.tables import read_table

        return read_table(self._require(path), None if columns is None else list(columns))

    def _require(self, path: str) -> Path:
        file = self.root / "derived" / path
        if not file.is_file():
            raise AutomindError(file, "is not there", "run `dvc pull` or `dvc repro`")
        return file


def open_release(root: str | Path = ".", rev: str | None = None) -> Release:
    """Open the release of a clone of this repository.

    Parameters
    ----------
    root
        The clone's top folder.
    rev
        None: what is checked out. Other git revisions are not read yet.

    Returns
    -------
    Release
        With `.table(name)`, `.observations(name)`, `.dgm(name)`, `.samples(dataset)`.

    Raises
    ------
    AutomindError
        The folder holds no release, or another revision is asked for.

    Examples
    --------
    ``open_release().samples("mouse-hc")``
    """
    root = Path(root)
    if rev is not None:
        rule = f"is read as it is checked out, not at {rev}"
        raise AutomindError(root, rule, f"git checkout {rev} && dvc checkout")
    if not (root / "datasets" / "release.json").is_file():
        rule = "holds no datasets/release.json, so it is no clone of this repository"
        raise AutomindError(root, rule, "give the clone's top folder")
    return Release(root)
