"""The densest point of a posterior inside the prior box (MAP)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from automind_data.dgm.flow import ConditionedFlow

__all__ = ["STARTS", "maximise"]

STARTS = 50
"""How many of the densest draws the search starts from."""
STEPS, FIRST, LAST = 300, 0.02, 0.0002
"""How many steps it takes, and how long the first and the last are, in the unit cube."""
DECAYS = 0.9, 0.999


def maximise(flow: ConditionedFlow, starts: NDArray[Any]) -> tuple[NDArray[np.float64], float]:
    """Climb from all starts at once inside the closed unit cube; keep the highest point.

    The method is ours: Adam (Kingma and Ba 2015) on u itself with exact gradients. A
    step that leaves the cube ends on its face, so a maximum there is found as well.
    Steps shrink geometrically. No random number enters. As any climb, it finds the
    highest of the maxima next to its starts.

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

    u = torch.tensor(starts, dtype=torch.float64)
    mean, square = torch.zeros_like(u), torch.zeros_like(u)
    best, highest = u.clone(), torch.full((len(u),), -torch.inf, dtype=torch.float64)
    for step in range(STEPS):
        with torch.enable_grad():
            u.requires_grad_()
            log_prob = flow.log_prob(u)
            (slope,) = torch.autograd.grad(log_prob.sum(), u)
        u, log_prob = u.detach(), log_prob.detach()
        higher = log_prob > highest
        best[higher], highest[higher] = u[higher], log_prob[higher]
        mean = torch.lerp(slope, mean, DECAYS[0])
        square = torch.lerp(slope**2, square, DECAYS[1])
        unbiased, size = (
            part / (1 - decay ** (step + 1))
            for part, decay in zip((mean, square), DECAYS, strict=True)
        )
        length = FIRST * (LAST / FIRST) ** (step / (STEPS - 1))
        u = (u + length * unbiased / (size.sqrt() + 1e-12)).clamp(0, 1)
    top = int(highest.argmax())
    return best[top].numpy(), float(highest[top])
