"""A Dask scheduler and workers as processes of their own, on the loopback interface."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


@contextlib.contextmanager
def server(*command: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module of distributed until the end, and kill it then."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--host", "127.0.0.1", "--no-dashboard"],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Give the address and the process of a new scheduler."""
    said = folder / "scheduler.json"
    command = ("distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file", str(said))
    with server(*command, folder=folder) as process:
        until(lambda: said.is_file() and said.read_text().rstrip().endswith("}"))
        yield json.loads(said.read_text())["address"], process


@contextlib.contextmanager
def worker(address: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give the process of a new worker with one thread."""
    options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
    command = ("distributed.cli.dask_worker", address, *options)
    with server(*command, folder=folder) as process:
        yield process


def until(condition: object, seconds: float = 90) -> None:
    """Wait until a function returns something true."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
