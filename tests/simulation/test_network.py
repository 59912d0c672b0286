"""The network: numbers of cells and connections, input, early stopping."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automind_data.common.errors import AutomindError
from automind_data.pickles.convert import convert_archive_params
from automind_data.simulation import Quirks, read_prior, read_settings
from automind_data.simulation.configuration import applied, require_inside
from automind_data.simulation.connectivity import clustered, labels, random_edges, shared
from automind_data.simulation.exchange import mixed
from automind_data.simulation.exponential import exponential
from automind_data.simulation.network import build_network, input_limits, population_sizes
from automind_data.simulation.settings import Net
from tests.simulation.small import MIDDLE, PRIOR, SETTINGS, configuration, values

BIG = replace(SETTINGS, net=Net(N_pop=2000), saved_exc=150, saved_inh=12)


@pytest.mark.parametrize(
    ("share", "sizes"),
    [(0.8, (1600, 399)), (0.9, (1800, 199)), (0.95, (1900, 100)), (1, (2000, 0))],
)
def test_population_sizes_are_cut_off_as_published(share: float, sizes: tuple[int, int]) -> None:
    assert population_sizes(Net(N_pop=2000, exc_prop=share)) == sizes


def test_pairs_share_a_cluster_slot_by_slot() -> None:
    random = np.random.default_rng(0)
    same = shared(labels(random, 1500, 5, 2))
    np.fill_diagonal(same, False)
    assert same.sum() / (1500 * 1499) == pytest.approx(2 / 5 - 1 / 25, abs=0.01)
    members = labels(random, 50, 4, 2, ordered=True)
    assert (np.diff(members[:, 0]) >= 0).all()


def test_clustered_connections_have_fixed_numbers() -> None:
    random = np.random.default_rng(1)
    members = labels(random, 300, 6, 2)
    same = shared(members)
    np.fill_diagonal(same, False)
    inside, outside = clustered(random, members, 0.31, 0.07)
    apart = ~shared(members)
    assert len(inside.targets) == math.ceil(0.31 * same.sum())
    assert len(outside.targets) == math.ceil(0.07 * apart.sum())
    for edges, allowed in ((inside, same), (outside, apart)):
        source = np.repeat(np.arange(300), np.diff(edges.starts))
        assert allowed[source, edges.targets].all()
        pairs = source * 300 + edges.targets
        assert len(np.unique(pairs)) == len(pairs)


def test_other_connections_are_independent_without_equal_numbers() -> None:
    random = np.random.default_rng(2)
    edges = random_edges(random, 400, 300, 0.1)
    source = np.repeat(np.arange(400), np.diff(edges.starts))
    assert not (source == edges.targets).any()
    mean, sd = 0.1 * (400 * 300 - 300), math.sqrt(0.09 * 400 * 300)
    assert abs(len(edges.targets) - mean) < 5 * sd
    every = random_edges(random, 20, 30, 1.0, equal_excluded=False)
    assert len(every.targets) == 600


def test_projections_take_weights_of_the_target_and_delays_of_the_source() -> None:
    weights = {"params_Ipop.Q_ge": 2.0, "params_Ipop.Q_gi": 6.0}
    full = applied(configuration(weights), BIG)
    full = replace(
        full,
        exc=replace(full.exc, tdelay2e=0.002, tdelay2i=0.003),
        inh=replace(full.inh, tdelay2e=0.004, tdelay2i=0.005),
    )
    network = build_network(full, 1)
    found = [
        (each.first, each.excitatory, round(each.weight * 1e9, 6), each.delay)
        for each in network.plan.projections
    ]
    assert found == [
        (0, True, 4.5, 2),
        (0, True, 3.0, 2),
        (0, True, 2.0, 3),
        (1600, False, 8.0, 4),
        (1600, False, 6.0, 5),
    ]
    to_exc, to_inh = network.plan.projections[3], network.plan.projections[2]
    assert to_exc.targets.max() < 1600 <= to_inh.targets.min() and to_inh.targets.max() < 1999
    assert [(each.first, each.last) for each in network.plan.inputs] == [(0, 960), (1600, 1999)]


def test_without_clusters_the_ratios_have_no_effect() -> None:
    for changed in ({"params_net.n_clusters": 1.9}, {"params_net.R_pe2e": 1.0}):
        plan = build_network(applied(configuration(changed), BIG), 1).plan
        assert [round(each.weight * 1e9, 6) for each in plan.projections] == [3.0, 3.0, 8.0, 8.0]
        mean = 0.05 * 1600 * 1599
        assert abs(len(plan.projections[0].targets) - mean) < 5 * math.sqrt(mean)


def test_input_is_binomial() -> None:
    drawn = mixed(12345, np.arange(200_000, dtype=np.uint64)) >> np.uint64(1)
    events = np.searchsorted(input_limits(500, 0.004), drawn.astype(np.int64), side="right")
    assert events.mean() == pytest.approx(2.0, abs=0.02)
    assert events.var() == pytest.approx(2.0 * 0.996, abs=0.04)
    assert (events == 0).mean() == pytest.approx(0.996**500, abs=0.005)


def test_the_exponential_term_goes_with_a_delta_t_of_zero() -> None:
    none = applied(configuration({"params_Epop.delta_T": 0.0}), SETTINGS)
    for quirks, inhibitory in ((Quirks(), 1e-8 * 0.002), (Quirks.published(), 0.0)):
        slope = build_network(replace(none, quirks=quirks), 1).parameters["slope"]
        assert slope[0] == 0 and slope[90] == inhibitory


def test_early_stopping_in_whole_spikes() -> None:
    full = applied(configuration(), SETTINGS)
    plan = build_network(full, 1).plan
    assert plan.check == 600 and plan.window == (100, 600)
    rate = plan.many / 80 / 0.5
    assert rate * 0.003 >= 0.99 > (plan.many - 1) / 80 / 0.5 * 0.003
    assert plan.few / 80 / 0.5 * 0.003 <= 1e-4 < (plan.few + 1) / 80 / 0.5 * 0.003
    exact = replace(full, stop_fr_norm=(0.003 * (20 / 80) / 0.5, 0.003 * (40 / 80) / 0.5))
    limits = build_network(exact, 1).plan
    assert (limits.few, limits.many) == (20, 40)  # the limits themselves stop a run
    older = replace(full, quirks=Quirks.published(), analysis_window=(0.2, None))
    assert build_network(older, 1).plan.window == (200, 600)


def test_v_cut_is_not_computed_anew() -> None:
    cut = build_network(applied(configuration({"params_Epop.v_thresh": -30.0}), SETTINGS), 1)
    assert (cut.parameters["v_cut"] == -0.04).all() and cut.parameters["v_thresh"][0] == -0.03


def test_settings_of_the_sample_release(release: Path, tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    convert_archive_params(release / "training_prior_samples" / "training.zip", path)
    settings, prior = read_settings(path), read_prior(path)
    assert (settings.net.N_pop, settings.dt, settings.sim_time) == (250, 0.001, 10.1)
    assert (settings.saved_exc, settings.saved_inh, settings.t_early_stop) == (150, 12, 1.1)
    assert settings.exc.v_cut == -0.04 and settings.inh.delta_T == 0.002
    assert prior["params_Epop.v_thresh"] == (-55.0, -45.0)


def test_a_configuration_is_refused_in_a_sentence() -> None:
    assert require_inside("row 1", values(), PRIOR) == tuple(MIDDLE.values())
    far = values({"params_Epop.C": 900.0})
    with pytest.raises(AutomindError, match=r"has 900 pF as params_Epop.C, outside the prior"):
        require_inside("row 1", far, PRIOR)
    assert require_inside("row 1", far, None)
    far.pop("params_Ipop.Q_gi")
    with pytest.raises(AutomindError, match=r"row 1: has no params_Ipop.Q_gi; next: give all 28"):
        require_inside("row 1", far, None)
    with pytest.raises(AutomindError, match=r"has nan as params_net\.p_e2e"):
        require_inside("row 1", values({"params_net.p_e2e": math.nan}), None)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"params_Epop.p_igniters": 0.001}, "gives input to no excitatory cell"),
        ({"params_net.exc_prop": 0.99}, "fewer than are recorded"),
        ({"params_net.R_pe2e": 25.0}, "connects with a probability of 1.25"),
    ],
)
def test_networks_that_cannot_be(changed: dict[str, float], said: str) -> None:
    with pytest.raises(AutomindError, match=said):
        build_network(applied(configuration(changed), SETTINGS), 1)


def test_the_exponential_function_is_exact_and_bounded() -> None:
    x = np.concatenate(
        [np.linspace(-700, 700, 100_001), np.random.default_rng(0).normal(0, 5, 10_000)]
    )
    np.testing.assert_allclose(exponential(x), np.exp(x), rtol=2e-15)
    beyond = exponential(np.array([1e300, np.inf, -np.inf, np.nan]))
    assert beyond[0] == beyond[1] > 1e307 and 0 < beyond[2] < 1e-300 and np.isnan(beyond[3])
