"""The options of verbs that can use a cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from automind_data.scaling.cluster import QUEUES, Cluster

__all__ = ["cluster_options"]

SECONDS = click.FloatRange(0, min_open=True)
OPTIONS = (
    click.option(
        "--workers", default=1, show_default=True, type=click.IntRange(1),
        help="Processes here, or jobs of --queue. Same numbers.",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Use a running Dask scheduler."),
    click.option("--queue", type=click.Choice(QUEUES), help="Send workers as jobs to a queue."),
    click.option(
        "--queue-option", "queue_options", multiple=True, metavar="NAME=VALUE",
        help="Of each job: walltime=02:00:00, memory=4GB, queue=NAME, account=NAME, …",
    ),
    click.option("--timeout", type=SECONDS, metavar="S", help="Seconds for one try of one task."),
    click.option(
        "--retries", default=2, show_default=True, type=click.IntRange(0),
        help="More tries for a task that fails.",
    ),
    click.option(
        "--patience", type=SECONDS, metavar="S",
        help="Without a worker, give up. Default: 60; a day for the first of a queue.",
    ),
)  # fmt: skip


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options, and its function their values as `cluster`."""

    @functools.wraps(command)
    def collected(
        *args: Any,
        workers: int,
        scheduler: str | None,
        queue: str | None,
        queue_options: tuple[str, ...],
        timeout: float | None,
        retries: int,
        patience: float | None,
        **others: Any,
    ) -> Any:
        if scheduler is not None and queue is not None:
            raise click.UsageError("give --scheduler or --queue")
        if queue_options and queue is None:
            raise click.UsageError("--queue-option needs --queue")
        cluster = Cluster(
            workers, scheduler, queue, _named(queue_options), timeout, retries, patience
        )
        return command(*args, cluster=cluster, **others)

    for option in reversed(OPTIONS):
        collected = option(collected)
    return collected


def _named(listed: tuple[str, ...]) -> dict[str, str | list[str]]:
    """Read `name=value`; a name that comes again has a list."""
    named: dict[str, str | list[str]] = {}
    for each in listed:
        name, equals, value = each.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise click.UsageError(f"--queue-option {each} is no NAME=VALUE")
        before = named.get(name)
        if before is None:
            named[name] = value
        else:
            named[name] = [*([before] if isinstance(before, str) else before), value]
    return named
