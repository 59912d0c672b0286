"""Reading, measuring and ranking models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automind_data.common.errors import AutomindError
from automind_data.dgm.filters import EARLY
from automind_data.predictive.rows import STATUSES, column_types, read_estimator, read_rows
from tests.builders import BURST_COLUMNS, write_json
from tests.predictive.runs import (
    SAMPLES,
    bursts,
    compared,
    models,
    spectra,
    write,
    write_burst_dgm,
    write_psd_dgm,
)

TARGETS = {key: dict.fromkeys(BURST_COLUMNS, 1.0) for key in ("a", "b")}


def test_the_nearest_is_first_and_ties_keep_the_order_of_the_table(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    table = models(bursts([10, 2, 100, 2, 0.5]), ["a", "a", "b", "a", "a"])
    one, other = compared(write(tmp_path / "m.parquet", table), of, TARGETS).observations
    assert (one.x_o, one.row.tolist(), one.rank.tolist()) == ("a", [0, 1, 3, 4], [4, 1, 2, 3])
    assert one.row[one.best(2)].tolist() == [1, 3]
    assert one.distance["log10_mae"][0] == 1
    assert (other.x_o, other.rank.tolist()) == ("b", [1])


def test_what_became_of_each_run(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm", bounds=[[0.1, 50.0]] * 4)
    features = bursts([2, None, None, None, 99, 3, 4])
    features = features.with_columns(
        pl.when(pl.int_range(7) == 5).then(0.0).otherwise(pl.col(BURST_COLUMNS[1])).alias("x")
    ).with_columns(pl.col("x").alias(BURST_COLUMNS[1]))
    table = models(
        features.drop("x"),
        ["a"] * 7,
        stopped=[False, True, False, False, False, False, None],
        marked=[True, False, False, True, True, True, True],
    )
    (one,) = compared(write(tmp_path / "m.parquet", table), of, TARGETS).observations
    assert [STATUSES[code] for code in one.status] == [
        "whole", "early_stopped", "failed", "incomplete", "discarded", "incomplete", "discarded",
    ]  # fmt: skip
    assert one.rank.tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert np.isfinite(one.distance["log10_mse"]).tolist() == [
        True,
        *[False] * 3,
        True,
        False,
        True,
    ]


def test_spectra_that_training_leaves_out_are_not_ranked(tmp_path: Path) -> None:
    of = write_psd_dgm(tmp_path / "dgm")
    power = spectra(4, 0).to_numpy().copy()
    power[1] = 1.0
    power[2] *= 1e-12
    table = models(pl.DataFrame(power, schema=spectra(1, 0).columns), ["a"] * 4)
    target = spectra(1, 9).row(0, named=True)
    path = write(tmp_path / "m.parquet", table)
    (one,) = compared(path, of, {"a": target}, ranked_by="standardized_mse").observations
    named = [STATUSES[code] for code in one.status]
    assert named == ["whole", "discarded", "discarded", "whole"]
    assert (one.rank > 0).tolist() == [True, False, False, True]


def test_rows_simulated_once_more_are_measured_but_not_ranked(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    kinds = ["gt_resim", "NPE_map", "NPE_mean", SAMPLES]
    table = models(bursts([1.1, 4, 3, 2]), ["a"] * 4, kinds)
    (one,) = compared(write(tmp_path / "m.parquet", table), of, TARGETS).observations
    assert one.rank.tolist() == [0, 3, 2, 1]
    assert one.resimulated.tolist() == [True, False, False, False]
    assert one.samples.tolist() == [False, False, False, True]
    assert one.distance["log10_mae"][0] == pytest.approx(np.log10(1.1))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (None, "the observation table has no such row"),
        ({**TARGETS["a"], BURST_COLUMNS[2]: float("nan")}, "1 of 4 features are missing or out"),
        (dict.fromkeys(BURST_COLUMNS, 0.0), "4 of 4 features are missing or out of bounds"),
    ],
)
def test_an_observation_that_cannot_be_compared_says_why(
    tmp_path: Path, target: dict[str, float] | None, said: str
) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    path = write(tmp_path / "m.parquet", models(bursts([1, 2, 3]), ["a", "b", "a"]))
    targets = {"b": TARGETS["b"], **({} if target is None else {"a": target})}
    one, other = compared(path, of, targets, path).observations
    assert one.reason is not None and one.reason.startswith(said)
    assert one.rank.tolist() == [0, 0] and np.isnan(one.distance["log10_mse"]).all()
    assert len(one.heldout) == 0
    assert other.reason is None and other.rank.tolist() == [1]


def test_rows_without_a_key_are_counted_and_left_out(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    table = models(bursts([1, 2, 3]), ["a", None, "a"], [SAMPLES, SAMPLES, None])
    made = compared(write(tmp_path / "m.parquet", table), of, TARGETS)
    assert made.keyless == 2
    assert [each.row.tolist() for each in made.observations] == [[0]]


def test_an_observation_is_not_compared_with_itself(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    path = write(tmp_path / "m.parquet", models(bursts([5, 5]), ["11_1", "11_2"]))
    heldout = write(tmp_path / "h.parquet", models(bursts([10, 1, 100, None]), [""] * 4))
    targets = dict.fromkeys(("11_1", "11_2"), TARGETS["a"])
    key = ("params_settings.batch_seed", "params_settings.random_seed")
    one, other = compared(path, of, targets, heldout, heldout_key=key).observations
    assert one.heldout.tolist() == [1, 2]
    assert other.heldout.tolist() == [0, 1]
    one, _ = compared(path, of, targets, heldout).observations
    assert one.heldout.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("groups", "block"), [(None, 4096), (1, 4096), (3, 2), (7, 1)])
def test_blocks_change_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: int | None, block: int
) -> None:
    of = write_psd_dgm(tmp_path / "dgm")
    table = models(spectra(7, 0), ["a", "b", "a", "b", "a", "a", "b"])
    targets = {key: spectra(1, seed).row(0, named=True) for key, seed in (("a", 5), ("b", 6))}
    plain = write(tmp_path / "m.parquet", table)
    before = compared(plain, of, targets, plain, "standardized_mse")
    monkeypatch.setattr("automind_data.dgm.filters.BLOCK", block)
    again = write(tmp_path / "n.parquet", table, groups)
    after = compared(again, of, targets, again, "standardized_mse")
    for one, other in zip(before.observations, after.observations, strict=True):
        assert one.x_o == other.x_o
        for name in one.distance:
            assert one.distance[name].tobytes() == other.distance[name].tobytes()
        assert one.heldout.tobytes() == other.heldout.tobytes()
        assert one.rank.tolist() == other.rank.tolist()


def test_a_table_without_rows_has_no_observations(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    table = models(bursts([1]), ["a"]).clear()
    assert compared(write(tmp_path / "m.parquet", table), of, TARGETS).observations == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pl.all().exclude(BURST_COLUMNS[1]), f"has no column {BURST_COLUMNS[1]}"),
        (pl.all().exclude("x_o", "inference.type"), "has no column x_o nor 1 more"),
        (pl.all().cast(pl.String), f"string in column {BURST_COLUMNS[0]} where numbers belong"),
        (
            pl.when(pl.col(EARLY)).then(pl.lit("yes")).otherwise(pl.lit("no")).alias(EARLY),
            f"string in column {EARLY} where true or false belongs",
        ),
    ],
)
def test_a_table_of_the_wrong_form_is_refused(tmp_path: Path, change: pl.Expr, said: str) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    table = models(bursts([1]), ["a"])
    table = table.with_columns(change) if EARLY in said else table.select(change)
    path = write(tmp_path / "m.parquet", table)
    with pytest.raises(AutomindError) as caught:
        compared(path, of, TARGETS)
    assert str(caught.value).startswith(f"{path}: ") and said in str(caught.value)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_text("x_o\na\n")
    with pytest.raises(AutomindError, match="is no Parquet table"):
        column_types(tmp_path / "m.parquet")
    with pytest.raises(AutomindError, match="is not there"):
        column_types(tmp_path / "n.parquet")


def test_an_estimator_that_does_not_say_its_features_is_refused(tmp_path: Path) -> None:
    write_burst_dgm(tmp_path / "dgm")
    for said in ({"format": 1}, {"format": 1, "conditioning": {"kind": "lfp"}}):
        write_json(tmp_path / "dgm" / "dgm.json", said)
        with pytest.raises(AutomindError, match="does not say what it is conditioned on"):
            read_estimator(tmp_path / "dgm")


def test_without_markers_no_run_counts_as_failed(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    table = models(bursts([1, None]), ["a", "a"]).drop("isi_numspks_mu")
    (rows,) = read_rows(write(tmp_path / "m.parquet", table), of)
    assert [STATUSES[code] for code in rows.status] == ["whole", "incomplete"]
