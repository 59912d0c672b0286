"""A flow for one conditioning vector, in plain torch: the reference, and the float64 arithmetic.

The layers are those of nflows: neural spline flows (Durkan et al. 2019) and
masked autoregressive flows (Papamakarios et al. 2017). All that depends on the
conditioning vector alone is computed once: the embedding, its share of each
first layer, the gates of the residual blocks. LU layers are inverted once.
Draws are made by `dgm.compiled`, which gives the same numbers faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["ConditionedFlow", "PlainFlow", "embed"]

Tensors = Mapping[str, Tensor]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "tanh": torch.tanh}


class _Layer(Protocol):
    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, d) towards the base distribution; give the log-determinant, (n,) or ()."""

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Map (n, d) away from the base distribution; give the log-determinant of that."""


def embed(layers: list[dict[str, Any]], tensors: Tensors, x: Tensor) -> Tensor:
    """Run the embedding net on one conditioning vector (d,)."""
    for layer in layers:
        prefix = layer.get("tensors", "")
        match layer["kind"]:
            case "linear":
                bias = tensors[f"{prefix}.bias"]
                x = functional.linear(x, tensors[f"{prefix}.weight"], bias)
            case "relu":
                x = functional.relu(x)
            case "standardize":
                x = (x - tensors[f"{prefix}._mean"]) / tensors[f"{prefix}._std"]
            case other:
                raise ValueError(f"unknown embedding layer {other}")
    return x


class _Affine:
    def __init__(self, spec: dict[str, Any], tensors: Tensors) -> None:
        prefix = spec["tensors"]
        self.shift = tensors[f"{prefix}._shift"]
        self.scale = tensors[f"{prefix}._scale"]

    def _logdet(self, values: Tensor) -> Tensor:
        return self.scale.abs().log().expand(values.shape[-1]).sum()

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values * self.scale + self.shift, self._logdet(values)

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return (values - self.shift) / self.scale, -self._logdet(values)


class _Permutation:
    def __init__(self, spec: dict[str, Any], tensors: Tensors) -> None:
        self.order = tensors[f"{spec['tensors']}._permutation"]
        self.back = torch.argsort(self.order)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values[:, self.order], values.new_zeros(())

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values[:, self.back], values.new_zeros(())


class _LU:
    def __init__(self, spec: dict[str, Any], tensors: Tensors) -> None:
        prefix = spec["tensors"]
        self.bias = tensors[f"{prefix}.bias"]
        size = len(self.bias)
        double = torch.float64
        lower = torch.eye(size, dtype=double)
        upper = torch.zeros(size, size, dtype=double)
        rows, columns = torch.tril_indices(size, size, -1)
        lower[rows, columns] = tensors[f"{prefix}.lower_entries"].to(double)
        rows, columns = torch.triu_indices(size, size, 1)
        upper[rows, columns] = tensors[f"{prefix}.upper_entries"].to(double)
        diagonal = functional.softplus(tensors[f"{prefix}.unconstrained_upper_diag"].to(double))
        diagonal = diagonal + spec["eps"]
        upper += torch.diag(diagonal)
        self.weight = (lower @ upper).to(self.bias.dtype)
        self.inverted = torch.linalg.inv(lower @ upper).to(self.bias.dtype)
        self.logdet = diagonal.log().sum().to(self.bias.dtype)

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return functional.linear(values, self.weight, self.bias), self.logdet

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return functional.linear(values - self.bias, self.inverted), -self.logdet


class _SplineCoupling:
    def __init__(self, spec: dict[str, Any], tensors: Tensors, context: Tensor) -> None:
        prefix = spec["tensors"]
        self.kept = tensors[f"{prefix}.identity_features"]
        self.moved = tensors[f"{prefix}.transform_features"]
        self.bins = int(spec["bins"])
        self.bound = float(spec["tail_bound"])
        self.min_width = float(spec["min_bin_width"])
        self.min_height = float(spec["min_bin_height"])
        self.min_slope = float(spec["min_derivative"])
        self.activate = ACTIVATIONS[spec["activation"]]
        net = f"{prefix}.transform_net"
        weight = tensors[f"{net}.initial_layer.weight"]
        split = len(self.kept)
        bias = tensors[f"{net}.initial_layer.bias"]
        self.first = (
            weight[:, :split].contiguous(),
            functional.linear(context, weight[:, split:], bias),
        )
        self.blocks = []
        for index in range(spec["blocks"]):
            block = f"{net}.blocks.{index}"
            gate = torch.sigmoid(
                functional.linear(
                    context,
                    tensors[f"{block}.context_layer.weight"],
                    tensors[f"{block}.context_layer.bias"],
                )
            )
            layers = f"{block}.linear_layers"
            self.blocks.append(
                (
                    tensors[f"{layers}.0.weight"],
                    tensors[f"{layers}.0.bias"],
                    gate[:, None] * tensors[f"{layers}.1.weight"],
                    gate * tensors[f"{layers}.1.bias"],
                )
            )
        # Softmax inputs are divided by sqrt(hidden): done once, on the weights.
        final = tensors[f"{net}.final_layer.weight"]
        scale = torch.ones(len(self.moved), 3 * self.bins - 1, dtype=final.dtype)
        scale[:, : 2 * self.bins] /= math.sqrt(final.shape[1])
        self.final = (
            final * scale.reshape(-1, 1),
            tensors[f"{net}.final_layer.bias"] * scale.reshape(-1),
        )
        self.edge_slope = math.log(math.exp(1 - self.min_slope) - 1)

    def _knots(self, kept: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = functional.linear(kept, *self.first)
        for weight0, bias0, weight1, bias1 in self.blocks:
            inner = functional.linear(self.activate(hidden), weight0, bias0)
            hidden = hidden + functional.linear(self.activate(inner), weight1, bias1)
        raw = functional.linear(hidden, *self.final).view(len(kept), len(self.moved), -1)
        widths = self._edges(raw[..., : self.bins], self.min_width)
        heights = self._edges(raw[..., self.bins : 2 * self.bins], self.min_height)
        slopes = functional.pad(raw[..., 2 * self.bins :], (1, 1), value=self.edge_slope)
        return widths, heights, slopes

    def _edges(self, raw: Tensor, smallest: float) -> Tensor:
        shares = smallest + (1 - smallest * self.bins) * torch.softmax(raw, dim=-1)
        edges = functional.pad(torch.cumsum(shares, dim=-1), (1, 0))
        edges = 2 * self.bound * edges - self.bound
        edges[..., 0] = -self.bound
        edges[..., -1] = self.bound
        return edges

    def _spline(self, values: Tensor, kept: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        across, up, raw_slopes = self._knots(kept)
        inside = values.abs() <= self.bound
        point = values.clamp(-self.bound, self.bound)
        searched = up if inverse else across
        index = (point[..., None] >= searched[..., 1:-1]).sum(dim=-1, keepdim=True)
        both = torch.cat((index, index + 1), dim=-1)
        left, right = across.gather(-1, both).unbind(-1)
        bottom, top = up.gather(-1, both).unbind(-1)
        slopes = self.min_slope + functional.softplus(raw_slopes.gather(-1, both))
        slope0, slope1 = slopes.unbind(-1)
        width, height = right - left, top - bottom
        delta = height / width
        bend = slope0 + slope1 - 2 * delta
        if inverse:
            rise = point - bottom
            a = rise * bend + height * (delta - slope0)
            b = height * slope0 - rise * bend
            c = -delta * rise
            discriminant = (b * b - 4 * a * c).clamp_min(0)
            share = 2 * c / (-b - torch.sqrt(discriminant))
            out = share * width + left
        else:
            share = (point - left) / width
        mixed = share * (1 - share)
        denominator = delta + bend * mixed
        if not inverse:
            out = bottom + height * (delta * share * share + slope0 * mixed) / denominator
        numerator = (
            delta
            * delta
            * (slope1 * share * share + 2 * delta * mixed + slope0 * (1 - share) * (1 - share))
        )
        logdet = torch.log(numerator) - 2 * torch.log(denominator)
        logdet = torch.where(inside, -logdet if inverse else logdet, 0.0).sum(dim=-1)
        return torch.where(inside, out, values), logdet

    def _apply(self, values: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        kept = values[:, self.kept]
        moved, logdet = self._spline(values[:, self.moved], kept, inverse)
        out = torch.empty_like(values)
        out[:, self.kept] = kept
        out[:, self.moved] = moved
        return out, logdet

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return self._apply(values, inverse=False)

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return self._apply(values, inverse=True)


class _Autoregressive:
    def __init__(self, spec: dict[str, Any], tensors: Tensors, context: Tensor) -> None:
        net = f"{spec['tensors']}.autoregressive_net"
        self.activate = ACTIVATIONS[spec["activation"]]
        self.epsilon = float(spec["eps"])
        names = [
            "initial_layer",
            *(f"blocks.{index}.linear" for index in range(spec["blocks"])),
            "final_layer",
        ]
        self.layers = [
            (
                tensors[f"{net}.{name}.weight"] * tensors[f"{net}.{name}.mask"],
                tensors[f"{net}.{name}.bias"],
            )
            for name in names
        ]
        weight, bias = (tensors[f"{net}.context_layer.{part}"] for part in ("weight", "bias"))
        first, first_bias = self.layers[0]
        added = self.activate(functional.linear(context, weight, bias))
        self.layers[0] = (first, first_bias + added)

    def _scale_and_shift(self, values: Tensor) -> tuple[Tensor, Tensor]:
        hidden = values
        for layer in self.layers[:-1]:
            hidden = self.activate(functional.linear(hidden, *layer))
        raw = functional.linear(hidden, *self.layers[-1]).view(*values.shape, 2)
        return functional.softplus(raw[..., 0]) + self.epsilon, raw[..., 1]

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        scale, shift = self._scale_and_shift(values)
        return values * scale + shift, scale.log().sum(dim=-1)

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.zeros_like(values)
        for _ in range(values.shape[-1]):
            scale, shift = self._scale_and_shift(out)
            out = (values - shift) / scale
        return out, -scale.log().sum(dim=-1)


class ConditionedFlow:
    """The density q(u | x) for one x.

    Parameters
    ----------
    spec
        The `flow` part of a `dgm.json`.
    tensors
        The tensors of its `dgm.safetensors`; their type is the type of all arithmetic.
    x
        The conditioning vector, (n_features,).
    """

    def __init__(self, spec: dict[str, Any], tensors: Tensors, x: Tensor) -> None:
        context = embed(spec["embedding"], tensors, x)
        self.layers: list[_Layer] = [_layer(part, tensors, context) for part in spec["transforms"]]

    def log_prob(self, u: Tensor) -> Tensor:
        """Return the log-density of each row of `u` (n, d), without regard to the box."""
        noise, total = u, torch.zeros(len(u), dtype=u.dtype)
        for layer in self.layers:
            noise, logdet = layer.forward(noise)
            total = total + logdet
        return total + _log_normal(noise)

    def transport(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Turn standard normal rows into draws of u; return them with their log-densities."""
        total = _log_normal(noise)
        u = noise
        for layer in reversed(self.layers):
            u, logdet = layer.inverse(u)
            total = total - logdet
        return u, total


