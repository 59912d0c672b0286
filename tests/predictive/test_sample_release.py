"""The sample release, against the published equations applied to its CSV files by pandas."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from automind_data.common.layout import ARCHIVES, DATASETS, OBSERVATION_TABLES
from automind_data.common.observations import read_observations
from automind_data.predictive.release import Predicted, predict_table
from automind_data.predictive.rows import read_estimator
from automind_data.tables import tabulate
from tests.predictive.runs import finish, settings


def published(release: Path, name: str) -> pd.DataFrame:
    with zipfile.ZipFile(release / ARCHIVES[name].path) as archive:
        member = next(each for each in archive.namelist() if each.endswith(".csv"))
        return pd.read_csv(archive.open(member), dtype={"x_o": str})


@pytest.fixture(scope="module")
def tables(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name in ("organoids", "synthetic", "heldout"):
        for _ in tabulate(release / ARCHIVES[name].path, folder / f"{name}.parquet"):
            pass
    return folder


def predicted(name: str, release: Path, dgms: Path, tables: Path, out: Path) -> Predicted:
    dataset = DATASETS[name]
    of = read_estimator(dgms / dataset.dgm)
    path = release / OBSERVATION_TABLES[dataset.observations].path
    rows = read_observations(path, of.recipe.columns, dataset)
    models, heldout = tables / f"{name}.parquet", tables / "heldout.parquet"
    made = finish(predict_table(models, of, rows, heldout, out, name, settings(), dataset=dataset))
    assert isinstance(made, Predicted)
    return made


def test_bursts_are_ranked_as_the_published_notebook_ranks_them(
    release: Path, dgms: Path, tables: Path, tmp_path: Path
) -> None:
    made = predicted("organoids", release, dgms, tables, tmp_path)
    columns = list(made.comparison.columns)
    targets = pd.read_csv(release / "observations/organoid_summary.csv", dtype={"date": str})
    targets.index = pd.Index(targets["date"] + "_" + targets["well"].astype(str))
    models = published(release, "organoids")
    for each in made.comparison.observations:
        mine = models[models["x_o"] == each.x_o]
        apart = np.log10(mine[columns]) - np.log10(targets.loc[each.x_o, columns].astype(float))
        total = apart.abs().sum(axis=1, skipna=False)
        assert 4 * each.distance["log10_mae"] == pytest.approx(total.to_numpy(), nan_ok=True)
        order = total.dropna().sort_values(kind="stable").index
        assert each.row[each.best(len(each.row))].tolist() == list(order)


def test_spectra_are_ranked_by_equation_5_on_vectors_of_equation_1(
    release: Path, dgms: Path, tables: Path, golden: Path, tmp_path: Path
) -> None:
    made = predicted("synthetic", release, dgms, tables, tmp_path)
    columns = list(made.comparison.columns)
    models = published(release, "synthetic")
    vectors = np.load(golden / "b_x_synthetic_psd.npz")
    known = dict(zip(vectors["keys"].tolist(), vectors["x"], strict=True))
    logs = np.log10(models[columns]).to_numpy(np.float32)
    x = np.float32(0.1) * (logs - logs.mean(axis=1, keepdims=True))
    heldout = published(release, "heldout")
    for each, verdict in zip(made.comparison.observations, made.verdicts, strict=True):
        mine = (models["x_o"] == each.x_o).to_numpy()
        apart = x[mine].astype(float) - known[each.x_o].astype(float)
        wanted = (apart**2).mean(axis=1)
        assert each.distance["standardized_mse"] == pytest.approx(wanted, rel=1e-4, nan_ok=True)
        stopped = models.loc[mine, "params_analysis.early_stopped"].astype(bool)
        assert verdict.counts["early_stopped"] == int(stopped.sum())
        assert verdict.noise_floor is not None
        assert verdict.noise_floor["standardized_mse"] == pytest.approx(wanted[0], rel=1e-4)
        runs = heldout["psd_10.0"].notna().sum()
        assert verdict.heldout == runs - 1
    best = pl.read_parquet(tmp_path / "synthetic.parquet")
    assert "gt_resim" not in best["inference.type"].to_list()
    assert len(best) == 9
