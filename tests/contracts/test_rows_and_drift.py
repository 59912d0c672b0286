"""Row by row criteria, uniformity, stored log-densities, and the release before."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, PSD_COLUMNS, psd_frequency
from automind_data.contracts import check
from automind_data.contracts.before import Baseline, read_baseline, write_baseline
from automind_data.contracts.residuals import LOG_PROB, Constant, whose_leakage
from automind_data.contracts.rowwise import look_at_rows
from automind_data.contracts.scan import scan
from automind_data.contracts.subjects import Attested, Drift
from automind_data.contracts.usage import kolmogorov_p
from automind_data.dgm.filters import BLOCK, Conditioning, Discarded, TrainingFilters
from automind_data.tables.profile import profile_of_parquet
from tests.builders import observation_table, summary_table, write_estimator

EARLY = "params_analysis.early_stopped"
BAND = [name for name in PSD_COLUMNS if 0.5 <= (psd_frequency(name) or 0) <= 495]
PSD = Conditioning(
    kind="psd",
    columns=tuple(BAND),
    log10=True,
    training_filters=TrainingFilters(
        discard_stopped=True,
        discard_conditions=Discarded(
            manual_filter_logPSD=True, power_thresh=(1e-10, "inf"), f_band=(2, 10)
        ),
    ),
)
BURST = Conditioning(
    kind="burst",
    columns=("burst_interval_mean", "burst_interval_cv"),
    bounds=((0.1, 100.0), None),
    log10=(True, True),
)


def spectra(rows: int) -> np.ndarray:
    """Ordinary spectra, and among them some at each limit."""
    rng = np.random.default_rng(4)
    power = 10 ** rng.normal(scale=0.5, size=(rows, len(PSD_COLUMNS)))
    power[3] = 2.0 * 10 ** rng.uniform(0, 0.01, len(PSD_COLUMNS))
    power[8, ::2] *= 1e-14
    power[11, 40] = 0.0
    power[12, 4:21] = 1e-12
    power[-1] = power[3]
    return power


def brute(power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are silent, and hyperactive, straight from the definition."""
    chosen = [place for place, name in enumerate(PSD_COLUMNS) if 1 <= float(name[4:]) <= 490]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(power[:, chosen])
        spread, span = logs.var(axis=1), logs.max(axis=1) - logs.min(axis=1)
        return (spread < 7e-4) & (span < 0.14), (spread > 6.5) & (span > 13) & np.isfinite(span)


@pytest.mark.parametrize("rows", [20, BLOCK + 20])
def test_limits_and_usable_rows_are_those_of_the_definition(tmp_path: Path, rows: int) -> None:
    power = spectra(rows)
    frame = pl.DataFrame(power, schema=list(PSD_COLUMNS)).with_columns(
        pl.Series(EARLY, [row == 5 for row in range(rows)]),
        pl.Series("params_settings.random_seed", range(100, 100 + rows)),
        burst_interval_mean=pl.lit(2.0),
        burst_interval_cv=pl.Series([0.0, *[0.3] * (rows - 1)]),
    )
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=BLOCK)
    found = look_at_rows(tmp_path / "t.parquet", frame.schema, (PSD, BURST))
    silent, hyperactive = brute(power)
    assert (silent.sum(), hyperactive.sum()) == (2, 1)
    assert found.kinds == {"silent": 2, "hyperactive": 1}
    shown = [example["row"] for example in found.examples["silent"]]
    assert shown == [3, rows - 1]
    assert found.examples["hyperactive"] == [{"row": 8, "params_settings.random_seed": 108}]
    # Not: two silent, one hyperactive, one stopped, one with a zero, one without power.
    assert found.usable == {"psd": rows - 6, "burst": rows - 1}


def test_a_spectrum_in_the_wrong_row_is_seen_though_the_counts_agree(tmp_path: Path) -> None:
    table = summary_table(30, batch_seed=1, n_pcs=2, seed=3)
    early = table.index[table[EARLY]][0]
    run = table.index[~table[EARLY]][0]
    for name in PSD_COLUMNS:
        table.loc[early, name], table.loc[run, name] = table.loc[run, name], np.nan
    frame = pl.DataFrame({name: table[name].to_numpy() for name in table}).with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    frame.write_parquet(tmp_path / "t.parquet")
    found = look_at_rows(tmp_path / "t.parquet", frame.schema, ())
    assert found.odd_rows == 1


