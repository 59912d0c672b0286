"""Data with known truth: what is right passes, what is wrong is caught, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automind_data.calibration.baseline import fit_gaussian
from automind_data.calibration.controls import (
    Prior,
    Shifted,
    Widened,
    final_layer_scaled,
    known_truths,
)
from automind_data.calibration.judge import Check, judge, judge_parameters, usable
from automind_data.calibration.measure import Measured, Posterior, Settings, Truths, measure
from automind_data.dgm import DGM, load
from tests.calibration.conftest import finished
from tests.dgm.test_model import leaky

SETTINGS = Settings(seed=5, n_samples=99, acceptance_draws=1000, bootstrap=200)
NAMES = [f"p{number}" for number in range(28)]
FIRST = ("sbc", "coverage", "tarp")


@pytest.fixture(scope="module")
def dgm(dgms: Path) -> DGM:
    return load(dgms / "burst")


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)


def found(
    posterior: Posterior, truths: Sequence[Truths], other: Posterior | None = None
) -> Measured:
    made: Measured = finished(measure(posterior, truths, SETTINGS, width=28, other=other))
    return made


def verdicts(checks: Sequence[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def judged(made: Measured) -> list[Check]:
    return judge(made, names=NAMES, settings=SETTINGS)


@pytest.fixture(scope="module")
def truths(dgm: DGM, x: np.ndarray) -> list[Truths]:
    return known_truths(dgm, [str(row) for row in range(len(x))], x, 600, seed=2)


def test_the_untouched_passes_everything(dgm: DGM, truths: list[Truths]) -> None:
    made = found(dgm, truths)
    checks = judged(made)
    assert set(verdicts(checks).values()) == {"pass"}
    assert usable(checks) == "pass"
    (number,) = next(check for check in checks if check.name == "log_prob").numbers.values()
    assert number.must_be is not None and number.give_or_take is not None
    assert abs(number.value - number.must_be) < number.give_or_take
    parameters = judge_parameters(made, NAMES)
    squares = np.array([each.z_square.value for each in parameters])
    assert squares == pytest.approx(np.ones(28), abs=0.35)
    inside = [
        abs(each.achieved.value - (each.achieved.must_be or 0)) < (each.achieved.give_or_take or 0)
        for each in parameters
    ]
    assert np.mean(inside) > 0.9


def test_the_prior_passed_off_is_caught_by_log_prob_alone(x: np.ndarray) -> None:
    """On truths from the prior itself it passes all that looks at ranks."""
    prior = Prior(28)
    truths = known_truths(prior, [str(row) for row in range(len(x))], x, 600, seed=2)
    said = verdicts(judged(found(prior, truths)))
    assert [said[name] for name in FIRST] == ["pass"] * 3
    assert said["prior"] == "fail"


def test_the_prior_is_caught_where_the_posterior_is_right(dgm: DGM, truths: list[Truths]) -> None:
    said = verdicts(judged(found(Prior(28), truths, dgm)))
    assert said["prior"] == "fail" and said["sbc"] == "fail" and said["paired"] == "fail"


def test_widened_draws_are_caught(dgm: DGM, truths: list[Truths]) -> None:
    said = verdicts(judged(found(Widened(dgm, 1.5), truths)))
    assert said["sbc"] == "fail" and said["tarp"] == "fail" and said["log_prob"] == "fail"


def test_a_shifted_marginal_is_caught_and_named(dgm: DGM, truths: list[Truths]) -> None:
    checks = judged(found(Shifted(dgm, 3, 0.1), truths))
    assert checks[0].verdict == "fail" and "the ranks of p3 " in checks[0].said


def test_a_scaled_final_layer_is_caught_pair_by_pair(dgm: DGM, truths: list[Truths]) -> None:
    wrong = final_layer_scaled(dgm, 1.3)
    checks = judged(found(wrong, truths, dgm))
    assert verdicts(checks)["paired"] == "fail"
    assert verdicts(judged(found(dgm, truths, wrong)))["paired"] == "pass"


def test_narrow_regions_are_called_narrow(dgm: DGM, truths: list[Truths]) -> None:
    made = found(dgm, truths)
    late = replace(made, denser=np.maximum(made.denser, 40))
    coverage = judged(late)[1]
    assert coverage.verdict == "fail" and "too narrow" in coverage.said
    assert coverage.numbers["largest_deviation"].value < 0
    early = replace(made, denser=made.denser // 2)
    assert "too wide" in judged(early)[1].said


def test_few_pairs_pass_nothing_but_fail_what_is_gross(dgm: DGM, truths: list[Truths]) -> None:
    few = [replace(each, u=each.u[:6]) for each in truths]
    checks = judged(found(dgm, few))
    assert checks[0].n == 48
    said = verdicts(checks)
    assert {said[name] for name in (*FIRST, "log_prob", "prior")} == {"undecided"}
    assert usable(checks) == "undecided"
    wide = checks[0].numbers["largest_deviation"].give_or_take
    assert wide is not None and wide > 0.25
    assert verdicts(judged(found(Widened(dgm, 1.5), few)))["log_prob"] == "fail"


def test_no_pair_and_one_pair(dgm: DGM, truths: list[Truths]) -> None:
    nothing = judged(found(dgm, []))
    assert verdicts(nothing) == {"leakage": "fail"}
    one = judged(found(dgm, [replace(truths[0], u=truths[0].u[:1])]))
    assert "pass" not in {check.verdict for check in one if check.name != "leakage"}
    assert math.isinf(next(c for c in one if c.name == "prior").numbers["gain"].error)


def test_an_observation_that_leaks_is_counted_not_hidden(
    dgms: Path, tmp_path: Path, x: np.ndarray, truths: list[Truths]
) -> None:
    gone = leaky(dgms, tmp_path, 1000.0)
    odd = [Truths("odd", np.zeros(990, np.float32), truths[0].u[:2])]
    made = found(gone, odd)
    assert made.n == 0 and made.acceptances[0].share is None
    assert made.acceptances[0].draws == 152_000  # certain by then, of 1,000,000 allowed
    (check,) = judged(made)
    assert check.name == "leakage" and check.verdict == "fail"


def test_ranks_do_not_depend_on_the_company(dgm: DGM, truths: list[Truths]) -> None:
    alone = found(dgm, truths[2:3])
    all_of_them = found(dgm, truths)
    place = 2 * len(truths[0].u)
    here = slice(place, place + alone.n)
    assert np.array_equal(alone.ranks, all_of_them.ranks[here])
    assert np.array_equal(alone.nearer, all_of_them.nearer[here])


def test_the_gaussian_is_compared_pair_by_pair(dgm: DGM, x: np.ndarray) -> None:
    generator = np.random.default_rng(1)
    gaussian = fit_gaussian(generator.random((200, 28)), generator.normal(size=(200, 4)))
    truths = known_truths(dgm, [str(row) for row in range(len(x))], x, 80, seed=2)
    made: Measured = finished(measure(dgm, truths, SETTINGS, width=28, gaussian=gaussian))
    base = np.concatenate([gaussian.log_prob(each.u, each.x) for each in truths])
    assert made.log_prob - made.gain == pytest.approx(base)
    checks = judged(made)
    assert verdicts(checks)["gaussian"] == "pass"
