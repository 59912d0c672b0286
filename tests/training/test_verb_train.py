"""The verb `train`, on explicit paths and as the stage runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from automind_data.common.command import cli
from automind_data.common.errors import AutomindError
from automind_data.common.files import write_text
from automind_data.dgm import load
from tests.conftest import ROOT, run
from tests.training.simulators import FEATURES, write_prior, write_table

QUICK = ("--set", "max_epochs=2", "--set", "hidden=8", "--set", "batch=50")
COLUMNS = [part for name in FEATURES for part in ("--column", name)]


def call(*words: str, code: int = 0) -> Result:
    """Call `automind-data` in this process."""
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "table.parquet", 120, release="r1")
    write_prior(tmp_path / "prior.csv")
    return tmp_path


def test_trained_calibrated_and_sampled_like_a_published_one(folder: Path) -> None:
    write_table(folder / "heldout.parquet", 60, seed=9, batch=7)
    train = ("train", "table.parquet", "--prior", "prior.csv", *COLUMNS, *QUICK)
    said = call(*train, "mine").output
    assert said.startswith("mine: 96 rows, epoch 2 of 2 kept, log-density of 24 rows not trained")
    files = ("--training", "table.parquet", "--heldout", "heldout.parquet")
    call("calibrate", "--dgm", "mine", *files, "-n", "19", "out")
    record = json.loads((folder / "out" / "mine" / "record.json").read_text())
    assert record["simulations"]["heldout"]["taken"] == 60
    write_text(folder / "seen.csv", "date,well,burst_x,burst_y,burst_z\n161223,3,0.5,0.2,0.5\n")
    sample = ("sample", "--dgm", "mine", "--observations", "seen.csv", "-n", "9")
    call(*sample, "samples.parquet")
    assert (folder / "samples.parquet").is_file()
    call("train", "table.parquet", "--recipe", "mine", *QUICK, "next")
    old, new = load(folder / "mine").description, load(folder / "next").description
    assert old["conditioning"] == new["conditioning"] and old["parameters"] == new["parameters"]


def test_off_writes_a_little_and_imports_nothing_heavy(folder: Path) -> None:
    code = (
        "import sys\nfrom automind_data.common.command import main\n"
        "sys.argv[0] = 'automind-data'\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} &"
        " {'torch', 'pandas', 'dvc', 'polars', 'pyarrow', 'sbi', 'matplotlib'}))"
    )
    params = ROOT / "params.yaml"
    stage = ("train", "--params", params, "nowhere.parquet", "out")
    shown = run(sys.executable, "-c", code, *stage, cwd=folder).stdout.splitlines()
    assert shown == ["out: train.enabled is false, nothing was trained", "[]"]
    assert json.loads((folder / "out" / "training.json").read_text()) == {"state": "off"}
    assert (folder / "out" / "loss.csv").read_text() == "epoch,training,validation\n"
    assert len(list((folder / "out").iterdir())) == 3


def test_on_and_off_take_each_others_place(folder: Path) -> None:
    text = (ROOT / "params.yaml").read_text()
    on = text.replace("enabled: false", "enabled: true").replace(
        "recipe: psd", f"recipe: [{', '.join(FEATURES)}]"
    )
    on = on.replace("max_epochs: 1000", "max_epochs: 2")
    for name, content in (("on", on), ("off", text)):
        write_text(folder / f"{name}.yaml", content)
    write_text(folder / "release.json", '{"release": "r1"}')
    stage = ("train", "--prior", "prior.csv", "--release-record", "release.json")
    for name in ("off", "on", "off"):
        call(*stage, "--params", f"{name}.yaml", "table.parquet", "out")
        assert (folder / "out" / "dgm.json").is_file() == (name == "on")
    write_text(folder / "release.json", '{"release": "r2"}')
    done = call(*stage, "--params", "on.yaml", "table.parquet", "out", code=1)
    assert "table.parquet: is of release r1, where r2 belongs" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--column", "burst_x", "--recipe", "mine"), 2, "give --recipe or --column"),
        ((), 2, "give --recipe or --column"),
        (("--column", "burst_x", "--set", "wings=2"), 2, "give KEY=VALUE with a key of"),
        (("--column", "burst_x", "--set", "hidden=0"), 2, "hidden"),
        (
            ("--column", "burst_x", "--column", "log10(burst_x)"),
            1,
            "names the column burst_x twice",
        ),
        (("--column", "burst_x", "--prior", "table.parquet"), 1, "table.parquet: is no table of"),
        (("--column", "burst_x", "--prior", "none.csv"), 1, "none.csv: is not there"),
        (("--recipe", "none"), 1, "is not there"),
    ],
)
def test_what_is_refused(folder: Path, options: tuple[str, ...], code: int, said: str) -> None:
    prior = () if "--prior" in options else ("--prior", "prior.csv")
    done = call("train", "table.parquet", *prior, *options, "out", code=code)
    if code == 1:
        assert isinstance(done.exception, AutomindError)
    assert said in (done.output if code == 2 else str(done.exception))
    assert not (folder / "out").exists()


def test_a_folder_of_somebody_else_is_left_alone(folder: Path) -> None:
    write_text(folder / "out" / "letter.txt", "dear")
    stage = ("train", "--params", str(ROOT / "params.yaml"), "table.parquet", "out")
    done = call(*stage, code=1)
    assert "holds other files than a training, as letter.txt" in str(done.exception)
    assert (folder / "out" / "letter.txt").read_text() == "dear"
