"""The network that is trained: built by sbi, begun at the prior, described as `dgm.json` has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from automind_data.common.errors import AutomindError

__all__ = ["Architecture", "build", "describe"]

Part = dict[str, Any]
SPREAD = math.sqrt(12.0)
"""One over the standard deviation of the prior in the unit cube."""
FINE, BOUND, LEAST = 16, 3.0, 1e-3
"""Bins and ends of the fixed splines; shortest bin and smallest slope."""
INNER, END, END_SLOPE = 2.2, 2.95, 40.0
"""They follow the normal distribution so far; where and how steeply they leave the prior."""


@dataclass(frozen=True)
class Architecture:
    """The shape of a density estimator.

    Attributes
    ----------
    estimator
        `nsf`: neural spline flow (Durkan et al. 2019); `maf`: masked autoregressive flow
        (Papamakarios et al. 2017). Both as sbi builds them.
    transforms, hidden, blocks, bins
        Layers, hidden units and blocks of each network; bins of each spline.
    embedding
        Units of each layer of a fully connected net that x goes through; none: x itself.
    dropout
        Share of the units of the embedding net that are left out in a training step.
    z_score_x
        Is x centred and scaled by the mean and the standard deviation of the training rows,
        feature by feature.
    """

    estimator: Literal["nsf", "maf"] = "nsf"
    transforms: int = 5
    hidden: int = 50
    blocks: int = 2
    bins: int = 10
    embedding: tuple[int, ...] = ()
    dropout: float = 0.0
    z_score_x: bool = False


def build(shape: Architecture, width: int, x: NDArray[np.float32], seed: int) -> Any:
    """Build an untrained flow that says about every x what the prior says.

    Parameters
    ----------
    shape
        Its architecture.
    width
        Number of parameters, at least 2.
    x
        Conditioning vectors of the training rows, (n, n_features).
    seed
        Of the first weights.

    Returns
    -------
    nflows Flow
        Parameters are centred and scaled by the prior's own mean and standard deviation.
        The first two couplings of a spline flow turn the uniform prior into a normal one,
        whatever x is; all other layers pass what they get. Autoregressive layers can only
        begin at the normal distribution with the prior's moments.

    Raises
    ------
    AutomindError
        The architecture has no such network.
    """
    from sbi.neural_nets.net_builders.flow import build_maf, build_nsf

    if width < 2:
        rule = f"has {width} parameters, a flow needs at least 2"
        raise AutomindError("prior", rule, "train with more of them")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        context = torch.from_numpy(np.ascontiguousarray(x[:2]))
        options: dict[str, Any] = {
            "z_score_x": "independent",
            "z_score_y": "none",
            "hidden_features": shape.hidden,
            "num_transforms": shape.transforms,
            "num_blocks": shape.blocks,
            "embedding_net": _embedding(shape, x),
        }
        u = torch.rand(2, width)
        if shape.estimator == "nsf":
            flow = build_nsf(u, context, num_bins=shape.bins, **options).net
        else:
            flow = build_maf(u, context, **options).net
        flow = _bounded(flow, width, shape.embedding[-1] if shape.embedding else x.shape[1])
    _begin_at_the_prior(flow)
    return flow


class _Embedding(nn.Module):
    """A fully connected net; parts without numbers leave no trace in the description."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.net(x)
        return result


def _embedding(shape: Architecture, x: NDArray[np.float32]) -> nn.Module:
    from sbi.utils.sbiutils import Standardize

    layers: list[nn.Module] = []
    if shape.z_score_x:
        mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        std[std < 1e-14] = 1.0
        scaled = (torch.tensor(part, dtype=torch.float32) for part in (mean, std))
        layers.append(Standardize(*scaled))
    inputs = x.shape[1]
    for units in shape.embedding:
        layers += [nn.Linear(inputs, units), nn.ReLU()]
        if shape.dropout:
            layers.append(nn.Dropout(shape.dropout))
        inputs = units
    return _Embedding(layers) if layers else nn.Identity()


def _bounded(flow: Any, width: int, context: int) -> Any:
    """Put the fixed layers that turn the uniform prior into a normal one before a flow."""
    from nflows import flows, transforms
    from nflows.nn.nets import ResidualNet

    def net(inputs: int, outputs: int) -> Any:
        return ResidualNet(inputs, outputs, 1, context_features=context, num_blocks=1)

    _, *learned = flow._transform._transforms
    fixed: list[Any] = [
        transforms.PointwiseAffineTransform(
            torch.full((width,), -0.5 * SPREAD), torch.full((width,), SPREAD)
        )
    ]
    for first in range(2):
        mask = torch.zeros(width)
        mask[first::2] = 1
        layer = transforms.PiecewiseRationalQuadraticCouplingTransform(
            mask,
            net,
            num_bins=FINE,
            tails="linear",
            tail_bound=BOUND,
            min_bin_width=LEAST,
            min_bin_height=LEAST,
            min_derivative=LEAST,
        )
        with torch.no_grad():
            for number in layer.transform_net.parameters():
                number.zero_()
            raw = _to_normal()
            layer.transform_net.final_layer.bias.copy_(raw.repeat(len(mask[first::2])))
        fixed.append(layer)
    for layer in fixed:
        layer.requires_grad_(False)
    whole = transforms.CompositeTransform([*fixed, *learned])
    made = flows.Flow(whole, flow._distribution, flow._embedding_net)
    made.fixed = len(fixed)
    return made


