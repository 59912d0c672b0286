"""A trained density estimator that conditions, evaluates and samples."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from automind_data.common.errors import AutomindError
from automind_data.dgm.conditioning import Recipe
from automind_data.dgm.draws import blocks, default_threads, one_torch_thread
from automind_data.dgm.flow import ConditionedFlow
from automind_data.dgm.store import read_dgm

__all__ = ["DGM", "Draws", "load", "no_rows", "open_dgm"]

Rows = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""u, log_prob and draw index of some draws."""


@dataclass(frozen=True)
class Draws:
    """Accepted draws for one observation, in the order of `rank`.

    Attributes
    ----------
    u
        Unit-cube parameters, float32 (n, 28).
    log_prob
        Flow log-density of each row with respect to unit-cube coordinates, in nat,
        not corrected for leakage, float32 (n,).
    draw
        Index of each row among all draws of its stream, int64 (n,).
    drawn, accepted
        How many draws were made and how many fell inside the prior box.
    """

    u: NDArray[np.float32]
    log_prob: NDArray[np.float32]
    draw: NDArray[np.int64]
    drawn: int
    accepted: int

    @property
    def acceptance(self) -> float:
        """Share of draws inside the prior box; one minus the leakage."""
        return self.accepted / self.drawn

    @property
    def acceptance_se(self) -> float:
        """Binomial standard error of `acceptance`."""
        share = self.acceptance
        return math.sqrt(share * (1 - share) / self.drawn)


