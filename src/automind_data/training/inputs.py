"""What goes into a training: which features, which prior, which rows of which tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.calibration.rows import Simulations, generator, read_simulations
from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.dgm.model import DGM, load

__all__ = ["FEWEST", "Rows", "read_rows", "recipe_of_columns", "recipe_of_dgm"]

FEWEST = 20
"""With fewer usable rows nothing is trained."""
LOGGED = re.compile(r"log10\((.+)\)")
Part = dict[str, Any]


def recipe_of_dgm(folder: str | Path) -> Part:
    """Take parameters, prior and conditioning, with its training filters, from a converted DGM.

    Returns
    -------
    dict
        `parameters` and `conditioning` as in `dgm.json`.

    Raises
    ------
    AutomindError
        The folder holds no whole density estimator.
    """
    said = load(folder).description
    return {key: said[key] for key in ("parameters", "conditioning")}


def recipe_of_columns(columns: Sequence[str], prior: str | Path) -> Part:
    """Make a recipe of feature columns, z-scored by the training rows.

    Parameters
    ----------
    columns
        Names of columns; of one written `log10(NAME)` the decadic logarithm is taken.
    prior
        A CSV with `name`, `unit`, `low` and `high`, as `derived/parameters.csv`.

    Returns
    -------
    dict
        As `recipe_of_dgm`, and `score`: the z-score is still to be taken. Early-stopped rows
        are left out, and rows with a feature that is not finite.

    Raises
    ------
    AutomindError
        A column is named twice, or the prior is not there or has not these columns.
    """
    names = [found[1] if (found := LOGGED.fullmatch(each)) else each for each in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise AutomindError("recipe", f"names the column {twice[0]} twice", "name it once")
    try:
        with Path(prior).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        parameters = [
            {
                "name": row["name"],
                "unit": row["unit"],
                "low": float(row["low"]),
                "high": float(row["high"]),
            }
            for row in rows
        ]
    except FileNotFoundError:
        raise AutomindError(prior, "is not there", "give the prior with --prior") from None
    except (KeyError, TypeError, ValueError):
        rule = "is no table of parameters with name, unit, low and high"
        raise AutomindError(prior, rule, "compare with derived/parameters.csv") from None
    return {
        "score": True,
        "parameters": parameters,
        "conditioning": {
            "kind": "columns",
            "columns": names,
            "bounds": None,
            "log10": [name != each for name, each in zip(names, columns, strict=True)],
            "standardize": {
                "kind": "z-score",
                "mean": [0.0] * len(names),
                "std": [1.0] * len(names),
            },
            "training_filters": {"discard_stopped": True, "discard_conditions": None},
        },
    }


@dataclass(frozen=True)
class Rows:
    """Usable rows of all tables.

    Attributes
    ----------
    u, x
        Parameters in the unit cube (n, d), conditioning vectors (n, n_features), float32.
    tables
        Of each table: file, md5, bytes, release, rows, how many the filters leave in.
    """

    u: NDArray[np.float32]
    x: NDArray[np.float32]
    tables: tuple[Part, ...]


def read_rows(
    tables: Sequence[str | Path],
    recipe: Part,
    at_most: int,
    seed: int,
    release: str | None = None,
) -> Rows:
    """Read the rows that the training filters leave in.

    Parameters
    ----------
    tables
        Tables of simulations as Parquet: published, or simulated here.
    recipe
        From `recipe_of_dgm` or `recipe_of_columns`.
    at_most, seed
        Of more usable rows, so many are chosen at random.
    release
        The release that tables may be of; None: they must name one and the same.

    Raises
    ------
    AutomindError
        A table is not there, lacks a column, is of another release or has a run that an
        earlier one has; parameters are not finite or outside the prior; too few rows.
    """
    dgm = _empty(recipe)
    found: list[Simulations] = []
    said: list[Part] = []
    seen: dict[str, Path] = {}
    for table in map(Path, tables):
        rows = read_simulations(table, dgm, at_most, seed)
        named = _release(table)
        release = release if release is not None else named
        if named is not None and named != release:
            rule = f"is of release {named}, where {release} belongs"
            raise AutomindError(table, rule, "train on tables of one release")
        for key in rows.keys:
            if "_" in key and key in seen:
                rule = f"has the run {key}, which {seen[key]} has as well"
                raise AutomindError(table, rule, "leave one of the tables out")
        seen |= dict.fromkeys(rows.keys, table)
        found.append(rows)
        said.append(
            {
                "file": table.name,
                "md5": md5_of(table),
                "bytes": table.stat().st_size,
                "release": named,
                "rows": rows.rows,
                "usable": rows.usable,
            }
        )
    u, x = (np.concatenate([getattr(each, name) for each in found]) for name in ("u", "x"))
    if len(u) > at_most:
        taken = np.sort(generator(seed, "rows of all").permutation(len(u))[:at_most])
        u, x = u[taken], x[taken]
    if len(u) < FEWEST:
        total = sum(each["rows"] for each in said)
        rule = f"have {len(u)} usable rows of {total}, at least {FEWEST} are needed"
        what = ", ".join(each["file"] for each in said)
        raise AutomindError(
            what,
            rule.replace("have", "has") if len(said) == 1 else rule,
            "add tables of simulations",
        )
    return Rows(u, x, tuple(said))


def _empty(recipe: Part) -> DGM:
    """Return a density estimator without its network: it conditions and scales."""
    return DGM(recipe, {})


def _release(table: Path) -> str | None:
    import pyarrow.parquet

    found = (pyarrow.parquet.read_schema(table).metadata or {}).get(b"automind.release")
    return found.decode() if found else None
