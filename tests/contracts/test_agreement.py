"""Contracts between estimator, prior, observations and discovered tables."""

from __future__ import annotations

from pathlib import Path

import msgspec
import polars as pl
import pytest

from automind_data.common.layout import DATASETS, OBSERVATION_TABLES, PARAMETER_NAMES
from automind_data.contracts import Finding, check
from automind_data.contracts.inputs import Bound
from automind_data.contracts.subjects import Copies, Discovered, Estimator, Observations
from automind_data.dgm.filters import Conditioning
from tests.builders import BURST_COLUMNS, key_of, observation_keys, prior_bounds, set_keys

PRIOR = tuple(Bound(**bound) for bound in prior_bounds())
Bounds = tuple[Bound, ...]


def estimator(
    parameters: Bounds = PRIOR, prior: Bounds = PRIOR, kind: str = "psd"
) -> list[Finding]:
    conditioning = Conditioning(kind=kind, columns=("psd_1.0",))
    return check(
        Estimator(
            file="d",
            dataset="mouse-hc",
            parameters=parameters,
            conditioning=conditioning,
            prior=prior,
        )
    )


def change(place: int, **changed: object) -> Bounds:
    bounds = list(PRIOR)
    bounds[place] = msgspec.structs.replace(bounds[place], **changed)
    return tuple(bounds)


def ids(findings: list[Finding]) -> list[str]:
    assert all(finding.severity == "error" for finding in findings)
    return [finding.id for finding in findings]


def test_a_good_estimator_has_no_findings() -> None:
    assert estimator() == []


@pytest.mark.parametrize(
    ("parameters", "prior", "wanted"),
    [
        (PRIOR[1:], PRIOR[1:], ["dgm-param-names", "prior-param-names"]),
        (PRIOR[:1] + PRIOR[:-1], PRIOR, ["dgm-param-names", "dgm-param-order"]),
        (PRIOR, change(3, name="other"), ["prior-param-names", "dgm-param-order"]),
        (PRIOR, PRIOR[::-1], ["dgm-param-order"]),
        (PRIOR, (*PRIOR[:3], PRIOR[4], PRIOR[3], *PRIOR[5:]), ["dgm-param-order"]),
    ],
)
def test_names_and_order_agree(parameters: Bounds, prior: Bounds, wanted: list[str]) -> None:
    assert ids(estimator(parameters, prior)) == wanted


def test_the_parameters_that_moved_are_named() -> None:
    (finding,) = estimator(prior=(*PRIOR[:3], PRIOR[4], PRIOR[3], *PRIOR[5:]))
    assert finding.count == 2
    assert finding.examples[0] == {
        "place": 3,
        "density estimator": PARAMETER_NAMES[3],
        "prior": PARAMETER_NAMES[4],
    }


@pytest.mark.parametrize("changed", [{"low": -9.5}, {"high": 77.25}, {"unit": "furlong"}])
def test_bounds_and_units_agree(changed: dict[str, object]) -> None:
    assert ids(estimator(prior=change(6, **changed))) == ["dgm-bounds"]


def test_bounds_agree_as_float32() -> None:
    high = PRIOR[6].high
    assert high is not None
    assert estimator(prior=change(6, high=high * (1 + 1e-12))) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"low": None},
        {"high": float("inf")},
        {"low": float("nan")},
        {"low": 5.0, "high": 5.0},
        {"low": 6.0, "high": 5.0},
        {"low": 1.0, "high": 1.0 + 1e-12},
    ],
)
def test_the_prior_is_finite_with_low_below_high(changed: dict[str, object]) -> None:
    bad = change(9, **changed)
    (finding,) = (f for f in estimator(bad, bad) if f.id == "prior-range")
    assert finding.severity == "error"
    assert finding.examples[0]["parameter"] == PARAMETER_NAMES[9]


def test_the_estimator_is_of_the_kind_of_its_data_set() -> None:
    (finding,) = estimator(kind="burst")
    assert finding.id == "dgm-kind"
    assert finding.message == "the density estimator is conditioned on burst where psd belongs"


def observations(
    folder: Path,
    rows: list[dict[str, object]],
    *,
    name: str = "organoid_summary",
    dataset: str | None = None,
    features: tuple[str, ...] = BURST_COLUMNS,
) -> list[Finding]:
    frame = pl.DataFrame([{**row, **dict.fromkeys(BURST_COLUMNS, 1.0)} for row in rows])
    frame.write_parquet(folder / "o.parquet")
    table = OBSERVATION_TABLES[name]
    path = folder / "o.parquet"
    return check(Observations(file="o", dataset=dataset, path=path, table=table, features=features))


