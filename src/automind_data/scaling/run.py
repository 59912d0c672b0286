"""Many tasks of one function: where they run and what becomes of each."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from automind_data.scaling.attempts import attempt, close
from automind_data.scaling.child import Answer, called
from automind_data.scaling.cluster import Cluster, Outcome

__all__ = ["FINAL", "opened", "outcome_of", "run_in_order", "run_many"]

FINAL = ("done", "refused")
"""Answers after which a task is not tried again."""


def run_many(
    function: Callable[[Any], Any],
    tasks: Iterable[tuple[str, Any]],
    cluster: Cluster | None = None,
) -> Iterator[Outcome]:
    """Call a function once for each task and give what it came to, as soon as it is there.

    A task that fails (the function raises, its time is over, its process dies) is tried
    again. An `AutomindError` is a refusal and final. What is finished is never lost and
    never given twice; the order is that in which tasks finish.

    Parameters
    ----------
    function
        Of one argument, in a module that workers can import. With more than one worker,
        an address, a queue or a timeout it runs in processes that have one thread each
        for linear algebra; between two calls in one process its module stays imported.
    tasks
        Key and argument of each. They are asked for as workers become free: at most twice
        as many as there are workers are held at a time.
    cluster
        Where; see `Cluster`.

    Yields
    ------
    Outcome
        One for each task.

    Raises
    ------
    AutomindError
        There is no scheduler at the address, it went away, it has no workers for too
        long, or a package is missing.
    ValueError
        The function cannot be imported by another process.

    Examples
    --------
    >>> from math import sqrt
    >>> [outcome.value for outcome in run_many(sqrt, [("a", 4.0), ("b", 9.0)])]
    [2.0, 3.0]
    """
    cluster = cluster or Cluster()
    if function.__module__ == "__main__" or "<" in function.__qualname__:
        raise ValueError(f"{function.__qualname__} is in no module that a worker can import")
    if not cluster.alone:
        from automind_data.scaling.spread import spread

        return spread(function, tasks, cluster)
    return _one_by_one(function, tasks, cluster)


def run_in_order(
    function: Callable[[Any], Any], arguments: Iterable[Any], cluster: Cluster | None = None
) -> Iterator[Outcome]:
    """Do as `run_many`, and give outcomes in the order of the arguments.

    Those that finish before their turn wait in memory. Keys are the numbers 0, 1, 2, …

    Examples
    --------
    >>> from math import sqrt
    >>> [outcome.key for outcome in run_in_order(sqrt, [4.0, 9.0])]
    ['0', '1']
    """
    early: dict[int, Outcome] = {}
    turn = 0
    tasks = ((str(number), argument) for number, argument in enumerate(arguments))
    for outcome in run_many(function, tasks, cluster):
        early[int(outcome.key)] = outcome
        while turn in early:
            yield early.pop(turn)
            turn += 1


def _one_by_one(
    function: Callable[[Any], Any], tasks: Iterable[tuple[str, Any]], cluster: Cluster
) -> Iterator[Outcome]:
    run = uuid.uuid4().hex
    try:
        for key, argument in tasks:
            tries, answer = 0, None
            while answer is None or (answer.status not in FINAL and tries <= cluster.retries):
                tries += 1
                if cluster.timeout is None:
                    answer = called(function, argument)
                else:
                    task = pickle.dumps((function, argument))
                    answer = opened(attempt(run, task, cluster.timeout))
            yield outcome_of(key, answer, tries)
    finally:
        close()


def opened(message: bytes) -> Answer:
    """Unpickle an answer and, if there is one, the value in it."""
    answer: Answer = pickle.loads(message)  # noqa: S301 - from our own worker
    if answer.status == "done":
        return answer._replace(value=pickle.loads(answer.value))  # noqa: S301 - the same
    return answer


def outcome_of(key: str, answer: Answer, tries: int) -> Outcome:
    """Tell the last answer to a task as its outcome."""
    if answer.status == "done":
        return Outcome(key, answer.value, None, answer.seconds, tries)
    if answer.status == "refused":
        file, rule, next_step = answer.value
        said = f"{file}: {rule}; next: {next_step}"
        return Outcome(key, None, said, answer.seconds, tries, (file, rule, next_step))
    times = "once" if tries == 1 else f"{tries} times"
    return Outcome(key, None, f"failed {times}, at last it {_verb(answer)}", answer.seconds, tries)


def _verb(answer: Answer) -> str:
    return f"raised {answer.value}" if answer.status == "raised" else str(answer.value)
