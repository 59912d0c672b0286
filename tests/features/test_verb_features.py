"""`automind-data features` and `sample --recording`, from file to file."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from automind_data.dgm import load
from automind_data.features import Settings, compute_features, read_recording, read_settings
from automind_data.features.settings import Settings as Same
from automind_data.pickles.convert import convert_archive_params
from tests.conftest import run
from tests.features.recordings import bursting, write_npz


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_npz(tmp_path / "my.npz", bursting())


def row(path: Path) -> dict[str, Any]:
    (made,) = pyarrow.parquet.read_table(path).to_pylist()
    return dict(made)


def test_a_recording_becomes_a_row(tmp_path: Path, mine: Path) -> None:
    done = run("automind-data", "features", "my.npz", "out.parquet", cwd=tmp_path)
    assert done.stdout == "out.parquet: 1 recording, 1056 features each (settings: built in)\n"
    made, wanted = row(tmp_path / "out.parquet"), compute_features(read_recording(mine)).row
    assert made.pop("x_o") == "mine.mat" and made.pop("t_rec") == pytest.approx(59.999)
    assert list(made) == list(wanted)
    assert all(made[name] == value for name, value in wanted.items() if not math.isnan(value))
    assert all((made[name] is None) == math.isnan(value) for name, value in wanted.items())
    run("automind-data", "features", "my.npz", "out.csv", cwd=tmp_path)
    (listed,) = pyarrow.csv.read_csv(tmp_path / "out.csv").to_pylist()
    assert listed["burst_num"] == made["burst_num"] > 5


def test_options_reach_the_numbers(tmp_path: Path, mine: Path) -> None:
    run("automind-data", "features", "my.npz", "a.parquet", "--family", "burst", cwd=tmp_path)
    assert len(row(tmp_path / "a.parquet")) == 2 + 20
    options = ("--pipeline", "notebook", "--corrected", "--seed", "3", "--record", "b.json")
    run("automind-data", "features", "my.npz", "b.parquet", *options, cwd=tmp_path)
    made = row(tmp_path / "b.parquet")
    chosen = Settings(corrected=True, seed=3)
    wanted = compute_features(read_recording(mine), chosen, "notebook").row
    assert made["burst_mean_fr_mean"] == wanted["burst_mean_fr_mean"] > 1
    assert len(made) == 2 + 34
    record = json.loads((tmp_path / "b.json").read_text())
    assert record["pipeline"] == "notebook" and record["settings from"] == "built in"
    assert record["settings"]["corrected"] is True and record["settings"]["seed"] == 3


def test_the_settings_of_a_clone_are_taken(tmp_path: Path, mine: Path, release: Path) -> None:
    params = tmp_path / "derived" / "params" / "training.json"
    params.parent.mkdir(parents=True)
    convert_archive_params(release / "training_prior_samples" / "training.zip", params)
    assert read_settings(params) == Settings() == Same()
    tree = json.loads(params.read_text())
    tree["analysis"]["params_analysis"]["smooth_std"]["value"] = 0.05
    params.write_text(json.dumps(tree))
    done = run("automind-data", "features", "my.npz", "a.parquet", cwd=tmp_path)
    assert "(settings: derived/params/training.json)" in done.stdout
    wanted = compute_features(read_recording(mine), Settings(smooth_std=0.05)).row
    assert row(tmp_path / "a.parquet")["burst_width_mean"] == wanted["burst_width_mean"]
    moved = params.rename(tmp_path / "other.json")
    done = run(
        "automind-data", "features", "my.npz", "b.parquet", "--analysis", moved, cwd=tmp_path
    )
    assert row(tmp_path / "b.parquet") == row(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"smooth_std": {"value": "wide"}}, "has 'wide' as smooth_std"),
        ({"dt_poprate": {"value": 0}}, "has 0 as dt_poprate"),
        ({"noverlap_ratio": {"value": 1}}, "has 1 as noverlap_ratio"),
        ({"pop_sampler": {"value": {"inh": None}}}, "takes its features from {'inh': None}"),
        ({"pop_sampler": {"value": {"exc": 20}}}, "takes its features from {'exc': 20}"),
    ],
)
def test_settings_that_cannot_be_taken(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"analysis": {"params_analysis": change}}))
    write_npz(tmp_path / "my.npz", bursting())
    done = run(
        "automind-data", "features", "my.npz", "o.csv", "--analysis", "p.json",
        cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1
    for text, why in (("{", "is no JSON"), ("[]", "states no analysis parameters")):
        (tmp_path / "p.json").write_text(text)
        done = run(
            "automind-data", "features", "my.npz", "o.csv", "--analysis", "p.json",
            cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and why in done.stderr
    assert not (tmp_path / "o.csv").exists()


def test_several_recordings_have_a_row_each(tmp_path: Path, mine: Path) -> None:
    write_npz(tmp_path / "two.npz", bursting(seed=1), recording_name="two")
    run("automind-data", "features", "my.npz", "two.npz", "out.parquet", cwd=tmp_path)
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [each["x_o"] for each in rows] == ["mine.mat", "two"]
    shutil.copy(mine, tmp_path / "again.npz")
    done = run(
        "automind-data", "features", "my.npz", "again.npz", "o.csv", cwd=tmp_path, check=False
    )
    assert done.returncode == 1 and "again.npz: is called mine.mat" in done.stderr


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    write_npz(tmp_path / "bad.npz", [np.array([5.0])])
    done = run("automind-data", "features", "bad.npz", "out.csv", cwd=tmp_path, check=False)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and line.startswith("automind-data: bad.npz: holds one spike")
    write_npz(tmp_path / "bad.npz", [np.array([5.0, 6.0])], t_end=0.05)
    done = run("automind-data", "features", "bad.npz", "out.csv", cwd=tmp_path, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("automind-data: bad.npz: cannot be analysed: smoothing needs 0.14 s")
    done = run("automind-data", "features", "bad.npz", "out.txt", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert [each.name for each in tmp_path.iterdir()] == ["bad.npz"]
    write_npz(tmp_path / "bad.npz", [np.array([5.0, 6.0])], t_end=1e15)
    done = run("automind-data", "features", "bad.npz", "out.csv", cwd=tmp_path, check=False)
    (line,) = done.stderr.splitlines()
    assert "bad.npz: lasts 1e+15 s and does not fit into memory; next: check that t_end" in line
    (tmp_path / "bad.npz").write_text("5 6 7")
    done = run("automind-data", "features", "bad.npz", "out.csv", cwd=tmp_path, check=False)
    (line,) = done.stderr.splitlines()
    assert "not a zip; next: save it with numpy.savez; docs/recordings.md says" in line
    assert [each.name for each in tmp_path.iterdir()] == ["bad.npz"]
    for usage in (("a.npz",), ("a.npz", "o.csv", "--dgm", "psd")):
        done = run("automind-data", "features", *usage, cwd=tmp_path, check=False)
        assert done.returncode == 2


def test_threads_change_no_byte(tmp_path: Path) -> None:
    write_npz(tmp_path / "my.npz", bursting(cells=300))
    for threads in ("1", "2"):
        run(
            "automind-data", "features", "my.npz", f"{threads}.parquet",
            cwd=tmp_path, OPENBLAS_NUM_THREADS=threads, AUTOMIND_THREADS=threads,
        )  # fmt: skip
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_the_record_says_what_a_report_needs(tmp_path: Path, mine: Path, dgms: Path) -> None:
    run(
        "automind-data", "features", "my.npz", "out.parquet", "--record", "out.json",
        "--dgm", dgms / "burst", "--dgm", dgms / "psd", cwd=tmp_path,
    )  # fmt: skip
    (said,) = json.loads((tmp_path / "out.json").read_text())["recordings"]
    made = row(tmp_path / "out.parquet")
    assert said["source"]["file"] == "my.npz" and said["cells"] == 20
    assert len(said["bursts"]) == made["burst_num"]
    assert len(said["rate"]["values"]) == 2000 and said["rate"]["step"] == pytest.approx(0.03)
    for name in ("burst", "psd"):
        x = np.array(said["x"][name], np.float32)
        assert np.array_equal(x, load(dgms / name).conditioning(made))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_plot_is_the_same_each_time(tmp_path: Path, mine: Path, ending: str) -> None:
    for name in ("a", "b"):
        run(
            "automind-data", "features", "my.npz", "o.csv", "--plot", f"{name}.{ending}",
            cwd=tmp_path,
        )  # fmt: skip
    one, other = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("a", "b"))
    assert one == other and len(one) > 10_000
    if ending == "svg":
        for text in ("rate (Hz per cell)", "power (Hz²/Hz)", "cell"):
            assert f"<!-- {text} -->" in one.decode()


@pytest.mark.parametrize("name", ["burst", "psd"])
def test_from_spikes_to_samples_in_one_command(
    tmp_path: Path, release: Path, dgms: Path, name: str
) -> None:
    shutil.copy(release / "observations" / "example_raw_data.npz", tmp_path / "my.npz")
    shutil.copytree(dgms, tmp_path / "derived" / "dgms")
    done = run(
        "automind-data", "sample", "--recording", "my.npz", "--dgm", name, "-n", "100", "a.parquet",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "a.parquet: 1 observation, 100 rows each\n"
    run("automind-data", "features", "my.npz", "o.parquet", cwd=tmp_path)
    run(
        "automind-data", "sample", "--observations", "o.parquet", "--dgm", dgms / name,
        "-n", "100", "b.parquet", cwd=tmp_path,
    )  # fmt: skip
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert set(pyarrow.parquet.read_table(tmp_path / "a.parquet")["x_o"].to_pylist()) == {
        "LFP_Sp_161223.mat"
    }


def test_a_recording_without_bursts_is_not_sampled(tmp_path: Path, dgms: Path) -> None:
    random = np.random.default_rng(0)
    sparse = [np.sort(random.uniform(0, 60 * 12500, 2)) for _ in range(300)]
    write_npz(tmp_path / "my.npz", sparse)
    command = ("automind-data", "sample", "--recording", "my.npz", "--dgm", dgms / "burst")
    done = run(*command, "-n", "10", "a.parquet", cwd=tmp_path, check=False)
    assert done.returncode == 1 and "4 of 4 features are missing" in done.stderr
    done = run(*command, "--observations", "o.csv", "a.parquet", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "give --observations or --recording" in done.stderr
