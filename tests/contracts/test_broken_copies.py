"""Copies of the sample release, each broken in one place: fault and row are named."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from automind_data.common.layout import ARCHIVES
from automind_data.contracts.run import validate_release
from automind_data.contracts.strangers import validate_file
from tests.builders import read_text, text_bytes, write_zip

BATCH, SEED = "params_settings.batch_seed", "params_settings.random_seed"
EARLY = "params_analysis.early_stopped"
Change = Callable[[pd.DataFrame], None]


def put(column: str, row: int, text: str) -> Change:
    def change(table: pd.DataFrame) -> None:
        table.loc[row, column] = text

    return change


def runs(table: pd.DataFrame) -> list[int]:
    """Rows with features."""
    return [int(row) for row in table.index[table[EARLY] == "False"]]


def wipe(table: pd.DataFrame) -> None:
    """A failed simulation: the run of row 7 loses all of its features."""
    features = [name for name in table if name.startswith(("isi_", "burst_", "pca_", "psd_"))]
    table.loc[7, EARLY] = "False"
    table.loc[7, features] = ""


def lean(table: pd.DataFrame) -> None:
    """Keep the prior's bounds but not its shape."""
    name = "params_net.p_e2i"
    values = table[name].astype(float)
    middle = (values.min() + values.max()) / 2
    table[name] = [repr(float(value)) for value in values.where(values < middle, middle)]


def stop(table: pd.DataFrame) -> None:
    table.loc[9, EARLY] = "True"


def burst_gap(table: pd.DataFrame) -> None:
    row = next(row for row in runs(table) if table.loc[row, "burst_num"])
    table.loc[row, "burst_width_mean"] = ""


def twice(table: pd.DataFrame) -> None:
    table.loc[12, SEED] = table.loc[4, SEED]


ROW_KINDS: list[tuple[str, Change, str, dict[str, Any]]] = [
    ("bounds", put("params_Epop.C", 3, "9e9"), "param-out-of-bounds", {"row": 3}),
    ("no parameter", put("params_Epop.a", 5, ""), "param-not-finite", {"row": 5}),
    ("seed twice", twice, "seed-twice", {"row": 12, "first in row": 4}),
    ("no seed", put(SEED, 8, ""), "key-missing", {"row": 8, "column": SEED}),
    ("stopped with features", stop, "features-without-run", {"row": 9}),
    ("failed simulation", wipe, "failed-runs", {"row": 7}),
    ("negative power", put("psd_12.5", 9, "-0.1"), "value-out-of-range", {"column": "psd_12.5"}),
    ("infinite feature", put("isi_cv_mu", 9, "inf"), "value-not-finite", {"row": 9}),
    ("no feature", put("pca_3", 9, ""), "feature-null", {"row": 9, "column": "pca_3"}),
    ("hole in the spectrum", put("psd_0.0", 9, ""), "feature-null", {"row": 9}),
    ("no intervals", put("isi_50q_mu", 9, ""), "feature-null", {"column": "isi_50q_mu"}),
    ("half a burst", burst_gap, "burst-null", {"column": "burst_width_mean"}),
    ("share of variance", put("pca_1", 9, "1.5"), "value-out-of-range", {"row": 9, "high": 1.0}),
    ("not uniform", lean, "not-uniform", {"parameter": "params_net.p_e2i"}),
]