def test_good_observations_have_no_findings(tmp_path: Path) -> None:
    for dataset in (None, "organoids"):
        rows = observation_keys("organoid_summary")
        assert observations(tmp_path, rows, dataset=dataset) == []


def test_features_and_key_columns_are_there(tmp_path: Path) -> None:
    rows = observation_keys("organoid_summary")
    (finding,) = observations(tmp_path, rows, features=("psd_1.0", BURST_COLUMNS[0], "psd_2.0"))
    assert (finding.id, finding.severity) == ("observation-columns", "error")
    assert [example["column"] for example in finding.examples] == ["psd_1.0", "psd_2.0"]
    (finding,) = observations(tmp_path, [{"date": "1"}])
    assert finding.examples == ({"column": "well"},)


def test_keys_are_unique_and_whole(tmp_path: Path) -> None:
    rows = observation_keys("organoid_summary")
    (finding,) = observations(tmp_path, [*rows, rows[0], rows[0]])
    assert (finding.id, finding.severity, finding.count) == ("observation-key", "error", 1)
    assert finding.examples == ({"x_o": key_of(rows[0]), "rows": 3},)
    (finding,) = observations(tmp_path, [*rows, {"date": None, "well": 3}])
    assert (finding.id, finding.count) == ("observation-key", 1)


def test_keys_that_differ_only_joined_are_the_same(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"mouse": "1_2", "area": "CA1"}, {"mouse": "1", "area": "x"}]
    twice = [*rows, {"mouse": "1", "area": "2_CA1"}]
    assert observations(tmp_path, rows, name="allenvc_summary") == []
    (finding,) = observations(tmp_path, twice, name="allenvc_summary")
    assert finding.examples == ({"x_o": "1_2_CA1", "rows": 2},)


def test_a_data_set_looks_at_its_own_areas(tmp_path: Path) -> None:
    rows = observation_keys("allenvc_summary")
    seen = next(row for row in rows if DATASETS["mouse-vis"].has_area(row["area"]))
    both = [*rows, seen]
    assert observations(tmp_path, both, name="allenvc_summary", dataset="mouse-hc") == []
    (finding,) = observations(tmp_path, both, name="allenvc_summary", dataset="mouse-vis")
    assert finding.id == "observation-key"
    (finding,) = observations(tmp_path, [seen], name="allenvc_summary", dataset="mouse-hc")
    assert (finding.id, finding.severity) == ("observation-none", "error")


def discovered(folder: Path, frame: pl.DataFrame, known: list[str]) -> list[Finding]:
    frame.write_parquet(folder / "t.parquet")
    return check(
        Discovered(
            file="t",
            dataset="organoids",
            path=folder / "t.parquet",
            observations="observations/organoid_summary.csv",
            known=frozenset(known),
        )
    )


def test_keys_of_a_discovered_table_are_observations(tmp_path: Path) -> None:
    known = set_keys("organoids")
    assert discovered(tmp_path, pl.DataFrame({"x_o": known * 3}), known) == []
    odd = pl.DataFrame({"x_o": [*known, "9_9", "7_1", "9_9", None]})
    (finding,) = discovered(tmp_path, odd, known)
    assert (finding.id, finding.severity, finding.count) == ("x-o-unresolved", "error", 2)
    assert finding.examples == ({"x_o": "7_1", "rows": 1}, {"x_o": "9_9", "rows": 2})


def test_a_discovered_table_has_keys(tmp_path: Path) -> None:
    (finding,) = discovered(tmp_path, pl.DataFrame({"date": ["a"]}), [])
    assert finding.message == "the discovered table has no column x_o"


@pytest.mark.parametrize("same", [True, False])
def test_another_posterior_inside_is_a_warning(same: bool) -> None:
    findings = check(
        Copies(
            file="organoids.zip",
            dataset="organoids",
            published="dgms/burst_posterior.pickle",
            md5_inside="1" * 32,
            md5_published=("1" if same else "2") * 32,
        )
    )
    assert [(f.id, f.severity) for f in findings] == (
        [] if same else [("posterior-differs", "warning")]
    )
