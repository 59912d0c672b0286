"""A neural spline flow for one conditioning vector, in plain torch.

The layers are those of nflows (Durkan et al. 2019, Neural Spline Flows). All
that depends on the conditioning vector alone is computed once: the embedding,
its share of each first layer, the gates of the residual blocks. LU layers are
inverted once. So a draw costs little more than its matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["ConditionedFlow", "embed"]

Tensors = Mapping[str, Tensor]


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
        self.logdet = self.scale.abs().log().sum()

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values * self.scale + self.shift, self.logdet

    def inverse(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return (values - self.shift) / self.scale, -self.logdet


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
        activations: dict[str, Callable[[Tensor], Tensor]]
        activations = {"relu": torch.relu, "tanh": torch.tanh}
        self.activate = activations[spec["activation"]]
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


def _layer(spec: dict[str, Any], tensors: Tensors, context: Tensor) -> _Layer:
    match spec["kind"]:
        case "affine":
            return _Affine(spec, tensors)
        case "lu":
            return _LU(spec, tensors)
        case "rational-quadratic coupling":
            return _SplineCoupling(spec, tensors, context)
        case other:
            raise ValueError(f"unknown flow layer {other}")


def _log_normal(noise: Tensor) -> Tensor:
    return -0.5 * (noise * noise).sum(dim=-1) - 0.5 * noise.shape[-1] * math.log(2 * math.pi)
