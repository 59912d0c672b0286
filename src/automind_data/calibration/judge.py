"""What the counts mean: one verdict for each check, and the numbers that it rests on.

Every number has its Monte Carlo error beside it, and what it must be where the
truth is known: parameters drawn from the posterior itself at these observations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.measure import Acceptance, Measured, Settings
from automind_data.calibration.uniformity import Uniformity, resampled

__all__ = [
    "FEW",
    "GIVE_OR_TAKE",
    "LEVEL",
    "Check",
    "Number",
    "ParameterCheck",
    "Verdict",
    "judge",
    "judge_parameters",
    "usable",
]

LEVEL = 0.01
"""A right posterior fails a check that has a p-value so often."""
FEW = 50
"""With fewer pairs no check is passed: what is not seen may still be there."""
LEAST_ACCEPTANCE = 0.01
"""Where less of a posterior lies inside the prior box, sampling is hopeless or all but so."""
COVERED = (0.5, 0.9, 0.95)
GIVE_OR_TAKE = 2.5758293035489004
"""Standard errors that leave `LEVEL` outside on both sides, for a normal distribution."""

Floats = NDArray[np.float64]
Verdict = Literal["pass", "fail", "undecided"]


@dataclass(frozen=True)
class Number:
    """One number of a check.

    Attributes
    ----------
    value, error
        The number and its Monte Carlo standard error.
    must_be, give_or_take
        What it must be on data with known truth, and how far from that it may be with
        probability 1 - `LEVEL`; None where that does not apply.
    """

    value: float
    error: float
    must_be: float | None = None
    give_or_take: float | None = None


@dataclass(frozen=True)
class Check:
    """One check and its verdict.

    Attributes
    ----------
    name
        `sbc`, `coverage`, `tarp`, `log_prob`, `prior`, `gaussian`, `paired`,
        `leakage` or `misspecification`.
    verdict
        `fail`: seen to be wrong. `pass`: not seen to be wrong (for `prior` and
        `gaussian`: seen to be better) with enough pairs. `undecided`: neither.
    said
        What was found, in a sentence.
    n
        Pairs, or observations for the last two.
    p
        Probability that a right posterior looks as bad; None for `leakage`. For `prior`,
        `gaussian` and `paired` the probability of so low a mean were there no difference.
    numbers
        What it rests on, by name.
    """

    name: str
    verdict: Verdict
    said: str
    n: int
    p: float | None
    numbers: dict[str, Number]


@dataclass(frozen=True)
class ParameterCheck:
    """One parameter.

    Attributes
    ----------
    name
        Of the parameter.
    p
        Of its ranks alone, not corrected for the number of parameters.
    z_mean, z_square
        Mean of z = (posterior mean - true value) / posterior sd, and of z squared.
    shrinkage
        1 - posterior variance / prior variance, mean over observations.
    achieved
        1 - mean squared error of the posterior mean / prior variance.
    """

    name: str
    p: float
    z_mean: Number
    z_square: Number
    shrinkage: Number
    achieved: Number


def judge(
    found: Measured,
    others: Sequence[Acceptance] = (),
    *,
    names: Sequence[str] = (),
    settings: Settings,
) -> list[Check]:
    """Return the checks in the order in which they are best read.

    Parameters
    ----------
    found
        What `measure` gave.
    others
        Acceptances of further observations, such as the real ones.
    names
        Of the parameters.
    settings
        Those that `found` was measured with.
    """
    checks: list[Check] = []
    if found.n:
        even = Uniformity(found.n, found.draws + 1)
        checks = [_sbc(found, even, names), _coverage(found, even), _tarp(found, even, settings)]
        checks += [_consistent(found), _against(found, "prior")]
        if np.isfinite(found.own_gain).all():
            checks.append(_against(found, "gaussian"))
        if np.isfinite(found.own_log_prob).all() and not np.isnan(found.other).any():
            checks.append(_paired(found))
    return [*checks, _leakage([*found.acceptances, *others])]


def usable(checks: Sequence[Check]) -> Verdict:
    """Say whether a posterior is usable: all checks pass, one fails, or neither.

    `misspecification` is about observations and does not count.
    """
    verdicts = {check.verdict for check in checks if check.name != "misspecification"}
    if "fail" in verdicts:
        return "fail"
    return "pass" if verdicts == {"pass"} and checks[0].name == "sbc" else "undecided"


def judge_parameters(found: Measured, names: Sequence[str]) -> list[ParameterCheck]:
    """Return z-scores and shrinkage of each parameter (Betancourt 2018, Schad et al. 2021)."""
    if not found.n:
        return []
    even = Uniformity(found.n, found.draws + 1)
    z = (found.mean - found.u) / np.sqrt(np.maximum(found.variance, 1e-300))
    error = (found.mean - found.u) ** 2
    checks = []
    for index, name in enumerate(names):
        spread = found.fourth[:, index] - 1
        own = found.variance[:, index]
        checks.append(
            ParameterCheck(
                name,
                even.p_value(found.ranks[:, index]),
                _average(z[:, index], 0.0, np.ones(found.n)),
                _average(z[:, index] ** 2, 1.0, spread),
                _average(1 - 12 * own),
                _average(
                    1 - 12 * error[:, index], float(1 - 12 * own.mean()), 144 * spread * own**2
                ),
            )
        )
    return checks


def _sbc(found: Measured, even: Uniformity, names: Sequence[str]) -> Check:
    each = [even.p_value(column) for column in found.ranks.T]
    worst = int(np.argmin(each))
    p = min(1.0, len(each) * each[worst])
    numbers = {"largest_deviation": _deviation(found.ranks[:, worst], even, LEVEL / len(each))}
    name = names[worst] if worst < len(names) else f"parameter {worst}"
    said = (
        f"the ranks of {name} are the least uniform of {len(each)} parameters"
        f" (p {_p(p)} after correction for their number)"
    )
    return Check("sbc", _verdict(p, found.n), said, found.n, p, numbers)


def _coverage(found: Measured, even: Uniformity) -> Check:
    p = even.p_value(found.denser)
    numbers = {"largest_deviation": _deviation(found.denser, even, LEVEL)}
    for level in COVERED:
        cell = max(round(level * even.cells), 1)
        share, exact = float((found.denser < cell).mean()), cell / even.cells
        error = math.sqrt(share * (1 - share) / found.n)
        wide = GIVE_OR_TAKE * math.sqrt(exact * (1 - exact) / found.n)
        numbers[f"covered_{round(100 * level)}"] = Number(share, error, exact, wide)
    off = numbers["largest_deviation"].value
    share = numbers["covered_90"].value
    said = f"regions of highest density of 90 % hold {100 * share:.0f} % of the true parameters"
    if p < LEVEL:
        what = "few: they are too narrow" if off < 0 else "many: they are too wide"
        said += f"; at worst regions hold {100 * abs(off):.0f} % too {what}"
    return Check("coverage", _verdict(p, found.n), f"{said} (p {_p(p)})", found.n, p, numbers)


def _tarp(found: Measured, even: Uniformity, settings: Settings) -> Check:
    p = even.p_value(found.nearer)
    areas = resampled(found.nearer, even, settings.bootstrap, settings.seed).mean(axis=1)
    wide = GIVE_OR_TAKE * math.sqrt((even.cells**2 - 1) / 12 / found.n) / even.cells
    numbers = {
        "largest_deviation": _deviation(found.nearer, even, LEVEL),
        "area": Number(float(even.deviations(found.nearer).mean()), float(areas.std()), 0.0, wide),
    }
    off = numbers["largest_deviation"].value
    said = f"coverage around random points is off by {off:+.2f} where it is worst (p {_p(p)})"
    return Check("tarp", _verdict(p, found.n), said, found.n, p, numbers)


def _consistent(found: Measured) -> Check:
    """Compare the mean log-density of the truth with that of the posterior's own draws."""
    number = _average(found.log_prob, float(found.own_log_prob.mean()), found.own_log_prob_variance)
    assert number.must_be is not None and number.give_or_take is not None
    scale = number.give_or_take / GIVE_OR_TAKE
    z = (number.value - number.must_be) / scale if scale else 0.0
    p = math.erfc(abs(z) / math.sqrt(2)) if math.isfinite(z) else 0.0
    said = (
        f"the true parameters have a mean log-density of {number.value:.2f},"
        f" draws of the posterior {number.must_be:.2f} nat (p {_p(p)})"
    )
    return Check("log_prob", _verdict(p, found.n), said, found.n, p, {"log_prob": number})


