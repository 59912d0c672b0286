"""One compiled network for all tests of simulations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from automind_data.simulation import engines


@pytest.fixture(scope="session", autouse=True)
def compiled_networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this test session, also for the processes that tests start."""
    folder = tmp_path_factory.getbasetemp() / "networks"
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "networks"
    before = os.environ.get("AUTOMIND_SIMULATION_CACHE")
    os.environ["AUTOMIND_SIMULATION_CACHE"] = str(folder)
    engines.engine.cache_clear()
    yield folder
    engines.engine.cache_clear()
    if before is None:
        del os.environ["AUTOMIND_SIMULATION_CACHE"]
    else:
        os.environ["AUTOMIND_SIMULATION_CACHE"] = before