def test_one_pass_counts_what_polars_counts(tmp_path: Path) -> None:
    table = summary_table(50, batch_seed=1, n_pcs=2)
    frame = pl.DataFrame({name: table[name].to_numpy() for name in table}).with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )
    stats = scan(frame.lazy())
    assert (stats.rows, stats.stopped, stats.failed) == (50, int(frame[EARLY].sum()), 0)
    for name in ("psd_7.5", "isi_cv_mu", "burst_num", "params_net.p_e2i"):
        column = stats.columns[name]
        assert (column.low, column.high) == (frame[name].min(), frame[name].max())
        assert column.nulls == frame[name].null_count()
    assert stats.nulls_in_runs("isi_cv_mu") == 0
    worse = frame.with_columns(pl.lit(float("nan")).alias("isi_cv_mu"))
    assert math.isnan(scan(worse.lazy()).columns["isi_cv_mu"].high or 0.0)


@pytest.mark.parametrize(("distance", "n", "p"), [(0.2, 30, 0.16), (0.136, 100, 0.0462)])
def test_the_distribution_of_kolmogorov(distance: float, n: int, p: float) -> None:
    from scipy.stats import kstwo

    assert kolmogorov_p(distance, n) == pytest.approx(float(kstwo.sf(distance, n)), rel=0.06)
    assert kolmogorov_p(distance, n) == pytest.approx(p, rel=0.1)
    assert kolmogorov_p(1.0, n) < 1e-8


def attested(tmp_path: Path, change: Any = None) -> list[Any]:
    observations = observation_table("organoid_summary")
    keys = [f"{row['date']}_{row['well']}" for row in observations.to_dict("records")]
    table = summary_table(200, batch_seed=1, n_pcs=1, x_o=keys)
    frame = pl.DataFrame({name: table[name].to_numpy() for name in table}).with_columns(
        pl.col("x_o", "inference.type").cast(pl.String), pl.col(LOG_PROB).cast(pl.Float64)
    )
    shift = pl.col("x_o").replace_strict(dict(zip(keys, (0.0, 3.0, -1.0, 9.0), strict=True)))
    frame = frame.with_columns(pl.col(LOG_PROB) + shift)
    if change is not None:
        frame = change(frame)
    frame.write_parquet(tmp_path / "t.parquet")
    parts = {"date": observations["date"], "well": observations["well"].astype("int64")}
    observations.assign(**parts).to_parquet(tmp_path / "o.parquet")
    write_estimator(tmp_path / "dgm", "burst")
    subject = Attested(
        file="t",
        dataset="organoids",
        path=tmp_path / "t.parquet",
        dgm=tmp_path / "dgm",
        observations=tmp_path / "o.parquet",
        of=DATASETS["organoids"],
    )
    return check(subject)


