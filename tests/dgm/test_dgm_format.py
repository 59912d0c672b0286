"""A density estimator rebuilt from its two files and `docs/dgm-format.md` alone.

Written from the text of that page, in plain numpy and float64, one row and one
parameter at a time. Nothing of the package is used but to compare with.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from automind_data.dgm import load
from automind_data.dgm.store import FORMAT
from automind_data.pickles.convert import convert_pickle
from tests.dgm.legacy import maf, pickled_posterior

Vector = np.ndarray
ACTIVATIONS: dict[str, Callable[[Vector], Vector]] = {
    "relu": lambda values: np.where(values > 0, values, 0.0),
    "tanh": np.tanh,
}


def softplus(value: Any) -> Any:
    return np.log1p(np.exp(-np.abs(value))) + np.maximum(value, 0)


class Reader:
    """The flow of a `dgm.json` and a `dgm.safetensors`."""

    def __init__(self, folder: Path) -> None:
        self.said = json.loads((folder / "dgm.json").read_text())
        self.tensors = {
            name: values.astype(float) if values.dtype.kind == "f" else values
            for name, values in load_file(folder / "dgm.safetensors").items()
        }

    def conditioning(self, row: dict[str, float]) -> Vector:
        how = self.said["conditioning"]
        y = np.array([row[column] for column in how["columns"]])
        for place, limits in enumerate(how.get("bounds") or []):
            if limits is not None and not limits[0] <= y[place] <= limits[1]:
                y[place] = np.nan
        logged = how["log10"]
        logs = [logged] * len(y) if isinstance(logged, bool) else logged
        y = np.array([math.log10(v) if log else v for v, log in zip(y, logs, strict=True)], "f")
        standard = how["standardize"]
        if standard["kind"] == "z-score":
            return (y - np.array(standard["mean"], "f")) / np.array(standard["std"], "f")
        assert standard["kind"] == "demean and scale"
        return np.float32(standard["scale"]) * (y - y.mean())

    def context(self, x: Vector) -> Vector:
        x = x.astype(float)
        for layer in self.said["flow"]["embedding"]:
            own = layer.get("tensors")
            if layer["kind"] == "linear":
                x = self.linear(own, x)
            elif layer["kind"] == "relu":
                x = ACTIVATIONS["relu"](x)
            else:
                assert layer["kind"] == "standardize"
                x = (x - self.tensors[f"{own}._mean"]) / self.tensors[f"{own}._std"]
        return x

    def linear(self, prefix: str, x: Vector) -> Vector:
        return self.tensors[f"{prefix}.weight"] @ x + self.tensors[f"{prefix}.bias"]

    def log_prob(self, u: Vector, x: Vector) -> float:
        """From parameters to noise, summing log-determinants."""
        context, total, value = self.context(x), 0.0, u.astype(float)
        for layer in self.said["flow"]["transforms"]:
            value, logdet = self.forward(layer, value, context)
            total += logdet
        assert self.said["flow"]["base"] == "standard normal"
        return total - 0.5 * float(value @ value) - 0.5 * len(value) * math.log(2 * math.pi)

    def draw(self, noise: Vector, x: Vector) -> Vector:
        """From noise to parameters."""
        context, value = self.context(x), noise.astype(float)
        for layer in reversed(self.said["flow"]["transforms"]):
            value = self.inverse(layer, value, context)
        return value

    def forward(self, layer: dict[str, Any], u: Vector, context: Vector) -> tuple[Vector, float]:
        own = layer["tensors"]
        match layer["kind"]:
            case "affine":
                scale, shift = (self.tensors[f"{own}.{part}"] for part in ("_scale", "_shift"))
                logdet = np.log(np.abs(np.ones(len(u)) * scale)).sum()
                return u * scale + shift, float(logdet)
            case "permutation":
                return u[self.tensors[f"{own}._permutation"]], 0.0
            case "lu":
                lower, upper = self.triangles(layer, len(u))
                logdet = np.log(np.diag(upper)).sum()
                return lower @ (upper @ u) + self.tensors[f"{own}.bias"], float(logdet)
            case "affine autoregressive":
                scale, shift = self.scale_and_shift(layer, u, context)
                return u * scale + shift, float(np.log(scale).sum())
        assert layer["kind"] == "rational-quadratic coupling"
        out, total = u.copy(), 0.0
        for feature, knots in self.splines(layer, u, context):
            out[feature], slope = spline(u[feature], *knots)
            total += math.log(slope)
        return out, total

    def inverse(self, layer: dict[str, Any], v: Vector, context: Vector) -> Vector:
        own = layer["tensors"]
        match layer["kind"]:
            case "affine":
                return (v - self.tensors[f"{own}._shift"]) / self.tensors[f"{own}._scale"]
            case "permutation":
                out = np.empty(len(v))
                out[self.tensors[f"{own}._permutation"]] = v
                return out
            case "lu":
                lower, upper = self.triangles(layer, len(v))
                return np.linalg.solve(lower @ upper, v - self.tensors[f"{own}.bias"])
            case "affine autoregressive":
                u = np.zeros(len(v))
                for number in range(len(v)):
                    scale, shift = self.scale_and_shift(layer, u, context)
                    u[number] = (v[number] - shift[number]) / scale[number]
                return u
        assert layer["kind"] == "rational-quadratic coupling"
        out = v.copy()
        for feature, knots in self.splines(layer, v, context):
            out[feature] = solve(lambda at, knots=knots: spline(at, *knots)[0], v[feature])
        return out

    def triangles(self, layer: dict[str, Any], size: int) -> tuple[Vector, Vector]:
        own = layer["tensors"]
        lower, upper = np.eye(size), np.zeros((size, size))
        below, above = (iter(self.tensors[f"{own}.{part}_entries"]) for part in ("lower", "upper"))
        diagonal = softplus(self.tensors[f"{own}.unconstrained_upper_diag"]) + layer["eps"]
        for row in range(size):
            for column in range(row):
                lower[row, column] = next(below)
            upper[row, row] = diagonal[row]
            for column in range(row + 1, size):
                upper[row, column] = next(above)
        return lower, upper

    def splines(self, layer: dict[str, Any], u: Vector, context: Vector) -> Any:
        own, bins = layer["tensors"], layer["bins"]
        net, act = f"{own}.transform_net", ACTIVATIONS[layer["activation"]]
        passed = u[self.tensors[f"{own}.identity_features"]]
        h = self.linear(f"{net}.initial_layer", np.concatenate([passed, context]))
        for number in range(layer["blocks"]):
            block = f"{net}.blocks.{number}"
            inner = self.linear(f"{block}.linear_layers.0", act(h))
            inner = self.linear(f"{block}.linear_layers.1", act(inner))
            gate = 1 / (1 + np.exp(-self.linear(f"{block}.context_layer", context)))
            h = h + gate * inner
        raw = self.linear(f"{net}.final_layer", h)
        moved = self.tensors[f"{own}.transform_features"]
        bound = layer["tail_bound"]
        for feature, numbers in zip(moved, raw.reshape(len(moved), 3 * bins - 1), strict=True):
            widths, heights = (
                2 * bound * floored_softmax(part / math.sqrt(len(h)), layer[floor])
                for part, floor in (
                    (numbers[:bins], "min_bin_width"),
                    (numbers[bins : 2 * bins], "min_bin_height"),
                )
            )
            slopes = layer["min_derivative"] + softplus(numbers[2 * bins :])
            yield feature, (widths, heights, np.array([1.0, *slopes, 1.0]), bound)

    def scale_and_shift(
        self, layer: dict[str, Any], u: Vector, context: Vector
    ) -> tuple[Vector, Vector]:
        net, act = f"{layer['tensors']}.autoregressive_net", ACTIVATIONS[layer["activation"]]

        def masked(name: str, values: Vector) -> Vector:
            prefix = f"{net}.{name}"
            weight = self.tensors[f"{prefix}.weight"] * self.tensors[f"{prefix}.mask"]
            return weight @ values + self.tensors[f"{prefix}.bias"]

        h = act(masked("initial_layer", u) + act(self.linear(f"{net}.context_layer", context)))
        for number in range(layer["blocks"]):
            h = act(masked(f"blocks.{number}.linear", h))
        raw = masked("final_layer", h)
        return softplus(raw[0::2]) + layer["eps"], raw[1::2]


def floored_softmax(raw: Vector, floor: float) -> Vector:
    shares = np.exp(raw - raw.max())
    return floor + (1 - floor * len(raw)) * shares / shares.sum()


def spline(
    value: float, widths: Vector, heights: Vector, slopes: Vector, bound: float
) -> tuple[float, float]:
    """Value and slope of the rational-quadratic function, Durkan et al. 2019, equations 4 and 5."""
    if abs(value) > bound:
        return value, 1.0
    x, y = (np.concatenate([[-bound], -bound + np.cumsum(part)]) for part in (widths, heights))
    bin_ = min(int(np.searchsorted(x, value, side="right")) - 1, len(widths) - 1)
    s = heights[bin_] / widths[bin_]
    xi = (value - x[bin_]) / widths[bin_]
    left, right = slopes[bin_], slopes[bin_ + 1]
    below = s + (right + left - 2 * s) * xi * (1 - xi)
    out = y[bin_] + heights[bin_] * (s * xi**2 + left * xi * (1 - xi)) / below
    slope = s**2 * (right * xi**2 + 2 * s * xi * (1 - xi) + left * (1 - xi) ** 2) / below**2
    return float(out), float(slope)


def solve(function: Callable[[float], float], wanted: float) -> float:
    """Invert an increasing function that is the identity far out, by bisection."""
    low, high = -abs(wanted) - 10, abs(wanted) + 10
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < wanted else (low, middle)
    return (low + high) / 2


@pytest.fixture(params=["psd", "burst", "maf"])
def folder(
    request: pytest.FixtureRequest, dgms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Spline flows with and without an embedding net, and an autoregressive flow."""
    if request.param != "maf":
        return dgms / str(request.param)
    (tmp_path / "maf.pickle").write_bytes(pickled_posterior(maf(), monkeypatch))
    convert_pickle(tmp_path / "maf.pickle", tmp_path / "maf")
    return tmp_path / "maf"


