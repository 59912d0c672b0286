"""From a configuration to a network: cells, their parameters, synapses, input."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.simulation.connectivity import Edges, clustered, labels, random_edges
from automind_data.simulation.exchange import Input, Plan, Projection
from automind_data.simulation.settings import Net, Population, Settings

__all__ = ["Network", "build_network", "input_limits", "is_clustered", "population_sizes"]

NEVER = 1 << 62
"""More spikes than a run can have."""


@dataclass(frozen=True)
class Network:
    """A network that is ready to run.

    Attributes
    ----------
    excitatory, inhibitory
        How many cells there are of each; excitatory ones come first.
    parameters, v
        Of each place for a cell, by their names in the equations, SI units; first potential.
    plan
        What cells exchange.
    saved_exc, saved_inh
        Numbers of the cells that are recorded, counted within their populations.
    """

    excitatory: int
    inhibitory: int
    parameters: dict[str, NDArray[Any]] = field(repr=False)
    v: NDArray[np.float64] = field(repr=False)
    plan: Plan
    saved_exc: NDArray[np.int64] = field(repr=False)
    saved_inh: NDArray[np.int64] = field(repr=False)


def population_sizes(net: Net) -> tuple[int, int]:
    """Count excitatory and inhibitory cells, both cut off as the published simulator does.

    >>> population_sizes(Net(N_pop=2000, exc_prop=0.8))
    (1600, 399)
    """
    return int(net.N_pop * net.exc_prop), int(net.N_pop * (1 - net.exc_prop))


def is_clustered(net: Net) -> bool:
    """Say whether E to E synapses are clustered; else `R_Qe2e` has no effect."""
    return net.n_clusters >= 2 and net.R_pe2e != 1


def input_limits(number: int, probability: float) -> NDArray[np.int64]:
    """Tabulate a binomial distribution as limits for random numbers of 63 bits.

    A number that reaches k of the limits stands for k events.

    >>> limits = input_limits(500, 0.001)
    >>> round(float(1 - limits[0] / 2**63), 4)  # at least one event: 1 - 0.999**500
    0.3936
    """
    from scipy.stats import binom

    below = binom.cdf(np.arange(number), number, probability)
    kept = below[below < 1 - 2.0**-53]
    limits: NDArray[np.int64] = np.floor(kept * 2.0**63).astype(np.int64)
    return limits


def build_network(settings: Settings, seed: int) -> Network:
    """Draw a network.

    Parameters
    ----------
    settings
        With the free parameters in place.
    seed
        With the batch seed it fixes cells, synapses, input and the choice of recorded cells.

    Raises
    ------
    AutomindError
        There are no cells to drive, to record or to connect, or a probability is none.
    """
    net, exc, inh = settings.net, settings.exc, settings.inh
    n_exc, n_inh = population_sizes(net)
    igniters = int(exc.p_igniters * n_exc)
    _require(settings, n_exc, n_inh, igniters)
    streams = np.random.SeedSequence([settings.batch_seed, seed]).spawn(4)
    cells, wires, choice, drive = (np.random.Generator(np.random.PCG64(each)) for each in streams)
    places = net.N_pop
    v = np.full(places, exc.v_rest)
    for population, part in ((exc, slice(0, n_exc)), (inh, slice(n_exc, n_exc + n_inh))):
        mean, spread = population.v_0_offset
        drawn = cells.standard_normal(part.stop - part.start)
        v[part] = population.v_rest + mean + spread * drawn
    saved = np.sort(choice.choice(n_exc, settings.saved_exc, replace=False))
    steps = round(settings.sim_time / settings.dt)
    check, window, few, many = _stopping(settings, n_exc)
    plan = Plan(
        places,
        n_exc,
        int(drive.integers(1 << 63)),
        steps,
        check,
        window,
        few,
        many,
        _projections(settings, n_exc, n_inh, wires),
        _inputs(settings, n_exc, n_inh, igniters),
    )
    return Network(
        n_exc, n_inh, _parameters(settings, n_exc), v, plan, saved, np.arange(settings.saved_inh)
    )


def _require(settings: Settings, n_exc: int, n_inh: int, igniters: int) -> None:
    net = settings.net
    name, step = "the configuration", "change it"
    if settings.saved_exc > n_exc or settings.saved_inh > n_inh:
        rule = f"has {n_exc} excitatory and {n_inh} inhibitory cells, fewer than are recorded"
        raise AutomindError(name, rule, "record fewer")
    if igniters < 1:
        raise AutomindError(name, "gives input to no excitatory cell", "raise p_igniters")
    inside = net.p_e2e * (net.R_pe2e if is_clustered(net) else 1)
    for probability in (inside, net.p_e2i, net.p_i2e, net.p_i2i):
        if not 0 <= probability <= 1:
            rule = f"connects with a probability of {probability:g}"
            raise AutomindError(name, rule, step)
    for population in (settings.exc, settings.inh):
        times = (population.tau_w, population.tau_ge, population.tau_gi, population.C)
        if min(times) <= 0 or population.t_refrac < 0 or population.poisson_rate < 0:
            raise AutomindError(name, "has a time, capacitance or rate below zero", step)
        if population.poisson_rate * settings.dt > 1:
            raise AutomindError(name, "asks for more than one input event per step", step)


def _parameters(settings: Settings, n_exc: int) -> dict[str, NDArray[Any]]:
    """Give each cell its parameters, named as in the equations."""
    exc, inh = (_of_cells(each, settings.dt) for each in (settings.exc, settings.inh))
    if settings.quirks.e_decides_exponential and settings.exc.delta_T == 0:
        inh["slope"] = 0.0
    parameters = {}
    for name, value in exc.items():
        kind = np.int32 if isinstance(value, int) else np.float64
        parameters[name] = np.full(settings.net.N_pop, inh[name], kind)
        parameters[name][:n_exc] = value
    return parameters


def _of_cells(population: Population, dt: float) -> dict[str, float | int]:
    """Compute what the equations name; a `delta_T` of 0 means no exponential term."""
    same = ("g_L", "v_rest", "v_thresh", "v_reset", "v_cut", "a", "b", "E_ge", "E_gi", "I_bias")
    times = ("C", "tau_w", "tau_ge", "tau_gi")
    return (
        {name: float(getattr(population, name)) for name in same}
        | {f"per_{name}": 1 / getattr(population, name) for name in times}
        | {
            "slope": population.g_L * population.delta_T,
            "per_delta_T": 1 / population.delta_T if population.delta_T else 0.0,
            "rests": int((population.t_refrac + 1e-3 * dt) / dt),
        }
    )


def _stopping(settings: Settings, n_exc: int) -> tuple[int, tuple[int, int], int, int]:
    """Turn the rule of early stopping into steps and numbers of spikes.

    Spikes are counted at `step * dt` in the window, and their mean rate times `t_refrac` is
    held to the limits; as the count is whole, so are its limits.
    """
    stop = settings.t_early_stop
    if stop is None:
        return 0, (0, 0), -1, NEVER
    begin, end = settings.early_stop_window
    length = end - begin
    if settings.quirks.analysis_window_stops:
        first, last = settings.analysis_window
        begin, end = first, stop if last is None else last
    check = round(stop / settings.dt)
    times = np.arange(check) * settings.dt
    window = (int(np.searchsorted(times, begin)), int(np.searchsorted(times, end)))
    counts = range(n_exc * check + 1)

    def share(spikes: int) -> float:
        return settings.exc.t_refrac * (spikes / n_exc) / length

    few = bisect.bisect_right(counts, settings.stop_fr_norm[0], key=share) - 1
    many = bisect.bisect_left(counts, settings.stop_fr_norm[1], key=share)
    return check, window, few, many if many < len(counts) else NEVER


def _projections(
    settings: Settings, n_exc: int, n_inh: int, random: np.random.Generator
) -> tuple[Projection, ...]:
    net, exc, inh, dt = settings.net, settings.exc, settings.inh, settings.dt

    def projection(
        edges: Edges, source: int, target: int, weight: float, delay: float
    ) -> Projection:
        first, base = (n_exc if each else 0 for each in (source, target))
        return Projection(
            first,
            edges.starts,
            edges.targets + np.int32(base),
            source == 0,
            weight,
            int(delay / dt + 0.5),
        )

    def pairs(sources: int, targets: int, probability: float, same: bool) -> Edges:
        equal = same or settings.quirks.equal_numbers_unconnected
        return random_edges(random, sources, targets, probability, equal)

    made = []
    if is_clustered(net):
        members = labels(
            random, n_exc, int(net.n_clusters), net.clusters_per_neuron, net.order_clusters
        )
        inside, outside = clustered(random, members, net.p_e2e * net.R_pe2e, net.p_e2e)
        made += [
            projection(inside, 0, 0, exc.Q_ge * net.R_Qe2e, exc.tdelay2e),
            projection(outside, 0, 0, exc.Q_ge, exc.tdelay2e),
        ]
    else:
        edges = pairs(n_exc, n_exc, net.p_e2e, True)
        made.append(projection(edges, 0, 0, exc.Q_ge, exc.tdelay2e))
    if n_inh:
        edges = pairs(n_exc, n_inh, net.p_e2i, False)
        made.append(projection(edges, 0, 1, inh.Q_ge, exc.tdelay2i))
        edges = pairs(n_inh, n_exc, net.p_i2e, False)
        made.append(projection(edges, 1, 0, exc.Q_gi, inh.tdelay2e))
        edges = pairs(n_inh, n_inh, net.p_i2i, True)
        made.append(projection(edges, 1, 1, inh.Q_gi, inh.tdelay2i))
    return tuple(made)


def _inputs(settings: Settings, n_exc: int, n_inh: int, igniters: int) -> tuple[Input, ...]:
    """Input goes to `g_e` of the first E cells, the igniters, and of all I cells."""
    made = []
    for population, first, last in (
        (settings.exc, 0, igniters),
        (settings.inh, n_exc, n_exc + n_inh),
    ):
        if population.N_poisson and population.poisson_rate and last > first:
            limits = input_limits(population.N_poisson, population.poisson_rate * settings.dt)
            if len(limits):
                made.append(Input(first, last, population.Q_poisson, limits))
    return tuple(made)
