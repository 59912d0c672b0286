"""Reading files of strangers: `.npz`, posteriors in their variants, and what `--inspect` says."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from nflows.transforms.standard import PointwiseAffineTransform
from sbi.utils.sbiutils import Standardize

from automind_data.cli.verb_convert import command
from automind_data.common.errors import AutomindError
from automind_data.common.layout import DGMS
from automind_data.pickles.confined import ask, read_npy, read_npz
from automind_data.pickles.legacy import describe_posterior
from automind_data.pickles.wire import pack, unpack
from tests.conftest import run
from tests.dgm.legacy import COLUMNS, maf, pickled_posterior
from tests.pickles.malicious import exec_of, npy

RECORDING = "observations/example_raw_data.npz"


def test_a_recording_is_what_numpy_reads(release: Path) -> None:
    ours = read_npz(release / RECORDING)
    theirs = np.load(release / RECORDING, allow_pickle=True)
    assert list(ours) == list(theirs)
    assert len(ours["spikes"]) == len(theirs["spikes"]) == 64
    for mine, other in zip(ours["spikes"], theirs["spikes"], strict=True):
        assert (mine is None) == (other is None)
        if other is not None:
            assert mine.dtype == other.dtype and mine.tobytes() == other.tobytes()
    for name in ("t_end", "fs", "recording_name"):
        assert ours[name].dtype == theirs[name].dtype and ours[name] == theirs[name]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_arrays_of_every_kind(tmp_path: Path, compressed: bool, protocol: int) -> None:
    spikes = np.empty(4, dtype=object)
    spikes[:] = [None, np.arange(3.0), np.zeros(0), np.arange(3)]
    made = {
        "spikes": spikes,
        "wells": np.array([[1, None], ["a", 2.5]], dtype=object),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "swapped": np.arange(3, dtype=">f4"),
        "texts": np.array(["ab", "ü"]),
        "flags": np.array([True, False]),
        "number": np.float64(2.5),
        "empty": np.zeros((0, 3)),
    }
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **made)
    ours = read_npz(tmp_path / "a.npz")
    assert list(ours) == list(made)
    assert ours["wells"] == [[1, None], ["a", 2.5]]
    assert ours["spikes"][0] is None
    for mine, other in zip(ours["spikes"][1:], spikes[1:], strict=True):
        assert mine.dtype == other.dtype and np.array_equal(mine, other)
    for name in ("fortran", "swapped", "texts", "flags", "number", "empty"):
        assert ours[name].dtype == np.asarray(made[name]).dtype
        assert np.array_equal(ours[name], made[name])
    (tmp_path / "one.npy").write_bytes(npy(pickle.dumps(spikes, protocol), (4,)))
    assert read_npy(tmp_path / "one.npy")[1].tolist() == [0.0, 1.0, 2.0]


def test_an_array_that_is_refused_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as out:
        out.writestr("spikes.npy", npy(exec_of(tmp_path / "canary")))
    with pytest.raises(AutomindError, match=r"a\.npz:spikes\.npy: mentions builtins\.exec at byte"):
        read_npz(tmp_path / "a.npz")
    assert not (tmp_path / "canary").exists()


def test_the_process_gives_what_the_reader_gives(release: Path) -> None:
    data = (release / DGMS["psd"]).read_bytes()
    description, tensors = describe_posterior(data, "psd")
    said, theirs = ask("posterior", data, "psd")
    assert said == description and list(theirs) == list(tensors)
    for name, tensor in tensors.items():
        assert tensor.dtype == theirs[name].dtype and tensor.shape == theirs[name].shape
        assert tensor.tobytes() == theirs[name].tobytes()


def test_what_travels_between_the_processes_comes_back() -> None:
    value = {
        "a": [1, 2.5, float("inf"), None, True, "ü\ud7ff"],
        "array": [{"array": np.arange(6.0).reshape(2, 3)}, np.array("x"), np.zeros((0, 2), ">i4")],
    }
    data = b"".join(pack(value))
    back = unpack(data)
    assert back["a"] == value["a"]
    assert np.array_equal(back["array"][0]["array"], np.arange(6.0).reshape(2, 3))
    assert back["array"][2].shape == (0, 2) and back["array"][2].dtype == ">i4"
    for cut in range(len(data)):
        with pytest.raises(ValueError):
            unpack(data[:cut])
    with pytest.raises(ValueError, match="left over"):
        unpack(data + b"x")
    for odd in (object(), {1: 2}, np.array([None]), b"a", np.zeros(2, "M8[s]")):
        with pytest.raises(TypeError):
            list(pack(odd))


@pytest.mark.parametrize(
    ("standardizing", "mean", "std"),
    [
        (Standardize(torch.arange(4.0), torch.ones(4)), [0, 1, 2, 3], [1] * 4),
        (Standardize(torch.tensor(-1.0), torch.tensor(2.0)), [-1] * 4, [2] * 4),
        (torch.nn.Identity(), [0] * 4, [1] * 4),
        (None, [0] * 4, [1] * 4),
    ],
)
def test_features_standardised_in_every_way(
    monkeypatch: pytest.MonkeyPatch,
    standardizing: object,
    mean: list[float],
    std: list[float],
) -> None:
    flow = maf()
    data = pickled_posterior(flow, monkeypatch, x_standardizing_func=standardizing)
    said, _ = ask("posterior", data, "maf")
    assert said["conditioning"]["standardize"] == {"kind": "z-score", "mean": mean, "std": std}
    assert said["conditioning"]["columns"] == COLUMNS


def test_features_standardised_for_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Standardize(torch.zeros(3), torch.ones(3))
    data = pickled_posterior(maf(), monkeypatch, x_standardizing_func=wrong)
    with pytest.raises(AutomindError, match="standardises 3 features where 4 are used"):
        ask("posterior", data, "maf")


def test_both_names_of_the_affine_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = maf()
    plain, tensors = ask("posterior", pickled_posterior(flow, monkeypatch), "maf")
    first = flow._transform._transforms[0]
    flow._transform._transforms[0] = PointwiseAffineTransform(first._shift, first._scale)
    other, others = ask("posterior", pickled_posterior(flow, monkeypatch), "maf")
    assert plain == other and plain["flow"]["transforms"][0]["kind"] == "affine"
    assert list(tensors) == list(others)


def test_inspect_lists_names_and_calls(release: Path) -> None:
    done = CliRunner().invoke(command, ["--inspect", str(release / DGMS["psd"])])
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert lines[0] == str(release / DGMS["psd"])
    assert lines[1].split() == ["verdict", "what", "times", "byte", "name"]
    assert len({line.index(line.split()[4]) for line in lines[1:-1]}) == 1
    rows = [line.split() for line in lines[2:-1]]
    assert {row[1] for row in rows} == {"import", "call", "state"}
    assert rows[0][:3] == ["allowed", "import", "1"] and rows[0][4].endswith("DirectPosterior")
    assert any(row[1] == "call" and row[4] == "builtins.getattr" for row in rows)
    assert lines[-1] == "  allowed: 38 names, 2300 calls"


def test_inspect_names_every_pickle_of_a_zip(release: Path, tmp_path: Path) -> None:
    source = release / "training_prior_samples/training.zip"
    done = CliRunner().invoke(command, ["--inspect", str(source), str(release / RECORDING)])
    assert done.exit_code == 0
    for end in ("_prior.pickle", "_params_dict_default.pickle", "/spikes.npy"):
        assert any(line.endswith(end) for line in done.output.splitlines())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.writestr("good.pickle", b"}.")
        out.writestr("odd.bin", exec_of(tmp_path / "canary", 4))
    shown = run("automind-data", "convert", "--inspect", "a.zip", cwd=tmp_path, check=False)
    assert shown.returncode == 1
    assert "a.zip:a/good.pickle\n  allowed: 0 names, 0 calls\n" in shown.stdout
    assert "  REFUSED  call" in shown.stdout
    assert shown.stderr.startswith(
        "automind-data: a.zip:a/odd.bin: mentions builtins.exec at byte 2"
    )
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_inspect_says_what_a_file_of_torch_is(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.pt"
    torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=zipped)
    shown = run("automind-data", "convert", "--inspect", "model.pt", cwd=tmp_path, check=False)
    assert shown.returncode == 1 and "file of torch.save" in shown.stderr
    shown = run("automind-data", "convert", "model.pt", "out", cwd=tmp_path, check=False)
    assert shown.returncode == 1 and "file of torch.save" in shown.stderr


def test_reading_needs_no_torch(release: Path) -> None:
    code = "import sys; sys.path[:] = sys.argv[1:]; import automind_data.pickles.child; "
    code += "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    from automind_data.pickles import confined

    python, *_, paths = [*confined._command()[:5], confined._command()[5:]]
    done = run(python, "-I", "-S", "-c", code, *paths, cwd=release)
    assert not {"torch", "sbi", "pandas", "multiprocessing"} & set(done.stdout.split())