class DGM:
    """One trained density estimator q(u | x), rebuilt from plain tensors.

    `u` are the 28 parameters scaled to [0, 1] by the prior's bounds, `theta` the
    same in physical units, `x` a standardised conditioning vector as made by
    `conditioning`.

    Parameters
    ----------
    description
        The content of a `dgm.json`.
    tensors
        The content of its `dgm.safetensors`.
    dtype
        Type of all flow arithmetic. float32 is what the model was trained in.
    """

    def __init__(
        self,
        description: dict[str, Any],
        tensors: Mapping[str, torch.Tensor],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.description = description
        self.dtype = dtype
        self.tensors = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
        parameters = description["parameters"]
        self.names: tuple[str, ...] = tuple(part["name"] for part in parameters)
        self.low = np.array([part["low"] for part in parameters], dtype=np.float32)
        self.high = np.array([part["high"] for part in parameters], dtype=np.float32)
        self._flows: dict[bytes, ConditionedFlow] = {}

    @cached_property
    def recipe(self) -> Recipe:
        """How a row of summary features becomes a conditioning vector."""
        return Recipe.from_description(self.description["conditioning"])

    def conditioning(self, row: Any) -> NDArray[np.float32]:
        """Make the conditioning vector of one row of summary features.

        Parameters
        ----------
        row
            A mapping from column name to value (a pandas row will do), in the units
            of the release's tables.

        Returns
        -------
        float32 array (n_features,)
            It holds NaN or infinities where the features are unusable.
        """
        return self.recipe.conditioning(row)

    def to_unit(self, theta: ArrayLike) -> NDArray[np.float32]:
        """Scale physical parameters (n, 28) to the unit cube, in float32 like the original."""
        return (np.asarray(theta, np.float32) - self.low) / (self.high - self.low)

    def to_physical(self, u: ArrayLike) -> NDArray[np.float64]:
        """Scale unit-cube parameters (n, 28) to physical units, in float32 like the original."""
        theta = np.asarray(u, np.float32) * (self.high - self.low) + self.low
        return theta.astype(np.float64)

    def log_prob_unit(self, u: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Evaluate the unnormalised log-density of unit-cube parameters.

        Parameters
        ----------
        u
            Parameters scaled to [0, 1], (n, 28).
        x
            One conditioning vector, (d,) or (1, d).

        Returns
        -------
        array (n,)
            log q(u | x) in nat with respect to unit-cube coordinates, without the
            leakage correction; -inf outside the closed unit cube.
        """
        values = torch.as_tensor(np.array(u, ndmin=2), dtype=self.dtype)
        with torch.inference_mode():
            log_prob = self._flow(x).log_prob(values)
            inside = ((values >= 0) & (values <= 1)).all(dim=-1)
            result: NDArray[Any] = torch.where(inside, log_prob, -torch.inf).numpy()
            return result

    def log_prob(self, theta: ArrayLike, x: ArrayLike) -> NDArray[Any]:
        """Evaluate the unnormalised log-density of physical parameters, (n, 28) → (n,).

        The density is with respect to physical units. See `log_prob_unit`.
        """
        volume = float(np.log(self.high.astype(float) - self.low.astype(float)).sum())
        return self.log_prob_unit(self.to_unit(theta), x) - volume

    def draw(
        self,
        x: ArrayLike,
        n: int,
        seed: int,
        *,
        stream: str | None = None,
        oversample: int = 1,
        at_least: int = 1,
        at_most: int = 10_000_000,
        threads: int | None = None,
    ) -> Draws:
        """Draw accepted samples, with log-densities and an exact count of the acceptance.

        Parameters
        ----------
        x
            One conditioning vector, (d,) or (1, d).
        n
            Rows to return.
        seed, stream
            What the random numbers are keyed by; `stream` defaults to the bytes of `x`.
        oversample
            K. With K > 1, n * K draws are accepted and the n with the highest density
            are returned, sorted by it: no posterior sample then.
        at_least, at_most
            Bounds on the number of draws, for the acceptance and against leakage.
        threads
            Blocks computed side by side. It changes the speed, never the numbers.

        Raises
        ------
        AutomindError
            `x` is not finite, or `at_most` draws did not yield enough.
        """
        flow = self._flow(x)
        wanted = n * oversample
        stream = self._stream(x) if stream is None else stream
        parts: list[Rows] = [no_rows(len(self.names))]
        drawn = accepted = 0
        with (
            one_torch_thread(),
            closing(
                blocks(flow, len(self.names), seed, stream, threads or default_threads())
            ) as made,
        ):
            for block in made:
                size = len(block.inside)
                drawn += size
                kept = block.inside.numpy().nonzero()[0]
                taken = kept[: max(wanted - accepted, 0)]
                accepted += len(kept)
                if len(taken):
                    index = block.index * size + taken
                    parts.append((block.u.numpy()[taken], block.log_prob.numpy()[taken], index))
                if oversample > 1:
                    parts = [_densest(_joined(parts), n)]
                if accepted >= wanted and drawn >= at_least:
                    return Draws(*_joined(parts), drawn, accepted)
                if drawn >= at_most:
                    break
        rule = f"only {accepted} of {drawn} draws fell inside the prior box, {wanted} are needed"
        raise AutomindError(
            f"observation {stream}", rule, "ask for fewer samples or raise sampling.max_draws"
        )

    def sample_unit(self, x: ArrayLike, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Draw unit-cube posterior samples, (n, 28); see `draw`."""
        return self.draw(x, n, seed).u

    def sample(self, x: ArrayLike, n: int, seed: int = 0) -> NDArray[np.float64]:
        """Draw posterior samples in physical units, (n, 28); see `draw`."""
        return self.to_physical(self.sample_unit(x, n, seed))

    def _vector(self, x: ArrayLike) -> NDArray[np.float32]:
        vector = np.asarray(x, np.float32).reshape(-1)
        expected = len(self.recipe.columns)
        if vector.shape != (expected,):
            rule = f"has {vector.size} values, this density estimator takes {expected}"
            raise AutomindError("conditioning vector", rule, "make it with .conditioning(row)")
        if not np.isfinite(vector).all():
            rule = f"has {int((~np.isfinite(vector)).sum())} values that are not finite"
            raise AutomindError("conditioning vector", rule, "choose another observation")
        return vector

    def _stream(self, x: ArrayLike) -> str:
        return hashlib.sha256(self._vector(x).tobytes()).hexdigest()

    def _flow(self, x: ArrayLike) -> ConditionedFlow:
        vector = self._vector(x)
        key = vector.tobytes()
        if key not in self._flows:
            self._flows.clear()
            with torch.inference_mode(), one_torch_thread():
                conditioning = torch.from_numpy(vector.copy()).to(self.dtype)
                self._flows[key] = ConditionedFlow(
                    self.description["flow"], self.tensors, conditioning
                )
        return self._flows[key]


def no_rows(width: int) -> Rows:
    """Return the parts of `Draws` for no draw at all."""
    return np.empty((0, width), np.float32), np.empty(0, np.float32), np.empty(0, np.int64)


def _joined(parts: list[Rows]) -> Rows:
    u, log_prob, draw = (np.concatenate(column) for column in zip(*parts, strict=True))
    return u, log_prob, draw


def _densest(rows: Rows, n: int) -> Rows:
    """Keep the `n` rows of highest density; among equals the one drawn first."""
    u, log_prob, draw = rows
    best = np.lexsort((draw, -log_prob))[:n]
    return u[best], log_prob[best], draw[best]


def load(folder: str | Path, dtype: torch.dtype = torch.float32) -> DGM:
    """Open a converted density estimator.

    Parameters
    ----------
    folder
        A folder with `dgm.json` and `dgm.safetensors`, as in `derived/dgms/psd`.
    dtype
        Type of all flow arithmetic.

    Raises
    ------
    AutomindError
        The folder holds no whole density estimator, or one of a newer format.
    """
    return open_dgm(Path(folder) / "dgm.json", Path(folder) / "dgm.safetensors", dtype)


def open_dgm(
    description: str | Path, tensors: str | Path, dtype: torch.dtype = torch.float32
) -> DGM:
    """Open a density estimator from its two files, wherever they are; see `load`."""
    try:
        return DGM(*read_dgm(description, tensors), dtype)
    except (KeyError, TypeError, ValueError):
        raise AutomindError(
            description, "is incomplete", "make it again with `automind-data convert`"
        ) from None