def _against(found: Measured, rival: str) -> Check:
    """Compare with the prior, whose log-density in the unit cube is 0, or with the Gaussian."""
    gain, own, variance = (
        (found.log_prob, found.own_log_prob, found.own_log_prob_variance)
        if rival == "prior"
        else (found.gain, found.own_gain, found.own_gain_variance)
    )
    number = _average(gain, float(own.mean()), variance)
    p = _lower_tail(number)
    never = not number.error and number.value <= 0
    called = {"prior": "the prior", "gaussian": "a linear Gaussian model"}[rival]
    verdict: Verdict = "undecided"
    beats = "is not seen to beat"
    if p < LEVEL or never:
        verdict, beats = "fail", "does not beat" if never else "loses to"
    elif p > 1 - LEVEL:
        verdict, beats = _enough(found.n), "beats"
    said = (
        f"it {beats} {called} in held-out log-density:"
        f" {number.value:+.2f} ± {number.error:.2f} nat per simulation"
    )
    return Check(rival, verdict, said, found.n, p, {"gain": number})


def _paired(found: Measured) -> Check:
    number = _average(found.other)
    p = _lower_tail(number)
    verdict = _verdict(p, found.n)
    said = (
        "its held-out log-density minus that of the other posterior is"
        f" {number.value:+.3f} ± {number.error:.3f} nat per simulation (p {_p(p)})"
    )
    return Check("paired", verdict, said, found.n, p, {"gain": number})


