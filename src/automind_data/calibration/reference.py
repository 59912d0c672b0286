"""What training features look like, in a small file: no table of simulations is needed.

`reference.safetensors` holds the score `density` of `misfit`: numbers and no code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.baseline import Components
from automind_data.calibration.misfit import Misfit, Score, Surprise
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from automind_data.dgm.model import DGM

__all__ = ["REFERENCE", "Compared", "compare", "read_reference", "reference_of", "write_reference"]

REFERENCE = "reference.safetensors"
AGAIN = "make it again with `automind-data calibrate`"
FORMAT = 1


@dataclass(frozen=True)
class Compared:
    """One observation against training features.

    Attributes
    ----------
    x_o
        Its key.
    score
        Negative log-density in nat per feature; see `Surprise`.
    p
        Share of training simulations that are at least as odd.
    outside
        Whether it lies outside.
    """

    x_o: str
    score: float
    p: float
    outside: bool


def reference_of(folder: str | Path) -> Path:
    """Return where the reference of a density estimator stands in a clone.

    >>> reference_of("derived/dgms/psd").as_posix()
    'derived/calibration/psd/reference.safetensors'
    """
    folder = Path(folder)
    return folder.parent.parent / "calibration" / folder.name / REFERENCE


def compare(
    dgm: DGM, rows: Mapping[str, Mapping[str, Any]], keys: Sequence[str], misfit: Misfit
) -> list[Compared]:
    """Compare those of some observations that have all features with training features.

    Parameters
    ----------
    dgm
        The density estimator.
    rows
        Key → row of summary features.
    keys
        Which observations, in which order.
    misfit
        What `read_reference` gave.
    """
    vectors = {key: dgm.conditioning(rows[key]) for key in keys if key in rows}
    whole = {key: x for key, x in vectors.items() if np.isfinite(x).all()}
    if not whole:
        return []
    odd = misfit.of(np.stack(list(whole.values())))
    found = zip(whole, odd.score.tolist(), odd.p.tolist(), odd.outside.tolist(), strict=True)
    return [Compared(*each) for each in found]


def write_reference(path: str | Path, misfit: Misfit, dgm: DGM) -> None:
    """Write the score `density` that was made of a density estimator's training features."""
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {}
    for name, score in _scores(misfit).items():
        assert isinstance(score, Surprise)
        fitted = score.fitted
        tensors[f"{name}.mean"] = fitted.mean
        tensors[f"{name}.axes"] = fitted.axes.astype(np.float32)
        tensors[f"{name}.variance"] = fitted.variance
        tensors[f"{name}.rest"] = np.array([fitted.rest])
    for number, (_, known) in enumerate(misfit.parts):
        tensors[f"{number}.known"] = known
    about = {"format": FORMAT, "conditioning": _conditioning(dgm)}
    with atomic_path(path) as part:
        part.write_bytes(save(dict(sorted(tensors.items())), {"about": json.dumps(about)}))


def read_reference(path: str | Path, dgm: DGM) -> Misfit:
    """Read back what `write_reference` wrote.

    Raises
    ------
    AutomindError
        The file is missing, damaged, or was made for other features.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise AutomindError(path, "is not there", "make it with `automind-data calibrate`")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        made_for, newer = about["conditioning"], about["format"] != FORMAT
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        rule = f"is damaged: it holds no reference ({error})"
        raise AutomindError(path, rule, AGAIN) from None
    if newer or made_for != _conditioning(dgm):
        rule = "was made for a density estimator that is conditioned on something else"
        raise AutomindError(path, rule, AGAIN)
    try:
        return _misfit(tensors, len(dgm.recipe.columns))
    except (LookupError, TypeError, ValueError) as error:
        raise AutomindError(path, f"is damaged ({error})", AGAIN) from None


def _misfit(tensors: Mapping[str, NDArray[Any]], width: int) -> Misfit:
    numbers = range(sum(name.endswith(".known") for name in tensors))
    scores = {name: _score(tensors, name, width) for name in ("whole", *map(str, numbers))}
    known = [np.sort(tensors[f"{number}.known"].astype(np.float64)) for number in numbers]
    if not known or not all(each.ndim == 1 and np.isfinite(each).all() for each in known):
        raise ValueError("scores of training rows are missing or no numbers")
    return Misfit(
        scores["whole"],
        tuple((scores[str(number)], each) for number, each in enumerate(known)),
    )


def _score(tensors: Mapping[str, NDArray[Any]], name: str, width: int) -> Surprise:
    mean, axes, variance, rest = (
        tensors[f"{name}.{part}"].astype(np.float64)
        for part in ("mean", "axes", "variance", "rest")
    )
    k = len(variance)
    if (mean.shape, axes.shape, variance.shape, rest.shape) != ((width,), (k, width), (k,), (1,)):
        raise ValueError(f"{name} has other features")
    if not (variance > 0).all() or not all(np.isfinite(each).all() for each in (mean, axes, rest)):
        raise ValueError(f"{name} has a number that cannot be")
    return Surprise(Components(mean, axes, variance, float(rest[0])))


def _scores(misfit: Misfit) -> dict[str, Score]:
    numbered = {str(number): score for number, (score, _) in enumerate(misfit.parts)}
    return {"whole": misfit.whole, **numbered}


def _conditioning(dgm: DGM) -> str:
    said = json.dumps(dgm.description["conditioning"], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
