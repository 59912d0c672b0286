"""A flow for one conditioning vector, run by compiled kernels: what every draw goes through.

The numbers are those of `dgm.flow` up to float32 rounding, several times as
fast. All that depends on the conditioning vector alone is worked out once, in
float64 and in a fixed order, and folded into the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automind_data.dgm import kernels
from automind_data.dgm.kernels import PANEL, AutoregressiveShape, CouplingShape
from automind_data.dgm.vectors import compiled

__all__ = ["CompiledFlow", "embed"]

Array = NDArray[Any]
Arrays = Mapping[str, Array]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda values: np.maximum(values, 0.0),
    "tanh": np.tanh,
}


class _Layer(Protocol):
    @property
    def width(self) -> int | None:
        """Number of parameters; None where any number will do."""

    def run(self, values: Array, total: Array, inverse: bool) -> Array:
        """Send tiles (tiles, d, lanes) through; add the forward log-determinant to `total`."""


class CompiledFlow:
    """The density q(u | x) for one x, in float32.

    Parameters
    ----------
    spec
        The `flow` part of a `dgm.json`.
    tensors
        The arrays of its `dgm.safetensors`.
    x
        The conditioning vector, (n_features,).

    Raises
    ------
    ValueError
        A layer is unknown or its tensors do not fit together.
    """

    def __init__(self, spec: dict[str, Any], tensors: Arrays, x: Array) -> None:
        double = {
            name: values.astype(np.float64) if values.dtype.kind == "f" else values
            for name, values in tensors.items()
        }
        context = embed(spec["embedding"], double, x.astype(np.float64))
        wide = any(part["kind"] == "affine autoregressive" for part in spec["transforms"])
        self.lanes = 32 if wide else 16
        self._layers = [_layer(part, double, context, self.lanes) for part in spec["transforms"]]
        widths = {layer.width for layer in self._layers} - {None}
        if len(widths) != 1:
            raise ValueError(f"layers have {len(widths)} different widths")
        self.width = widths.pop()

    def log_prob(self, u: Array) -> Array:
        """Return the log-density of each row of `u` (n, d), without regard to the box."""
        total, values = self._begin(u)
        for layer in self._layers:
            values = layer.run(values, total, inverse=False)
        self._log_normal(values, total)
        return total.reshape(-1)[: len(u)]

    def transport(self, noise: Array) -> tuple[Array, Array]:
        """Turn standard normal rows into draws of u; return them with their log-densities."""
        total, values = self._begin(noise)
        self._log_normal(values, total)
        for layer in reversed(self._layers):
            values = layer.run(values, total, inverse=True)
        rows = values.transpose(0, 2, 1).reshape(-1, noise.shape[1])
        return np.ascontiguousarray(rows[: len(noise)]), total.reshape(-1)[: len(noise)]

    def _begin(self, rows: Array) -> tuple[Array, Array]:
        n, width = rows.shape
        if width != self.width:
            raise ValueError(f"rows have {width} numbers, the flow has {self.width}")
        tiles = -(-n // self.lanes)
        padded = np.zeros((tiles * self.lanes, width), np.float32)
        padded[:n] = rows
        values = padded.reshape(tiles, self.lanes, width).transpose(0, 2, 1)
        return np.zeros((tiles, self.lanes), np.float32), np.ascontiguousarray(values)

    def _log_normal(self, values: Array, total: Array) -> None:
        kernel = compiled(kernels.log_normal, 2, self.lanes, values.shape[1])
        kernel(values, total, count=len(values))


def embed(layers: list[dict[str, Any]], tensors: Arrays, x: Array) -> Array:
    """Run the embedding net on one conditioning vector (d,), in float64."""
    for layer in layers:
        prefix = layer.get("tensors", "")
        match layer["kind"]:
            case "linear":
                x = _product(tensors[f"{prefix}.weight"], x) + tensors[f"{prefix}.bias"]
            case "relu":
                x = np.maximum(x, 0.0)
            case "standardize":
                x = (x - tensors[f"{prefix}._mean"]) / tensors[f"{prefix}._std"]
            case other:
                raise ValueError(f"unknown embedding layer {other}")
    return x


class _Affine:
    def __init__(self, spec: dict[str, Any], tensors: Arrays) -> None:
        prefix = spec["tensors"]
        self.shift, self.scale = (
            tensors[f"{prefix}.{name}"].reshape(-1, 1).astype(np.float32)
            for name in ("_shift", "_scale")
        )
        size, _ = np.broadcast_shapes(self.shift.shape, self.scale.shape)
        self.width = None if size == 1 else size
        if not self.scale.all():
            raise ValueError("a scale is 0")

    def run(self, values: Array, total: Array, inverse: bool) -> Array:
        width = values.shape[1]
        scales = np.broadcast_to(self.scale, (width, 1))[:, 0]
        total += np.float32(math.fsum(math.log(abs(part)) for part in scales))
        return (values - self.shift) / self.scale if inverse else values * self.scale + self.shift


class _Permutation:
    def __init__(self, spec: dict[str, Any], tensors: Arrays) -> None:
        self.order = tensors[f"{spec['tensors']}._permutation"].astype(np.int64)
        if not np.array_equal(np.sort(self.order), np.arange(len(self.order))):
            raise ValueError("an order of the parameters leaves one out")
        self.back = np.argsort(self.order)
        self.width = len(self.order)

    def run(self, values: Array, total: Array, inverse: bool) -> Array:
        return np.take(values, self.back if inverse else self.order, axis=1)


class _LU:
    def __init__(self, spec: dict[str, Any], tensors: Arrays, lanes: int) -> None:
        lower, upper, bias = lower_upper(spec, tensors)
        width = len(bias)
        inverted = _matrix_product(_inverted_upper(upper), _inverted_lower(lower))
        self.width, self.padded, self.lanes = width, -(-width // PANEL) * PANEL, lanes
        self.weights = {
            False: _panels(_matrix_product(lower, upper), bias),
            True: _panels(inverted, -_product(inverted, bias)),
        }
        self.logdet = np.float32(math.fsum(math.log(part) for part in np.diag(upper)))

    def run(self, values: Array, total: Array, inverse: bool) -> Array:
        out = np.empty((len(values), self.padded, self.lanes), np.float32)
        kernel = compiled(kernels.linear, 3, self.lanes, (self.width, self.padded))
        kernel(self.weights[inverse], values, out, count=len(values))
        total += self.logdet
        return np.ascontiguousarray(out[:, : self.width])


def lower_upper(spec: dict[str, Any], tensors: Arrays) -> tuple[Array, Array, Array]:
    """Return the two triangular matrices of an LU layer and its bias, in float64."""
    prefix = spec["tensors"]
    bias = tensors[f"{prefix}.bias"]
    size = len(bias)
    lower, upper = np.eye(size), np.zeros((size, size))
    lower[np.tril_indices(size, -1)] = tensors[f"{prefix}.lower_entries"]
    upper[np.triu_indices(size, 1)] = tensors[f"{prefix}.upper_entries"]
    raw = tensors[f"{prefix}.unconstrained_upper_diag"]
    upper[np.diag_indices(size)] = np.logaddexp(0.0, raw) + spec["eps"]
    return lower, upper, bias


class _SplineCoupling:
    def __init__(self, spec: dict[str, Any], tensors: Arrays, context: Array, lanes: int) -> None:
        prefix = spec["tensors"]
        kept, moved = (
            tensors[f"{prefix}.{name}_features"].astype(np.int64)
            for name in ("identity", "transform")
        )
        self.features = np.concatenate([kept, moved])
        self.width = len(self.features)
        if not np.array_equal(np.sort(self.features), np.arange(self.width)):
            raise ValueError("a coupling leaves a parameter out")
        net, bins = f"{prefix}.transform_net", int(spec["bins"])
        first = tensors[f"{net}.initial_layer.weight"]
        hidden = len(first)
        _fitting(first, hidden, len(kept) + len(context))
        added = _product(first[:, len(kept) :], context) + tensors[f"{net}.initial_layer.bias"]
        parts = [_panels(first[:, : len(kept)], added)]
        rows = -(-hidden // PANEL) * PANEL
        for index in range(spec["blocks"]):
            block = f"{net}.blocks.{index}"
            raw = _product(tensors[f"{block}.context_layer.weight"], context)
            gate = 1 / (1 + np.exp(-(raw + tensors[f"{block}.context_layer.bias"])))
            for number, factor in enumerate((np.ones(hidden), gate)):
                layer = f"{block}.linear_layers.{number}"
                weight = _fitting(tensors[f"{layer}.weight"], hidden, hidden)
                bias = factor * tensors[f"{layer}.bias"]
                parts.append(_panels(factor[:, None] * weight, bias, rows))
        knots = 3 * bins - 1
        final = _fitting(tensors[f"{net}.final_layer.weight"], knots * len(moved), hidden)
        # Softmax inputs are divided by sqrt(hidden): done once, on the weights.
        scale = np.where(np.arange(knots) < 2 * bins, 1 / math.sqrt(hidden), 1.0)
        bias = tensors[f"{net}.final_layer.bias"]
        for feature in range(len(moved)):
            here = slice(feature * knots, (feature + 1) * knots)
            parts.append(_panels(final[here] * scale[:, None], bias[here] * scale, rows))
        self.weights = np.concatenate([part.reshape(-1) for part in parts])
        self.lanes = lanes
        min_slope = float(spec["min_derivative"])
        self.shape = CouplingShape(
            width=self.width,
            kept=len(kept),
            moved=len(moved),
            hidden=rows,
            blocks=int(spec["blocks"]),
            knots=-(-knots // PANEL) * PANEL,
            bins=bins,
            bound=float(spec["tail_bound"]),
            min_width=float(spec["min_bin_width"]),
            min_height=float(spec["min_bin_height"]),
            min_slope=min_slope,
            edge_slope=math.log(math.expm1(1 - min_slope)),
            activation=_activation(spec),
            inverse=False,
        )

    def run(self, values: Array, total: Array, inverse: bool) -> Array:
        shape = replace(self.shape, inverse=inverse)
        rows = shape.kept + 3 * shape.hidden + shape.knots
        scratch = np.empty((rows, self.lanes), np.float32)
        kernel = compiled(kernels.coupling, 5, self.lanes, shape)
        kernel(self.weights, self.features, scratch, values, total, count=len(values))
        return values


class _Autoregressive:
    """A masked autoregressive network whose hidden units all stand in the order of their degree."""

    def __init__(self, spec: dict[str, Any], tensors: Arrays, context: Array, lanes: int) -> None:
        net = f"{spec['tensors']}.autoregressive_net"
        self.width = width = len(tensors[f"{net}.final_layer.bias"]) // 2
        names = [
            "initial_layer",
            *(f"blocks.{index}.linear" for index in range(spec["blocks"])),
            "final_layer",
        ]
        degrees = hidden_degrees(spec, tensors)
        # Pairs of equal degree: a degree with an odd number of units gets one that is zero.
        order = [
            [*units, *([-1] * (len(units) % 2))]
            for units in (np.flatnonzero(degrees == degree) for degree in range(1, width))
        ]
        counts = np.cumsum([0, *map(len, order), 0])
        units = np.array([unit for group in order for unit in group], np.int64)
        matrices = [_masked(tensors, f"{net}.{name}") for name in names]
        biases = [tensors[f"{net}.{name}.bias"] for name in names]
        raw = _product(tensors[f"{net}.context_layer.weight"], context)
        activate = ACTIVATIONS[_activation(spec)]
        biases[0] = biases[0] + activate(raw + tensors[f"{net}.context_layer.bias"])
        inner = [np.arange(width), *[units] * (len(names) - 1)]
        outer = [*[units] * (len(names) - 1), np.arange(2 * width)]
        layers = [
            (_chosen(matrix, rows, columns), np.where(rows < 0, 0.0, bias[rows]))
            for matrix, bias, rows, columns in zip(matrices, biases, outer, inner, strict=True)
        ]
        self.weights = _walk(layers, counts, width)
        self.counts = counts.astype(np.int64)
        self.lanes = lanes
        self.shape = AutoregressiveShape(
            width=width,
            hidden=len(units),
            layers=len(names) - 1,
            epsilon=float(spec["eps"]),
            activation=_activation(spec),
            inverse=False,
        )

    def run(self, values: Array, total: Array, inverse: bool) -> Array:
        shape = replace(self.shape, inverse=inverse)
        rows = shape.width + shape.layers * shape.hidden
        scratch = np.empty((rows, self.lanes), np.float32)
        kernel = compiled(kernels.autoregressive, 5, self.lanes, shape)
        kernel(self.weights, self.counts, scratch, values, total, count=len(values))
        return values


def hidden_degrees(spec: dict[str, Any], tensors: Arrays) -> Array:
    """Return how many parameters, in order, each hidden unit may see, and check that it is so.

    Raises
    ------
    ValueError
        A mask lets a unit see more than its degree says, or layers differ.
    """
    net = f"{spec['tensors']}.autoregressive_net"
    width = len(tensors[f"{net}.final_layer.bias"]) // 2
    degrees = tensors[f"{net}.initial_layer.degrees"]
    if not ((degrees >= 1) & (degrees < width)).all():
        raise ValueError("a hidden unit sees no parameter or all of them")
    seen = np.arange(1, width + 1)
    for name in ["initial_layer", *(f"blocks.{index}.linear" for index in range(spec["blocks"]))]:
        if not np.array_equal(tensors[f"{net}.{name}.degrees"], degrees):
            raise ValueError("hidden layers are masked in different ways")
        matrix = _fitting(_masked(tensors, f"{net}.{name}"), len(degrees), len(seen))
        if (matrix != 0)[degrees[:, None] < seen].any():
            raise ValueError("a mask lets a hidden unit see too much")
        seen = degrees
    final = _fitting(_masked(tensors, f"{net}.final_layer"), 2 * width, len(degrees))
    if (final != 0)[np.repeat(np.arange(1, width + 1), 2)[:, None] <= degrees].any():
        raise ValueError("a mask lets a parameter depend on itself")
    return degrees


def _masked(tensors: Arrays, layer: str) -> Array:
    masked: Array = tensors[f"{layer}.weight"] * tensors[f"{layer}.mask"]
    return masked


def _chosen(matrix: Array, rows: Array, columns: Array) -> Array:
    """Take rows and columns of a matrix by number; number -1 gives zeros."""
    padded = np.pad(matrix, ((0, 1), (0, 1)))
    return padded[rows][:, columns]


def _walk(layers: list[tuple[Array, Array]], counts: Array, width: int) -> Array:
    """Lay the weights out in the order in which `kernels.autoregressive` comes across them."""
    *hidden, (final, final_bias) = layers
    parts: list[Array] = []

    def pair(matrix: Array, bias: Array, row: int, columns: int) -> None:
        rows = slice(row, row + 2)
        parts.extend((bias[rows], matrix[rows, :columns].T.reshape(-1)))

    for number in range(width):
        before, after = int(counts[number]), int(counts[number + 1])
        pair(final, final_bias, 2 * number, before)
        columns = number + 1
        for matrix, bias in hidden:
            for row in range(before, after, 2):
                pair(matrix, bias, row, columns)
            columns = after
    return np.concatenate(parts).astype(np.float32)


def _layer(spec: dict[str, Any], tensors: Arrays, context: Array, lanes: int) -> _Layer:
    match spec["kind"]:
        case "affine":
            return _Affine(spec, tensors)
        case "lu":
            return _LU(spec, tensors, lanes)
        case "permutation":
            return _Permutation(spec, tensors)
        case "rational-quadratic coupling":
            return _SplineCoupling(spec, tensors, context, lanes)
        case "affine autoregressive":
            return _Autoregressive(spec, tensors, context, lanes)
        case other:
            raise ValueError(f"unknown flow layer {other}")


def _activation(spec: dict[str, Any]) -> str:
    if spec["activation"] not in ACTIVATIONS:
        raise ValueError(f"unknown activation {spec['activation']}")
    return str(spec["activation"])


def _fitting(matrix: Array, rows: int, columns: int) -> Array:
    if matrix.shape != (rows, columns):
        raise ValueError(f"a matrix is {matrix.shape} where {(rows, columns)} belongs")
    return matrix


def _product(matrix: Array, vector: Array) -> Array:
    """Multiply a matrix by a vector, summing in order: the same on every processor."""
    return np.cumsum(matrix * vector, axis=1)[:, -1]


def _matrix_product(one: Array, other: Array) -> Array:
    total = np.zeros((len(one), other.shape[1]))
    for index in range(len(other)):
        total += one[:, index : index + 1] * other[index]
    return total


def _inverted_lower(matrix: Array) -> Array:
    """Invert a lower triangular matrix with ones on its diagonal."""
    inverted = np.eye(len(matrix))
    for index in range(len(matrix)):
        inverted[index + 1 :] -= matrix[index + 1 :, index : index + 1] * inverted[index]
    return inverted


def _inverted_upper(matrix: Array) -> Array:
    inverted = np.eye(len(matrix))
    for index in reversed(range(len(matrix))):
        inverted[index] /= matrix[index, index]
        inverted[:index] -= matrix[:index, index : index + 1] * inverted[index]
    return inverted


def _panels(matrix: Array, bias: Array, columns: int | None = None) -> Array:
    """Lay a matrix out as `kernels` reads it: panels of biases, then weights column by column."""
    rows, width = matrix.shape
    columns = columns or width
    count = -(-rows // PANEL)
    padded = np.zeros((count * PANEL, columns + 1))
    padded[:rows, 0] = bias
    padded[:rows, 1 : width + 1] = matrix
    panels = padded.reshape(count, PANEL, columns + 1).transpose(0, 2, 1)
    return np.ascontiguousarray(panels, np.float32)