def _leakage(acceptances: Sequence[Acceptance]) -> Check:
    known = [each for each in acceptances if each.share is not None]
    lost = len(acceptances) - len(known)
    if not known:
        said = "no observation could be sampled"
        return Check("leakage", "fail", said, len(acceptances), None, {})
    shares = np.array([each.share for each in known], np.float64)
    least = known[int(shares.argmin())]
    bad = lost + int((shares < LEAST_ACCEPTANCE).sum())
    numbers = {
        "acceptance": Number(float(shares.mean()), _error(shares), 1.0, None),
        "least_acceptance": Number(float(least.share or 0), float(least.error or 0), 1.0, None),
    }
    said = (
        f"{100 * (1 - shares.mean()):.0f} % of the posterior lies outside the prior box,"
        f" {100 * (1 - shares.min()):.0f} % where it is most ({least.key})"
    )
    said += f"; {lost} observations were given up" if lost else ""
    n = len(acceptances)
    return Check("leakage", "fail" if bad else "pass", said, n, None, numbers)


def _deviation(ranks: NDArray[Any], even: Uniformity, level: float) -> Number:
    deviations = even.deviations(ranks)
    where = int(np.abs(deviations).argmax())
    share = float(deviations[where] + even.shares[where])
    lower, upper = even.band(level)
    wide = float(np.maximum(upper - even.shares, even.shares - lower).max())
    error = math.sqrt(max(share * (1 - share), 0.0) / even.n)
    return Number(float(deviations[where]), error, 0.0, wide)


def _average(
    values: Floats, must_be: float | None = None, variance: Floats | None = None
) -> Number:
    """Average over pairs; `variance` is that of each value were the posterior right."""
    wide = None
    if variance is not None:
        wide = GIVE_OR_TAKE * math.sqrt(float(variance.sum())) / len(values)
    return Number(float(values.mean()), _error(values), must_be, wide)


def _error(values: Floats) -> float:
    if len(values) < 2 or not np.isfinite(values).all():
        return math.inf
    return float(values.std(ddof=1) / math.sqrt(len(values)))


def _lower_tail(number: Number) -> float:
    if not math.isfinite(number.value):
        return 0.0
    z = number.value / number.error if number.error else math.copysign(math.inf, number.value)
    return 0.5 * math.erfc(-z / math.sqrt(2)) if number.value or number.error else 0.5


def _verdict(p: float, n: int) -> Verdict:
    return "fail" if p < LEVEL else _enough(n)


def _enough(n: int) -> Verdict:
    return "pass" if n >= FEW else "undecided"


def _p(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "below 0.0001"
