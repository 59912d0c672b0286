"""Who is connected to whom: drawn with numpy, without loops over cells."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Edges", "clustered", "fixed_number", "labels", "random_edges", "shared"]


@dataclass(frozen=True)
class Edges:
    """Connections of one kind.

    Attributes
    ----------
    starts, targets
        Cell i reaches `targets[starts[i]:starts[i + 1]]`; numbers count within populations.
    """

    starts: NDArray[np.int64] = field(repr=False)
    targets: NDArray[np.int32] = field(repr=False)


def _edges(flat: NDArray[np.int64], sources: int, targets: int) -> Edges:
    """Make connections of sorted places in the matrix source by target."""
    source, target = np.divmod(flat, targets) if targets else (flat, flat)
    starts = np.zeros(sources + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=sources), out=starts[1:])
    return Edges(starts, target.astype(np.int32))


def random_edges(
    random: np.random.Generator,
    sources: int,
    targets: int,
    probability: float,
    equal_excluded: bool = True,
) -> Edges:
    """Connect each ordered pair with the same probability, independently.

    Parameters
    ----------
    random
        Where numbers come from.
    sources, targets
        How many cells there are of each.
    probability
        Of a connection.
    equal_excluded
        Never connect two cells of equal number.
    """
    hit = random.random((sources, targets)) < probability
    if equal_excluded:
        np.fill_diagonal(hit, False)
    return _edges(np.flatnonzero(hit), sources, targets)


def labels(
    random: np.random.Generator, cells: int, clusters: int, slots: int, ordered: bool = False
) -> NDArray[np.int64]:
    """Give each cell its clusters, with replacement: (cells, slots).

    With `ordered`, cells are sorted by their first label.
    """
    drawn = random.integers(clusters, size=(cells, slots))
    return drawn[np.argsort(drawn[:, 0], kind="stable")] if ordered else drawn


def shared(members: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which pairs share a cluster, (cells, cells).

    Labels are compared slot by slot: the first of one with the second of another does not
    count.

    >>> shared(np.array([[0, 1], [1, 0], [2, 1]])).astype(int).tolist()
    [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    """
    same = np.zeros((len(members), len(members)), bool)
    for slot in members.T:
        same |= slot[:, None] == slot[None, :]
    return same


def fixed_number(
    random: np.random.Generator, pairs: NDArray[np.int64], probability: float
) -> NDArray[np.int64]:
    """Choose `ceil(probability * pairs)` of the pairs; their order stays."""
    wanted = math.ceil(probability * len(pairs))
    return pairs[np.sort(random.choice(len(pairs), wanted, replace=False, shuffle=False))]


def clustered(
    random: np.random.Generator, members: NDArray[np.int64], inside: float, outside: float
) -> tuple[Edges, Edges]:
    """Connect cells that share a cluster, and cells that do not, with fixed numbers of edges.

    Parameters
    ----------
    random
        Where numbers come from.
    members
        Labels of each cell, as of `labels`.
    inside, outside
        Share of the ordered pairs of each kind that is connected.

    Returns
    -------
    (Edges, Edges)
        Inside clusters, and outside.
    """
    cells = len(members)
    same = shared(members)
    apart = np.flatnonzero(~same)
    np.fill_diagonal(same, False)
    within = fixed_number(random, np.flatnonzero(same), inside)
    return (
        _edges(within, cells, cells),
        _edges(fixed_number(random, apart, outside), cells, cells),
    )
