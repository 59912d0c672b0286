"""Simulating many configurations into a run folder, here or on a cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.common.errors import AutomindError
from automind_data.features import Settings as FeatureSettings
from automind_data.scaling import Cluster, run_many
from automind_data.simulation.configuration import Configuration
from automind_data.simulation.folder import RunFolder
from automind_data.simulation.merged import merge
from automind_data.simulation.off import RECORD
from automind_data.simulation.rows import STATUSES, Analysed, Task, analysed_run
from automind_data.simulation.run import Run, Spikes
from automind_data.simulation.settings import Settings

__all__ = ["Summary", "simulate_many"]


@dataclass(frozen=True)
class Summary:
    """What a call did.

    Attributes
    ----------
    made, before
        Runs made now, and runs asked for that were finished before.
    statuses
        Status → how many of the runs asked for.
    unfinished
        Failures after which a run is tried again the next time, one sentence each.
    """

    made: int
    before: int
    statuses: dict[str, int]
    unfinished: tuple[str, ...]


def simulate_many(
    chosen: Sequence[Configuration],
    settings: Settings,
    features: FeatureSettings,
    out: str | Path,
    *,
    cluster: Cluster | None = None,
    run_times: bool = True,
    only_these: bool = False,
) -> Generator[dict[str, Any], None, Summary]:
    """Simulate and analyse configurations that are not in the folder yet, then merge all runs.

    Parameters
    ----------
    chosen
        Configurations with their seeds.
    settings, features
        How they are simulated and analysed.
    out
        The run folder. It can be killed at any moment; the next call goes on.
    cluster
        Where runs are made.
    run_times
        Whether tables say how long runs took.
    only_these
        Remove other runs from the folder, and start it anew if it was written with other
        parameters.

    Yields
    ------
    dict
        `path`, `done` and `total`, runs.

    Returns
    -------
    Summary
        What became of the runs asked for.

    Raises
    ------
    AutomindError
        The folder was written with other parameters or holds something else, the disk is
        full, Brian2 is missing, or the cluster is gone. Finished runs stay.
    """
    if only_these:
        _clear(Path(out), settings, features)
    folder = RunFolder(out, settings, features)
    wanted = {each.random_seed: each for each in chosen}
    finished = set(folder.finished())
    if only_these:
        folder.drop(finished - set(wanted))
    missing = [each for seed, each in wanted.items() if seed not in finished]
    tasks = ((str(each.random_seed), Task(each, settings, features)) for each in missing)
    unfinished: list[Analysed] = []
    done = len(wanted) - len(missing)
    for outcome in run_many(analysed_run, tasks, cluster or Cluster()):
        if outcome.refusal is not None:
            raise AutomindError(*outcome.refusal)
        if outcome.failure is None:
            folder.keep(outcome.value if run_times else _timeless(outcome.value))
        else:
            unfinished.append(_failed(wanted[int(outcome.key)], outcome.failure))
        done += 1
        yield {"path": f"run {outcome.key}", "done": done, "total": len(wanted)}
    statuses = dict.fromkeys(STATUSES, 0)
    for each in merge(folder, unfinished, run_times=run_times):
        yield {**each, "done": len(wanted), "total": len(wanted)}
    for seed in wanted:
        if seed in finished or (folder.path / "runs" / f"{seed}.npz").is_file():
            statuses[folder.said(seed)["status"]] += 1
    statuses["failed"] += len(unfinished)
    said = tuple(f"run {each.run.configuration.random_seed} {each.failure}" for each in unfinished)
    return Summary(len(missing) - len(unfinished), len(wanted) - len(missing), statuses, said)


def _clear(path: Path, settings: Settings, features: FeatureSettings) -> None:
    """Empty a run folder that was written with other parameters."""
    import shutil

    try:
        RunFolder(path, settings, features)
    except AutomindError:
        if not (path / RECORD).exists():
            raise
        shutil.rmtree(path)


def _timeless(analysed: Analysed) -> Analysed:
    return replace(analysed, run=replace(analysed.run, real_run_time=0.0))


def _failed(configuration: Configuration, failure: str) -> Analysed:
    nobody = Spikes(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0))
    run = Run(configuration, 0.0, 0.0, False, failure, "", nobody, nobody)
    return Analysed(run, "failed", failure, {})
