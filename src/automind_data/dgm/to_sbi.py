"""A density estimator as the objects of sbi and nflows, for everything that sbi can do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sbi.inference.posteriors import DirectPosterior

    from automind_data.dgm.model import DGM

__all__ = ["to_sbi"]


def to_sbi(dgm: DGM) -> DirectPosterior:
    """Rebuild the network in nflows and wrap it as a posterior of sbi.

    Parameters
    ----------
    dgm
        The density estimator.

    Returns
    -------
    DirectPosterior
        Of unit-cube parameters given a conditioning vector, with the unit cube as its
        prior, in float32.
    """
    import torch
    from nflows.distributions.normal import StandardNormal
    from nflows.flows.base import Flow
    from nflows.transforms import CompositeTransform
    from sbi.inference.posteriors import DirectPosterior
    from sbi.neural_nets.estimators import NFlowsFlow
    from sbi.utils import BoxUniform

    width, spec = len(dgm.names), dgm.description["flow"]
    tensors = {name: torch.from_numpy(values.copy()) for name, values in dgm.tensors.items()}
    transforms = [_transform(part, tensors, width) for part in spec["transforms"]]
    flow = Flow(
        CompositeTransform(transforms),
        StandardNormal((width,)),
        torch.nn.Sequential(*(_embedding(part, tensors) for part in spec["embedding"])),
    )
    estimator = NFlowsFlow(
        flow.float().eval(),
        input_shape=torch.Size([width]),
        condition_shape=torch.Size([len(dgm.recipe.columns)]),
    )
    prior = BoxUniform(torch.zeros(width), torch.ones(width))
    return DirectPosterior(estimator, prior)


def _embedding(spec: dict[str, Any], tensors: dict[str, Any]) -> Any:
    from sbi.utils.sbiutils import Standardize
    from torch import nn

    own = _own(spec, tensors)
    match spec["kind"]:
        case "linear":
            rows, columns = own["weight"].shape
            layer: Any = nn.Linear(columns, rows)
        case "relu":
            return nn.ReLU()
        case "standardize":
            layer = Standardize(own["_mean"], own["_std"])
        case other:
            raise ValueError(f"unknown embedding layer {other}")
    layer.load_state_dict(own)
    return layer


def _transform(spec: dict[str, Any], tensors: dict[str, Any], width: int) -> Any:
    import torch
    from nflows import transforms

    own = _own(spec, tensors)
    layer: Any
    match spec["kind"]:
        case "affine":
            return transforms.PointwiseAffineTransform(own["_shift"], own["_scale"])
        case "permutation":
            return transforms.Permutation(own["_permutation"])
        case "lu":
            layer = transforms.LULinear(width, eps=spec["eps"])
        case "affine autoregressive":
            context, hidden = _context(own, "autoregressive_net.context_layer.weight")
            layer = transforms.MaskedAffineAutoregressiveTransform(
                width,
                hidden,
                context,
                num_blocks=spec["blocks"],
                use_residual_blocks=False,
                activation=getattr(torch, spec["activation"]),
            )
            layer._epsilon = spec["eps"]
        case "rational-quadratic coupling":
            layer = _coupling(spec, own, width)
        case other:
            raise ValueError(f"unknown flow layer {other}")
    layer.load_state_dict(own)
    return layer


def _coupling(spec: dict[str, Any], own: dict[str, Any], width: int) -> Any:
    import torch
    from nflows.nn.nets import ResidualNet
    from nflows.transforms import PiecewiseRationalQuadraticCouplingTransform

    context, hidden = _context(own, "transform_net.blocks.0.context_layer.weight")
    mask = torch.zeros(width)
    mask[own["transform_features"]] = 1

    def net(inputs: int, outputs: int) -> Any:
        return ResidualNet(
            inputs,
            outputs,
            hidden_features=hidden,
            context_features=context,
            num_blocks=spec["blocks"],
            activation=getattr(torch, spec["activation"]),
        )

    return PiecewiseRationalQuadraticCouplingTransform(
        mask=mask,
        transform_net_create_fn=net,
        num_bins=spec["bins"],
        tails="linear",
        tail_bound=spec["tail_bound"],
        min_bin_width=spec["min_bin_width"],
        min_bin_height=spec["min_bin_height"],
        min_derivative=spec["min_derivative"],
    )


def _own(spec: dict[str, Any], tensors: dict[str, Any]) -> dict[str, Any]:
    prefix = f"{spec.get('tensors', '')}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _context(own: dict[str, Any], name: str) -> tuple[int, int]:
    hidden, context = own[name].shape
    return int(context), int(hidden)
