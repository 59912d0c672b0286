"""`automind-data validate`: files, a release, a gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import csv_bytes, summary_table, write_release


def test_files_are_checked_and_an_error_exits_with_one(
    tmp_path: Path, automind: Callable[..., Any]
) -> None:
    table = summary_table(3, batch_seed=1, n_pcs=1)
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(csv_bytes(table))
    bad.write_bytes(csv_bytes(table.drop(columns="psd_7.0")))
    done = automind("validate", good)
    assert done.code == 0
    assert done.out.splitlines()[-1] == "valid: 0 errors, 0 warnings, 0 hints"
    done = automind("validate", good, bad)
    assert done.code == 1
    assert f"error psd-axis {bad}: " in done.out
    assert "  hz 7.0, is missing" in done.out
    assert done.out.splitlines()[-1] == "not valid: 1 error, 0 warnings, 0 hints"
    done = automind("validate", tmp_path / "none.csv")
    assert (done.code, done.out) == (1, "")
    assert "none.csv: is not there; next: " in done.err


def test_a_release_with_errors_is_written_down_and_exits_with_zero(
    tmp_path: Path, automind: Callable[..., Any]
) -> None:
    write_release(tmp_path, batch_seed=8, n_pcs=1)
    (tmp_path / "datasets" / "observations" / "example_raw_data.npz").unlink()
    out = tmp_path / "derived" / "validation"
    done = automind("validate", "--root", tmp_path, "--out", out)
    assert (done.code, done.err) == (0, "")
    assert done.out == (f"not valid: 1 error, 0 warnings, 0 hints; see {out / 'findings.jsonl'}\n")
    assert json.loads((out / "summary.json").read_bytes())["valid"] == 0


@pytest.mark.parametrize("low", [None, -99.0])
def test_a_gate_is_written_open_or_closed_and_exits_with_zero(
    tmp_path: Path, automind: Callable[..., Any], low: float | None
) -> None:
    derived = write_release(tmp_path, batch_seed=8, n_pcs=1) / "derived"
    prior = derived / "params" / "organoids.json"
    if low is not None:
        said = json.loads(prior.read_bytes())
        said["prior"][0]["low"] = low
        prior.write_text(json.dumps(said))
    done = automind(
        *("validate", "--dataset", "organoids", "--dgm", derived / "dgms" / "burst"),
        *("--prior", prior),
        *("--observations", derived / "observations" / "organoid_summary.parquet"),
        *("--gate", tmp_path / "gate" / "organoids.json"),
    )
    verdict = "open" if low is None else "closed"
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == f"organoids: the gate is {verdict}"
    assert json.loads((tmp_path / "gate" / "organoids.json").read_bytes()) == {
        "dataset": "organoids",
        "verdict": verdict,
        "errors": [] if low is None else ["dgm-bounds"],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--root", "."],
        ["a.csv", "--root", ".", "--out", "o"],
        ["--dataset", "organoids", "--gate", "g"],
        ["--dataset", "nothing", "--dgm", "d", "--prior", "p", "--observations", "o"],
    ],
)
def test_other_combinations_are_usage_errors(
    automind: Callable[..., Any], arguments: list[str]
) -> None:
    assert automind("validate", *arguments).code == 2
