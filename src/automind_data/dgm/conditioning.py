"""From a row of summary features to a conditioning vector.

The recipes are those of the release: for spectra log10 of the band, minus its
mean, times a factor; for bursts bounds, log10 and a z-score. One row at a time:
the float32 mean of one row rounds differently from that of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How the features of one row become a conditioning vector x.

    Attributes
    ----------
    kind
        `psd` or `burst`.
    columns
        Feature columns, in the order of x.
    bounds
        Per column (low, high); a value outside becomes NaN. None: unbounded.
    log10
        Per column: is the logarithm taken.
    standardize
        `{"kind": "z-score", "mean", "std"}` or `{"kind": "demean and scale", "scale"}`.
    """

    kind: str
    columns: tuple[str, ...]
    bounds: tuple[tuple[float, float] | None, ...]
    log10: tuple[bool, ...]
    standardize: dict[str, Any]

    @classmethod
    def from_description(cls, description: dict[str, Any]) -> Recipe:
        """Read the `conditioning` part of a `dgm.json`.

        Raises
        ------
        KeyError, TypeError, ValueError
            It lacks something or contradicts itself.
        """
        columns = tuple(description["columns"])
        log10 = description["log10"]
        bounds = description.get("bounds") or [None] * len(columns)
        standardize = description["standardize"]
        lists = [bounds] if isinstance(log10, bool) else [bounds, log10]
        match standardize["kind"]:
            case "z-score":
                lists += [standardize["mean"], standardize["std"]]
            case "demean and scale":
                float(standardize["scale"])
            case other:
                raise ValueError(f"{other} is no way to standardise")
        if {len(each) for each in lists} != {len(set(columns))} or len(set(columns)) < len(columns):
            raise ValueError("columns and what is said of each differ in number")
        return cls(
            description["kind"],
            columns,
            tuple(None if pair is None else (float(pair[0]), float(pair[1])) for pair in bounds),
            (log10,) * len(columns) if isinstance(log10, bool) else tuple(log10),
            standardize,
        )

    def conditioning(self, row: Any) -> NDArray[np.float32]:
        """Return x, float32 (n_features,); NaN or infinite where the features are unusable.

        Raises
        ------
        AutomindError
            A feature column is missing from the row, or one is no number.
        """
        try:
            values = np.array([row[column] for column in self.columns], dtype=np.float64)
        except KeyError as error:
            rule = f"has no column {error.args[0]}, which the density estimator is conditioned on"
            raise AutomindError("observation", rule, "add the feature") from None
        except (TypeError, ValueError) as error:
            raise AutomindError("observation", f"has a feature: {error}", "correct it") from None
        with np.errstate(divide="ignore", invalid="ignore"):
            for index, pair in enumerate(self.bounds):
                if pair is not None and not pair[0] <= values[index] <= pair[1]:
                    values[index] = np.nan
            values = np.where(self.log10, np.log10(values), values)
            return self.standardized(values.astype(np.float32))

    def standardized(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise features, logarithms taken where they belong: (d,) or (n, d).

        A row of many is standardised to the last bit as it is alone.
        """
        if self.standardize["kind"] == "z-score":
            mean = np.array(self.standardize["mean"], np.float32)
            std = np.array(self.standardize["std"], np.float32)
            scored: NDArray[np.float32] = (x - mean) / std
            return scored
        rows = np.ascontiguousarray(x)
        centred: NDArray[np.float32] = rows - rows.mean(axis=-1, keepdims=True, dtype=np.float32)
        return np.float32(self.standardize["scale"]) * centred
