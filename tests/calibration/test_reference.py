"""What training features look like, kept in a small file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from automind_data.calibration.misfit import Misfit, find_misfit
from automind_data.calibration.reference import read_reference, reference_of, write_reference
from automind_data.common.errors import AutomindError
from automind_data.dgm import DGM, load


@pytest.fixture
def burst(dgms: Path) -> DGM:
    return load(dgms / "burst")


@pytest.fixture
def misfit() -> Misfit:
    return find_misfit(np.random.default_rng(0).normal(size=(120, 4)), "density")


@pytest.mark.parametrize("name", ["burst", "psd"])
def test_what_is_read_back_says_the_same(dgms: Path, tmp_path: Path, name: str) -> None:
    dgm = load(dgms / name)
    generator = np.random.default_rng(1)
    width = len(dgm.recipe.columns)
    x = generator.normal(size=(80, 6)) @ generator.normal(size=(6, width))
    made, path = find_misfit(x + 0.1 * generator.normal(size=x.shape), "density"), tmp_path / "r"
    write_reference(path, made, dgm)
    read = read_reference(path, dgm)
    rows = np.concatenate([x[:40], 3 * x[40:]])
    one, other = made.of(rows), read.of(rows)
    assert np.array_equal(one.p, other.p) and np.array_equal(one.score, other.score)
    assert read.n == 80 and one.outside.any() and not one.outside.all()
    before = path.read_bytes()
    write_reference(path, read, dgm)
    assert path.read_bytes() == before


def test_it_stands_beside_the_calibration_of_its_density_estimator() -> None:
    assert reference_of("a/derived/dgms/psd") == Path(
        "a/derived/calibration/psd/reference.safetensors"
    )


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("0.mean", np.zeros(3), "0 has other features"),
        ("whole.axes", np.zeros((2, 4), np.float32), "whole has other features"),
        ("1.variance", np.array([1.0, 1.0, 0.0, 1.0]), "1 has a number that cannot be"),
        ("2.rest", np.array([np.inf]), "2 has a number that cannot be"),
        ("3.known", np.array([np.nan]), "scores of training rows are missing or no numbers"),
        ("4.mean", None, "'4.mean'"),
    ],
)
def test_a_damaged_one(
    burst: DGM, misfit: Misfit, tmp_path: Path, name: str, values: np.ndarray | None, said: str
) -> None:
    path = tmp_path / "reference.safetensors"
    write_reference(path, misfit, burst)
    about = _about(path)
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors if values is None else {**tensors, name: values}, path, about)
    with pytest.raises(AutomindError, match=f"is damaged .*{said}"):
        read_reference(path, burst)


def _about(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return dict(file.metadata())


def test_files_that_are_none(burst: DGM, misfit: Misfit, dgms: Path, tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    with pytest.raises(AutomindError, match="is not there; next: make it with"):
        read_reference(path, burst)
    for text in (b"", b"no tensors", b"\xff" * 100):
        path.write_bytes(text)
        with pytest.raises(AutomindError, match="is damaged: it holds no reference"):
            read_reference(path, burst)
    write_reference(path, misfit, burst)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(AutomindError, match="is damaged: it holds no reference"):
        read_reference(path, burst)
    for about in ({}, {"about": "{"}, {"about": "[]"}, {"about": "{}"}):
        save_file({"a": np.zeros(1)}, path, about)
        with pytest.raises(AutomindError, match="is damaged: it holds no reference"):
            read_reference(path, burst)
    write_reference(path, misfit, burst)
    with pytest.raises(AutomindError, match="is conditioned on something else"):
        read_reference(path, load(dgms / "psd"))