@pytest.fixture(scope="module")
def heldout(release: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(release / ARCHIVES["heldout"].path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("change", "id_", "example"), [kind[1:] for kind in ROW_KINDS], ids=[k[0] for k in ROW_KINDS]
)
def test_a_broken_archive(
    heldout: dict[str, bytes],
    tmp_path: Path,
    change: Change,
    id_: str,
    example: dict[str, Any],
) -> None:
    (name,) = (name for name in heldout if name.endswith("_summary_data_merged.csv"))
    table = read_text(heldout[name].decode())
    assert runs(table)[2] == 9 or table.loc[9, EARLY] == "False"
    change(table)
    path = write_zip(tmp_path / "heldout.zip", {**heldout, name: text_bytes(table)})
    (found,) = (f for f in validate_file(path) if f.severity != "info")
    assert found.id == id_
    assert found.examples[0].items() >= example.items()
    if "row" in found.examples[0] and id_ != "key-missing":
        assert found.examples[0][SEED] == int(table.loc[found.examples[0]["row"], SEED])


def edit_table(root: Path, path: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    table = pl.read_parquet(root / path)
    (root / path).unlink()
    change(table).write_parquet(root / path)


def edit_json(root: Path, path: str, change: Callable[[Any], None]) -> None:
    said = json.loads((root / path).read_bytes())
    change(said)
    (root / path).unlink()
    (root / path).write_text(json.dumps(said))


def cell(frame: pl.DataFrame, column: str, row: int, value: Any) -> pl.DataFrame:
    cells = frame[column].to_list()
    cells[row] = value
    return frame.with_columns(pl.Series(column, cells, dtype=frame.schema[column]))


def leak(root: Path) -> None:
    training = pl.read_parquet(root / "derived/tables/training.parquet")
    edit_table(
        root,
        "derived/tables/heldout.parquet",
        lambda frame: pl.concat([frame[:-1], training[20:21].select(frame.columns)]),
    )


def swap(root: Path) -> None:
    shutil.rmtree(root / "derived/dgms/mouse-vis")
    shutil.copytree(root / "derived/dgms/burst", root / "derived/dgms/mouse-vis")


def lose(root: Path) -> None:
    edit_table(
        root,
        "derived/observations/organoid_summary.parquet",
        lambda frame: frame.filter(pl.col("date") != "161001"),
    )


def tilt(root: Path) -> None:
    edit_table(
        root,
        "derived/tables/mouse-hc.parquet",
        lambda frame: cell(frame, "infer.log_prob", 4, frame["infer.log_prob"][4] + 0.02),
    )


def correct(root: Path) -> None:
    raised = pl.when(pl.col("x_o") == "161029_0").then(0.3).otherwise(0.0)
    edit_table(
        root,
        "derived/tables/organoids.parquet",
        lambda frame: frame.with_columns(pl.col("infer.log_prob") + raised),
    )


def bend(root: Path) -> None:
    edit_table(
        root,
        "derived/observations/synthetic_summary.parquet",
        lambda frame: cell(frame, "psd_3.0", 6, frame["psd_3.0"][6] * (1 + 1e-11)),
    )


def invent(root: Path) -> None:
    edit_table(
        root,
        "derived/observations/synthetic_summary.parquet",
        lambda frame: cell(frame, SEED, 11, 99_999_999),
    )


def widen(root: Path) -> None:
    edit_json(root, "derived/params/synthetic.json", lambda said: said["prior"][3].update(high=0.5))


def retune(root: Path) -> None:
    def change(said: Any) -> None:
        said["analysis"]["params_analysis"]["min_num_spikes"]["value"] = 4

    edit_json(root, "derived/params/organoids.json", change)


def rename(root: Path) -> None:
    edit_table(
        root,
        "derived/tables/organoids.parquet",
        lambda frame: cell(frame, "inference.type", 1, "NPE_map"),
    )


def move(root: Path) -> None:
    edit_json(
        root,
        "derived/tables/training.profile.json",
        lambda said: said["columns"]["isi_mean_mu"].update(mean=3.0),
    )


CROSS_KINDS: list[tuple[Callable[[Path], None], str, str, dict[str, Any]]] = [
    (leak, "heldout-in-training", ARCHIVES["heldout"].path, {"row": 139, "row in training": 20}),
    (
        swap,
        "posterior-differs",
        ARCHIVES["mouse-vis"].path,
        {},
    ),
    (lose, "x-o-unresolved", ARCHIVES["organoids"].path, {"x_o": "161001_0"}),
    (tilt, "log-prob-differs", ARCHIVES["mouse-hc"].path, {"row": 4, "residual in nat": 0.02}),
    (
        correct,
        "log-prob-constant",
        ARCHIVES["organoids"].path,
        {"x_o": "161029_0", "rows": 6, "constant": 1.0444},
    ),
    (bend, "observation-differs", "observations/synthetic_summary.csv", {"row": 6}),
    (invent, "observation-not-heldout", "observations/synthetic_summary.csv", {"row": 11}),
    (widen, "prior-differs", ARCHIVES["synthetic"].path, {"parameter": "params_net.p_i2e"}),
    (
        retune,
        "analysis-differs",
        ARCHIVES["organoids"].path,
        {"parameter": "params_analysis.min_num_spikes", "organoids": "4", "training": "3"},
    ),
    (rename, "inference-types", ARCHIVES["organoids"].path, {"x_o": "161001_0"}),
    (move, "distribution-shift", ARCHIVES["training"].path, {"column": "isi_mean_mu"}),
]


def findings_of(root: Path) -> list[dict[str, Any]]:
    list(validate_release(root, root / "out"))
    lines = (root / "out" / "findings.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("change", "id_", "file", "example"),
    CROSS_KINDS,
    ids=[kind[0].__name__ for kind in CROSS_KINDS],
)
def test_a_broken_release(
    whole: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    id_: str,
    file: str,
    example: dict[str, Any],
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(whole, root, copy_function=os.link)
    change(root)
    found = [f for f in findings_of(root) if f["id"] == id_]
    assert {f["file"] for f in found} == {file}
    assert found[0]["examples"][0].items() >= example.items()


def test_the_sample_release_has_no_fault(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(whole, root, copy_function=os.link)
    findings = findings_of(root)
    assert {f["severity"] for f in findings} <= {"hint", "info"}
    said = {f["dataset"]: f["message"] for f in findings if f["id"] == "log-prob-attested"}
    assert len(said) == 4
    assert all(message.endswith("leakage of the first one") for message in said.values())
    summary = json.loads((root / "out" / "summary.json").read_bytes())
    assert summary["valid"] == 1
    assert 0 < summary["usable"]["training"]["burst"] < summary["usable"]["training"]["psd"]
