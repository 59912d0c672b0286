"""The process in which files of strangers are read: little memory, little time, no way out.

It is given all files on standard input and gives back plain values on standard
output (`wire`). It opens no file, and an audit hook ends whatever would write one,
start a program, open a connection or unpickle.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from automind_data.common.errors import AutomindError
from automind_data.pickles import legacy
from automind_data.pickles.arrays import parse_npy
from automind_data.pickles.inspect import inspect_data, inspect_torch
from automind_data.pickles.limits import LIMITS
from automind_data.pickles.tree import refused
from automind_data.pickles.wire import pack

__all__ = ["READINGS", "confine", "main"]

READINGS: dict[str, Callable[[bytes, str], Any]] = {
    "posterior": legacy.describe_posterior,
    "prior": legacy.describe_prior,
    "parameters": legacy.describe_parameters,
    "any": legacy.describe_any,
    "npy": parse_npy,
    "inspect": inspect_data,
    "inspect torch": inspect_torch,
}
FEW_FILES = 16
NEVER = (
    "ctypes.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pickle.",
    "pty.",
    "shutil.",
    "socket.",
    "subprocess.",
    "urllib.",
    "webbrowser.",
)


def confine() -> None:
    """Give up what reading does not need; for good, and as far as the system can."""
    with contextlib.suppress(ImportError):
        import resource

        wanted = {
            "RLIMIT_AS": LIMITS.max_memory,
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": LIMITS.max_seconds,
            "RLIMIT_FSIZE": 0,
            "RLIMIT_NOFILE": FEW_FILES,
            "RLIMIT_NPROC": 0,
        }
        for name, most in wanted.items():
            with contextlib.suppress(AttributeError, ValueError, OSError):
                resource.setrlimit(getattr(resource, name), (most, most))
    sys.addaudithook(_refuse)


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    writing = event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writing or event.startswith(NEVER):
        raise PermissionError(event)


def main() -> None:
    """Read what standard input holds; write what came of it to standard output."""
    gc.disable()
    confine()
    answers = [_answer(*job) for job in _jobs(sys.stdin.buffer)]
    for piece in pack(answers):
        sys.stdout.buffer.write(piece)


def _jobs(stream: BinaryIO) -> list[tuple[str, str, bytes]]:
    jobs = json.loads(stream.readline())
    return [(job["reading"], job["file"], stream.read(job["bytes"])) for job in jobs]


def _answer(reading: str, file: str, data: bytes) -> dict[str, Any]:
    try:
        return {"value": READINGS[reading](data, file)}
    except AutomindError as error:
        wrong = error
    except Exception as error:
        wrong = refused(file, f"cannot be read ({type(error).__name__})")
    return {"refused": [wrong.file, wrong.rule, wrong.next_step]}
