"""A masked autoregressive posterior, pickled in the form in which sbi 0.22 pickles one."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import pytest
import torch
from nflows.flows.base import Flow
from nflows.transforms.standard import AffineTransform, PointwiseAffineTransform
from sbi.inference.posteriors import direct_posterior
from sbi.neural_nets.net_builders import build_maf
from sbi.utils.sbiutils import Standardize

from automind_data.common.layout import PARAMETER_NAMES

COLUMNS = [
    "burst_interval_mean",
    "burst_interval_cv",
    "burst_width_mean",
    "burst_offset_time_mean",
]


def maf(seed: int = 0, z_score_theta: str = "independent", **options: Any) -> Flow:
    """The network of `build_maf`; every layer matters, scales are near 1, draws near 0.5."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        theta = 0.5 + 0.08 * torch.randn(200, len(PARAMETER_NAMES))
        x = 2 * torch.randn(200, len(COLUMNS)) + 1
        options = {"z_score_x": z_score_theta, "z_score_y": "independent", **options}
        flow: Flow = build_maf(theta, x, **options).net
        first = flow._transform._transforms[0]
        if isinstance(first, PointwiseAffineTransform):
            flow._transform._transforms[0] = AffineTransform(first._shift, first._scale)
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
            for name, parameter in flow.named_parameters():
                if name.endswith("final_layer.bias"):
                    parameter[::2] += math.log(math.e - 1)
    return flow.eval()


def pickled_posterior(flow: Flow, monkeypatch: pytest.MonkeyPatch, **state: Any) -> bytes:
    """Pickle a posterior of the burst kind around a network."""
    stand_in = type("DirectPosterior", (), {"__module__": direct_posterior.__name__})
    posterior = stand_in()
    width = len(PARAMETER_NAMES)
    posterior.__dict__ |= {
        "posterior_estimator": flow,
        "names": list(PARAMETER_NAMES),
        "marginals": [
            torch.distributions.Uniform(torch.zeros(1), torch.ones(1) * (1 + index))
            for index in range(width)
        ],
        "b2_units": [1] * width,
        "x_bounds_and_transforms": {column: [[0.001, 1000.0], True] for column in COLUMNS},
        "x_standardizing_func": Standardize(torch.zeros(4), torch.ones(4)),
        **state,
    }
    with monkeypatch.context() as patched:
        patched.setattr(direct_posterior, "DirectPosterior", stand_in)
        return pickle.dumps(posterior, protocol=4)