class PlainFlow:
    """A `ConditionedFlow` on numpy arrays, as `CompiledFlow` is."""

    def __init__(self, flow: ConditionedFlow, dtype: torch.dtype) -> None:
        self.flow = flow
        self.dtype = dtype

    def log_prob(self, u: NDArray[Any]) -> NDArray[Any]:
        """Return the log-density of each row of `u` (n, d), without regard to the box."""
        with torch.inference_mode():
            result: NDArray[Any] = self.flow.log_prob(torch.tensor(u, dtype=self.dtype)).numpy()
            return result

    def transport(self, noise: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Turn standard normal rows into draws of u; return them with their log-densities."""
        with torch.inference_mode():
            u, log_prob = self.flow.transport(torch.tensor(noise, dtype=self.dtype))
            return u.numpy(), log_prob.numpy()


def _layer(spec: dict[str, Any], tensors: Tensors, context: Tensor) -> _Layer:
    match spec["kind"]:
        case "affine":
            return _Affine(spec, tensors)
        case "permutation":
            return _Permutation(spec, tensors)
        case "affine autoregressive":
            return _Autoregressive(spec, tensors, context)
        case "lu":
            return _LU(spec, tensors)
        case "rational-quadratic coupling":
            return _SplineCoupling(spec, tensors, context)
        case other:
            raise ValueError(f"unknown flow layer {other}")


def _log_normal(noise: Tensor) -> Tensor:
    return -0.5 * (noise * noise).sum(dim=-1) - 0.5 * noise.shape[-1] * math.log(2 * math.pi)
