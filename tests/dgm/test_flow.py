"""Our flow against nflows, the library that the published models were made with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.nn.nets import ResidualNet
from nflows.transforms import (
    CompositeTransform,
    LULinear,
    PiecewiseRationalQuadraticCouplingTransform,
)
from nflows.transforms.standard import AffineTransform
from torch import nn

from automind_data.dgm.flow import ConditionedFlow

WIDTH, CONTEXT, BINS, EMBEDDED = 6, 9, 7, 4


def random_flow(activation: str) -> tuple[Flow, dict[str, Any]]:
    torch.manual_seed(3)
    layers: list[Any] = [AffineTransform(torch.randn(WIDTH), torch.rand(WIDTH) + 0.5)]
    spec: list[dict[str, Any]] = [{"kind": "affine", "tensors": "_transform._transforms.0"}]
    for index in range(3):
        mask = torch.tensor([(position + index) % 2 for position in range(WIDTH)])
        layers.append(
            PiecewiseRationalQuadraticCouplingTransform(
                mask=mask,
                transform_net_create_fn=lambda inputs, outputs: ResidualNet(
                    inputs,
                    outputs,
                    hidden_features=11,
                    context_features=EMBEDDED,
                    num_blocks=2,
                    activation=getattr(torch, activation),
                ),
                num_bins=BINS,
                tails="linear",
                tail_bound=2.5,
            )
        )
        spec.append(
            {
                "kind": "rational-quadratic coupling",
                "tensors": f"_transform._transforms.{len(layers) - 1}",
                "bins": BINS,
                "tail_bound": 2.5,
                "min_bin_width": 1e-3,
                "min_bin_height": 1e-3,
                "min_derivative": 1e-3,
                "blocks": 2,
                "activation": activation,
            }
        )
        layers.append(LULinear(WIDTH, identity_init=False))
        prefix = f"_transform._transforms.{len(layers) - 1}"
        spec.append({"kind": "lu", "tensors": prefix, "eps": 1e-3})
    embedding = nn.Sequential(nn.Linear(CONTEXT, 5), nn.ReLU(), nn.Linear(5, EMBEDDED))
    flow = Flow(CompositeTransform(layers), StandardNormal((WIDTH,)), embedding)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    described = [
        {"kind": "linear", "tensors": "_embedding_net.0"},
        {"kind": "relu"},
        {"kind": "linear", "tensors": "_embedding_net.2"},
    ]
    return flow.double().eval(), {"transforms": spec, "embedding": described}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_equals_nflows(activation: str) -> None:
    flow, spec = random_flow(activation)
    x = torch.randn(1, CONTEXT, dtype=torch.float64)
    ours = ConditionedFlow(spec, dict(flow.state_dict()), x[0])
    values = 2 * torch.randn(500, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        theirs = flow.log_prob(values, context=x.expand(len(values), -1))
        assert torch.allclose(ours.log_prob(values), theirs, atol=1e-9, rtol=0)

        noise = 1.5 * torch.randn(500, WIDTH, dtype=torch.float64)
        embedded = flow._embedding_net(x).expand(len(noise), -1)
        drawn, _ = flow._transform.inverse(noise, context=embedded)
        u, log_prob = ours.transport(noise)
        assert torch.allclose(u, drawn, atol=1e-8, rtol=0)
        theirs = flow.log_prob(u, context=x.expand(len(u), -1))
        assert torch.allclose(log_prob, theirs, atol=1e-7, rtol=0)
        assert (noise.abs() > 2.5).any(), "the tails are not reached"


def test_unknown_layers_are_refused() -> None:
    flow, spec = random_flow("relu")
    tensors = dict(flow.state_dict())
    x = torch.zeros(CONTEXT, dtype=torch.float64)
    for part in ("transforms", "embedding"):
        with pytest.raises(ValueError, match="unknown"):
            ConditionedFlow({**spec, part: [{"kind": "mystery", "tensors": ""}]}, tensors, x)
