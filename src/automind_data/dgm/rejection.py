"""Draws that fall inside the prior box, counted exactly, or only the densest of them."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.dgm.draws import Flow, blocks

__all__ = ["Draws", "Leak", "accept", "no_rows"]

Rows = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""u, log_prob and draw index of some draws."""
FEWER = "ask for fewer samples or allow more draws (sampling.max_draws, --max-draws)"
JUDGED = 100_000
"""From this many draws on, an observation that cannot yield enough is given up."""


@dataclass(frozen=True)
class Draws:
    """Accepted draws for one observation.

    They stand in the order in which they were drawn, or, where only the densest were
    kept, from the densest down; among equals the one drawn first comes first.

    Attributes
    ----------
    u
        Unit-cube parameters, float32 (n, 28).
    log_prob
        Flow log-density of each row with respect to unit-cube coordinates, in nat,
        not corrected for leakage, float32 (n,).
    draw
        Index of each row among all draws of its stream, int64 (n,).
    drawn, accepted
        How many draws were made and how many fell inside the prior box.
    """

    u: NDArray[np.float32]
    log_prob: NDArray[np.float32]
    draw: NDArray[np.int64]
    drawn: int
    accepted: int

    @property
    def acceptance(self) -> float:
        """Share of draws inside the prior box; one minus the leakage."""
        return self.accepted / self.drawn

    @property
    def acceptance_se(self) -> float:
        """Binomial standard error of `acceptance`."""
        share = self.acceptance
        return math.sqrt(share * (1 - share) / self.drawn)


class Leak(AutomindError):
    """So much of the posterior lies outside the prior box that sampling was given up.

    Attributes
    ----------
    drawn, accepted
        How many draws were made and how many fell inside the box.
    """

    def __init__(self, stream: str, wanted: int, drawn: int, accepted: int, at_most: int) -> None:
        self.drawn = drawn
        self.accepted = accepted
        rule = f"only {accepted} of {drawn} draws fell inside the prior box, {wanted} are needed"
        if drawn < at_most:
            rule += f", more than {at_most} draws would give"
        super().__init__(f"observation {stream}", rule, FEWER)


def accept(
    flow: Flow,
    width: int,
    n: int,
    seed: int,
    stream: str,
    *,
    oversample: int,
    at_least: int,
    at_most: int,
    threads: int,
) -> Generator[dict[str, Any], None, Draws]:
    """Draw until enough fell inside the unit cube.

    Parameters
    ----------
    flow, width
        The density for one observation and its number of parameters.
    n, oversample
        Rows to return, and K: with K > 1, the densest n of n * K accepted draws. No
        more than 2 n rows are held at a time, whatever K.
    seed, stream
        What the random numbers are keyed by.
    at_least, at_most
        Bounds on the number of draws; the second one wins.
    threads
        Blocks computed side by side: speed only.

    Yields
    ------
    dict
        `path` (the stream), `done` and `total`, accepted draws.

    Returns
    -------
    Draws
        The rows and the counts; draws are counted in whole blocks.

    Raises
    ------
    AutomindError
        More draws are asked for than `at_most`, or n or K make no sense.
    Leak
        `at_most` draws did not yield enough, or from 100,000 on it is certain, by five
        standard errors, that they will not.
    """
    wanted = n * oversample
    if n < 0 or oversample < 1:
        rule = f"cannot give {n} rows, K = {oversample}"
        raise AutomindError(f"observation {stream}", rule, "ask for n >= 0 and K >= 1")
    if wanted > at_most:
        rule = (
            f"{n} rows times K = {oversample} is {wanted} draws, no more than {at_most} are allowed"
        )
        raise AutomindError(f"observation {stream}", rule, FEWER)
    kept = _First(n, width) if oversample == 1 else _Densest(n, width)
    drawn = accepted = 0
    with closing(blocks(flow, width, seed, stream, threads)) as made:
        for block in made:
            size = len(block.inside)
            drawn += size
            inside = block.inside.nonzero()[0]
            taken = inside[: max(wanted - accepted, 0)]
            accepted += len(inside)
            if len(taken):
                kept.add((block.u[taken], block.log_prob[taken], block.index * size + taken))
            yield {"path": stream, "done": min(accepted, wanted), "total": wanted}
            if accepted >= wanted and drawn >= min(at_least, at_most):
                return Draws(*kept.rows(), drawn, accepted)
            if drawn >= at_most or _hopeless(accepted, drawn, wanted, at_most):
                break
    raise Leak(stream, wanted, drawn, accepted, at_most)


def _hopeless(accepted: int, drawn: int, wanted: int, at_most: int) -> bool:
    likely_most = accepted + 5 * math.sqrt(accepted + 1) + 25
    return drawn >= JUDGED and likely_most / drawn * at_most < wanted


class _First:
    """All rows, in the order in which they come."""

    def __init__(self, n: int, width: int) -> None:
        self._parts = [no_rows(width)]

    def add(self, rows: Rows) -> None:
        self._parts.append(rows)

    def rows(self) -> Rows:
        return _joined(self._parts)


class _Densest:
    """The `n` densest rows so far; among equals the one drawn first."""

    def __init__(self, n: int, width: int) -> None:
        self._n = n
        self._parts = [no_rows(width)]
        self._held = 0
        self._least = -math.inf

    def add(self, rows: Rows) -> None:
        better = rows[1] > self._least
        self._parts.append((rows[0][better], rows[1][better], rows[2][better]))
        self._held += int(better.sum())
        if self._held > 2 * self._n:
            self._prune()

    def rows(self) -> Rows:
        self._prune()
        return self._parts[0]

    def _prune(self) -> None:
        u, log_prob, draw = _joined(self._parts)
        best = np.lexsort((draw, -log_prob))[: self._n]
        self._parts = [(u[best], log_prob[best], draw[best])]
        self._held = len(best)
        if 0 < self._n == self._held:
            self._least = float(log_prob[best[-1]])


def no_rows(width: int) -> Rows:
    """Return the parts of `Draws` for no draw at all."""
    return np.empty((0, width), np.float32), np.empty(0, np.float32), np.empty(0, np.int64)


def _joined(parts: list[Rows]) -> Rows:
    u, log_prob, draw = (np.concatenate(column) for column in zip(*parts, strict=True))
    return u, log_prob, draw
