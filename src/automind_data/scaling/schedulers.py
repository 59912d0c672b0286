"""Opening a Dask scheduler: of this machine, by its address, or of a batch system."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import tempfile
from collections.abc import Iterator
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.scaling.cluster import Cluster

__all__ = ["INSTALL", "NO_PAGES_AT", "connected", "reason"]

CONNECT = 10.0
"""Seconds within which a scheduler must answer."""

NO_PAGES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Dask opens a web server in any case; this one has nothing to show."""

NO_PAGES_AT = "127.0.0.1:0"

INSTALL = "pip install 'automind-data[simulate]'"


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """Give a client of the cluster's scheduler, and close what was opened for it.

    Raises
    ------
    AutomindError
        There is no scheduler, it could not be started, or a package is missing.
    """
    if importlib.util.find_spec("distributed") is None:
        raise AutomindError(cluster.name, "needs the package distributed", INSTALL)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        if cluster.address is not None:
            yield stack.enter_context(_client(cluster.address, cluster))
            return
        if cluster.queue is not None:
            from automind_data.scaling.queues import submitted

            opened = stack.enter_context(submitted(cluster))
        else:
            scratch = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="automind-", ignore_cleanup_errors=True)
            )
            opened = stack.enter_context(_started(cluster, scratch))
        yield stack.enter_context(_client(opened, cluster))


@contextlib.contextmanager
def _client(where: Any, cluster: Cluster) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(where, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        rule = f"does not answer as a Dask scheduler ({reason(error)})"
        step = "check the address, or start one with `dask scheduler`"
        raise AutomindError(cluster.name, rule, step) from None
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=CONNECT)


@contextlib.contextmanager
def _started(cluster: Cluster, scratch: str) -> Iterator[Any]:
    """Start a scheduler and workers that only this process can reach.

    They listen on the loopback interface; keys made for this run keep other users of the
    machine out. A worker holds little, tasks run in a child of it: no limit of memory.
    """
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    try:
        with dask.config.set(
            {**NO_PAGES, "distributed.scheduler.allowed-failures": cluster.retries}
        ):
            opened = LocalCluster(
                n_workers=cluster.workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=NO_PAGES_AT,
                worker_dashboard_address=NO_PAGES_AT,
                security=Security.temporary(),
                memory_limit=0,
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
    except Exception as error:
        rule = f"could not be started ({reason(error)})"
        raise AutomindError(cluster.name, rule, "try fewer, or --workers 1") from None
    try:
        yield opened
    finally:
        with contextlib.suppress(Exception):
            opened.close(timeout=CONNECT)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs away from users; errors reach them as one sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado.application")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def reason(error: BaseException) -> str:
    """Say what an error of a library says, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
