"""A trained density estimator that conditions, evaluates and samples."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automind_data.common.errors import AutomindError
from automind_data.dgm.conditioning import Recipe
from automind_data.dgm.draws import Flow, default_threads, one_torch_thread
from automind_data.dgm.rejection import Draws, accept
from automind_data.dgm.store import AGAIN, read_dgm

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sbi.inference.posteriors import DirectPosterior

    from automind_data.dgm.flow import ConditionedFlow

__all__ = ["DGM", "Draws", "load", "open_dgm"]


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
        Type of all flow arithmetic: float32, in which the model was trained, or float64.
    plain
        Compute in plain torch rather than by compiled kernels. float64 always does.
    file
        What a refusal calls the description.

    Raises
    ------
    KeyError, TypeError, ValueError
        The description lacks something or contradicts itself.
    """

    def __init__(
        self,
        description: dict[str, Any],
        tensors: Mapping[str, NDArray[Any]],
        dtype: Any = np.float32,
        plain: bool = False,
        file: str | Path = "dgm.json",
    ) -> None:
        self.description = description
        self.file = file
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"flow arithmetic in {self.dtype}")
        self.plain = plain or self.dtype == np.float64
        self.tensors = dict(tensors)
        parameters = description["parameters"]
        self.names: tuple[str, ...] = tuple(part["name"] for part in parameters)
        self.low = np.array([part["low"] for part in parameters], dtype=np.float32)
        self.high = np.array([part["high"] for part in parameters], dtype=np.float32)
        if len(set(self.names)) < len(self.names):
            raise ValueError("a parameter is named twice")
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not -np.inf < low < high < np.inf:
                raise ValueError(f"the bounds of {name} are not low < high")
        self.recipe = Recipe.from_description(description["conditioning"])
        self._last: tuple[bytes, Flow] | None = None

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
        values = np.array(u, self.dtype, ndmin=2)
        with self._arithmetic():
            log_prob = self._flow(x).log_prob(values)
        inside = ((values >= 0) & (values <= 1)).all(axis=-1)
        return np.where(inside, log_prob, -np.inf).astype(self.dtype)

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
            `x` is not finite, or `at_most` draws did not or cannot yield enough.
        """
        drawing = self.drawing(
            x,
            n,
            seed,
            stream=stream,
            oversample=oversample,
            at_least=at_least,
            at_most=at_most,
            threads=threads,
        )
        while True:
            try:
                next(drawing)
            except StopIteration as end:
                draws: Draws = end.value
                return draws

    def drawing(
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
    ) -> Generator[dict[str, Any], None, Draws]:
        """Do the same as `draw`, and yield after each block how many draws are accepted."""
        stream = self._stream(x) if stream is None else stream
        with self._arithmetic():
            return (
                yield from accept(
                    self._flow(x),
                    len(self.names),
                    n,
                    seed,
                    stream,
                    oversample=oversample,
                    at_least=at_least,
                    at_most=at_most,
                    threads=threads or default_threads(),
                )
            )

    def maximum(self, x: ArrayLike, starts: ArrayLike) -> NDArray[np.float32]:
        """Find the densest point of the unit cube (MAP), climbing from each of `starts`.

        Parameters
        ----------
        x
            One conditioning vector, (d,) or (1, d).
        starts
            Points inside the cube, (m, 28), such as the densest draws.

        Returns
        -------
        float32 array (28,)
            See `dgm.maximum` for the method. The arithmetic is float64 in plain torch.
        """
        from automind_data.dgm.maximum import maximise

        with one_torch_thread(), self._fitting():
            u, _ = maximise(self._reference(self._vector(x), np.float64), np.array(starts, ndmin=2))
        return u.astype(np.float32)

    def to_sbi(self) -> DirectPosterior:
        """Make a posterior of sbi from the same weights, of unit-cube parameters given x.

        Its `potential` and `posterior_estimator` give the unnormalised log-densities of
        `log_prob_unit`; its `log_prob` corrects for leakage.
        """
        from automind_data.dgm.to_sbi import to_sbi

        with self._fitting():
            return to_sbi(self)

    def sample_unit(self, x: ArrayLike, n: int, seed: int = 0) -> NDArray[np.float32]:
        """Draw unit-cube posterior samples, (n, 28); see `draw`."""
        return self.draw(x, n, seed).u

    def sample(self, x: ArrayLike, n: int, seed: int = 0) -> NDArray[np.float64]:
        """Draw posterior samples in physical units, (n, 28); see `draw`."""
        return self.to_physical(self.sample_unit(x, n, seed))

    def plot(self, theta: ArrayLike) -> Figure:
        """Draw the marginals of samples in physical units, (n, 28), beside the prior."""
        from automind_data.dgm.picture import draw_marginals

        return draw_marginals(self, theta)

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

    def _arithmetic(self) -> AbstractContextManager[None]:
        return one_torch_thread() if self.plain else nullcontext()

    def _flow(self, x: ArrayLike) -> Flow:
        vector = self._vector(x)
        key = vector.tobytes()
        last = self._last
        if last is not None and last[0] == key:
            return last[1]
        with self._fitting():
            flow = self._conditioned(vector)
        self._last = key, flow
        return flow

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        try:
            yield
        except (LookupError, TypeError, ValueError, RuntimeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else error
            rule = f"describes a network that its tensors do not fit ({what})"
            raise AutomindError(self.file, rule, AGAIN) from None

    def _conditioned(self, vector: NDArray[np.float32]) -> Flow:
        if self.plain:
            import torch

            from automind_data.dgm.flow import PlainFlow

            dtype = torch.float64 if self.dtype == np.float64 else torch.float32
            plain = PlainFlow(self._reference(vector, self.dtype), dtype)
            plain.log_prob(np.zeros((1, len(self.names))))
            return plain
        from automind_data.dgm.compiled import CompiledFlow

        flow = CompiledFlow(self.description["flow"], self.tensors, vector)
        if flow.width != len(self.names):
            raise ValueError(f"{len(self.names)} parameters for a flow of {flow.width}")
        return flow

    def _reference(self, vector: NDArray[np.float32], dtype: Any) -> ConditionedFlow:
        import torch

        from automind_data.dgm.flow import ConditionedFlow

        tensors = {
            name: torch.from_numpy(values.astype(dtype if values.dtype.kind == "f" else np.int64))
            for name, values in self.tensors.items()
        }
        with torch.inference_mode(False), torch.no_grad():
            x = torch.from_numpy(vector.astype(dtype))
            return ConditionedFlow(self.description["flow"], tensors, x)


def load(folder: str | Path, dtype: Any = np.float32, plain: bool = False) -> DGM:
    """Open a converted density estimator.

    Parameters
    ----------
    folder
        A folder with `dgm.json` and `dgm.safetensors`, as in `derived/dgms/psd`.
    dtype, plain
        Type of all flow arithmetic, and whether plain torch does it; see `DGM`.

    Raises
    ------
    AutomindError
        The folder holds no whole density estimator, or one of a newer format.
    """
    return open_dgm(Path(folder) / "dgm.json", Path(folder) / "dgm.safetensors", dtype, plain)


def open_dgm(
    description: str | Path, tensors: str | Path, dtype: Any = np.float32, plain: bool = False
) -> DGM:
    """Open a density estimator from its two files, wherever they are; see `load`."""
    try:
        return DGM(*read_dgm(description, tensors), dtype, plain, description)
    except KeyError as error:
        raise AutomindError(description, f"is incomplete: it has no {error}", AGAIN) from None
    except (AttributeError, TypeError, ValueError) as error:
        raise AutomindError(description, f"contradicts itself: {error}", AGAIN) from None
