"""Contracts about the log-densities that a discovered table stores.

They are those of the density estimator inside the same archive, with respect to
the unit cube of parameters, up to one constant for each observation: the share
of the posterior inside the prior, which the original estimated anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from automind_data.contracts.registry import SHOWN, Found, contract
from automind_data.contracts.residuals import USUAL, Constant, whose_leakage
from automind_data.contracts.subjects import Attested

__all__ = ["MOST", "SHARE"]

SHARE, MOST = 0.99, 1e-2
"""This share of the residuals is below `USUAL`, all are below the second bound, in nat.

The stored numbers are float32, from batches of another shape than anyone's today.
"""

WHOSE = {"own": "each itself", "first": "the first one"}


@contract("log-prob-differs", "error", Attested)
def stored_log_densities_are_those_of_the_estimator(attested: Attested) -> Iterator[Found]:
    """Stored log-densities are those of the density estimator inside, up to a constant."""
    known, size = attested.residuals.known, np.abs(attested.residuals.nat)
    usual = np.flatnonzero(known & ~(size < USUAL))
    odd = np.flatnonzero(known & ~(size < MOST))
    if not len(odd) and len(usual) <= (1 - SHARE) * known.sum():
        return
    guilty = odd if len(odd) else usual
    worst = sorted(guilty, key=lambda row: (-np.nan_to_num(size[row], nan=np.inf), row))[:SHOWN]
    cases = tuple(
        {
            "row": int(row),
            "x_o": attested.residuals.x_o[row],
            "residual in nat": float(f"{attested.residuals.nat[row]:.2g}"),
        }
        for row in sorted(worst)
    )
    yield Found(
        f"{len(guilty)} of {known.sum()} stored log-densities differ from the density estimator"
        f" inside by {MOST if len(odd) else USUAL} nat or more",
        len(guilty),
        cases,
    )


@contract("log-prob-attested", "info", Attested)
def the_largest_residual_is_said(attested: Attested) -> Iterator[Found]:
    """How near stored and computed log-densities are is said."""
    known, size = attested.residuals.known, np.abs(attested.residuals.nat)
    constants = attested.residuals.constants
    if not known.any():
        return
    usual = f"{(size[known] < USUAL).mean():.1%} of the differences are below {USUAL} nat"
    message = (
        f"stored log-densities of {known.sum()} rows were computed again: {usual}, the largest is"
        f" {size[known].max():.1e}, up to a constant for each observation"
    )
    if constants and (whose := whose_leakage(constants)):
        message += f", which is the leakage of {WHOSE[whose]}"
    yield Found(message, int(known.sum()), _shown(constants))


@contract("log-prob-constant", "warning", Attested)
def the_constant_is_the_leakage(attested: Attested) -> Iterator[Found]:
    """That constant is the observation's own leakage, or for all that of the table's first one."""
    constants = attested.residuals.constants
    if not constants or whose_leakage(constants):
        return
    odd = [each for each in constants if not each.is_near(each.nat)]
    message = (
        f"{len(odd)} of {len(constants)} observations have log-densities corrected by something"
        " else than the share of their posterior inside the prior: do not compare them between"
        " observations"
    )
    yield Found(message, len(odd), _shown(odd))


def _shown(constants: Iterable[Constant]) -> tuple[dict[str, object], ...]:
    return tuple(
        {
            "x_o": each.x_o,
            "rows": each.rows,
            "constant": round(each.nat, 5),
            "our leakage": round(each.leakage, 5),
            "error": round(each.error, 5),
        }
        for each in constants
    )


@contract("log-prob-not-computed", "hint", Attested)
def every_stored_log_density_can_be_computed(attested: Attested) -> Iterator[Found]:
    """Every stored log-density belongs to an observation that can be conditioned on."""
    rows = np.flatnonzero(~attested.residuals.known)
    if len(rows):
        cases = tuple({"row": int(row), "x_o": attested.residuals.x_o[row]} for row in rows[:SHOWN])
        message = "rows belong to no observation that the density estimator can be conditioned on"
        yield Found(message, len(rows), cases)
