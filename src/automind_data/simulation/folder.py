"""A run folder: one file for each finished run, written once, never lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path, write_json
from automind_data.features import Settings as FeatureSettings
from automind_data.simulation.configuration import Configuration
from automind_data.simulation.off import RECORD
from automind_data.simulation.rows import Analysed
from automind_data.simulation.run import Run, Spikes
from automind_data.simulation.settings import Settings

__all__ = ["RunFolder", "fingerprint_of"]

FORMAT = 1
DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
ARRAYS = ("cells", "offsets", "times")


def fingerprint_of(settings: Settings, features: FeatureSettings) -> str:
    """Digest all that two runs of one configuration and seed must have in common."""
    said = json.dumps([FORMAT, settings.described(), features.described()], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


class RunFolder:
    """The runs of one batch.

    Parameters
    ----------
    path
        The folder; made if it is not there.
    settings, features
        What all of its runs are made with.

    Raises
    ------
    AutomindError
        The folder was written with others, or holds something else.
    """

    def __init__(self, path: str | Path, settings: Settings, features: FeatureSettings) -> None:
        self.path, self.settings, self.features = Path(path), settings, features
        self._runs = self.path / "runs"
        ours = fingerprint_of(settings, features)
        record = self.path / RECORD
        if record.exists():
            if self._stated(record) != ours:
                rule = "was written with other parameters of the network or of the features"
                raise AutomindError(self.path, rule, "choose another folder")
        elif self.path.exists() and any(self.path.iterdir()):
            raise AutomindError(self.path, "holds something else", "choose another folder")
        self._runs.mkdir(parents=True, exist_ok=True)
        described = {"settings": settings.described(), "features": features.described()}
        if not record.exists():
            write_json(record, {"status": "on", "fingerprint": ours, **described})

    def _stated(self, record: Path) -> str | None:
        try:
            stated = json.loads(record.read_text(encoding="utf-8"))
        except ValueError:
            raise AutomindError(record, "is no JSON", "choose another folder") from None
        value = stated.get("fingerprint") if isinstance(stated, dict) else None
        return value if isinstance(value, str) else None

    def finished(self) -> list[int]:
        """List the seeds of finished runs in the order of numbers."""
        return sorted(int(file.stem) for file in self._runs.glob("*.npz") if file.stem.isdigit())

    def keep(self, analysed: Analysed) -> None:
        """Write a finished run; afterwards it is there whatever happens."""
        run = analysed.run
        about = {
            "values": list(run.configuration.values),
            "random_seed": run.configuration.random_seed,
            "about": dict(run.configuration.about),
            "sim_time": run.sim_time,
            "real_run_time": run.real_run_time,
            "early_stopped": run.early_stopped,
            "failure": analysed.failure,
            "status": analysed.status,
            "engine": run.engine,
            "features": list(analysed.features),
        }
        arrays = {
            f"{population}_{name}": getattr(spikes, name)
            for population, spikes in (("exc", run.exc), ("inh", run.inh))
            for name in ARRAYS
        }
        arrays["features"] = np.array(list(analysed.features.values()), np.float64)
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        target = self._runs / f"{run.configuration.random_seed}.npz"
        with atomic_path(target) as part, part.open("wb") as file:
            np.savez(file, **arrays)

    def drop(self, seeds: set[int]) -> None:
        """Remove the runs with these seeds."""
        for seed in seeds:
            (self._runs / f"{seed}.npz").unlink(missing_ok=True)

    def read(self, seed: int) -> Analysed:
        """Read a finished run.

        Raises
        ------
        AutomindError
            Its file is damaged.
        """
        path = self._runs / f"{seed}.npz"
        try:
            with np.load(path, allow_pickle=False) as held:
                about: Mapping[str, Any] = json.loads(held["about"].tobytes())
                values = held["features"].tolist()
                exc, inh = (
                    Spikes(*(held[f"{population}_{name}"] for name in ARRAYS))
                    for population in ("exc", "inh")
                )
            given = Configuration(tuple(about["values"]), about["random_seed"], about["about"])
            run = Run(
                given,
                about["sim_time"],
                about["real_run_time"],
                about["early_stopped"],
                about["failure"],
                about["engine"],
                exc,
                inh,
            )
            named = dict(zip(about["features"], values, strict=True))
            return Analysed(run, about["status"], about["failure"], named)
        except DAMAGED as error:
            raise _damaged(path, error) from None

    def said(self, seed: int) -> Mapping[str, Any]:
        """Read what a finished run says of itself, without its spikes.

        Raises
        ------
        AutomindError
            Its file is damaged.
        """
        path = self._runs / f"{seed}.npz"
        try:
            with np.load(path, allow_pickle=False) as held:
                said: Mapping[str, Any] = json.loads(held["about"].tobytes())
                return said
        except DAMAGED as error:
            raise _damaged(path, error) from None

    def runs(self) -> Iterator[Analysed]:
        """Read all finished runs, one at a time, in the order of their seeds."""
        for seed in self.finished():
            yield self.read(seed)


def _damaged(path: Path, error: Exception) -> AutomindError:
    rule = f"is damaged ({type(error).__name__})"
    return AutomindError(path, rule, "remove it and run this again")
