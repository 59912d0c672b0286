"""Programs that are killed at a random or a chosen moment, or whose disk is full."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["KILLS", "content", "kill_at_random", "run_on_a_full_disk", "run_until_killed"]

KILLS = 30
READY = "print('ready', flush=True)"
KILLING = """
import os, signal
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def killing(function, at):
    calls = []
    def counted(*arguments, **named):
        calls.append(1)
        if len(calls) == at:
            kill()
        return function(*arguments, **named)
    return counted
"""
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
"""


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: path → bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def kill_at_random(
    rng: random.Random, longest: float, first: str, again: str, *arguments: str | Path
) -> None:
    """Run a program's `first` part, then `again` and again; kill it up to `longest` s into that."""
    program = f"{first}\n{READY}\nwhile True:\n    {again}"
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(rng.random() * longest)
        assert child.poll() is None
        child.send_signal(signal.SIGKILL)


def run_until_killed(program: str, *arguments: str | Path) -> None:
    """Run a program that ends itself by `kill()`, or by a function that it wraps in `killing`."""
    command = [sys.executable, "-c", KILLING + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def run_on_a_full_disk(
    limit: int, program: str, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run a program in which no file can be longer than `limit` bytes."""
    command = [sys.executable, "-c", FULL.format(limit=limit) + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
