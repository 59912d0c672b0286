"""`automind-data simulate`, from table to table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automind_data.pickles.convert import convert_archive_params
from tests.conftest import ROOT, run
from tests.kills import content
from tests.simulation.small import PLACES
from tests.simulation.test_folder import models


@pytest.fixture(scope="module")
def network(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parameters of the sample release, for a small network and short runs."""
    path = tmp_path_factory.mktemp("network") / "network.json"
    convert_archive_params(release / "training_prior_samples" / "training.zip", path)
    tree = json.loads(path.read_text())

    def change(part: str, section: str, **values: Any) -> None:
        for name, value in values.items():
            tree[part][section][name]["value"] = value

    change("simulation", "params_net", N_pop=PLACES)
    records = {"exc": {"spikes": 30}, "inh": {"spikes": 4}}
    change("simulation", "params_settings", sim_time=2.6, record_defs=records)
    change("analysis", "params_analysis", n_pcs=3, nperseg_ratio=1)
    path.write_text(json.dumps(tree))
    return path


def simulate(tmp_path: Path, *options: str | Path, check: bool = True, **env: str) -> Any:
    command = ["automind-data", "simulate", *map(str, options)]
    return run(*command, cwd=tmp_path, check=check, **env)


def test_the_best_models_with_two_seeds(tmp_path: Path, network: Path) -> None:
    table = models(tmp_path / "models.parquet")
    options = ("--network", network, "--best", "1", "--seeds", "2", "--outside-prior")
    done = simulate(tmp_path, table, "runs", *options, "--no-run-times")
    assert done.stdout == "runs: 4 done, 0 early stopped, 0 failed; 0 were there before\n"
    assert not done.stderr
    before = content(tmp_path / "runs")
    again = simulate(tmp_path, table, "runs", *options, "--no-run-times")
    assert again.stdout.endswith("4 were there before\n") and content(tmp_path / "runs") == before
    summary = pl.read_parquet(tmp_path / "runs" / "summary_data_merged.parquet")
    assert sorted(summary["x_o"]) == ["a", "a", "b", "b"]
    assert summary["params_settings.real_run_time"].null_count() == 4
    two = simulate(tmp_path, table, "two", *options, "--no-run-times", "--workers", "2")
    assert two.stdout.startswith("two: 4 done") and content(tmp_path / "two") == before


def test_what_is_refused(tmp_path: Path, network: Path) -> None:
    table = models(tmp_path / "models.parquet")
    pl.read_parquet(table).with_columns(pl.lit(900.0).alias("params_Epop.C")).write_parquet(table)
    done = simulate(tmp_path, table, "out", "--network", network, check=False)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "has 900 pF as params_Epop.C, outside the prior" in done.stderr
    assert simulate(tmp_path, table, "out", "--rows", "a", check=False).returncode == 2
    assert not (tmp_path / "out").exists()


def test_without_a_compiler_there_is_a_notice(tmp_path: Path, network: Path) -> None:
    tree = json.loads(network.read_text())
    tree["simulation"]["params_settings"]["sim_time"]["value"] = 1.3
    short = tmp_path / "short.json"
    short.write_text(json.dumps(tree))
    done = simulate(
        tmp_path, short, "runs", "--network", short, "--draws", "1", CXX="no-such-compiler"
    )
    notice = (
        "notice: there is no C++ compiler with make; numpy runs the network, many times slower\n"
    )
    assert done.stderr == notice
    assert "numpy" in (tmp_path / "runs" / "runs.csv").read_text()


def test_the_stage_is_off_until_it_is_switched_on(tmp_path: Path) -> None:
    params = ROOT / "params.yaml"
    done = simulate(tmp_path, "no.parquet", "out", "--network", "no.json", "--params", params)
    assert done.stdout == f"out: simulate.enabled is off in {params}\n"
    assert list(content(tmp_path / "out")) == ["simulate.json"]
