"""Train a density estimator and write it as a converted one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.calibration.rows import generator
from automind_data.common.errors import AutomindError
from automind_data.dgm.draws import one_torch_thread
from automind_data.training.fit import Fit, Fitted, fit
from automind_data.training.inputs import Rows, read_rows
from automind_data.training.network import Architecture, build, describe
from automind_data.training.write import write_trained

__all__ = ["Training", "checkpoint_of", "settings_of", "train"]

SOFTWARE = ("automind-data", "torch", "sbi", "nflows", "numpy")
Part = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """All settings of a training.

    Attributes
    ----------
    network, fit
        See there. An embedding net is for spectra; other features go in as they are.
    validation
        Share of the rows that is held out, for stopping early.
    max_rows
        Of more usable rows, so many are chosen at random.
    """

    network: Architecture = field(default_factory=Architecture)
    fit: Fit = field(default_factory=Fit)
    validation: float = 0.2
    max_rows: int = 200_000


def settings_of(values: Any, **changed: Any) -> Training:
    """Return the settings that an object with all of them as attributes has, some changed."""

    def part(kind: Any) -> Any:
        names = [each.name for each in fields(kind)]
        return kind(**{name: changed.get(name, getattr(values, name)) for name in names})

    network = part(Architecture)
    network = replace(network, embedding=tuple(network.embedding))
    return Training(network, part(Fit), values.validation, values.max_rows)


def checkpoint_of(out: str | Path) -> Path:
    """Return where the state of a training into a folder is kept until it is done."""
    out = Path(out)
    return out.parent / f".{out.name}.checkpoint"


def train(
    tables: Sequence[str | Path],
    out: str | Path,
    recipe: Part,
    settings: Training,
    *,
    release: str | None = None,
    every: float = 5.0,
) -> Generator[dict[str, Any], None, Part]:
    """Train a density estimator; the folder appears whole or not at all.

    Parameters
    ----------
    tables
        Tables of simulations as Parquet.
    out
        Gets `dgm.json`, `dgm.safetensors`, `probe.json`, `training.json`, `metrics.json`,
        `loss.csv` and `loss.svg`. Beside it a hidden checkpoint is kept until all is done.
        Called again with the same tables and settings it goes on from there and ends with
        the same bytes.
    recipe
        From `recipe_of_dgm` or `recipe_of_columns`.
    settings
        Network, fit, split.
    release
        The release that tables may be of; see `read_rows`.
    every
        Seconds between two checkpoints, at least.

    Yields
    ------
    dict
        `path`, `done` and `total` epochs, losses in nat.

    Returns
    -------
    dict
        What `training.json` says.

    Raises
    ------
    AutomindError
        A table cannot be trained on, or the loss does not stay finite.
    """
    with one_torch_thread():
        rows = read_rows(tables, recipe, settings.max_rows, settings.fit.seed, release)
        held = _held(len(rows.u), settings)
        recipe, x = _standardized(recipe, rows, held)
        shape = settings.network
        if recipe["conditioning"]["kind"] != "psd":
            shape = replace(shape, embedding=())
        identity = _identity(settings, recipe, rows)
        flow = build(shape, rows.u.shape[1], x[~held], settings.fit.seed)
        checkpoint = checkpoint_of(out)
        fitted = yield from fit(
            flow,
            rows.u,
            x,
            held,
            settings.fit,
            checkpoint=checkpoint,
            identity=identity,
            every=every,
        )
        described, tensors = describe(flow)
        record = _record(settings, rows, held, fitted)
        description = {**recipe, "flow": described, "source": _source(identity, rows, record)}
        write_trained(out, description, tensors, record, fitted)
        checkpoint.unlink(missing_ok=True)
    return record


def _held(n: int, settings: Training) -> np.ndarray[Any, np.dtype[np.bool_]]:
    held = np.zeros(n, bool)
    share = min(max(round(settings.validation * n), 1), n - 1)
    held[generator(settings.fit.seed, "validation").permutation(n)[:share]] = True
    return held


def _standardized(recipe: Part, rows: Rows, held: Any) -> tuple[Part, Any]:
    """Fill in the z-score of a recipe of columns; another keeps what it has."""
    if not recipe.get("score"):
        return recipe, rows.x
    conditioning = recipe["conditioning"]
    mean, std = (
        getattr(rows.x[~held], name)(axis=0, dtype=np.float64).astype(np.float32)
        for name in ("mean", "std")
    )
    flat = np.flatnonzero(std < 1e-14)
    if len(flat):
        name = conditioning["columns"][flat[0]]
        raise AutomindError("recipe", f"has {name}, which is the same in all rows", "leave it out")
    score = {"kind": "z-score", "mean": mean.tolist(), "std": std.tolist()}
    scored = {**conditioning, "standardize": score}
    return {"parameters": recipe["parameters"], "conditioning": scored}, (rows.x - mean) / std


def _identity(settings: Training, recipe: Part, rows: Rows) -> str:
    said = {
        "settings": asdict(settings),
        "recipe": recipe,
        "tables": rows.tables,
        "software": {name: version(name) for name in SOFTWARE},
    }
    text = json.dumps(said, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _record(settings: Training, rows: Rows, held: Any, fitted: Fitted) -> Part:
    return {
        "state": "trained",
        "rows": int((~held).sum()),
        "validation_rows": int(held.sum()),
        "epochs": len(fitted.history),
        "best_epoch": fitted.best,
        "validation_log_prob": -fitted.loss,
        "validation_log_prob_untrained": -fitted.first,
        "settings": asdict(settings),
        "tables": list(rows.tables),
        "software": {name: version(name) for name in SOFTWARE},
    }


def _source(identity: str, rows: Rows, record: Part) -> Part:
    return {
        "file": ", ".join(each["file"] for each in rows.tables),
        "member": None,
        "md5": identity,
        "bytes": sum(each["bytes"] for each in rows.tables),
        "trained": record,
    }
