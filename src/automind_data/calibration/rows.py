"""Simulations as a density estimator sees them: parameters in the unit cube, and x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import OBSERVATION_TABLES, psd_frequency
from automind_data.common.observations import observation_key
from automind_data.dgm.filters import EARLY, Conditioning, RowBlock, row_blocks

if TYPE_CHECKING:
    from automind_data.dgm.model import DGM

__all__ = ["Simulations", "generator", "read_simulations"]

SEEDS = OBSERVATION_TABLES["synthetic_summary"].key_columns
SLACK = 4 * float(np.finfo(np.float32).eps)
"""A parameter may lie outside its prior by this share of it: four float32 steps."""


@dataclass(frozen=True)
class Simulations:
    """Usable simulations of a table.

    Attributes
    ----------
    keys
        Batch seed and random seed, joined by `_`; row numbers where there are none.
    u
        Parameters in the unit cube, float32 (n, 28).
    x
        Conditioning vectors, float32 (n, n_features).
    rows, usable
        Rows of the table, and how many of them the training filters leave in; more than
        n where only some of them were taken.
    """

    keys: tuple[str, ...]
    u: NDArray[np.float32]
    x: NDArray[np.float32]
    rows: int
    usable: int


def generator(seed: int, *words: object) -> np.random.Generator:
    """Return a counter-based stream of random numbers that is keyed by seed and words."""
    import hashlib

    text = "\n".join(map(str, (seed, *words)))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def read_simulations(path: str | Path, dgm: DGM, at_most: int, seed: int) -> Simulations:
    """Read the simulations of a table that a density estimator could have been trained on.

    Parameters
    ----------
    path
        A table of simulations as Parquet, as in `derived/tables/heldout.parquet`.
    dgm
        Says which features, which filters, and the bounds of the prior.
    at_most, seed
        Of more usable rows, so many are chosen at random. They stand in the table's order.

    Returns
    -------
    Simulations

    Raises
    ------
    AutomindError
        The table is not there or no Parquet, a column is missing, or the parameters of a
        usable row lie outside the prior.
    """
    path = Path(path)
    use = msgspec.convert(dgm.description["conditioning"], Conditioning)
    names = _columns(path, [*dgm.names, *use.columns])
    hertz = {name: hz for name in names if (hz := psd_frequency(name)) is not None}
    keys = list(SEEDS) if set(SEEDS) <= set(names) else []
    early = [EARLY] if EARLY in names else []
    wanted = list(dict.fromkeys([*keys, *early, *hertz, *use.columns, *dgm.names]))
    lots = generator(seed, "rows", path.name)
    picked: list[_Picked] = []
    held = rows = usable = 0
    for block in row_blocks(path, wanted):
        numbers = rows + np.arange(block.num_rows)
        lot = lots.random(block.num_rows)
        found = RowBlock(block, hertz)
        power = found.power(list(hertz), [use] if use.kind == "psd" else [])
        good = found.trainable(use, power, found.limits(power))
        rows += block.num_rows
        usable += int(good.sum())
        picked.append(_picked(block, good, numbers, lot, keys, list(dgm.names), list(use.columns)))
        held += len(picked[-1].lot)
        if held > 2 * at_most:
            picked = [_first(picked, at_most)]
            held = len(picked[0].lot)
    chosen = _first(picked, at_most) if picked else _nothing(len(dgm.names), len(use.columns))
    x = np.empty((len(chosen.lot), len(use.columns)), np.float32)
    for place, features in enumerate(chosen.features):
        x[place] = dgm.conditioning(dict(zip(use.columns, features.tolist(), strict=True)))
    u = _unit(path, dgm, chosen)
    return Simulations(tuple(chosen.keys.tolist()), u, x, rows, usable)


@dataclass(frozen=True)
class _Picked:
    """Some rows: key, number in the table, lot, parameters and features of each."""

    keys: NDArray[Any]
    number: NDArray[np.int64]
    lot: NDArray[np.float64]
    theta: NDArray[np.float64]
    features: NDArray[np.float64]


def _nothing(width: int, features: int) -> _Picked:
    empty = np.empty(0)
    return _Picked(
        np.empty(0, object),
        np.empty(0, np.int64),
        empty,
        np.empty((0, width)),
        np.empty((0, features)),
    )


def _picked(
    block: Any,
    good: NDArray[np.bool_],
    numbers: NDArray[np.int64],
    lot: NDArray[np.float64],
    keys: list[str],
    parameters: list[str],
    features: list[str],
) -> _Picked:
    where = np.flatnonzero(good)
    texts = [str(numbers[row]) for row in where]
    if keys:
        cells = [block[name] for name in keys]
        parts = [[cell[int(row)].as_py() for cell in cells] for row in where]
        texts = [observation_key(dict(zip(keys, part, strict=True)), keys) for part in parts]
    theta, values = (
        np.stack([block[name].to_numpy(zero_copy_only=False)[where] for name in names], axis=1)
        for names in (parameters, features)
    )
    return _Picked(np.array(texts, object), numbers[where], lot[where], theta, values)


def _first(picked: Sequence[_Picked], at_most: int) -> _Picked:
    """Take the rows with the smallest lots, in the table's order."""
    keys, number, lot, theta, features = (
        np.concatenate([getattr(part, name) for part in picked])
        for name in ("keys", "number", "lot", "theta", "features")
    )
    taken = np.sort(np.argsort(lot, kind="stable")[:at_most])
    return _Picked(keys[taken], number[taken], lot[taken], theta[taken], features[taken])


def _columns(path: Path, needed: Sequence[str]) -> list[str]:
    import pyarrow
    import pyarrow.parquet

    try:
        names = list(pyarrow.parquet.read_schema(path).names)
    except FileNotFoundError:
        raise AutomindError(path, "is not there", "check the path") from None
    except pyarrow.ArrowInvalid:
        raise AutomindError(
            path, "is no Parquet table", "make one of it with `automind-data tabulate`"
        ) from None
    missing = [name for name in needed if name not in names]
    if missing:
        rule = f"lacks {len(missing)} columns that are needed, as {missing[0]}"
        raise AutomindError(path, rule, "choose a table of simulations")
    return names


def _unit(path: Path, dgm: DGM, chosen: _Picked) -> NDArray[np.float32]:
    u = dgm.to_unit(chosen.theta)
    outside = ~((u >= -SLACK) & (u <= 1 + SLACK))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        rule = (
            f"row {chosen.number[row]} has {dgm.names[column]} ="
            f" {chosen.theta[row, column]:g}, which is outside the prior"
        )
        raise AutomindError(path, rule, "check the table with `automind-data validate`")
    return np.clip(u, 0, 1)
