"""A density estimator on disk: `dgm.json` and `dgm.safetensors`, no code in either.

`probe.json` beside them says what it gives at fixed points; see `dgm.probe`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder, write_json

__all__ = ["AGAIN", "FORMAT", "NAMES", "TRAINING", "read_dgm", "write_dgm"]

FORMAT = 1
AGAIN = "make it again with `automind-data convert`"
TRAINING = ("training.json", "metrics.json", "loss.csv", "loss.svg")
"""Beside a density estimator that was trained here: record, metrics, losses, and their picture."""
NAMES = {"dgm.json", "dgm.safetensors", "probe.json", *TRAINING}


def write_dgm(
    folder: str | Path,
    description: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
    like: Path | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Write one density estimator and its probe; the folder appears whole or not at all.

    Parameters
    ----------
    folder
        Where to; an older one there is replaced.
    description
        Everything of `dgm.json` but `format`.
    tensors
        Every parameter and buffer of the flow, by name.
    like
        Folder of another one that may be the same network; see `write_probe`.
    beside
        What else belongs into the folder: names among `TRAINING`, and content.

    Raises
    ------
    AutomindError
        The folder holds files of somebody else.
    """
    from safetensors.numpy import save

    from automind_data.dgm.probe import write_probe

    folder = Path(folder)
    others = {each.name for each in folder.iterdir()} - NAMES if folder.is_dir() else set()
    if others:
        rule = f"holds other files than a density estimator, as {min(others)}"
        raise AutomindError(folder, rule, "choose another folder")
    with atomic_folder(folder) as part:
        write_json(part / "dgm.json", {"format": FORMAT, **description})
        (part / "dgm.safetensors").write_bytes(save(dict(sorted(tensors.items()))))
        for name, content in (beside or {}).items():
            (part / name).write_bytes(content)
        write_probe(part, like)


def read_dgm(
    description_file: str | Path, tensors_file: str | Path
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read back what `write_dgm` wrote: a `dgm.json` and a `dgm.safetensors`, wherever they are.

    Returns
    -------
    (description, tensors)
        The description as format `FORMAT` has it, whichever format the file has.

    Raises
    ------
    AutomindError
        A file is missing, damaged, or of a newer format, or a number is not finite.
    """
    from safetensors.numpy import load_file

    try:
        description = json.loads(Path(description_file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AutomindError(description_file, "is not there", AGAIN) from None
    except (ValueError, RecursionError):
        raise AutomindError(description_file, "is damaged: it is no JSON", AGAIN) from None
    description = _of_this_format(description, description_file)
    try:
        tensors = load_file(tensors_file)
    except FileNotFoundError:
        raise AutomindError(tensors_file, "is not there", AGAIN) from None
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        rule = f"is damaged: it holds no tensors ({error})"
        raise AutomindError(tensors_file, rule, AGAIN) from None
    for name, values in sorted(tensors.items()):
        if not np.isfinite(values).all():
            rule = f"has a number that is not finite in {name}"
            raise AutomindError(tensors_file, rule, AGAIN)
    return description, tensors


def _of_this_format(description: Any, file: str | Path) -> dict[str, Any]:
    """Return what a `dgm.json` of any format says as the newest format says it."""
    match description:
        case {"format": 1}:
            return dict(description)
        case {"format": int(newer)} if newer > FORMAT:
            rule = f"has format {newer}, this version reads formats up to {FORMAT}"
            raise AutomindError(file, rule, "update automind-data")
    raise AutomindError(file, "is damaged: it names no format that there is", AGAIN)
