"""Sampling a table of observations, from the command line and from Python."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, PARAMETER_NAMES
from automind_data.common.observations import observation_key, read_observations
from automind_data.dgm import load
from automind_data.sampling import Sampled, sample_observations
from tests.conftest import run


@pytest.fixture(scope="module")
def organoids(release: Path) -> pd.DataFrame:
    table = release / "observations/organoid_summary.csv"
    return pd.read_csv(table, index_col=0, dtype={"date": str})


def sample(cwd: Path, dgms: Path, *options: str | Path) -> None:
    run("automind-data", "sample", "--dgm", dgms / "burst", *options, cwd=cwd)


def test_a_strangers_table(tmp_path: Path, dgms: Path, organoids: pd.DataFrame) -> None:
    """A CSV with features only; rows are known by their number."""
    dgm = load(dgms / "burst")
    mine = organoids[list(dgm.recipe.columns)].head(3)
    mine.to_csv(tmp_path / "mine.csv", index=False)
    sample(tmp_path, dgms, "--observations", "mine.csv", "-n", "40", "--seed", "7", "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table["x_o"].unique()) == ["0", "1", "2"]
    assert set(table["inference.type"]) == {"NPE_samples"}
    assert len(table) == 120
    theta = table[list(PARAMETER_NAMES)].to_numpy()
    assert ((theta >= dgm.low) & (theta <= dgm.high)).all()
    unit = table[[f"unit.{name}" for name in PARAMETER_NAMES]].to_numpy()
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(dgm.to_physical(unit), theta)
    for key, rows in table.groupby("x_o"):
        x = dgm.conditioning(mine.iloc[int(key)])
        ours = dgm.log_prob_unit(unit[rows.index], x)
        assert np.abs(ours - rows["sample.log_prob_unnorm"]).max() < 4e-4
        offset = rows["infer.log_prob"] - rows["sample.log_prob_unnorm"]
        np.testing.assert_allclose(offset, -np.log(rows["sample.acceptance"]))
    assert (table["sample.seed"] == 7).all()


def test_pruned_rows_say_so(tmp_path: Path, dgms: Path, release: Path) -> None:
    observations = release / "observations/organoid_summary.csv"
    options = ["--observations", observations, "-n", "20", "--oversample", "5"]
    sample(tmp_path, dgms, *options, "--observation", "161001_0", "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert set(table["inference.type"]) == {"NPE_samples_prune_5"}
    assert table["infer.log_prob"].is_monotonic_decreasing


def test_an_unusable_observation_is_skipped_and_recorded(
    tmp_path: Path, dgms: Path, organoids: pd.DataFrame
) -> None:
    columns = list(load(dgms / "burst").recipe.columns)
    table = organoids.head(4).copy()
    table.loc[1, columns[0]] = np.nan
    table.loc[2, columns[1]] = 1e6
    table.to_csv(tmp_path / "table.csv")
    options = ["--observations", "table.csv", "-n", "10", "--record", "record.json"]
    sample(tmp_path, dgms, *options, "out.parquet")
    record = json.loads((tmp_path / "record.json").read_text())
    assert [each["status"] for each in record["observations"]] == [
        "sampled",
        "skipped",
        "skipped",
        "sampled",
    ]
    reasons = [each["reason"] for each in record["observations"]]
    assert columns[0] in reasons[1] and columns[1] in reasons[2]
    assert pd.read_parquet(tmp_path / "out.parquet")["x_o"].nunique() == 2


def test_a_leaky_observation_is_skipped_and_recorded(dgms: Path, organoids: pd.DataFrame) -> None:
    dgm = load(dgms / "burst")
    rows = {"a": organoids.iloc[0], "b": organoids.iloc[1]}
    (leaky, nothing), (unknown, _) = finished(
        sample_observations(dgm, rows, ["a", "nobody"], 990, 1, max_draws=1000)
    )
    assert nothing is None
    assert leaky.status == "skipped" and "of 1000 draws" in str(leaky.reason)
    assert leaky.draws == 1000 and 0 < (leaky.accepted or 0) < 990
    assert unknown.status == "skipped" and "no such row" in str(unknown.reason)


def finished(work: Generator[dict[str, Any], None, list[Sampled]]) -> list[Sampled]:
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as end:
            assert [each["done"] for each in events] == sorted(each["done"] for each in events)
            assert events[-1]["done"] == events[-1]["total"]
            return list(end.value)


def test_points_stand_before_the_samples(tmp_path: Path, dgms: Path, release: Path) -> None:
    observations = release / "observations/organoid_summary.csv"
    options = ["--observations", observations, "-n", "30", "--observation", "161001_0"]
    sample(tmp_path, dgms, *options, "plain.parquet")
    sample(tmp_path, dgms, *options, "--mean", "--map", "out.parquet")
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table["inference.type"]) == ["NPE_map", "NPE_mean", *["NPE_samples"] * 30]
    samples = table.iloc[2:].reset_index(drop=True)
    pd.testing.assert_frame_equal(samples, pd.read_parquet(tmp_path / "plain.parquet"))
    assert list(table["sample.draw"].head(2)) == [-1, -1]
    unit = table[[f"unit.{name}" for name in PARAMETER_NAMES]].to_numpy()
    np.testing.assert_allclose(unit[1], unit[2:].mean(axis=0), atol=1e-6)
    assert table["infer.log_prob"].idxmax() == 0
    dgm = load(dgms / "burst", np.float64)
    row = read_observations(observations, dgm.recipe.columns)["161001_0"]
    exact = dgm.log_prob_unit(unit, dgm.conditioning(row))
    assert np.abs(table["sample.log_prob_unnorm"] - exact).max() < 4e-4
    np.testing.assert_array_equal(dgm.to_physical(unit), table[list(PARAMETER_NAMES)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--observation", "nobody"], "has no observation nobody"),
        (["--gate", "closed.json"], "is closed by prior-bounds"),
    ],
)
def test_refusals(tmp_path: Path, dgms: Path, release: Path, options: list[str], said: str) -> None:
    (tmp_path / "closed.json").write_text('{"verdict": "closed", "errors": ["prior-bounds"]}')
    (tmp_path / "out.parquet").write_text("as before")
    done = run(
        *("automind-data", "sample", "--dgm", dgms / "burst", "--observations"),
        *(release / "observations/organoid_summary.csv", *options, "out.parquet"),
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr and len(done.stderr.splitlines()) == 1
    assert (tmp_path / "out.parquet").read_text() == "as before"


def test_a_table_without_a_feature(tmp_path: Path, dgms: Path, organoids: pd.DataFrame) -> None:
    dgm = load(dgms / "burst")
    organoids.drop(columns=dgm.recipe.columns[2]).to_csv(tmp_path / "table.csv")
    with pytest.raises(AutomindError, match=f"has no column {dgm.recipe.columns[2]}"):
        read_observations(tmp_path / "table.csv", dgm.recipe.columns)


def test_two_rows_with_one_key(tmp_path: Path, dgms: Path, organoids: pd.DataFrame) -> None:
    dgm = load(dgms / "burst")
    pd.concat([organoids.head(2), organoids.head(1)]).to_csv(tmp_path / "table.csv")
    key = observation_key(organoids.iloc[0], ("date", "well"))
    with pytest.raises(AutomindError, match=f"two rows for observation {key}"):
        read_observations(tmp_path / "table.csv", dgm.recipe.columns)


def test_areas_belong_to_one_set_each(dgms: Path, release: Path) -> None:
    columns = load(dgms / "psd").recipe.columns
    table = release / "observations/allenvc_summary.csv"
    visual, hippocampal = (
        set(read_observations(table, columns, DATASETS[name])) for name in ("mouse-vis", "mouse-hc")
    )
    assert visual | hippocampal == set(read_observations(table, columns))
    assert not visual & hippocampal


def test_a_duplicate_of_another_set_does_not_matter(
    tmp_path: Path, dgms: Path, release: Path
) -> None:
    columns = load(dgms / "psd").recipe.columns
    table = pd.read_csv(release / "observations/allenvc_summary.csv", index_col=0, dtype=str)
    twice = table[table["area"].map(DATASETS["mouse-hc"].has_area)].head(1)
    pd.concat([table, twice]).to_csv(tmp_path / "table.csv")
    assert read_observations(tmp_path / "table.csv", columns, DATASETS["mouse-vis"])
    with pytest.raises(AutomindError, match="two rows for observation"):
        read_observations(tmp_path / "table.csv", columns, DATASETS["mouse-hc"])


def test_a_closed_gate_skips_every_observation_and_says_why(
    tmp_path: Path, dgms: Path, release: Path
) -> None:
    (tmp_path / "gate.json").write_text('{"verdict": "closed", "errors": ["prior-bounds"]}')
    observations = release / "observations/organoid_summary.csv"
    twice = pd.read_csv(observations, index_col=0, dtype=str, na_filter=False).head(1)
    pd.concat([twice, twice]).to_csv(tmp_path / "table.csv")
    options = ["--observations", "table.csv", "--gate", "gate.json", "--record", "record.json"]
    sample(tmp_path, dgms, *options, "--observation", "161001_0", "out.parquet")
    record = json.loads((tmp_path / "record.json").read_text())["observations"]
    assert record and all("prior-bounds" in each["reason"] for each in record)
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert len(table) == 0 and set(PARAMETER_NAMES) < set(table.columns)


@pytest.mark.parametrize(
    ("area", "name"),
    [
        ("CA1-spont", "mouse-hc"),
        ("ProS-flash off", "mouse-hc"),
        ("DG", "mouse-hc"),
        ("VISpm-flash on", "mouse-vis"),
        ("VISam-spont", "mouse-vis"),
        ("LP-spont", "mouse-vis"),
    ],
)
def test_published_area_labels(area: str, name: str) -> None:
    belongs = {each.name for each in DATASETS.values() if each.areas and each.has_area(area)}
    assert belongs == {name}
