"""The simulations of the sample release as tables."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from automind_data.tables import tabulate


@pytest.fixture(scope="session")
def tables(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `training.parquet`, `heldout.parquet` and the observation tables."""
    folder = tmp_path_factory.mktemp("tables")
    for name in ("training", "heldout"):
        list(tabulate(release / f"training_prior_samples/{name}.zip", folder / f"{name}.parquet"))
    for path in (release / "observations").glob("*.csv"):
        list(tabulate(path, folder / f"{path.stem}.parquet"))
    return folder


def finished(work: Generator[dict[str, Any], None, Any]) -> Any:
    """Run a generator of events to its end and return what comes of it."""
    while True:
        try:
            event = next(work)
            assert set(event) == {"path", "done", "total"}
        except StopIteration as end:
            return end.value
