"""What a training that was killed goes on from: numbers only, in one file that is whole or old."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from automind_data.common.files import atomic_path

__all__ = ["Checkpoint", "read_checkpoint", "write_checkpoint"]

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """The state at the end of an epoch.

    Attributes
    ----------
    identity
        Of settings and data; a training of another identity does not go on from here.
    history
        Loss in training and in validation of each epoch so far, nat.
    best
        The epoch, from 1, whose network is kept; 0: the untrained one.
    tensors
        Numbers of the network (`now.`), of the best one (`kept.`) and of the optimiser.
    """

    identity: str
    history: tuple[tuple[float, float], ...]
    best: int
    tensors: Arrays


def write_checkpoint(path: Path, state: Checkpoint) -> None:
    """Write a checkpoint; a kill leaves the one before or this one."""
    from safetensors.numpy import save

    said = {
        "identity": state.identity,
        "history": [[value.hex() for value in row] for row in state.history],
        "best": state.best,
    }
    with atomic_path(path) as part:
        part.write_bytes(save(dict(sorted(state.tensors.items())), {"state": json.dumps(said)}))


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read what `write_checkpoint` wrote; None where nothing whole is there."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            said = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        history = tuple(
            (float.fromhex(training), float.fromhex(validation))
            for training, validation in said["history"]
        )
        finite = all(np.isfinite(values).all() for values in tensors.values())
        if not finite or not 0 <= said["best"] <= len(history):
            return None
        return Checkpoint(said["identity"], history, said["best"], tensors)
    except (OSError, SafetensorError, LookupError, TypeError, ValueError):
        return None
