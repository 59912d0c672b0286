"""Workers as jobs of a batch system, through `dask-jobqueue`."""

from __future__ import annotations

import contextlib
import inspect
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.scaling.cluster import Cluster
from automind_data.scaling.schedulers import INSTALL, NO_PAGES_AT, reason

__all__ = ["job_script", "submitted"]

CLASSES = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
}
DEFAULTS = {"cores": "1", "processes": "1", "memory": "4GB", "job_name": "automind"}
NUMBERS = ("cores", "processes", "job_cpu")
LISTS = ("job_extra_directives", "job_script_prologue", "job_directives_skip", "worker_extra_args")
KEY_FILES = ("_job_key", "_job_cert", "_job_ca_file")
OURS = ("scheduler", "name", "security", "protocol", "config_name", "nanny")
OLD = ("extra", "env_extra", "header_skip", "job_extra", "project")
NO_DASHBOARD = ("--no-dashboard", "--dashboard-address", NO_PAGES_AT)


@contextlib.contextmanager
def submitted(cluster: Cluster) -> Iterator[Any]:
    """Start a scheduler here and ask the batch system for the workers.

    The scheduler has no dashboard. It speaks TLS with keys made for this run, which stand
    in a folder of their own, readable for this user only, below the shared working folder.

    Raises
    ------
    AutomindError
        An option is unknown or wrong, the package is missing, or there is no such batch
        system.
    """
    with _opened(cluster) as opened:
        try:
            opened.sync(_submit, opened, cluster.workers)
        except Exception as error:
            rule = f"took no job ({reason(error)})"
            raise AutomindError(
                cluster.name, rule, "run this where jobs can be sent from"
            ) from None
        yield opened


def job_script(cluster: Cluster) -> str:
    """Return the script that one job of the cluster would run."""
    with _opened(cluster) as opened:
        return str(opened.job_script())


@contextlib.contextmanager
def _opened(cluster: Cluster) -> Iterator[Any]:
    try:
        import dask_jobqueue
    except ImportError:
        raise AutomindError(cluster.name, "needs the package dask-jobqueue", INSTALL) from None
    from distributed.security import Security

    assert cluster.queue is not None
    kind = getattr(dask_jobqueue, CLASSES[cluster.queue])
    options = _options(cluster, kind.job_cls)
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(
            tempfile.TemporaryDirectory(prefix=".automind-keys-", dir=Path.cwd())
        )
        try:
            opened = kind(
                security=Security.temporary(),
                shared_temp_directory=keys,
                scheduler_options={"dashboard_address": NO_PAGES_AT},
                silence_logs=logging.CRITICAL,
                **options,
            )
        except Exception as error:
            rule = f"cannot be used so ({reason(error)})"
            raise AutomindError(cluster.name, rule, "correct the options of the queue") from None
        stack.callback(_close, opened)
        yield opened


async def _submit(opened: Any, jobs: int) -> None:
    """Send jobs; unlike `scale`, raise what the batch system says."""
    for _ in range(jobs):
        opened.worker_spec.update(opened.new_worker_spec())
    await opened._correct_state()


def _close(opened: Any) -> None:
    with contextlib.suppress(Exception):
        opened.close(timeout=30)
    for name in KEY_FILES:
        with contextlib.suppress(OSError):
            getattr(opened, name).close()


def _options(cluster: Cluster, job: Any) -> dict[str, Any]:
    known = {
        name
        for each in job.__mro__
        if "__init__" in vars(each)
        for name in inspect.signature(each.__init__).parameters
    } - {"self", "args", "kwargs", "base_class_kwargs", *OURS, *OLD}
    options: dict[str, Any] = {**DEFAULTS, "worker_extra_args": [], **cluster.options}
    for name, value in options.items():
        if name not in known:
            rule = f"knows no option {name}"
            raise AutomindError(cluster.name, rule, f"use some of {', '.join(sorted(known))}")
        if name in LISTS:
            options[name] = [value] if isinstance(value, str) else list(value)
        elif not isinstance(value, str):
            raise AutomindError(cluster.name, f"has {name} more than once", "give it once")
        elif name in NUMBERS:
            options[name] = _number(cluster, name, value)
    options["worker_extra_args"] = [*options["worker_extra_args"], *NO_DASHBOARD]
    return options


def _number(cluster: Cluster, name: str, value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise AutomindError(cluster.name, f"has {value} for {name}", "give a whole number")
    return int(value)
