"""Reading the simulations of a table block by block: their features, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DGMS, RUN_MARKERS, psd_frequency
from automind_data.dgm.conditioning import Recipe
from automind_data.dgm.filters import EARLY, Conditioning, RowBlock, row_blocks
from automind_data.dgm.store import read_dgm
from automind_data.predictive.distances import log_features

__all__ = [
    "DISCARDED",
    "EARLY_STOPPED",
    "FAILED",
    "INCOMPLETE",
    "STATUSES",
    "WHOLE",
    "Estimator",
    "Rows",
    "column_types",
    "read_estimator",
    "read_rows",
]

STATUSES = ("whole", "discarded", "incomplete", "failed", "early_stopped")
"""What may become of a simulation.

`early_stopped`: as its own flag says. `failed`: it has no feature at all, though it was
not stopped. `incomplete`: it lacks a feature that is compared, as a run without bursts
does. `discarded`: the density estimator's training filters leave it out. `whole`: the rest.
"""

WHOLE, DISCARDED, INCOMPLETE, FAILED, EARLY_STOPPED = range(len(STATUSES))


@dataclass(frozen=True)
class Estimator:
    """What is needed of a density estimator: its recipe, and the filters of its training."""

    recipe: Recipe
    conditioning: Conditioning


@dataclass(frozen=True)
class Rows:
    """Some rows of a table.

    Attributes
    ----------
    start
        Number of the first one in the table.
    logs
        Features (n, d) after their logarithm, not finite where there is none.
    status
        Index into `STATUSES`, (n,).
    texts
        For each text column asked for: its cells, None where they are empty.
    """

    start: int
    logs: NDArray[np.float64]
    status: NDArray[np.uint8]
    texts: dict[str, list[str | None]]


def read_estimator(folder: str | Path) -> Estimator:
    """Read what is needed of a density estimator's folder.

    Raises
    ------
    AutomindError
        It is missing or damaged, or does not say what it is conditioned on.
    """
    folder = Path(folder)
    description, _ = read_dgm(folder / "dgm.json", folder / "dgm.safetensors")
    try:
        said = description["conditioning"]
        if said["kind"] not in DGMS:
            raise ValueError(said["kind"])
        return Estimator(Recipe.from_description(said), msgspec.convert(said, Conditioning))
    except (KeyError, TypeError, ValueError) as error:
        rule = f"does not say what it is conditioned on ({error})"
        again = "make it again with `automind-data convert`"
        raise AutomindError(folder / "dgm.json", rule, again) from None


def column_types(path: str | Path) -> dict[str, Any]:
    """Return the columns of a Parquet table with their Arrow types.

    Raises
    ------
    AutomindError
        It is missing or no Parquet table.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
    except FileNotFoundError:
        raise AutomindError(path, "is not there", "make it with `automind-data tabulate`") from None
    except (pyarrow.ArrowInvalid, OSError):
        step = "make one of it with `automind-data tabulate`"
        raise AutomindError(path, "is no Parquet table", step) from None
    return dict(zip(schema.names, schema.types, strict=True))


def read_rows(
    path: str | Path, estimator: Estimator, texts: tuple[str, ...] = ()
) -> Iterator[Rows]:
    """Read a table of simulations in blocks.

    Parameters
    ----------
    path
        A Parquet table.
    estimator
        Says which features are compared and which rows are left out.
    texts
        Further columns, whose cells are read as text.

    Raises
    ------
    AutomindError
        The table cannot be read, or a column is missing or of the wrong type.
    """
    import pyarrow

    path = Path(path)
    types = column_types(path)
    features = estimator.recipe.columns
    hertz = {name: hz for name in types if (hz := psd_frequency(name)) is not None}
    numbers = [*features, *(hertz if estimator.recipe.kind == "psd" else ())]
    markers = [name for name in RUN_MARKERS if name in types]
    _agree(path, types, dict.fromkeys([*texts, *numbers]), estimator)
    flags = [EARLY] if EARLY in types else []
    start = 0
    for block in row_blocks(path, list(dict.fromkeys([*texts, *flags, *markers, *numbers]))):
        columns = [_numbers(block[name]) for name in features]
        logs = log_features(estimator.recipe, np.column_stack(columns))
        cells = {name: block[name].cast(pyarrow.string()).to_pylist() for name in texts}
        filled = np.zeros(block.num_rows, bool)
        for name in markers:
            filled |= np.asarray(block[name].is_valid())
        status = _status(block, estimator, hertz, logs, filled if markers else None)
        yield Rows(start, logs, status, cells)
        start += block.num_rows


def _agree(path: Path, types: dict[str, Any], wanted: Any, estimator: Estimator) -> None:
    import pyarrow

    missing = [name for name in wanted if name not in types]
    if missing:
        more = f" nor {len(missing) - 1} more that are needed" if len(missing) > 1 else ""
        step = "choose the table that the density estimator was made for"
        raise AutomindError(path, f"has no column {missing[0]}{more}", step)
    for name in estimator.recipe.columns:
        if not pyarrow.types.is_floating(types[name]):
            rule = f"has {types[name]} in column {name} where numbers belong"
            raise AutomindError(path, rule, "correct the table")
    if EARLY in types and not pyarrow.types.is_boolean(types[EARLY]):
        rule = f"has {types[EARLY]} in column {EARLY} where true or false belongs"
        raise AutomindError(path, rule, "correct the table")


def _numbers(cells: Any) -> NDArray[np.float64]:
    return np.asarray(cells.to_numpy(zero_copy_only=False), np.float64)


def _status(
    block: Any,
    estimator: Estimator,
    hertz: dict[str, float],
    logs: NDArray[np.float64],
    filled: NDArray[np.bool_] | None,
) -> NDArray[np.uint8]:
    """Give each row its status; without marker columns no row counts as failed."""
    rows, use = RowBlock(block, hertz), estimator.conditioning
    spectrum = list(hertz) if use.kind == "psd" else []
    power = rows.power(spectrum, [use] if spectrum else [])
    good = rows.trainable(use, power, rows.limits(power))
    flagged = np.zeros(block.num_rows, bool)
    if EARLY in block.schema.names:
        flagged = np.asarray(block[EARLY].fill_null(False).to_numpy(zero_copy_only=False))
    status = np.where(good & ~rows.stopped, WHOLE, DISCARDED)
    status[~np.isfinite(logs).all(axis=1)] = INCOMPLETE
    if filled is not None:
        status[~filled] = FAILED
    status[flagged] = EARLY_STOPPED
    return status.astype(np.uint8)