def moved(*steps: float) -> Any:
    """Add to the log-densities of the first rows."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        added = [*steps, *[0.0] * (frame.height - len(steps))]
        return frame.with_columns(pl.col(LOG_PROB) + pl.Series(added, dtype=pl.Float64))

    return change


def test_a_constant_for_each_observation_is_allowed(tmp_path: Path) -> None:
    (found,) = attested(tmp_path)
    assert (found.id, found.severity, found.count) == ("log-prob-attested", "info", 200)
    assert "of 200 rows" in found.message


@pytest.mark.parametrize(
    ("stored", "whose"),
    [
        ([0.5, 0.6, 0.7], "own"),
        ([0.52, 0.57, 0.71], "own"),
        ([0.5], "own"),
        ([0.52, 0.52, 0.5201], "first"),
        ([0.6, 0.6, 0.6], None),
        ([0.5, 0.6, 0.9], None),
        ([0.5, 0.5, 0.53], None),
    ],
)
def test_whose_leakage_the_constants_are(stored: list[float], whose: str | None) -> None:
    constants = [
        Constant(str(place), 6, nat, leakage, 0.01)
        for place, (nat, leakage) in enumerate(zip(stored, (0.5, 0.6, 0.7), strict=False))
    ]
    assert whose_leakage(constants) == whose


def test_one_row_in_a_hundred_may_differ_a_little(tmp_path: Path) -> None:
    assert [f.id for f in attested(tmp_path, moved(2e-4, 0, 2e-4))] == ["log-prob-attested"]
    found = attested(tmp_path, moved(2e-4, 2e-4, -2e-4))[0]
    assert (found.id, found.severity, found.count) == ("log-prob-differs", "error", 3)


@pytest.mark.parametrize("step", [0.02, -0.5, math.inf, -math.inf, math.nan])
def test_no_row_may_differ_much(tmp_path: Path, step: float) -> None:
    found = attested(tmp_path, moved(0, 0, step))[0]
    assert (found.id, found.count) == ("log-prob-differs", 1)
    assert found.examples[0]["row"] == 2


def test_rows_of_unknown_observations_are_told(tmp_path: Path) -> None:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        lost = pl.Series([row == 7 for row in range(frame.height)])
        return frame.with_columns(pl.when(lost).then(pl.lit("9_9")).otherwise("x_o").alias("x_o"))

    found = attested(tmp_path, change)[-1]
    assert (found.id, found.severity) == ("log-prob-not-computed", "hint")
    assert found.examples == ({"row": 7, "x_o": "9_9"},)


def profiled(tmp_path: Path, change: Any = None, rows: int = 200) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    frame = pl.DataFrame(
        {
            "params_settings.random_seed": range(rows),
            "isi_mean_mu": rng.normal(5, 1, rows),
            "burst_num": [None if row % 2 else 3.0 for row in range(rows)],
        }
    )
    (frame if change is None else change(frame)).write_parquet(tmp_path / "p.parquet")
    return profile_of_parquet(tmp_path / "p.parquet")


def drifted(tmp_path: Path, change: Any, rows: int = 200) -> list[Any]:
    write_baseline(tmp_path / "b", Baseline("one", True), {"training": profiled(tmp_path)})
    known = read_baseline(tmp_path / "b")
    assert known is not None
    new = profiled(tmp_path, change, rows)
    return check(Drift(file="t", before=known[0].release, old=known[1]["training"], new=new))


def test_the_same_table_has_not_drifted(tmp_path: Path) -> None:
    assert drifted(tmp_path, None) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            lambda f: f.with_columns(pl.col("isi_mean_mu") + 1),
            ["values-changed", "distribution-shift"],
        ),
        (lambda f: f.with_columns(pl.col("isi_mean_mu") * 1.001), ["values-changed"]),
        (lambda f: f.with_columns(burst_num=3.0), ["values-changed", "distribution-shift"]),
        (lambda f: f.drop("burst_num"), ["column-gone"]),
        (lambda f: f.with_columns(t_rec=1.0), ["column-new"]),
        (lambda f: f.rename({"burst_num": "mood"}), ["column-gone", "column-new"]),
        (
            lambda f: f.with_columns(pl.col("params_settings.random_seed") + 9999),
            ["values-changed"],
        ),
    ],
)
def test_what_drifted_is_named(tmp_path: Path, change: Any, wanted: list[str]) -> None:
    found = drifted(tmp_path, change)
    assert [each.id for each in found] == wanted
    assert all("one" in each.message for each in found)


def test_more_rows_of_the_same_are_no_drift(tmp_path: Path) -> None:
    (found,) = drifted(tmp_path, None, rows=260)
    assert (found.id, found.severity, found.count) == ("rows-changed", "info", 60)


def test_a_type_that_changed_is_a_warning(tmp_path: Path) -> None:
    old, new = profiled(tmp_path), profiled(tmp_path)
    new["columns"]["burst_num"] = {"type": "text", "nulls": 100}
    found = check(Drift(file="t", before="one", old=old, new=new))
    assert ("column-type-changed", "warning") in [(each.id, each.severity) for each in found]


def test_a_baseline_is_replaced_as_a_whole_and_read_or_refused(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    assert read_baseline(folder) is None
    profile = profiled(tmp_path)
    write_baseline(folder, Baseline("one", False), {"training": profile, "heldout": profile})
    write_baseline(folder, Baseline("two", False), {"heldout": profile})
    known = read_baseline(folder)
    assert known is not None
    assert (known[0].release, list(known[1])) == ("two", ["heldout"])
    said = json.loads((folder / "heldout.profile.json").read_bytes())
    (folder / "heldout.profile.json").write_text(json.dumps({**said, "rows": 0}))
    with pytest.raises(AutomindError, match=r"heldout\.profile\.json: does not have the agreed"):
        read_baseline(folder)
