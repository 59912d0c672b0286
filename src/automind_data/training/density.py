"""The log-density of many pairs at once, for training: what nflows computes, in fewer steps.

Only the splines are our own (Durkan et al. 2019, equations 4 and 5): nflows sorts points
into inside and outside and does widths and heights one after the other, which takes most
of the time of a training step. Everything else is the network as sbi has built it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["bounded", "log_prob", "spline"]


def bounded(flow: Any, u: Tensor) -> tuple[Tensor, Tensor]:
    """Send unit-cube parameters (n, d) through the fixed layers; give the log-determinant (n,)."""
    with torch.no_grad():
        context = u.new_zeros(len(u), 1)
        values, total = u, u.new_zeros(len(u))
        for transform in flow._transform._transforms[: flow.fixed]:
            if _is_spline(transform):
                raw = transform.transform_net.final_layer.bias.expand(len(u), -1)
                values, logdet = _coupling(transform, values, raw)
            else:
                values, logdet = transform(values, context)
            total = total + logdet
    return values, total


def log_prob(flow: Any, values: Tensor, x: Tensor) -> Tensor:
    """Return the log-density of each pair, with gradients.

    Parameters
    ----------
    flow
        From `network.build`.
    values, x
        Parameters as the fixed layers give them (n, d), and conditioning vectors
        (n, n_features).

    Returns
    -------
    Tensor
        (n,), nat. Plus the log-determinant of the fixed layers it is log q(u | x).
    """
    context = flow._embedding_net(x)
    total = values.new_zeros(len(values))
    for transform in flow._transform._transforms[flow.fixed :]:
        if _is_spline(transform):
            kept = values[:, transform.identity_features]
            values, logdet = _coupling(transform, values, transform.transform_net(kept, context))
        else:
            values, logdet = transform(values, context)
        total = total + logdet
    noise = (values * values).sum(dim=-1)
    return total - 0.5 * noise - 0.5 * values.shape[-1] * math.log(2 * math.pi)


def _is_spline(transform: Any) -> bool:
    return type(transform).__name__ == "PiecewiseRationalQuadraticCouplingTransform"


def _coupling(transform: Any, values: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    kept = values[:, transform.identity_features]
    moved, logdet = spline(transform, values[:, transform.transform_features], raw)
    order = torch.cat((transform.identity_features, transform.transform_features)).argsort()
    return torch.cat((kept, moved), dim=1)[:, order], logdet


def spline(transform: Any, values: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Send numbers (n, m) through the splines that `raw` (n, m (3 bins - 1)) describes."""
    bins, bound = transform.num_bins, float(transform.tail_bound)
    least = transform.min_bin_width
    raw = raw.view(*values.shape, 3 * bins - 1)
    lengths = raw[..., : 2 * bins].reshape(*values.shape, 2, bins)
    shares = torch.softmax(lengths / math.sqrt(transform.transform_net.hidden_features), dim=-1)
    inner = torch.cumsum(least + (1 - least * bins) * shares[..., :-1], dim=-1)
    edges = functional.pad(functional.pad(inner, (1, 0)), (0, 1), value=1.0)
    edges = 2 * bound * edges - bound
    edge_slope = math.log(math.expm1(1 - transform.min_derivative))
    raw_slopes = functional.pad(raw[..., 2 * bins :], (1, 1), value=edge_slope)
    inside = values.abs() <= bound
    point = values.clamp(-bound, bound)
    with torch.no_grad():
        index = (point[..., None] >= edges[..., 0, 1:-1]).sum(dim=-1, keepdim=True)
        both = torch.cat((index, index + 1), dim=-1)
    knots = edges.gather(-1, both[..., None, :].expand(*values.shape, 2, 2))
    slopes = transform.min_derivative + functional.softplus(raw_slopes.gather(-1, both))
    width, height = (knots[..., 1] - knots[..., 0]).unbind(-1)
    left, bottom = knots[..., 0].unbind(-1)
    first, last = slopes.unbind(-1)
    delta = height / width
    share = (point - left) / width
    rest = 1 - share
    mixed = share * rest
    denominator = delta + (first + last - 2 * delta) * mixed
    out = bottom + height * (delta * share * share + first * mixed) / denominator
    numerator = last * share * share + 2 * delta * mixed + first * rest * rest
    logdet = 2 * (delta.log() - denominator.log()) + numerator.log()
    return torch.where(inside, out, values), torch.where(inside, logdet, 0.0).sum(dim=-1)
