"""From a run to its row of a summary table: status and features."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES
from automind_data.features import Recording, compute_features
from automind_data.features import Settings as FeatureSettings
from automind_data.simulation.configuration import Configuration
from automind_data.simulation.run import Run, simulate_one
from automind_data.simulation.settings import Settings

__all__ = [
    "ABOUT",
    "BATCH",
    "META",
    "OTHERS",
    "SEED",
    "STATUSES",
    "Analysed",
    "Task",
    "analysed_run",
    "feature_columns",
]

BATCH, SEED = "params_settings.batch_seed", "params_settings.random_seed"
ABOUT = ("x_o", "inference.type", "infer.log_prob")
"""Published columns of a configuration that was made for an observation."""
META = (
    "params_settings.sim_time",
    "params_settings.real_run_time",
    "params_analysis.early_stopped",
)
OTHERS = ("of.batch_seed", "of.random_seed", "replicate")
"""Columns of ours: which row a configuration comes from, and the number of its seed."""

STATUSES = ("done", "early_stopped", "failed")


@dataclass(frozen=True)
class Task:
    """One run to make.

    Attributes
    ----------
    configuration, settings
        What is simulated.
    features
        How it is analysed.
    """

    configuration: Configuration
    settings: Settings
    features: FeatureSettings


@dataclass(frozen=True)
class Analysed:
    """A run with its features.

    Attributes
    ----------
    run
        It.
    status
        One of `STATUSES`.
    failure
        Why it failed, one sentence.
    features
        Column → value; empty unless done.
    """

    run: Run
    status: str
    failure: str | None
    features: dict[str, float]


def analysed_run(task: Task) -> Analysed:
    """Simulate and analyse one configuration; a function for `scaling.run_many`."""
    run = simulate_one(task.configuration, task.settings)
    if run.early_stopped:
        return Analysed(run, "early_stopped", run.failure, {})
    if run.failure is not None:
        return Analysed(run, "failed", run.failure, {})
    cells = [run.exc.times[a:b] for a, b in itertools.pairwise(run.exc.offsets)]
    named = {str(number): times for number, times in zip(run.exc.cells, cells, strict=True)}
    try:
        name = f"run {task.configuration.random_seed}"
        recording = Recording.from_arrays(named, run.sim_time, name)
        return Analysed(run, "done", None, compute_features(recording, task.features).row)
    except AutomindError as error:
        return Analysed(run, "failed", f"{error.file} {error.rule}", {})


@functools.cache
def feature_columns(settings: Settings, features: FeatureSettings) -> tuple[str, ...]:
    """Name the features of every run that has some, in the order of the published tables."""
    spikes = [np.arange(1, 5) * 0.2 * settings.sim_time + 1e-3 * cell for cell in range(40)]
    cells = [spikes[cell % 40] for cell in range(max(settings.saved_exc, 2))]
    recording = Recording.from_arrays(cells, settings.sim_time, "columns")
    return tuple(compute_features(recording, features).row)


def summary_row(analysed: Analysed, batch_seed: int, run_times: bool) -> dict[str, Any]:
    """Give the columns of a run that come before its features."""
    run, given = analysed.run, analysed.run.configuration
    values = dict(zip(PARAMETER_NAMES, given.values, strict=True))
    ran = run.sim_time > 0
    times = (run.sim_time if ran else None, run.real_run_time if ran and run_times else None)
    meta = dict(zip(META, (*times, run.early_stopped), strict=True))
    about = {name: given.about.get(name) for name in ABOUT}
    return {BATCH: batch_seed, SEED: given.random_seed, **about, **values, **meta}
