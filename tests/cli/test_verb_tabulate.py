"""`automind-data tabulate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from automind_data.common.layout import PARAMETER_NAMES
from automind_data.tables import read_table
from tests.builders import write_archive
from tests.conftest import run


def test_it_writes_the_table_and_the_keys(tmp_path: Path, automind: Callable[..., Any]) -> None:
    path = write_archive(tmp_path / "synthetic.zip", batch_seed=3, n_pcs=2, x_o=["k_1", "k_0"])
    out, keys = tmp_path / "sub" / "t.parquet", tmp_path / "sub" / "k.json"
    done = automind("tabulate", path, out, "--observations-list", keys)
    assert (done.code, done.err) == (0, "")
    found = read_table(out)
    assert done.out == f"{out}: {len(found)} rows, {len(found.columns)} columns\n"
    assert json.loads(keys.read_bytes()) == {"x_o": ["k_1", "k_0"]}


def test_metrics_and_the_release_of_a_record(tmp_path: Path, automind: Callable[..., Any]) -> None:
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2, rows=5)
    record, out, metrics = tmp_path / "r.json", tmp_path / "t.parquet", tmp_path / "m.json"
    record.write_text('{"release": "2026.9", "files": []}')
    done = automind("tabulate", path, out, "--metrics", metrics, "--release-record", record)
    assert (done.code, done.err) == (0, "")
    said = json.loads(metrics.read_bytes())
    assert said["rows"] == 5 and set(said) >= {"columns", "early_stopped", "parameter", "psd"}
    assert pq.read_metadata(out).metadata[b"automind.release"] == b"2026.9"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (None, "is not there"),
        ("", "names no release"),
        ("[]", "names no release"),
        ('{"release": 5}', "names no release"),
        ('{"release": "\\ud800"}', "names no release"),
    ],
)
def test_a_record_without_a_release_is_one_sentence(
    tmp_path: Path, automind: Callable[..., Any], text: str | None, rule: str
) -> None:
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2)
    record = tmp_path / "r.json"
    if text is not None:
        record.write_text(text)
    done = automind("tabulate", path, tmp_path / "t.parquet", "--release-record", record)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert done.err.startswith(f"automind-data: {record}: {rule}; next: ")
    assert not (tmp_path / "t.parquet").exists()


def test_a_table_without_a_parameter_is_one_sentence(
    tmp_path: Path, automind: Callable[..., Any]
) -> None:
    path = write_archive(
        tmp_path / "training.zip",
        batch_seed=3,
        n_pcs=2,
        order=lambda names: [name for name in names if name != PARAMETER_NAMES[7]],
    )
    out = tmp_path / "t.parquet"
    out.write_bytes(b"of before")
    done = automind("tabulate", path, out)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert str(path) in done.err
    assert f"has no column {PARAMETER_NAMES[7]}" in done.err
    assert "next: " in done.err
    assert out.read_bytes() == b"of before"


def test_a_refusal_while_more_text_is_being_read_ends_in_order(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"date,well\na,oops\n" + b"a,1\n" * 6_000_000)
    done = run("automind-data", "tabulate", path, tmp_path / "t.parquet", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"automind-data: {path}: line 2, column well: 'oops' where a whole number belongs;"
        " next: look at that line.\n"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["long.csv"]
