"""Where tasks run, and what became of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automind_data.common.errors import AutomindError

__all__ = ["QUEUES", "Cluster", "Outcome"]

QUEUES = ("htcondor", "lsf", "moab", "oar", "pbs", "sge", "slurm")
"""Batch systems that jobs can be sent to, as `dask-jobqueue` calls them."""

PATIENCE, PATIENCE_OF_QUEUE = 60.0, (86_400.0, 600.0)


@dataclass(frozen=True)
class Cluster:
    """Where tasks run, and how often each is tried.

    Attributes
    ----------
    workers
        Processes on this machine, or jobs of a queue. With 1, and neither address nor
        queue, tasks run one after the other without Dask: in this process, or, if there
        is a timeout, in one child. A scheduler with an address has workers of its own.
    address
        Of a running Dask scheduler, such as `tcp://node1:8786`.
    queue
        One of `QUEUES`: workers are jobs of a batch system.
    options
        Of the jobs, as the class for that queue in `dask-jobqueue` names them. Values
        are text; a list where the class takes one.
    timeout
        Seconds that one try of a task may take; None: no limit.
    retries
        So many more tries has a task that fails.
    patience
        Seconds without any worker after which to give up. None: a minute; with a queue a
        day for the first worker, ten minutes once there was one.

    Raises
    ------
    ValueError
        A number is out of range, or both an address and a queue are given.
    """

    workers: int = 1
    address: str | None = None
    queue: str | None = None
    options: Mapping[str, str | list[str]] = field(default_factory=dict)
    timeout: float | None = None
    retries: int = 2
    patience: float | None = None

    def __post_init__(self) -> None:
        if self.workers < 1 or self.retries < 0:
            raise ValueError("at least one worker, and no fewer than 0 retries")
        if any(limit is not None and not limit > 0 for limit in (self.timeout, self.patience)):
            raise ValueError("timeout and patience are seconds above 0")
        if self.address is not None and self.queue is not None:
            raise ValueError("either the address of a scheduler or a queue")
        if self.queue is not None and self.queue not in QUEUES:
            raise ValueError(f"queue is one of {', '.join(QUEUES)}")

    @property
    def alone(self) -> bool:
        """Whether tasks run one after the other on this machine, without Dask."""
        return self.workers == 1 and self.address is None and self.queue is None

    @property
    def here(self) -> bool:
        """Whether tasks run in this very process."""
        return self.alone and self.timeout is None

    @property
    def name(self) -> str:
        """What an error about the cluster names."""
        if self.address is not None:
            return f"scheduler {self.address}"
        return f"queue {self.queue}" if self.queue else f"{self.workers} workers of this machine"

    def wait(self, seen: bool) -> float:
        """Return for how many seconds to wait for a worker, after one was seen or before."""
        if self.patience is not None:
            return self.patience
        return PATIENCE if self.queue is None else PATIENCE_OF_QUEUE[seen]


@dataclass(frozen=True)
class Outcome:
    """What became of one task.

    Attributes
    ----------
    key
        Of the task.
    value
        What the function returned; None after a failure.
    failure
        One sentence, or None.
    seconds
        That the last try took inside the function; 0 if it never came to its end.
    tries
        How often it was started. The reruns that a scheduler makes by itself after the
        death of a worker are not counted.
    refusal
        File, rule and next step of the `AutomindError` that the function raised.
    """

    key: str
    value: Any
    failure: str | None
    seconds: float
    tries: int
    refusal: tuple[str, str, str] | None = None

    def unwrap(self, file: str, next_step: str) -> Any:
        """Return the value, or raise the refusal or failure.

        Parameters
        ----------
        file, next_step
            What the error names where the task did not.

        Raises
        ------
        AutomindError
            The task failed.
        """
        if self.refusal is not None:
            raise AutomindError(*self.refusal)
        if self.failure is not None:
            raise AutomindError(file, self.failure, next_step)
        return self.value
