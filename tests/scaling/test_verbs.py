"""Verbs that use many workers give the bytes that one process gives."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import run
from tests.features.recordings import bursting, write_npz

VERB = (sys.executable, "-m", "automind_data")
WAYS = {"alone": (), "child": ("--timeout", "300"), "two": ("--workers", "2")}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in (3, 1, 2):
        name = f"r{number}"
        write_npz(folder / f"{name}.npz", bursting(cells=5, seed=number), recording_name=name)
    (folder / "notes.txt").write_text("not a recording")
    return folder


def test_features_of_a_folder(tmp_path: Path, recordings: Path, dgms: Path) -> None:
    made = set()
    for name, options in WAYS.items():
        said = ("--family", "burst", "--record", f"{name}.json", "--dgm", dgms / "burst")
        command = (*VERB, "features", "recordings", f"{name}.csv", *said, *options)
        done = run(*command, cwd=tmp_path)
        assert "3 recordings, 20 features each" in done.stdout
        made.add(tuple((tmp_path / f"{name}.{end}").read_bytes() for end in ("csv", "json")))
    assert len(made) == 1
    rows = (tmp_path / "two.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0].strip('"') for row in rows] == ["r1", "r2", "r3"]
    (recordings / "r0.npz").write_bytes(b"no zip")
    (recordings / "r1.npz").write_bytes(b"no zip either")
    sentences = set()
    for options in (WAYS["alone"], WAYS["two"]):
        command = (*VERB, "features", "recordings", "bad.csv", *options)
        done = run(*command, cwd=tmp_path, check=False)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        sentences.add(done.stderr)
    assert len(sentences) == 1 and "recordings/r0.npz" in sentences.pop()
    assert not (tmp_path / "bad.csv").exists()


def test_samples_of_many_observations(tmp_path: Path, release: Path, dgms: Path) -> None:
    table = release / "observations" / "organoid_summary.csv"
    keys = ("--observation", "161001_0", "--observation", "161001_1")
    made = set()
    for name, options in WAYS.items():
        said = ("-n", "50", "--mean", "--record", f"{name}.json", f"{name}.parquet")
        command = (*VERB, "sample", "--dgm", dgms / "burst", "--observations", table)
        run(*command, *keys, *said, *options, cwd=tmp_path)
        made.add(tuple((tmp_path / f"{name}.{end}").read_bytes() for end in ("parquet", "json")))
    assert len(made) == 1


def test_observations_that_no_worker_finishes(tmp_path: Path, release: Path, dgms: Path) -> None:
    table = release / "observations" / "organoid_summary.csv"
    keys = ("--observation", "161001_0", "--observation", "161001_1")
    command = (*VERB, "sample", "--dgm", dgms / "burst", "--observations", table, *keys)
    options = ("--timeout", "0.001", "--retries", "0", "--record", "a.json", "a.parquet")
    done = run(*command, *options, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert (
        "a.parquet: lacks 2 observations that no worker finished, such as 161001_0" in done.stderr
    )
    (first, _) = json.loads((tmp_path / "a.json").read_text())["observations"]
    assert first["status"] == "failed"
    assert first["reason"] == "failed once, at last it took more than 0.001 s"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scheduler", "tcp://a:1", "--queue", "slurm"), "give --scheduler or --queue"),
        (("--queue-option", "a=b"), "--queue-option needs --queue"),
        (("--queue", "slurm", "--queue-option", "ab"), "--queue-option ab is no NAME=VALUE"),
        (("--workers", "0"), "0 is not in the range"),
        (("--timeout", "0"), "0.0 is not in the range"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = run(*VERB, "features", "a.npz", "a.csv", *options, cwd=tmp_path, check=False)
    assert done.returncode == 2 and said in done.stderr


def test_a_scheduler_that_is_not_there(tmp_path: Path, recordings: Path) -> None:
    command = (*VERB, "features", "recordings", "a.csv", "--scheduler", "tcp://127.0.0.1:1")
    done = run(*command, cwd=tmp_path, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith("automind-data: scheduler tcp://127.0.0.1:1: does not answer")
