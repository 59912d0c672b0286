"""A release of another shape goes the same way, with no change of code."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from automind_data.common.layout import ARCHIVES, DATASETS
from tests.conftest import run
from tests.pipeline.reshape import BATCH, reshape

pytestmark = pytest.mark.pipeline


def test_a_reshaped_release(clone: Path, release: Path, tmp_path: Path) -> None:
    folder = reshape(release, tmp_path / "another")
    run("automind-data", "import", folder, "--release", "another", "--yes", cwd=clone)
    before = pd.read_csv(folder / "observations/synthetic_summary.csv", dtype=str)
    params = (clone / "params.yaml").read_text()
    assert "\n  n_samples: 999\n" in params
    fewer = params.replace("\n  n_samples: 999\n", "\n  n_samples: 199\n")
    (clone / "params.yaml").write_text(fewer)
    (clone / "dvc.lock").unlink()
    run("dvc", "repro", cwd=clone)

    summary = json.loads((clone / "derived/validation/summary.json").read_text())
    assert summary["valid"] == 1 and summary["hints"] >= 1
    training = pd.read_parquet(clone / "derived/tables/training.parquet", columns=[BATCH])
    assert list(training[BATCH].unique()) == [1000, 1001]
    for name in ARCHIVES:
        metadata = pq.read_metadata(clone / f"derived/tables/{name}.parquet").metadata
        assert metadata[b"automind.release"] == b"another"
    metrics = json.loads(run("dvc", "metrics", "show", "--json", cwd=clone).stdout)[""]["data"]
    shown = metrics["derived/tables/training.metrics.json"]["data"]
    assert shown["rows"] == len(training) and "middle" in shown["psd"]
    visual = pd.read_parquet(clone / "derived/tables/mouse-vis.parquet")
    assert visual["remark"].unique().tolist() == ["none"]
    for name in DATASETS:
        samples = pd.read_parquet(clone / f"derived/samples/{name}.parquet")
        assert set(samples.groupby("x_o").size()) == {200}
    keys = set(pd.read_parquet(clone / "derived/samples/synthetic.parquet")["x_o"])
    assert {key.split("_")[0] for key in keys} == set(before[BATCH])
    page = (clone / "derived/report/index.html").read_text()
    assert "another" in page
    unpacked = clone / "datasets/discovered_posterior_samples"
    assert list((unpacked / "mouse-hc").glob("*_posterior.pickle"))
    assert list((unpacked / "organoids").glob("*_posterior.pickle"))
    assert not list(unpacked.rglob("*DS_Store")) and not list(unpacked.rglob("__MACOSX"))

    run("git", "add", "-A", cwd=clone)
    run(
        "git",
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "commit",
        "-qm",
        "b",
        cwd=clone,
    )
    run("dvc", "push", cwd=clone)
    assert run("git", "status", "--porcelain", cwd=clone).stdout == ""
    pushed = list((clone / ".dvc-storage").rglob("*"))
    assert len(pushed) > 20
