"""What predictive checks leave on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from automind_data.common.layout import DATASETS, PARAMETER_NAMES
from automind_data.predictive.distances import DISTANCES
from automind_data.predictive.release import predict_table
from tests.builders import BURST_COLUMNS
from tests.predictive.runs import (
    SAMPLES,
    bursts,
    finish,
    models,
    settings,
    write,
    write_burst_dgm,
)

TARGETS = {key: dict.fromkeys(BURST_COLUMNS, 1.0) for key in ("a", "b", "c")}


def predict(folder: Path, table: pl.DataFrame, heldout: Path | None = None, **changes: Any) -> Path:
    of = write_burst_dgm(folder / "dgm")
    path, out = write(folder / "m.parquet", table, 2), folder / "out"
    finish(predict_table(path, of, TARGETS, heldout, out, "mine", settings(**changes)))
    return out


def test_the_best_models_are_published_rows_with_rank_and_distances(tmp_path: Path) -> None:
    table = models(bursts([9, 5, None, 3, 2, 7]), ["b", "a", "b", "a", "a", "b"])
    best = pl.read_parquet(predict(tmp_path, table, k=2) / "mine.parquet")
    assert best.columns == [*table.columns, "predict.rank", "predict.row"] + [
        f"predict.{name}" for name in DISTANCES
    ]
    assert best["x_o"].to_list() == ["b", "b", "a", "a"]
    assert best["predict.rank"].to_list() == [1, 2, 1, 2]
    assert best["predict.row"].to_list() == [5, 0, 4, 3]
    published = table[best["predict.row"].to_list()]
    assert best.select(table.columns).equals(published)
    assert set(PARAMETER_NAMES) <= set(best.columns)
    assert best["predict.log10_mae"].is_sorted() is False
    assert best.filter(pl.col("x_o") == "a")["predict.log10_mae"].is_sorted()


def test_fewer_models_than_k_are_all_of_them(tmp_path: Path) -> None:
    table = models(bursts([2, None, None, 3]), ["a", "b", "b", "a"])
    best = pl.read_parquet(predict(tmp_path, table, k=50) / "mine.parquet")
    assert best["x_o"].to_list() == ["a", "a"]


def test_every_row_is_accounted_for(tmp_path: Path) -> None:
    heldout = write(tmp_path / "h.parquet", models(bursts([1.5, 3, 4, 5, 6, 7]), [""] * 6))
    kinds = ["gt_resim", SAMPLES, SAMPLES, SAMPLES, "NPE_map", SAMPLES]
    table = models(
        bursts([1.1, 2, None, 99, 3, 5]),
        ["a", "a", "a", "a", "b", "d"],
        kinds,
        stopped=[False, False, True, False, False, False],
    )
    out = predict(tmp_path, table, heldout)
    rows = pl.read_parquet(out / "checks" / "mine.parquet")
    assert rows["row"].to_list() == [0, 1, 2, 3, 4, 5]
    assert rows["status"].to_list()[:3] == ["whole", "whole", "early_stopped"]
    assert rows["rank"].to_list() == [None, 1, None, 2, 1, None]
    assert rows["matches"].to_list() == [False, True, False, False, None, None]
    assert rows["log10_mae"].null_count() == 2
    said = json.loads((out / "checks" / "mine.json").read_text())
    assert said["ranked_by"] == "log10_mae" and said["claimed"] == [0.05, 0.25]
    a, b, d = said["observations"]
    assert (a["models"], a["samples"], a["early_stopped"], a["whole"]) == (3, 3, 1, 2)
    assert (a["near"], a["heldout"]) == (5, 6) and a["yield"]["value"] == pytest.approx(1 / 3)
    assert a["noise_floor"]["log10_mae"] == rows["log10_mae"][0]
    assert b["yield"] is None and b["noise_floor"] is None
    assert (d["status"], d["best"]) == ("skipped", None)


def test_nothing_to_rank_gives_an_empty_table(tmp_path: Path) -> None:
    out = predict(tmp_path, models(bursts([None, None]), ["a", "b"]))
    assert len(pl.read_parquet(out / "mine.parquet")) == 0
    assert len(pl.read_parquet(out / "checks" / "mine.parquet")) == 2
    said = json.loads((out / "checks" / "mine.json").read_text())
    assert said["yield"] is None and said["against_claim"] is None


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    table = models(bursts([9, 5, None, 3, 2, 7]), ["b", "a", "b", "a", "a", "b"])
    heldout = write(tmp_path / "h.parquet", models(bursts(range(1, 30)), [""] * 29))
    outs = [predict(tmp_path / name, table, heldout) for name in ("one", "two")]
    for path in ("mine.parquet", "checks/mine.parquet", "checks/mine.json"):
        assert (outs[0] / path).read_bytes() == (outs[1] / path).read_bytes(), path


def test_data_sets_of_runs_take_no_claim(tmp_path: Path) -> None:
    of = write_burst_dgm(tmp_path / "dgm")
    path = write(tmp_path / "m.parquet", models(bursts([2, 3]), ["11_7", "11_7"]))
    heldout = write(tmp_path / "h.parquet", models(bursts([1.5] * 9), [""] * 9))
    targets = {"11_7": TARGETS["a"]}
    made = finish(
        predict_table(
            path, of, targets, heldout, tmp_path, "s", settings(), dataset=DATASETS["synthetic"]
        )
    )
    assert made.comparison.observations[0].heldout.shape == (8,)
    said = json.loads((tmp_path / "checks" / "s.json").read_text())
    assert said["recordings"] is False
    assert said["claimed"] is None and said["against_claim"] is None
