"""The densest point of a posterior inside the prior box (MAP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from automind_data.dgm.flow import ConditionedFlow

__all__ = ["STARTS", "maximise"]

STARTS = 10
"""How many of the densest draws the search starts from."""
STEPS = 500


def maximise(flow: ConditionedFlow, starts: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Climb from each start to the nearest maximum in the closed unit cube; keep the highest.

    The method is ours: L-BFGS-B (Byrd et al. 1995) with bounds 0 and 1 on every
    parameter and exact gradients, so a maximum on a face of the cube is found as
    well. No random number enters.

    Parameters
    ----------
    flow
        The density for one observation, in float64.
    starts
        Points inside the cube, (m, d).

    Returns
    -------
    (u, log_prob)
        The point, float64 (d,), and its log-density in nat; never less dense than a start.
    """
    import torch
    from scipy.optimize import minimize

    def downhill(point: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        u = torch.tensor(point[None], dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            log_prob = flow.log_prob(u).sum()
            (slope,) = torch.autograd.grad(log_prob, u)
        return -float(log_prob), -slope[0].numpy()

    best, least = np.asarray(starts[0], np.float64), np.inf
    for start in np.asarray(starts, np.float64):
        found = minimize(
            downhill,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * len(start),
            options={"maxiter": STEPS, "ftol": 1e-12, "gtol": 1e-6},
        )
        if found.fun < least:
            best, least = np.clip(found.x, 0.0, 1.0), float(found.fun)
    return best, -least
