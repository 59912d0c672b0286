"""`automind-data sample` and input that cannot be sampled: one sentence each, nothing written."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from automind_data.calibration.misfit import find_misfit
from automind_data.calibration.reference import reference_of, write_reference
from automind_data.common.layout import DATASETS, OBSERVATION_TABLES, Dataset
from automind_data.common.observations import read_observations
from automind_data.dgm import load
from tests.conftest import run

Change = Callable[[dict[str, Any], dict[str, np.ndarray]], None]
FINAL = "_transform._transforms.1.transform_net.final_layer.weight"
KEY = "161001_0"


@pytest.fixture
def table(release: Path, dgms: Path, tmp_path: Path) -> pd.DataFrame:
    """Three observations with the features that the burst estimator needs, and their key."""
    rows = pd.read_csv(release / "observations/organoid_summary.csv", dtype={"date": str})
    columns = ["date", "well", *load(dgms / "burst").recipe.columns]
    return rows[columns].head(3)


@pytest.fixture
def sentence(automind: Callable[..., Any], tmp_path: Path) -> Callable[..., str]:
    """Run the verb, see it refuse with one sentence and write nothing; give the sentence."""

    def refused(dgm: Path, observations: Path, *options: str) -> str:
        out = tmp_path / "out.parquet"
        done = automind("sample", "--dgm", dgm, "--observations", observations, *options, out)
        assert done.code == 1, done
        assert len(done.err.splitlines()) == 1 and "; next: " in done.err
        assert not out.exists() and not (tmp_path / "record.json").exists()
        return str(done.err)

    return refused


def set_format(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["format"] = 2


def no_format(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    del said["format"]


def not_a_number(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    tensors[FINAL] = tensors[FINAL].copy()
    tensors[FINAL][0, 0] = np.nan


def missing_tensor(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    del tensors[FINAL]


def shorter_tensor(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    tensors[FINAL] = tensors[FINAL][:-1].copy()


def longer_diagonal(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    name = next(name for name in tensors if name.endswith("upper_diag"))
    tensors[name] = np.append(tensors[name], np.float32(1))


def features_out_of_place(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    name = "_transform._transforms.1.identity_features"
    tensors[name] = tensors[name] + 1000


def no_scale(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    name = "_transform._transforms.0._scale"
    tensors[name] = 0 * tensors[name]


def fewer_shifts(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    tensors["_transform._transforms.0._shift"] = np.zeros(5, "f")
    tensors["_transform._transforms.0._scale"] = np.ones(1, "f")


def unknown_layer(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["flow"]["transforms"][2]["kind"] = "mystery"


def many_bins(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["flow"]["transforms"][1]["bins"] = 10**9


def no_layers(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["flow"]["transforms"] = []


def no_flow(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    del said["flow"]


def one_name_twice(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["parameters"][1]["name"] = said["parameters"][0]["name"]


def one_name_less(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["parameters"].pop()


def empty_bounds(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["parameters"][3]["low"] = said["parameters"][3]["high"]


def fewer_bounds(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["conditioning"]["bounds"].pop()


def unknown_standard(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    said["conditioning"]["standardize"]["kind"] = "mystery"


def no_columns(said: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    del said["conditioning"]["columns"]


@pytest.mark.parametrize(
    ("change", "file", "said"),
    [
        (set_format, "dgm.json", "has format 2, this version reads formats up to 1"),
        (no_format, "dgm.json", "names no format"),
        (not_a_number, "dgm.safetensors", f"a number that is not finite in {FINAL}"),
        (missing_tensor, "dgm.json", f"tensors do not fit (no '{FINAL}')"),
        (shorter_tensor, "dgm.json", "a matrix is (405, 50) where (406, 50) belongs"),
        (longer_diagonal, "dgm.json", "tensors do not fit"),
        (features_out_of_place, "dgm.json", "a coupling leaves a parameter out"),
        (no_scale, "dgm.json", "a scale is 0"),
        (fewer_shifts, "dgm.json", "layers have 2 different widths"),
        (unknown_layer, "dgm.json", "unknown flow layer mystery"),
        (many_bins, "dgm.json", "tensors do not fit"),
        (no_layers, "dgm.json", "layers have 0 different widths"),
        (no_flow, "dgm.json", "no 'flow'"),
        (one_name_twice, "dgm.json", "a parameter is named twice"),
        (one_name_less, "dgm.json", "27 parameters for a flow of 28"),
        (empty_bounds, "dgm.json", "are not low < high"),
        (fewer_bounds, "dgm.json", "differ in number"),
        (unknown_standard, "dgm.json", "mystery is no way to standardise"),
        (no_columns, "dgm.json", "it has no 'columns'"),
    ],
)
def test_a_damaged_estimator(
    dgms: Path,
    release: Path,
    tmp_path: Path,
    sentence: Callable[..., str],
    change: Change,
    file: str,
    said: str,
) -> None:
    folder = Path(shutil.copytree(dgms / "burst", tmp_path / "burst"))
    described, tensors = (
        json.loads((folder / "dgm.json").read_text()),
        load_file(folder / "dgm.safetensors"),
    )
    change(described, tensors)
    (folder / "dgm.json").write_text(json.dumps(described))
    save_file(tensors, folder / "dgm.safetensors")
    observations = release / "observations/organoid_summary.csv"
    record = ["--record", str(tmp_path / "record.json")]
    for options in (["-n", "5"], ["-n", "5", *record]):
        found = sentence(folder, observations, *options)
        assert f"{folder / file}: " in found and said in found


@pytest.mark.parametrize("file", ["dgm.json", "dgm.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_file_that_is_cut_off(
    dgms: Path, release: Path, tmp_path: Path, sentence: Callable[..., str], file: str, share: float
) -> None:
    folder = Path(shutil.copytree(dgms / "burst", tmp_path / "burst"))
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: int(share * len(whole))])
    found = sentence(folder, release / "observations/organoid_summary.csv")
    assert f"{folder / file}: is damaged" in found


def test_a_file_that_is_not_there(
    dgms: Path, release: Path, tmp_path: Path, sentence: Callable[..., str]
) -> None:
    folder = Path(shutil.copytree(dgms / "burst", tmp_path / "burst"))
    (folder / "dgm.safetensors").unlink()
    found = sentence(folder, release / "observations/organoid_summary.csv")
    assert f"{folder / 'dgm.safetensors'}: is not there" in found


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf", "-1.0"])
def test_an_observation_that_lacks_a_feature(
    dgms: Path, tmp_path: Path, table: pd.DataFrame, sentence: Callable[..., str], cell: str
) -> None:
    column = table.columns[3]
    table[column] = table[column].astype(object)
    table.loc[0, column] = cell
    table.to_csv(tmp_path / "table.csv", index=False)
    found = sentence(dgms / "burst", tmp_path / "table.csv", "--observation", KEY, "-n", "5")
    rule = f"{KEY}: 1 of 4 features are missing or out of bounds: {column}"
    assert f"{tmp_path / 'table.csv'}: " in found and rule in found


def test_a_cell_that_is_no_number(
    dgms: Path, tmp_path: Path, table: pd.DataFrame, sentence: Callable[..., str]
) -> None:
    text = table.astype({table.columns[3]: str})
    text.loc[0, table.columns[3]] = "many"
    text.to_csv(tmp_path / "table.csv", index=False)
    assert "table.csv: cannot be read" in sentence(dgms / "burst", tmp_path / "table.csv")
    text.to_parquet(tmp_path / "table.parquet")
    assert "many" in sentence(dgms / "burst", tmp_path / "table.parquet")


def test_a_table_without_a_feature(
    dgms: Path, tmp_path: Path, table: pd.DataFrame, sentence: Callable[..., str]
) -> None:
    table.drop(columns=table.columns[4]).to_csv(tmp_path / "table.csv", index=False)
    found = sentence(dgms / "burst", tmp_path / "table.csv")
    assert f"has no column {table.columns[4]}" in found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["-n", "1000", "--oversample", "1000000"],
            f"{KEY}: 1000 rows times K = 1000000 is 1000000000 draws, no more than 10000000",
        ),
        (
            ["-n", "500", "--max-draws", "400"],
            "500 rows times K = 1 is 500 draws, no more than 400",
        ),
        (["-n", "5", "--observation", KEY], f"{KEY}: is asked for 2 times; next: name it once"),
        (["-n", "5", "--observation", "x"], "has no observation x"),
    ],
)
def test_more_than_can_be_done(
    dgms: Path,
    release: Path,
    tmp_path: Path,
    sentence: Callable[..., str],
    options: list[str],
    said: str,
) -> None:
    observations = release / "observations/organoid_summary.csv"
    record = ["--record", str(tmp_path / "record.json")]
    assert said in sentence(dgms / "burst", observations, "--observation", KEY, *options, *record)


@pytest.mark.parametrize("option", ["-n", "--oversample", "--max-draws"])
def test_nothing_asked_for(automind: Callable[..., Any], option: str) -> None:
    done = automind("sample", "--dgm", "burst", "--observations", "none.csv", option, "0")
    assert done.code == 2 and "0 is not in the range x>=1" in done.err


def test_an_observation_that_leaks_nearly_everything(
    dgms: Path,
    release: Path,
    tmp_path: Path,
    automind: Callable[..., Any],
    sentence: Callable[..., str],
) -> None:
    folder = Path(shutil.copytree(dgms / "burst", tmp_path / "burst"))
    tensors = load_file(folder / "dgm.safetensors")
    name = "_transform._transforms.0._shift"
    tensors[name] = tensors[name] - 1000
    save_file(tensors, folder / "dgm.safetensors")
    options = ["--observation", KEY, "-n", "5000"]
    observations = release / "observations/organoid_summary.csv"
    found = sentence(folder, observations, *options)
    leak = "only 0 of 100000 draws fell inside the prior box, 5000 are needed"
    assert f"{KEY}: {leak}" in found
    record = tmp_path / "record.json"
    command = ["sample", "--dgm", folder, "--observations", observations, *options]
    done = automind(*command, "--record", record, tmp_path / "out.parquet")
    assert done.code == 0 and leak in done.err
    (said,) = json.loads(record.read_text())["observations"]
    assert (said["status"], said["draws"], said["accepted"]) == ("skipped", 100_000, 0)
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 0


@pytest.mark.parametrize("oversample", [1, 4])
@pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.name)
def test_same_file_whatever_the_chunk_size_and_the_threads(
    dgms: Path,
    release: Path,
    tmp_path: Path,
    automind: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    dataset: Dataset,
    oversample: int,
) -> None:
    dgm, table = dgms / dataset.dgm, OBSERVATION_TABLES[dataset.observations]
    keys = read_observations(release / table.path, load(dgm).recipe.columns, dataset)
    command = ["sample", "--dgm", dgm, "--observations", release / table.path]
    command += ["--dataset", dataset.name, "-n", "300", "--oversample", str(oversample), "--mean"]
    command += [part for key in list(keys)[:2] for part in ("--observation", key)]
    written = set()
    for number, (chunk, threads) in enumerate([(1000, 1), (137, 2), (16, 1), (5000, 2)]):
        monkeypatch.setenv("AUTOMIND_CHUNK", str(chunk))
        monkeypatch.setenv("AUTOMIND_THREADS", str(threads))
        out, record = tmp_path / f"{number}.parquet", tmp_path / f"{number}.json"
        done = automind(*command, "--record", record, out)
        assert done.code == 0 and "2 observations, 300 rows each" in done.out, done
        written.add((out.read_bytes(), record.read_bytes()))
    assert len(written) == 1


@pytest.fixture
def clone(dgms: Path, tmp_path: Path, table: pd.DataFrame) -> Path:
    """A folder as a clone is: the burst estimator, three observations, and a reference.

    The reference was made of simulations that are like the first observation only.
    """
    shutil.copytree(dgms / "burst", tmp_path / "derived/dgms/burst")
    table.to_csv(tmp_path / "table.csv", index=False)
    dgm = load(dgms / "burst")
    x = dgm.conditioning(table.iloc[0])
    near = x + 0.02 * np.random.default_rng(0).normal(size=(150, 4))
    write_reference(
        reference_of(tmp_path / "derived/dgms/burst"), find_misfit(near, "density"), dgm
    )
    return tmp_path


def sample(automind: Callable[..., Any], clone: Path, *options: str) -> Any:
    return automind(
        "sample", "--dgm", clone / "derived/dgms/burst", "--observations", clone / "table.csv",
        "-n", "5", *options, clone / "out.parquet",
    )  # fmt: skip


def test_an_observation_outside_the_training_features(
    automind: Callable[..., Any], clone: Path
) -> None:
    done = sample(automind, clone, "--record", str(clone / "record.json"))
    first, second = done.err.splitlines()
    assert done.code == 0
    for line, key in ((first, "161001_1"), (second, "161001_2")):
        assert line.startswith(f"warning: {key} lies outside the training features: ")
        assert "nat per feature, p 0.0066; its samples are an extrapolation" in line
    said = json.loads((clone / "record.json").read_text())
    assert [each["outside"] for each in said["compared"]] == [False, True, True]
    scores = [each["score"] for each in said["compared"]]
    assert f"score {scores[1]:.3g} nat" in first and scores[0] < 0 < 10 < scores[1]
    compared = (clone / "out.parquet").read_bytes()
    done = sample(automind, clone, "--reference", "none", "--record", str(clone / "record.json"))
    assert done.code == 0 and done.err == ""
    assert "compared" not in json.loads((clone / "record.json").read_text())
    assert (clone / "out.parquet").read_bytes() == compared


def test_strict_refuses_what_lies_outside(automind: Callable[..., Any], clone: Path) -> None:
    done = sample(automind, clone, "--strict", "--record", str(clone / "record.json"))
    (line,) = done.err.splitlines()
    assert done.code == 1 and f"{clone / 'table.csv'}: 161001_1 lies outside" in line
    assert "(one of 2 such observations); next: " in line
    assert not (clone / "out.parquet").exists() and not (clone / "record.json").exists()
    done = sample(automind, clone, "--strict", "--observation", KEY)
    assert done.code == 0 and done.err == "" and (clone / "out.parquet").exists()


def test_strict_refuses_what_lacks_a_feature(
    automind: Callable[..., Any], clone: Path, table: pd.DataFrame
) -> None:
    table.loc[1, table.columns[3]] = np.nan
    table.to_csv(clone / "table.csv", index=False)
    only = ("--observation", KEY, "--observation", "161001_1")
    done = sample(automind, clone, *only)
    assert done.code == 0 and done.err.startswith("skipped 161001_1: 1 of 4 features are missing")
    (clone / "out.parquet").unlink()
    done = sample(automind, clone, "--strict", *only)
    (line,) = done.err.splitlines()
    assert done.code == 1 and "161001_1: 1 of 4 features are missing or out of bounds" in line
    assert not (clone / "out.parquet").exists()


def test_without_a_reference(automind: Callable[..., Any], clone: Path) -> None:
    place = reference_of(clone / "derived/dgms/burst")
    moved = place.rename(clone / "mine.safetensors")
    done = sample(automind, clone)
    assert done.code == 0
    assert done.err == "not compared with training features: no --reference\n"
    (clone / "out.parquet").unlink()
    for options in ((), ("--reference", "none")):
        done = sample(automind, clone, "--strict", *options)
        (line,) = done.err.splitlines()
        assert done.code == 1 and "burst: has no reference of training features" in line
    done = sample(automind, clone, "--reference", str(clone / "nowhere"))
    assert done.code == 1 and f"{clone / 'nowhere'}: is not there" in done.err
    assert not (clone / "out.parquet").exists()
    done = sample(automind, clone, "--reference", str(moved))
    assert done.code == 0 and done.err.count("warning: ") == 2


def test_a_recording_outside_the_training_features(
    automind: Callable[..., Any], clone: Path, release: Path
) -> None:
    command = ["sample", "--dgm", clone / "derived/dgms/burst", "-n", "5", "--recording"]
    command += [release / "observations/example_raw_data.npz"]
    done = automind(*command, clone / "out.parquet")
    (line,) = done.err.splitlines()
    assert done.code == 0 and line.startswith("warning: LFP_Sp_161223.mat lies outside")
    done = automind(*command, "--strict", clone / "strict.parquet")
    (line,) = done.err.splitlines()
    assert done.code == 1 and "example_raw_data.npz: LFP_Sp_161223.mat lies outside" in line
    assert not (clone / "strict.parquet").exists()


def test_comparing_imports_nothing_heavy(clone: Path) -> None:
    command = ["sample", "--dgm", "burst", "--observations", "table.csv", "-n", "5", "--strict"]
    code = (
        "import sys; from automind_data.common.command import main;"
        f"sys.argv = {['automind-data', *command, '--observation', KEY, 'out.parquet']};"
        "\ntry: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'sbi', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    done = run(sys.executable, "-c", code, cwd=clone)
    assert done.stdout.splitlines()[-1] == "[]" and (clone / "out.parquet").exists()
