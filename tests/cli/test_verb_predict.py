"""`automind-data predict` on tables of one's own, and on a whole release."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from automind_data.predictive.distances import DISTANCES
from tests.builders import BURST_COLUMNS
from tests.conftest import run
from tests.predictive.runs import (
    bursts,
    models,
    write,
    write_burst_dgm,
    write_root,
)

VERB = (sys.executable, "-m", "automind_data", "predict")


@pytest.fixture
def mine(tmp_path: Path, root: Path) -> Path:
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    write_burst_dgm(tmp_path / "dgm")
    write(tmp_path / "runs.parquet", models(bursts([2, 9, None, 3]), ["0", "0", "0", "1"]))
    write(tmp_path / "h.parquet", models(bursts([1 + n / 9 for n in range(60)]), [""] * 60))
    targets = bursts([1, 1]).with_columns(pl.Series(BURST_COLUMNS[1], [1.0, float("nan")]))
    write(tmp_path / "targets.parquet", targets)
    targets.write_csv(tmp_path / "targets.csv", null_value="nan")
    return tmp_path


OWN = ("--models", "runs.parquet", "--dgm", "dgm", "--observations")


@pytest.mark.parametrize("table", ["targets.parquet", "targets.csv"])
def test_models_of_ones_own_are_ranked(mine: Path, table: str) -> None:
    done = run(*VERB, *OWN, table, "--heldout", "h.parquet", "-k", "1", "out", cwd=mine)
    assert done.stdout == "out/runs.parquet: models of 1 observation\n"
    assert "skipped 1: 1 of 4 features are missing or out of bounds" in done.stderr
    best = pl.read_parquet(mine / "out" / "runs.parquet")
    assert best["predict.row"].to_list() == [0]
    said = json.loads((mine / "out" / "checks" / "runs.json").read_text())
    assert said["observations"][0]["yield"]["n"] == 3


def test_without_heldout_simulations_there_is_no_yield(mine: Path) -> None:
    run(*VERB, *OWN, "targets.parquet", "out", cwd=mine)
    said = json.loads((mine / "out" / "checks" / "runs.json").read_text())
    assert said["yield"] is None and said["observations"][0]["best"] is not None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("out",), 2, "give --root, or --models, --dgm and --observations"),
        (("--root", ".", "--dgm", "dgm", "out"), 2, "give --root, or"),
        ((*OWN, "none.parquet", "out"), 1, "none.parquet: is not there"),
        ((*OWN[:3], "none", *OWN[4:], "targets.parquet", "out"), 1, "is not there"),
        ((*OWN, "targets.parquet", "--heldout", "targets.csv", "out"), 1, "is no Parquet table"),
        (("--root", ".", "out"), 1, "derived/dgms/burst"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    mine: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run(*VERB, *arguments, cwd=mine, check=False)
    assert done.returncode == code and said in done.stderr
    assert "Traceback" not in done.stderr and not (mine / "out" / "runs.parquet").exists()


def test_a_release_is_compared_whole(tmp_path: Path, root: Path) -> None:
    areas = {"mouse-hc": [("1", "CA1")], "mouse-vis": [("1", "VISp")]}
    write_root(tmp_path, [("161001", 0)], areas, 2, 6)
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    assert run(*VERB, "--root", ".", "out", cwd=tmp_path).stdout == "out/overview.svg\n"
    files = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.glob("out/**/*.*")}
    names = ("organoids", "mouse-vis", "mouse-hc", "synthetic")
    assert files == {
        *(f"{name}.parquet" for name in names),
        *(f"checks/{name}.{kind}" for name in names for kind in ("parquet", "json")),
        "summary.json",
        "overview.svg",
        "overview.png",
    }
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary) == list(names)
    for name, each in summary.items():
        assert all(isinstance(value, int | float) for value in each.values())
        assert ("claimed_low" in each) == (name != "synthetic")
        assert ("share_within_noise_floor" in each) == (name == "synthetic")
    best = pl.read_parquet(tmp_path / "out" / "synthetic.parquet")
    assert len(best) == 10 and {f"predict.{name}" for name in DISTANCES} <= set(best.columns)
    first = {path: (tmp_path / "out" / path).read_bytes() for path in files}
    run(*VERB, "--root", ".", "out", cwd=tmp_path, AUTOMIND_THREADS="1", POLARS_MAX_THREADS="1")
    assert {path: (tmp_path / "out" / path).read_bytes() for path in files} == first
