"""The release of a clone, as it is checked out or as a commit pins it, opened in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS
from automind_data.pinning.release import RELEASE_FILE
from automind_data.revisions import Revision

if TYPE_CHECKING:
    import pandas as pd

    from automind_data.dgm import DGM

__all__ = ["Release", "open_release"]


class Release:
    """Tables, observations, density estimators and samples of one revision; see `open_release`."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision

    @property
    def root(self) -> Path:
        """The top folder of the clone."""
        return self.revision.root

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
        from automind_data.dgm.model import open_dgm

        folder = f"dgms/{name}"
        return open_dgm(
            self._require(f"{folder}/dgm.json"), self._require(f"{folder}/dgm.safetensors")
        )

    def _table(self, path: str, columns: Sequence[str] | None) -> pd.DataFrame:
        from automind_data.tables import read_table

        return read_table(self._require(path), None if columns is None else list(columns))

    def _require(self, path: str) -> Path:
        path = f"derived/{path}"
        if self.revision.commit is not None:
            return self.revision.require(path)
        found = self.revision.find(path)
        if found is None:
            raise AutomindError(self.root / path, "is not there", "run `dvc pull` or `dvc repro`")
        return found


def open_release(root: str | Path = ".", rev: str | None = None) -> Release:
    """Open a release of a repository like this one.

    Parameters
    ----------
    root
        The top folder of a clone, or a git URL. A URL is cloned into the cache folder
        of your account first, and brought up to date each time.
    rev
        A commit, branch or tag, read without checking it out: bytes that are not in
        the DVC cache are pulled into it. None: what is checked out, or for a URL the
        head of its default branch.

    Returns
    -------
    Release
        With `.table(name)`, `.observations(name)`, `.dgm(name)`, `.samples(dataset)`.
        A table of which `columns` are asked for is not read beyond them.

    Raises
    ------
    AutomindError
        The folder holds no release, there is no such revision, or the URL cannot be
        cloned.

    Examples
    --------
    ``open_release().samples("mouse-hc")``
    ``open_release(rev="2026.1").table("training", columns=["burst_num"])``
    """
    from automind_data.pinning.remote_clone import clone_of, is_url

    if isinstance(root, str) and is_url(root):
        root, rev = clone_of(root), rev or "origin/HEAD"
    root = Path(root)
    if not (root / ".dvc" / "config").is_file():
        raise _no_release(root)
    revision = Revision(root, rev)
    if revision.read(RELEASE_FILE) is None:
        raise _no_release(root) if rev is None else _no_release(f"{root} at {rev}")
    return Release(revision)


def _no_release(place: str | Path) -> AutomindError:
    rule = "holds no datasets/release.json, so it is no clone of this repository"
    return AutomindError(place, rule, "give the clone's top folder")
