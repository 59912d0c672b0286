"""A density estimator on disk: `dgm.json` and `dgm.safetensors`, no code in either.

`probe.json` beside them says what it gives at fixed points; see `dgm.probe`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder, write_json

__all__ = ["FORMAT", "read_dgm", "write_dgm"]

FORMAT = 1
NAMES = {"dgm.json", "dgm.safetensors", "probe.json"}


def write_dgm(
    folder: str | Path,
    description: dict[str, Any],
    tensors: dict[str, NDArray[Any]],
    like: Path | None = None,
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
        write_probe(part, like)


def read_dgm(
    description_file: str | Path, tensors_file: str | Path
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read back what `write_dgm` wrote: a `dgm.json` and a `dgm.safetensors`, wherever they are.

    Raises
    ------
    AutomindError
        A file is missing, damaged, or of a newer format.
    """
    from safetensors.numpy import load_file

    again = "make it again with `automind-data convert`"
    try:
        description = json.loads(Path(description_file).read_text(encoding="utf-8"))
        tensors = load_file(tensors_file)
    except FileNotFoundError as error:
        raise AutomindError(error.filename or tensors_file, "is not there", again) from None
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError, OSError):
        folder = Path(description_file).parent
        raise AutomindError(folder, "holds a damaged density estimator", again) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        found = description.get("format") if isinstance(description, dict) else None
        rule = f"has format {found}, this version reads format {FORMAT}"
        raise AutomindError(description_file, rule, "update automind-data")
    return description, tensors
