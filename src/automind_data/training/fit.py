"""Fitting a flow by maximum likelihood of its parameters given x: neural posterior estimation.

The loss is that of sbi's NPE in its first round, minus the mean of log q(u | x) over
simulations from the prior (Papamakarios and Murray 2016; Greenberg et al. 2019). Batches are
taken by index from tensors in memory, in an order that depends on seed and epoch alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from automind_data.calibration.rows import generator
from automind_data.common.errors import AutomindError
from automind_data.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from automind_data.training.density import bounded, log_prob

__all__ = ["Fit", "Fitted", "fit"]

EVALUATED = 4096
"""Rows of the validation that are evaluated at a time."""
BIASES = 0.1
"""Biases are pulled by this share of what weights are: they say what holds for every x."""
WRITTEN = 5.0
"""Seconds between two checkpoints, at least; an epoch is never cut."""


@dataclass(frozen=True)
class Fit:
    """How a flow is fitted.

    Attributes
    ----------
    batch
        Rows of a step, about: each row is used once in an epoch.
    learning_rate
        Of Adam (Kingma and Ba 2015).
    pull
        Each step brings every number nearer to where it began, by this share of the learning
        rate, divided by the number of rows. It began at the prior, so this shrinks what few
        rows cannot support.
    clip
        Longest gradient of a step.
    patience
        Epochs without a better loss in validation before it is stopped.
    max_epochs
        Epochs at most.
    seed
        One integer fixes order and dropout.
    """

    batch: int = 200
    learning_rate: float = 5e-4
    pull: float = 0.0
    clip: float = 5.0
    patience: int = 20
    max_epochs: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """What came of it: loss in training and validation of each epoch, and the epoch kept.

    `first` is the loss in validation before the first epoch.
    """

    first: float
    history: tuple[tuple[float, float], ...]
    best: int

    @property
    def loss(self) -> float:
        """Loss in validation of the network that is kept, nat."""
        return self.history[self.best - 1][1] if self.best else self.first


def fit(
    flow: Any,
    u: NDArray[np.float32],
    x: NDArray[np.float32],
    held: NDArray[np.bool_],
    how: Fit,
    *,
    checkpoint: Path | None = None,
    identity: str = "",
    every: float = WRITTEN,
) -> Generator[dict[str, Any], None, Fitted]:
    """Fit a flow to simulations and leave it as it was in its best epoch.

    Parameters
    ----------
    flow
        From `build`; it is changed in place and ends in evaluation mode.
    u, x
        Parameters in the unit cube (n, d), conditioning vectors (n, n_features).
    held
        (n,): rows that are kept out of the steps, for validation.
    how
        Settings.
    checkpoint, identity
        Where the state is kept, and whose it is. A state of the same identity there is gone
        on from: the result is that of a run that was never interrupted.
    every
        Seconds between two checkpoints, at least.

    Yields
    ------
    dict
        `path`, `done` and `total` epochs, and the losses of the epoch.

    Raises
    ------
    AutomindError
        The loss is no longer finite.
    """
    work = _Work(flow, u, x, held, how)
    state = read_checkpoint(checkpoint) if checkpoint is not None else None
    if state is not None and state.identity == identity and work.restore(state):
        yield work.event()
    written = time.monotonic()
    while not work.finished:
        work.epoch()
        if checkpoint is not None and time.monotonic() - written >= every:
            write_checkpoint(checkpoint, work.state(identity))
            written = time.monotonic()
        yield work.event()
    work.keep_best()
    return Fitted(work.first, tuple(work.history), work.best)


class _Work:
    """The flow, its optimiser and what has been seen so far."""

    def __init__(self, flow: Any, u: Any, x: Any, held: NDArray[np.bool_], how: Fit) -> None:
        self.flow, self.how = flow, how
        values, logdet = bounded(flow, torch.from_numpy(u))
        kept, out = (torch.from_numpy(np.flatnonzero(rows)) for rows in (~held, held))
        self.x, self.values = torch.from_numpy(x), values
        self.kept_rows, self.held_rows = kept, out
        self.offset = float(logdet[kept].mean()), float(logdet[out].mean())
        self.numbers = [each for each in flow.parameters() if each.requires_grad]
        self.begun = [each.detach().clone() for each in self.numbers]
        rate = how.learning_rate * how.pull / len(kept)
        self.pulls = [
            min(rate * (BIASES if "bias" in name or "diag" in name else 1.0), 1.0)
            for name, each in flow.named_parameters()
            if each.requires_grad
        ]
        self.adam = torch.optim.Adam(self.numbers, lr=how.learning_rate, fused=True)
        self.history: list[tuple[float, float]] = []
        self.first = self._validate()
        self.best, self.least = 0, self.first
        self.kept = self._numbers()

    @property
    def finished(self) -> bool:
        """Has it been stopped, or run to its end."""
        epochs = len(self.history)
        return epochs >= self.how.max_epochs or epochs - self.best >= self.how.patience

    def event(self) -> dict[str, Any]:
        """Say how far it is."""
        epochs = len(self.history)
        training, validation = self.history[-1] if self.history else (math.nan, self.first)
        return {
            "path": f"epoch {epochs}",
            "done": epochs,
            "total": self.how.max_epochs,
            "training": training,
            "validation": validation,
            "best": self.best,
        }

    def epoch(self) -> None:
        """Use each row once, then validate."""
        number = len(self.history) + 1
        lots = generator(self.how.seed, "epoch", number)
        order = self.kept_rows[torch.from_numpy(lots.permutation(len(self.kept_rows)))]
        total = torch.zeros(())
        self.flow.train()
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(int(lots.integers(2**62)))
            for rows in order.tensor_split(max(round(len(order) / self.how.batch), 1)):
                total += self._step(rows) * len(rows)
        losses = float(total) / len(order) - self.offset[0], self._validate()
        if not all(map(math.isfinite, losses)):
            rule = f"has a loss of {losses[0]:g} in epoch {number}"
            raise AutomindError("training", rule, "lower the learning rate")
        self.history.append(losses)
        if losses[1] < self.least:
            self.best, self.least, self.kept = number, losses[1], self._numbers()

    def _step(self, rows: Tensor) -> Tensor:
        self.adam.zero_grad()
        loss = -log_prob(self.flow, self.values[rows], self.x[rows]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.numbers, self.how.clip)
        self.adam.step()
        if self.how.pull:
            with torch.no_grad():
                for each, begun, pull in zip(self.numbers, self.begun, self.pulls, strict=True):
                    each.lerp_(begun, pull)
        return loss.detach()

    def _validate(self) -> float:
        self.flow.eval()
        with torch.no_grad():
            parts = [
                log_prob(self.flow, self.values[rows], self.x[rows])
                for rows in torch.split(self.held_rows, EVALUATED)
            ]
            return -float(torch.cat(parts).mean()) - self.offset[1]

    def _numbers(self) -> dict[str, Tensor]:
        return {name: each.clone() for name, each in self.flow.state_dict().items()}

    def keep_best(self) -> None:
        """Leave the flow as it was in its best epoch."""
        self.flow.load_state_dict(self.kept)
        self.flow.eval()

    def state(self, identity: str) -> Checkpoint:
        """Return all that is needed to go on."""
        groups = {"now": self.flow.state_dict(), "kept": self.kept}
        tensors = {
            f"{group}.{name}": each.numpy()
            for group, numbers in groups.items()
            for name, each in numbers.items()
        }
        for number, moments in self.adam.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": each.numpy() for name, each in moments.items()}
        return Checkpoint(identity, tuple(self.history), self.best, tensors)

    def restore(self, state: Checkpoint) -> bool:
        """Go back to a state; False, and nothing is changed, where it is of another network."""
        groups: dict[str, dict[str, Tensor]] = {"now": {}, "kept": {}, "adam": {}}
        for name, values in state.tensors.items():
            group, _, rest = name.partition(".")
            groups.get(group, {})[rest] = torch.from_numpy(values.copy())
        shapes = {name: each.shape for name, each in self.kept.items()}
        for group in ("now", "kept"):
            if {name: each.shape for name, each in groups[group].items()} != shapes:
                return False
        moments: dict[int, dict[str, Tensor]] = {}
        for name, each in groups["adam"].items():
            number, _, part = name.partition(".")
            moments.setdefault(int(number), {})[part] = each
        settings = self.adam.state_dict()
        self.flow.load_state_dict(groups["now"])
        self.adam.load_state_dict({**settings, "state": moments})
        self.history, self.best, self.kept = list(state.history), state.best, groups["kept"]
        self.least = self.history[self.best - 1][1] if self.best else self.first
        return True
