import re

import numpy as np
import pytest

from automind_data.report.draw import (
    HEIGHT,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    WIDTH,
    draw_features,
    draw_marginals,
    draw_spectrum,
    number,
)
from automind_data.report.gather import Features, Marginal, Spectrum
from automind_data.report.inputs import Bound


def points(path):
    """All points of a path of M and L commands, (n, 2)."""
    return np.array([[float(x), float(y)] for x, y in re.findall(r"[ML](\S+?) ([^ML]+)", path)])


def marginal(unit):
    unit = np.asarray(unit, dtype=np.float64)
    return Marginal(Bound("p", "mV", -1.0, 1.0), unit, 0.0, (0.05, 0.95))


def spectrum(power, others=((1.0, 1.0, 1.0, 1.0),)):
    return Spectrum(np.array([0.5, 1.0, 10.0, 50.0]), np.array(power), np.array(others, float))


def test_histogram_and_prior_have_the_same_area():
    rng = np.random.default_rng(0)
    for panel in draw_marginals([marginal(rng.beta(2, 5, 400)), marginal(rng.uniform(size=400))]):
        x, y = points(panel.outline).T
        area = np.trapezoid(PANEL_HEIGHT - y, x)
        assert area == pytest.approx(PANEL_WIDTH * (PANEL_HEIGHT - panel.prior), rel=0.02)


def test_histogram_counts_both_ends_of_the_unit_interval():
    (panel,) = draw_marginals([marginal([0.0] * 30 + [1.0] * 10)])
    heights = PANEL_HEIGHT - points(panel.outline)[:, 1]
    assert heights[1] == pytest.approx(3 * heights[-2], rel=0.02)
    assert not heights[5:-5].any()


def test_more_samples_get_more_bins():
    few, many = ([marginal(np.linspace(0, 1, n))] for n in (50, 5000))
    assert len(draw_marginals(few)[0].outline) < len(draw_marginals(many)[0].outline)


def test_median_and_interval_stand_where_they_are():
    (panel,) = draw_marginals([marginal(np.linspace(0, 0.5, 101))])
    assert (panel.median, panel.interval) == (25.0, (5.0, 95.0))


def test_spectrum_lies_on_log_axes():
    chart = draw_spectrum(spectrum([1.0, 10.0, 100.0, 1000.0]))
    x, y = points(chart.line).T
    assert x[0] == 0
    assert x[-1] == WIDTH
    assert x[1] == pytest.approx(WIDTH * np.log(2) / np.log(100), abs=0.1)
    assert np.ptp(np.diff(y)) < 0.3
    assert (np.diff(y) < 0).all()
    assert ((y > 0) & (y < HEIGHT)).all()


def test_power_that_is_zero_or_missing_leaves_a_gap():
    chart = draw_spectrum(spectrum([1.0, 0.0, 10.0, np.nan]))
    assert chart.line.count("M") == 2
    assert "nan" not in chart.line
    assert draw_spectrum(spectrum([0.0, 0.0, 1.0, np.nan])) is None


def test_others_are_drawn_but_never_all_of_a_crowd():
    crowd = spectrum([1.0, 2.0, 3.0, 4.0], np.ones((300, 4)))
    chart = draw_spectrum(crowd)
    assert chart.others.count("M") == chart.n_others < 100
    alone = draw_spectrum(spectrum([1.0, 2.0, 3.0, 4.0], np.empty((0, 4))))
    assert (alone.others, alone.n_others) == ("", 0)


@pytest.mark.parametrize("span", [(1.0, 1.1), (1e-9, 1e9), (3.0, 40.0), (5.0, 5.0)])
def test_ticks_are_few_and_inside(span):
    chart = draw_spectrum(spectrum(np.geomspace(*span, 4), np.empty((0, 4))))
    for ticks in (chart.x, chart.y):
        assert 1 <= len(ticks) <= 8 or span[1] / span[0] < 2
        assert all(0 <= tick.at <= 100 for tick in ticks)
        assert len({tick.at for tick in ticks}) == len(ticks)


def test_features_without_a_value_are_counted_not_drawn():
    others = np.array([[1.0, 10.0], [np.nan, 10.0], [-1.0, 10.0]])
    features = Features(("burst_interval_mean", "burst_interval_cv"), np.array([2.0, 0.0]), others)
    first, second = draw_features(features).strips
    assert (first.absent, first.dots.count("M")) == (2, 1)
    assert (second.absent, second.at) == (0, None)
    assert (first.label, first.unit, second.unit) == ("interval, mean", "s", "1")
    assert draw_features(Features(("a",), np.array([np.nan]), np.array([[0.0]]))) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(20000.0, "20000"), (-0.0, "0"), (0.30000001192092896, "0.3"), (np.nan, "not a number")],
)
def test_number(value, text):
    assert number(value) == text
