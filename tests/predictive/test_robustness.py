"""Simulated runs beside the published ones: does a model match again with other seeds?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES
from automind_data.predictive.judge import exact_interval
from automind_data.predictive.robustness import Robustness, find_runs, robustness_of
from tests.conftest import run
from tests.predictive.runs import (
    SAMPLES,
    bursts,
    finish,
    models,
    settings,
    write,
    write_burst_dgm,
    write_root,
)

TARGET = {"0": dict.fromkeys(bursts([1]).columns, 1.0)}
HELDOUT = [10 ** (n / 20) for n in range(60)]
"""Their distances to the target are 0, 0.05, 0.1, …; the nearest tenth, 6, reach 0.25."""


def runs_of(table: pl.DataFrame, row: int, distances: list[float | None]) -> pl.DataFrame:
    """Runs of one row of a table that lie so far from the target; None was stopped early."""
    values = [None if each is None else 10**each for each in distances]
    made = models(bursts(values), [table["x_o"][row]] * len(values),
                  table["inference.type"][row], [each is None for each in distances])  # fmt: skip
    return made.with_columns(pl.lit(table[name][row]).alias(name) for name in PARAMETER_NAMES)


@pytest.fixture
def found(tmp_path: Path) -> Robustness:
    kinds = [SAMPLES, "gt_resim", SAMPLES, SAMPLES]
    table = models(bursts([10**0.2, 10**0.15, 10**0.5, None]), ["0"] * 4, kinds)
    again = pl.concat([
        runs_of(table, 2, [0.6, 0.3, 0.1, 0.7]),
        runs_of(table, 0, [0.24, 0.1, None, 0.26, 0.05]),
        runs_of(table, 3, [0.2, None]),
        models(bursts([1.0]), ["0"]).with_columns(pl.lit(0.123).alias(PARAMETER_NAMES[3])),
        models(bursts([1.0]), ["nobody"]),
    ])  # fmt: skip
    found = finish(
        robustness_of(
            write(tmp_path / "again.parquet", again),
            write(tmp_path / "table.parquet", table),
            write_burst_dgm(tmp_path / "dgm"),
            TARGET,
            write(tmp_path / "heldout.parquet", models(bursts(HELDOUT), [""] * 60)),
            settings(),
        )
    )
    assert isinstance(found, Robustness)
    return found


def test_runs_are_told_by_their_configuration(found: Robustness) -> None:
    told = [(each.row, each.rank, each.runs) for each in found.configurations]
    assert told == [(0, 1, 5), (2, 2, 4), (3, 0, 2), (-1, 0, 1), (-1, 0, 1)]
    assert {each.x_o for each in found.configurations[:4]} == {"0"}
    published = [each.published for each in found.configurations]
    assert published[:2] == pytest.approx([0.2, 0.5]) and np.isnan(published[2:]).all()


def test_the_share_counts_stopped_runs_and_has_the_exact_interval(found: Robustness) -> None:
    one, two, three, *_ = found.configurations
    assert one.tolerance == pytest.approx(0.25) and one.noise_floor == pytest.approx(0.15)
    assert (one.matching, two.matching, three.matching) == (3, 1, 1)
    assert one.counts["early_stopped"] == 1 and one.counts["whole"] == 4
    assert one.interval == exact_interval(3, 5)
    assert one.distances == pytest.approx([0.05, 0.1, 0.24, 0.26])


def test_all_of_it_in_numbers(found: Robustness) -> None:
    said = found.metrics()
    assert said["configurations"] == 5 and said["runs"] == 13 and said["early_stopped"] == 2
    shares = [3 / 5, 1 / 4, 1 / 2, 1]
    assert said["share_matching"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert 0.1 < said["low"] < np.mean(shares) < said["high"] < 0.95
    assert said["matched_as_published"] == 1 and said["match_again"] == 1
    assert said["published_within_range"] == 2


def test_a_folder_of_runs_says_whether_there_are_any(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match=r"holds no summary_data_merged\.parquet; next: make"):
        find_runs(tmp_path)
    (tmp_path / "simulate.json").write_text('{"status": "off"}')
    assert find_runs(tmp_path) is None
    (tmp_path / "simulate.json").write_text('{"status": "on"}')
    table = write(tmp_path / "summary_data_merged.parquet", models(bursts([1]), ["0"]))
    assert find_runs(tmp_path) == table == find_runs(table)


def test_runs_of_a_release_go_to_their_data_set(tmp_path: Path, root: Path) -> None:
    wells = [("161001", 0), ("161008", 1)]
    areas = {"mouse-vis": [("m1", "VISp")], "mouse-hc": [("m1", "CA1")]}
    write_root(tmp_path, wells, areas, 2, 6)
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    table = pl.read_parquet(tmp_path / "derived" / "tables" / "mouse-hc.parquet")
    again = pl.concat([table[[1]]] * 3 + [table[[4]]] * 2)
    folder = tmp_path / "derived" / "simulated"
    write(folder / "summary_data_merged.parquet", again)
    (folder / "simulate.json").write_text('{"status": "on"}')
    verb = (sys.executable, "-m", "automind_data", "predict", "--root", ".", "out", "--simulated")
    for _ in range(2):
        done = run(*verb, "derived/simulated", cwd=tmp_path)
        assert done.stdout == "out/robustness.parquet\n"
        made = (tmp_path / "out" / "robustness.parquet").read_bytes()
    listed = pl.read_parquet(made)
    assert listed["dataset"].unique().to_list() == ["mouse-hc"]
    assert listed["row"].to_list() == [1, 4] and listed["runs"].to_list() == [3, 2]
    assert (listed["median"] == listed["published"]).all()
    assert listed["distances"].list.len().to_list() == [3, 2]
    said = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert said["simulated"] == 1 and said["mouse-hc"]["runs"] == 5
    other = again.with_columns(pl.lit(7.0).alias(PARAMETER_NAMES[0]))
    write(folder / "summary_data_merged.parquet", other)
    done = run(*verb, "derived/simulated", cwd=tmp_path, check=False)
    assert done.returncode == 1 and "no run of a configuration of the discovered" in done.stderr
    (folder / "simulate.json").write_text('{"status": "off"}')
    run(*verb, "derived/simulated", cwd=tmp_path)
    assert pl.read_parquet(tmp_path / "out" / "robustness.parquet").height == 0
    assert json.loads((tmp_path / "out" / "robustness.json").read_text()) == {"simulated": 0}


def test_runs_of_ones_own_table(tmp_path: Path, root: Path) -> None:
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    write_burst_dgm(tmp_path / "dgm")
    table = models(bursts([2, 9]), ["0", "0"])
    write(tmp_path / "mine.parquet", table)
    write(tmp_path / "again.parquet", runs_of(table, 1, [0.5, 0.7]))
    write(tmp_path / "targets.parquet", bursts([1]))
    run(
        sys.executable, "-m", "automind_data", "predict", "--models", "mine.parquet",
        "--dgm", "dgm", "--observations", "targets.parquet", "--simulated", "again.parquet", "out",
        cwd=tmp_path,
    )  # fmt: skip
    (row,) = pl.read_parquet(tmp_path / "out" / "robustness.parquet").to_dicts()
    assert row["dataset"] == "mine" and row["row"] == 1 and row["share"] is None
    assert row["lowest"] == pytest.approx(0.5) and row["published"] == pytest.approx(np.log10(9))
