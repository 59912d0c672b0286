"""Handing tasks to a Dask scheduler, a few at a time, and waiting for none of them for ever."""

from __future__ import annotations

import asyncio
import pickle
import queue
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.scaling.attempts import attempt
from automind_data.scaling.child import Answer
from automind_data.scaling.cluster import Cluster, Outcome
from automind_data.scaling.run import FINAL, opened, outcome_of
from automind_data.scaling.schedulers import CONNECT, connected

__all__ = ["spread"]

LOOK = 1.0
"""Seconds between two looks at the connection while nothing arrives."""

ASK = 5.0
"""Seconds between two questions to the scheduler for its workers."""

PER_WORKER = 2
"""Tasks held for each worker: one that runs and one that waits for it."""


@dataclass
class _Task:
    """A task that is not finished."""

    key: str
    message: bytes
    tries: int
    future: Any


def spread(
    function: Callable[[Any], Any], tasks: Iterable[tuple[str, Any]], cluster: Cluster
) -> Iterator[Outcome]:
    """Do what `run_many` does, on the workers of a scheduler."""
    with connected(cluster) as client:
        yield from _Spreading(function, client, cluster).outcomes(iter(tasks))


class _Spreading:
    def __init__(self, function: Callable[[Any], Any], client: Any, cluster: Cluster) -> None:
        self._function, self._client, self._cluster = function, client, cluster
        self._run = uuid.uuid4().hex
        self._held: dict[int, _Task] = {}
        self._arrived: queue.SimpleQueue[tuple[int, int, Any]] = queue.SimpleQueue()
        self._workers = cluster.workers
        self._seen = self._asked = time.monotonic()
        self._met = False

    def outcomes(self, tasks: Iterator[tuple[str, Any]]) -> Iterator[Outcome]:
        """Yield the outcome of each task as it finishes."""
        self._ask_for_workers()
        started, more = 0, True
        while True:
            while more and len(self._held) < PER_WORKER * self._workers:
                try:
                    key, argument = next(tasks)
                except StopIteration:
                    more = False
                    break
                message = pickle.dumps((self._function, argument))
                self._held[started] = _Task(key, message, 0, None)
                self._submit(started)
                started += 1
            if not self._held:
                return
            try:
                number, tries, found = self._arrived.get(timeout=LOOK)
            except queue.Empty:
                self._look()
                continue
            outcome = self._take(number, tries, found)
            if outcome is not None:
                yield outcome
            if time.monotonic() - self._asked > ASK:
                self._look()

    def _submit(self, number: int) -> None:
        task = self._held[number]
        task.tries += 1
        key = f"automind-{self._run}-{number}-{task.tries}"
        try:
            task.future = self._client.submit(
                attempt, self._run, task.message, self._cluster.timeout, key=key, pure=False
            )
            deliver = _deliver(number, task.tries, task.future, self._arrived)
            asyncio.run_coroutine_threadsafe(deliver, self._client.loop.asyncio_loop)
        except Exception:
            self._look()
            raise

    def _take(self, number: int, tries: int, found: Any) -> Outcome | None:
        """Give the outcome of a task, or None if it goes on."""
        task = self._held.get(number)
        if task is None or task.tries != tries:
            return None
        if isinstance(found, BaseException):
            self._look()
            answer = self._broken(task, found)
        else:
            answer = opened(found)
        if answer.status not in FINAL and task.tries <= self._cluster.retries:
            self._submit(number)
            return None
        del self._held[number]
        return outcome_of(task.key, answer, task.tries)

    def _broken(self, task: _Task, error: BaseException) -> Answer:
        """Tell an error that is Dask's and not the function's as an answer."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            task.tries += int(error.allowed_failures)
            return Answer("died", 0.0, "ended its worker")
        if isinstance(error, ModuleNotFoundError) or "automind_data" in str(error):
            rule = f"has workers that cannot import automind_data ({error})"
            step = "install the same version for the scheduler's workers"
            raise AutomindError(self._cluster.name, rule, step) from None
        name = type(error).__name__
        return Answer("died", 0.0, f"was lost by the scheduler ({name})")

    def _look(self) -> None:
        """See that the scheduler is there and has workers.

        Raises
        ------
        AutomindError
            It is gone, or has been without workers for too long.
        """
        if self._client.status != "running":
            raise self._gone()
        now = time.monotonic()
        if now - self._asked > ASK:
            self._ask_for_workers()
        wait = self._cluster.wait(self._met)
        if now - self._seen > wait:
            rule = f"has had no worker for {wait:g} s"
            step = "start workers with `dask worker ADDRESS`, see docs/cluster.md"
            raise AutomindError(self._cluster.name, rule, step)

    def _ask_for_workers(self) -> None:
        try:
            cores = self._client.sync(self._client.scheduler.ncores, callback_timeout=3 * CONNECT)
        except Exception:
            raise self._gone() from None
        self._asked = time.monotonic()
        if cores:
            self._seen, self._met = self._asked, True
            self._workers = sum(cores.values())

    def _gone(self) -> AutomindError:
        rule = "went away before all tasks were finished"
        return AutomindError(self._cluster.name, rule, "start it and run the command again")


async def _deliver(
    number: int, tries: int, future: Any, arrived: queue.SimpleQueue[tuple[int, int, Any]]
) -> None:
    found: Any
    try:
        found = await future
    except BaseException as error:
        found = error
    arrived.put((number, tries, found))
