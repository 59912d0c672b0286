"""Which simulations are taken, and what of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automind_data.calibration.rows import read_simulations
from automind_data.common.errors import AutomindError
from automind_data.dgm import DGM, load


@pytest.fixture(scope="module", params=["psd", "burst"])
def dgm(request: pytest.FixtureRequest, dgms: Path) -> DGM:
    return load(dgms / request.param)


def test_rows_are_those_of_the_training_filters(dgm: DGM, tables: Path) -> None:
    found = read_simulations(tables / "heldout.parquet", dgm, 1000, 1)
    expected = {"psd": 78, "burst": 46}[dgm.recipe.kind]
    assert (found.rows, found.usable, len(found.keys)) == (140, expected, expected)
    assert np.isfinite(found.x).all() and ((found.u >= 0) & (found.u <= 1)).all()
    table = pd.read_parquet(tables / "heldout.parquet")
    seeds = table[["params_settings.batch_seed", "params_settings.random_seed"]].astype(str)
    table.index = pd.Index(seeds.agg("_".join, axis=1))
    row = table.loc[found.keys[7]]
    assert np.array_equal(found.x[7], dgm.conditioning(row))
    assert dgm.to_physical(found.u[7]) == pytest.approx(row[list(dgm.names)].to_numpy(float))
    assert not table.loc[list(found.keys), "params_analysis.early_stopped"].any()


def test_of_many_rows_some_are_chosen_by_the_seed(
    dgm: DGM, tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tables / "heldout.parquet"
    everything = read_simulations(path, dgm, 1000, 1).keys
    some = read_simulations(path, dgm, 20, 1)
    assert len(some.keys) == 20 and some.usable == len(everything)
    assert [key for key in everything if key in some.keys] == list(some.keys)
    assert read_simulations(path, dgm, 20, 2).keys != some.keys
    monkeypatch.setattr("automind_data.dgm.filters.BLOCK", 7)
    assert read_simulations(path, dgm, 20, 1).keys == some.keys


def test_bad_tables_are_refused(dgm: DGM, tables: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(tables / "heldout.parquet")
    path = tmp_path / "odd.parquet"
    table.drop(columns=dgm.names[2]).to_parquet(path)
    with pytest.raises(AutomindError, match=f"lacks 1 columns .* as {dgm.names[2]}"):
        read_simulations(path, dgm, 10, 1)
    table.assign(**{dgm.names[1]: 1e9}).to_parquet(path)
    with pytest.raises(AutomindError, match="is outside the prior"):
        read_simulations(path, dgm, 1000, 1)
    table.assign(**{dgm.names[1]: np.nan}).to_parquet(path)
    with pytest.raises(AutomindError, match="is outside the prior"):
        read_simulations(path, dgm, 1000, 1)
    with pytest.raises(AutomindError, match="is not there"):
        read_simulations(tmp_path / "none.parquet", dgm, 10, 1)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(AutomindError, match="is no Parquet table"):
        read_simulations(path, dgm, 10, 1)


def test_a_table_without_a_usable_row(dgm: DGM, tables: Path, tmp_path: Path) -> None:
    table = pd.read_parquet(tables / "heldout.parquet")
    table[list(dgm.recipe.columns)] = np.nan
    table.to_parquet(tmp_path / "none.parquet")
    found = read_simulations(tmp_path / "none.parquet", dgm, 10, 1)
    assert (found.rows, found.usable, found.u.shape) == (140, 0, (0, 28))