def _begin_at_the_prior(flow: Any) -> None:
    """Let every learned layer pass what it gets, whatever x and the other parameters are."""
    with torch.no_grad():
        for layer in flow._transform._transforms[flow.fixed :]:
            match type(layer).__name__:
                case "PiecewiseRationalQuadraticCouplingTransform":
                    net = layer.transform_net
                    net.initial_layer.weight[:, : len(layer.identity_features)] = 0.0
                    net.final_layer.weight.zero_()
                    raw = _identity(layer.num_bins, layer.min_derivative)
                    net.final_layer.bias.copy_(raw.repeat(len(layer.transform_features)))
                case "MaskedAffineAutoregressiveTransform":
                    net = layer.autoregressive_net
                    net.initial_layer.weight.zero_()
                    net.final_layer.weight.zero_()
                    net.final_layer.bias.zero_()
                    net.final_layer.bias[::2] = math.log(math.expm1(1 - layer._epsilon))


def _identity(bins: int, min_derivative: float) -> torch.Tensor:
    """Return the numbers of a spline that changes nothing, (3 bins - 1,)."""
    raw = torch.zeros(3 * bins - 1, dtype=torch.float64)
    raw[2 * bins :] = math.log(math.expm1(1 - min_derivative))
    return raw


def _to_normal() -> torch.Tensor:
    """Return the numbers of the spline that turns the scaled uniform into a normal.

    Its knots lie on the exact curve, with the exact slopes, up to `INNER` standard
    deviations; the ends of the prior come next, where the exact curve leaves all bounds.
    """
    normal = NormalDist()
    noise = np.linspace(-INNER, INNER, FINE - 3)
    scaled = [SPREAD * (normal.cdf(each) - 0.5) for each in noise]
    slopes = [END_SLOPE, *(1 / (SPREAD * normal.pdf(each)) for each in noise), END_SLOPE]
    raw = [
        np.log((np.diff(knots) / (2 * BOUND) - LEAST) / (1 - LEAST * FINE))
        for knots in (
            [-BOUND, -SPREAD / 2, *scaled, SPREAD / 2, BOUND],
            [-BOUND, -END, *noise, END, BOUND],
        )
    ]
    return torch.tensor(np.concatenate([*raw, np.log(np.expm1(np.array(slopes) - LEAST))]))


def describe(flow: Any) -> tuple[Part, dict[str, NDArray[Any]]]:
    """Return the `flow` part of a `dgm.json`, and every tensor by its name in the network."""
    tensors = {name: values.detach().numpy() for name, values in flow.state_dict().items()}
    layers = flow._transform._transforms
    transforms = [
        _transform(layer, f"_transform._transforms.{number}") for number, layer in enumerate(layers)
    ]
    embedding = list(_embedded(flow._embedding_net, "_embedding_net"))
    return {"base": "standard normal", "transforms": transforms, "embedding": embedding}, tensors


def _transform(layer: Any, prefix: str) -> Part:
    match type(layer).__name__:
        case "PointwiseAffineTransform" | "AffineTransform":
            return {"kind": "affine", "tensors": prefix}
        case "LULinear":
            return {"kind": "lu", "tensors": prefix, "eps": float(layer.eps)}
        case "RandomPermutation":
            return {"kind": "permutation", "tensors": prefix}
        case "MaskedAffineAutoregressiveTransform":
            return {
                "kind": "affine autoregressive",
                "tensors": prefix,
                "eps": float(layer._epsilon),
                "blocks": len(layer.autoregressive_net.blocks),
                "activation": "tanh",
            }
        case "PiecewiseRationalQuadraticCouplingTransform":
            return {
                "kind": "rational-quadratic coupling",
                "tensors": prefix,
                "bins": int(layer.num_bins),
                "tail_bound": float(layer.tail_bound),
                "min_bin_width": float(layer.min_bin_width),
                "min_bin_height": float(layer.min_bin_height),
                "min_derivative": float(layer.min_derivative),
                "blocks": len(layer.transform_net.blocks),
                "activation": "relu",
            }
        case other:
            raise TypeError(f"a layer of kind {other} has no description")


def _embedded(module: nn.Module, prefix: str) -> list[Part]:
    found: list[Part] = []
    for number, layer in enumerate(getattr(module, "net", ())):
        match type(layer).__name__:
            case "Linear":
                found.append({"kind": "linear", "tensors": f"{prefix}.net.{number}"})
            case "ReLU":
                found.append({"kind": "relu"})
            case "Standardize":
                found.append({"kind": "standardize", "tensors": f"{prefix}.net.{number}"})
    return found
