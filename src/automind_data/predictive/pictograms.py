"""The three small pictures beside the titles of the overview figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PICTOGRAMS"]

GREY = "0.45"
BODY = ((0.55, 0.4, 0.3, 0.22), (0.25, 0.38, 0.17, 0.13), (0.3, 0.58, 0.1, 0.1))
NODES = ((0.15, 0.3), (0.4, 0.85), (0.5, 0.15), (0.85, 0.7), (0.9, 0.2))
EDGES = ((0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 4), (1, 2))


def organoid(axes: Any) -> None:
    """Draw a round lump of tissue with three cavities."""
    angle = np.linspace(0, 2 * np.pi, 120)
    radius = 0.42 + 0.03 * np.cos(5 * angle) + 0.02 * np.sin(3 * angle)
    axes.fill(0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle), color=GREY, lw=0)
    for x, y, size in ((0.38, 0.6, 0.1), (0.65, 0.55, 0.08), (0.5, 0.3, 0.07)):
        axes.fill(x + size * np.cos(angle), y + size * np.sin(angle), color="white", lw=0)


def mouse(axes: Any) -> None:
    """Draw the outline of a mouse: body, head, ear and tail."""
    angle = np.linspace(0, 2 * np.pi, 120)
    for x, y, wide, high in (
        (0.55, 0.4, 0.3, 0.22),
        (0.25, 0.38, 0.17, 0.13),
        (0.3, 0.58, 0.1, 0.1),
    ):
        axes.fill(x + wide * np.cos(angle), y + high * np.sin(angle), color=GREY, lw=0)
    along = np.linspace(0, 1, 60)
    axes.plot(0.82 + 0.16 * along, 0.3 + 0.18 * np.sin(2 * np.pi * along), color=GREY, lw=0.8)


def network(axes: Any) -> None:
    """Draw cells and the connections between them."""
    for one, other in EDGES:
        (x0, y0), (x1, y1) = NODES[one], NODES[other]
        axes.plot((x0, x1), (y0, y1), color=GREY, lw=0.5)
    x, y = zip(*NODES, strict=True)
    axes.plot(x, y, "o", color=GREY, ms=2.2, mew=0)


PICTOGRAMS: tuple[Callable[[Any], None], ...] = (organoid, mouse, network)
