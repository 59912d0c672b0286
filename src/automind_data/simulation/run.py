"""One run: a configuration in, spikes out. Arguments and results can be pickled."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.simulation.configuration import Configuration, applied
from automind_data.simulation.engines import engine, run_network
from automind_data.simulation.network import build_network
from automind_data.simulation.settings import Settings

__all__ = ["Run", "Spikes", "simulate_one"]

EXPLODED = "the state of the network is no longer finite"
SILENT = "no recorded excitatory cell fires"


@dataclass(frozen=True)
class Spikes:
    """Spikes of the recorded cells of one population.

    Attributes
    ----------
    cells
        Their numbers in the population, sorted.
    offsets, times
        Spike times of the i-th one are `times[offsets[i]:offsets[i + 1]]`, s, rounded.
    """

    cells: NDArray[np.int64] = field(repr=False)
    offsets: NDArray[np.int64] = field(repr=False)
    times: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class Run:
    """What became of one configuration.

    Attributes
    ----------
    configuration
        As it was given.
    sim_time, real_run_time
        How long the network ran and how long that took, s.
    early_stopped
        Whether it fired too little or too much to go on.
    failure
        Why there is nothing to analyse though it was not stopped: one sentence, or None.
    engine
        What ran it.
    exc, inh
        Spikes.
    """

    configuration: Configuration
    sim_time: float
    real_run_time: float
    early_stopped: bool
    failure: str | None
    engine: str
    exc: Spikes = field(repr=False)
    inh: Spikes = field(repr=False)


def simulate_one(configuration: Configuration, settings: Settings) -> Run:
    """Simulate one configuration.

    The same arguments give the same spikes, in any process and order; the two engines
    differ in last digits, which a network amplifies.

    Raises
    ------
    AutomindError
        Brian2 is missing, or the disk is full. A configuration that cannot run gives a
        `Run` with its failure.
    """
    begin = time.perf_counter()
    chosen = engine(settings.net.N_pop, settings.dt)
    nobody = Spikes(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0))
    full = applied(configuration, settings)
    try:
        network = build_network(full, configuration.random_seed)
    except AutomindError as error:
        said = f"{error.file} {error.rule}"
        return Run(configuration, 0.0, 0.0, False, said, chosen.kind, nobody, nobody)
    raw = run_network(network, full.dt, chosen)
    exc, inh = (
        _spikes(raw.cells, raw.steps, cells, first, full)
        for cells, first in ((network.saved_exc, 0), (network.saved_inh, network.excitatory))
    )
    failure: str | None = None
    if not raw.finite:
        failure = EXPLODED
    elif not raw.stopped_early and not len(exc.times):
        failure = SILENT
    ran = full.sim_time
    if raw.stopped_early and full.t_early_stop is not None:
        ran = full.t_early_stop
    took = time.perf_counter() - begin
    return Run(configuration, ran, took, raw.stopped_early, failure, chosen.kind, exc, inh)


def _spikes(
    cells: NDArray[np.int32],
    steps: NDArray[np.int64],
    saved: NDArray[np.int64],
    first: int,
    settings: Settings,
) -> Spikes:
    """Sort the spikes of the recorded cells by cell, then time."""
    places = np.full(settings.net.N_pop, -1, np.int64)
    places[first + saved] = np.arange(len(saved))
    place = places[cells]
    kept = place >= 0
    order = np.argsort(place[kept], kind="stable")
    times = np.round(steps[kept][order] * settings.dt, settings.t_sigdigs)
    offsets = np.zeros(len(saved) + 1, np.int64)
    np.cumsum(np.bincount(place[kept], minlength=len(saved)), out=offsets[1:])
    return Spikes(saved, offsets, times)
