"""What a density estimator says at fixed points: two of them compare without their tensors.

The points are 64 places in the unit cube of parameters and 8 conditioning
vectors, drawn once and for all from counter-based streams. The arithmetic is
float64 and rounded, so the numbers are the same on every processor.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_text

__all__ = ["PROBE", "points", "probe_of", "read_probe", "write_probe"]

FORMAT = 1
PROBE = "probe.json"
PLACES, VECTORS = 64, 8
DECIMALS = 6
SLOPES = 12
"""A probe spectrum is a sum of this many cosines over the band, the slowest strongest."""


def points(width: int, features: int, kind: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the fixed points for one kind of density estimator.

    Parameters
    ----------
    width, features
        Number of parameters and of conditioning features.
    kind
        `psd`: vectors are smooth curves without a mean, of the size of standardised
        log-spectra. Otherwise each feature is standard normal.

    Returns
    -------
    (u, x)
        float64 (64, width) in the unit cube, and (8, features).

    Examples
    --------
    >>> u, x = points(28, 4, "burst")
    >>> u.shape, x.shape, bool((points(28, 4, "burst")[0] == u).all())
    ((64, 28), (8, 4), True)
    """
    u = np.random.Generator(np.random.Philox(key=1)).random((PLACES, width))
    normal = np.random.Generator(np.random.Philox(key=2))
    if kind != "psd":
        return u, normal.standard_normal((VECTORS, features))
    weights = normal.standard_normal((VECTORS, SLOPES)) / np.arange(1, SLOPES + 1)
    band = (np.arange(features) + 0.5) / features
    curves = np.cos(np.pi * np.arange(1, SLOPES + 1)[:, None] * band)
    return u, 0.1 * weights @ curves


def probe_of(description: Path, tensors: Path) -> dict[str, Any]:
    """Return the probe of a density estimator from its two files.

    Parameters
    ----------
    description, tensors
        Its `dgm.json` and `dgm.safetensors`.

    Returns
    -------
    dict
        `format`; `architecture` and `features`, the md5 of the description of flow
        and conditioning; `tensors`, the md5 of each by name; `log_prob`, (8, 64) in
        nat with respect to the unit cube, None where it is not finite.

    Raises
    ------
    AutomindError
        The files hold no whole density estimator.
    """
    said = json.loads(description.read_bytes())
    return {**_identity(said, tensors), "log_prob": _log_probs(description, tensors)}


def write_probe(folder: Path, like: Path | None = None) -> None:
    """Write the probe of the density estimator in a folder beside it.

    Parameters
    ----------
    folder
        Holds `dgm.json` and `dgm.safetensors`.
    like
        Folder of another one. Where it is the same network its log-densities are
        taken, which saves starting torch.
    """
    description, tensors = folder / "dgm.json", folder / "dgm.safetensors"
    said = _identity(json.loads(description.read_bytes()), tensors)
    known = read_probe(like / PROBE) if like is not None else {}
    if known and all(known[key] == said[key] for key in said):
        log_prob = known["log_prob"]
    else:
        log_prob = _log_probs(description, tensors)
    rows = ",\n".join(f"  {json.dumps(row)}" for row in log_prob)
    head = json.dumps(said, indent=1).removesuffix("\n}")
    write_text(folder / PROBE, f'{head},\n "log_prob": [\n{rows}\n ]\n}}\n')


def _identity(description: dict[str, Any], tensors: Path) -> dict[str, Any]:
    about = {key: description[key] for key in ("flow", "conditioning")}
    return {
        "format": FORMAT,
        "architecture": _md5(json.dumps(about["flow"], sort_keys=True).encode()),
        "features": _md5(json.dumps(about["conditioning"], sort_keys=True).encode()),
        "tensors": _md5s(tensors),
    }


def _log_probs(description: Path, tensors: Path) -> list[list[float | None]]:
    from automind_data.dgm.model import open_dgm

    dgm = open_dgm(description, tensors, np.float64)
    u, x = points(len(dgm.names), len(dgm.recipe.columns), dgm.recipe.kind)
    return [
        [round(value, DECIMALS) if math.isfinite(value) else None for value in row]
        for row in (dgm.log_prob_unit(u, vector).tolist() for vector in x)
    ]


def read_probe(path: Path) -> dict[str, Any]:
    """Read what `write_probe` wrote.

    Raises
    ------
    AutomindError
        It is not there or has not the form of a probe.
    """
    again = "make it again with `automind-data convert`"
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise AutomindError(path, "is not there", again) from None
    except ValueError:
        raise AutomindError(path, "is no JSON", again) from None
    keys = {"format", "architecture", "features", "tensors", "log_prob"}
    if not isinstance(said, dict) or set(said) != keys or said["format"] != FORMAT:
        raise AutomindError(path, f"is no probe of format {FORMAT}", again)
    return said


def _md5s(tensors: Path) -> dict[str, str]:
    from safetensors.numpy import load_file

    return {
        name: _md5(f"{values.dtype} {values.shape} ".encode() + values.tobytes())
        for name, values in sorted(load_file(tensors).items())
    }


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
