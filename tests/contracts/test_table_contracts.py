"""Contracts about one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automind_data.common.layout import PARAMETER_NAMES, PSD_COLUMNS
from automind_data.contracts import Finding, check
from automind_data.contracts.inputs import Bound
from automind_data.contracts.subjects import Table
from automind_data.contracts.tables import BOUND_ULPS
from tests.builders import prior_bounds, summary_table

PRIOR = tuple(Bound(**bound) for bound in prior_bounds())
SEED = "params_settings.random_seed"
NAME = PARAMETER_NAMES[5]


def good(rows: int = 12) -> pl.DataFrame:
    table = summary_table(rows, batch_seed=23, n_pcs=3, x_o=["a", "b"])
    return pl.DataFrame({name: table[name].to_numpy() for name in table}).with_columns(
        pl.col("x_o", "inference.type").cast(pl.String),
        pl.col("infer.log_prob").cast(pl.Float64),
        pl.col(pl.Float64).fill_nan(None),
    )


def held(
    folder: Path, frame: pl.DataFrame, prior: tuple[Bound, ...] | None = PRIOR, **said: bool
) -> list[Finding]:
    path = folder / "table.parquet"
    frame.write_parquet(path)
    return check(Table(file="t", path=path, prior=prior, **{"configurations": True, **said}))


def one(findings: list[Finding], id_: str, severity: str) -> Finding:
    (finding,) = findings
    assert (finding.id, finding.severity) == (id_, severity)
    return finding


def put(frame: pl.DataFrame, name: str, row: int, value: object) -> pl.DataFrame:
    cells = frame[name].to_list()
    cells[row] = value
    return frame.with_columns(pl.Series(name, cells, dtype=frame.schema[name]))


def test_a_good_table_has_no_findings(tmp_path: Path) -> None:
    assert held(tmp_path, good()) == []


def test_a_missing_parameter_is_an_error(tmp_path: Path) -> None:
    findings = held(tmp_path, good().drop(NAME, PARAMETER_NAMES[9]))
    assert [finding.id for finding in findings] == ["param-missing", "param-names"]
    assert findings[0].count == 2
    assert findings[0].examples == ({"column": NAME}, {"column": PARAMETER_NAMES[9]})


def test_only_a_table_of_configurations_needs_parameters(tmp_path: Path) -> None:
    none = good().drop(PARAMETER_NAMES)
    assert held(tmp_path, none, None, configurations=False) == []
    one(held(tmp_path, none, None), "param-missing", "error")
    findings = held(tmp_path, good().drop(NAME), None, configurations=False)
    assert [finding.id for finding in findings] == ["param-missing", "bounds-not-checked"]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), float("-inf")])
def test_a_parameter_that_is_no_number_is_an_error(tmp_path: Path, value: float | None) -> None:
    frame = good()
    finding = one(held(tmp_path, put(frame, NAME, 7, value)), "param-not-finite", "error")
    assert finding.count == 1
    (example,) = finding.examples
    assert (example["row"], example["column"]) == (7, NAME)
    assert example[SEED] == frame[SEED][7]


@pytest.mark.parametrize("side", ["low", "high"])
def test_bounds_are_float32_give_or_take_a_few_steps(tmp_path: Path, side: str) -> None:
    bound = PRIOR[5]
    assert bound.low is not None
    assert bound.high is not None
    edge, sign = (bound.low, -1) if side == "low" else (bound.high, 1)
    step = float(np.spacing(np.float32(max(abs(bound.low), abs(bound.high)))))
    at_the_limit = float(np.float32(edge)) + sign * BOUND_ULPS * step
    assert held(tmp_path, put(good(), NAME, 2, at_the_limit)) == []
    beyond = at_the_limit + sign * step
    finding = one(held(tmp_path, put(good(), NAME, 2, beyond)), "param-out-of-bounds", "error")
    assert finding.count == 1
    assert finding.examples[0]["value"] == beyond
    assert finding.examples[0]["low"] == bound.low
    assert finding.examples[0]["row"] == 2


def test_values_out_of_bounds_are_counted_and_five_are_shown(tmp_path: Path) -> None:
    frame = good().with_columns(pl.lit(99.0).alias(NAME))
    frame = put(frame, PARAMETER_NAMES[20], 0, -99.0)
    finding = one(held(tmp_path, frame), "param-out-of-bounds", "error")
    assert finding.count == 13
    assert len(finding.examples) == 5
    assert [example["row"] for example in finding.examples] == [0, 0, 1, 2, 3]


def test_bounds_are_not_checked_without_a_prior_and_that_is_said(tmp_path: Path) -> None:
    frame = put(good(), NAME, 0, 1e9)
    one(held(tmp_path, frame, None), "bounds-not-checked", "info")


def test_another_order_of_parameters_is_a_warning(tmp_path: Path) -> None:
    frame = good()
    names = frame.columns
    a, b = names.index(PARAMETER_NAMES[0]), names.index(PARAMETER_NAMES[1])
    names[a], names[b] = names[b], names[a]
    finding = one(held(tmp_path, frame.select(names)), "param-order", "warning")
    assert finding.count == 2
    assert finding.examples[0] == {
        "place": 0,
        "table": PARAMETER_NAMES[1],
        "prior": PARAMETER_NAMES[0],
    }


def test_a_parameter_that_the_prior_lacks_is_an_error(tmp_path: Path) -> None:
    finding = one(held(tmp_path, good(), PRIOR[1:]), "param-names", "error")
    assert finding.examples == ({"parameter": PARAMETER_NAMES[0]},)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.drop(PSD_COLUMNS[40]), "1 missing"),
        (lambda frame: frame.drop(PSD_COLUMNS[:2]), "2 missing"),
        (lambda frame: frame.drop(PSD_COLUMNS[-1]), "1 missing"),
        (lambda frame: frame.with_columns(psd_0=pl.col("psd_1.0")), "1 twice"),
        (
            lambda frame: frame.with_columns(pl.col("psd_1.0").alias("psd_500.5")),
            "1 not on the axis",
        ),
        (
            lambda frame: frame.rename({PSD_COLUMNS[3]: "psd_1.4"}),
            "1 missing, 1 not on the axis",
        ),
    ],
)
def test_a_spectrum_without_its_axis_is_an_error(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    findings = [f for f in held(tmp_path, change(good())) if f.severity == "error"]
    finding = one(findings, "psd-axis", "error")
    assert finding.message.endswith(f": {said}")


def test_a_spectrum_in_another_order_is_a_warning(tmp_path: Path) -> None:
    frame = good()
    rest = [name for name in frame.columns if name not in PSD_COLUMNS]
    shuffled = frame.select(*rest, *PSD_COLUMNS[500:], *PSD_COLUMNS[:500])
    finding = one(held(tmp_path, shuffled), "psd-order", "warning")
    assert finding.examples == ({"after": 500.0, "hz": 0.0},)


def test_a_table_without_a_spectrum_has_no_axis(tmp_path: Path) -> None:
    assert held(tmp_path, good().drop(PSD_COLUMNS)) == []


def test_a_run_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    frame = good()
    frame = put(put(frame, SEED, 4, frame[SEED][2]), SEED, 7, frame[SEED][2])
    finding = one(held(tmp_path, frame), "seed-twice", "error")
    assert finding.count == 1
    assert finding.examples[0]["rows"] == 3
    assert finding.examples[0][SEED] == frame[SEED][2]


def test_the_same_random_seed_in_another_batch_is_fine(tmp_path: Path) -> None:
    frame = good()
    frame = put(put(frame, SEED, 4, frame[SEED][2]), "params_settings.batch_seed", 4, 24)
    assert held(tmp_path, frame) == []


@pytest.mark.parametrize("name", [SEED, "x_o", "inference.type"])
def test_a_missing_key_is_an_error(tmp_path: Path, name: str) -> None:
    finding = one(held(tmp_path, put(good(), name, 3, None)), "key-missing", "error")
    (example,) = finding.examples
    assert (example["row"], example["column"], example["value"]) == (3, name, None)


def test_an_unknown_column_is_a_hint(tmp_path: Path) -> None:
    finding = one(held(tmp_path, good().with_columns(mood=pl.lit("x"))), "unknown-column", "hint")
    assert finding.examples == ({"column": "mood"},)


def test_a_column_of_another_type_is_an_error(tmp_path: Path) -> None:
    frame = good().with_columns(pl.col(SEED).cast(pl.Float64), pl.col(NAME).cast(pl.String))
    findings = [f for f in held(tmp_path, frame) if f.id != "param-names"]
    finding = one(findings, "column-type", "error")
    assert {example["column"] for example in finding.examples} == {SEED, NAME}