def test_the_page_says_all_that_is_needed(folder: Path) -> None:
    reader, dgm = Reader(folder), load(folder)
    rng = np.random.default_rng(4)
    row = {column: float(10 ** rng.uniform(-0.5, 0.5)) for column in dgm.recipe.columns}
    x = reader.conditioning(row)
    assert np.abs(dgm.conditioning(row) - x).max() < 1e-6
    noise = 1.5 * rng.standard_normal((16, len(dgm.names)))
    drawn, density = dgm._flow(x).transport(noise.astype("f"))
    theirs = np.array([reader.draw(each, x) for each in noise])
    scale = np.maximum(1, np.abs(theirs))
    assert (np.abs(drawn - theirs) / scale).max() < 1e-3
    exact = np.array([reader.log_prob(each, x) for each in drawn])
    for ours in (density, dgm._flow(x).log_prob(drawn)):
        assert np.median(np.abs(ours - exact)) < 5e-5 and np.abs(ours - exact).max() < 5e-4
    float64 = load(folder, np.float64)._flow(x)
    assert np.abs(float64.log_prob(drawn) - exact).max() < 1e-6
    low, high = (np.array([p[side] for p in reader.said["parameters"]]) for side in ("low", "high"))
    u = np.float32(0.25) * np.ones(len(low), "f")
    assert np.allclose(dgm.to_physical(u), u * (high - low) + low, rtol=1e-6)


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_every_format_still_opens_and_gives_the_same_draws(number: int) -> None:
    """A committed estimator with every kind of layer; its draws are the same to the last bit."""
    folder = Path(__file__).parent / f"format_{number}"
    said = json.loads((folder / "expected.json").read_text())
    assert json.loads((folder / "dgm.json").read_text())["format"] == number
    dgm = load(folder)
    x = dgm.conditioning(said["row"])
    assert x.tolist() == said["x"]
    draws = dgm.draw(x, len(said["u"]), said["seed"], at_least=1000)
    assert draws.u.tolist() == said["u"]
    assert (draws.drawn, draws.accepted) == (said["drawn"], said["accepted"])
    for way in ({}, {"plain": True}, {"dtype": np.float64}):
        ours = load(folder, **way).log_prob_unit(draws.u, x)
        assert np.abs(ours - said["log_prob"]).max() < 1e-5
    theirs = dgm.to_sbi().potential(torch.tensor(draws.u), x=torch.tensor(x)[None]).numpy()
    assert np.abs(theirs - said["log_prob"]).max() < 1e-5
    kinds = {layer["kind"] for layer in dgm.description["flow"]["transforms"]}
    assert len(kinds) == 5
