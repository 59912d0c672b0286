"""Reading files of strangers in a process of its own, so that no bug of ours can cost much.

The process gets the bytes and gives plain values back; see `pickles.child`. It has
`LIMITS.max_memory` and `LIMITS.max_seconds`. Memory is held down by the system, which
on Windows and macOS does not do so: there the counters of the reader alone do.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automind_data.common.archive import Limits as ZipLimits
from automind_data.common.archive import members, open_member
from automind_data.common.errors import AutomindError
from automind_data.pickles.limits import LIMITS
from automind_data.pickles.tree import NEXT_STEP
from automind_data.pickles.wire import unpack

__all__ = ["Job", "ask", "ask_all", "load", "read_npy", "read_npz"]

CODE = """\
import sys
sys.path[:] = sys.argv[1:]
from automind_data.pickles.child import main
main()
"""
KEPT = ("LANG", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")
ONE_THREAD = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
MOST_BACK = 1 << 30
BLOCK = 1 << 20


@dataclass(frozen=True)
class Job:
    """One reading: which (a key of `child.READINGS`), of what, and what to call that."""

    reading: str
    data: bytes
    file: str


def load(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file that is to be read as a pickle.

    Raises
    ------
    AutomindError
        It is not there, or larger than a pickle may be.
    """
    path = Path(path)
    if not path.is_file():
        raise AutomindError(path, "is not there", "check the path")
    with path.open("rb") as file:
        data = file.read(LIMITS.max_bytes + 1)
    return _limited(data, str(path))


def _limited(data: bytes, file: str) -> bytes:
    if len(data) > LIMITS.max_bytes:
        rule = f"is larger than {LIMITS.max_bytes} bytes for a pickle"
        raise AutomindError(file, rule, NEXT_STEP)
    return data


def ask(reading: str, data: bytes, file: str) -> Any:
    """Read one file in a process of its own.

    Parameters
    ----------
    reading
        `posterior`, `prior`, `parameters` (see `pickles.legacy`), `any` (which of these
        it is, and that), `npy`, or `inspect`.
    data, file
        The bytes and what to call them.

    Returns
    -------
    Any
        What the reading returns; tuples as lists.

    Raises
    ------
    AutomindError
        The file is refused, or reading it took more memory or time than it may.
    """
    (answer,) = ask_all([Job(reading, data, file)])
    if isinstance(answer, AutomindError):
        raise answer
    return answer


def ask_all(jobs: Sequence[Job]) -> list[Any]:
    """Read several files in one process; a refusal stands in its place among the answers.

    Where the process fails on one of several files, each is read in a process of its own.
    """
    for job in jobs:
        _limited(job.data, job.file)
    answers = _answers(jobs)
    if isinstance(answers, list):
        return answers
    if len(jobs) > 1:
        return [answer for job in jobs for answer in ask_all([job])]
    return [AutomindError(job.file, answers, NEXT_STEP) for job in jobs]


def _answers(jobs: Sequence[Job]) -> list[Any] | str:
    """Return the answers, or what ended the process as the end of a sentence."""
    heads = [{"reading": j.reading, "file": j.file, "bytes": len(j.data)} for j in jobs]
    with subprocess.Popen(
        _command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    ) as child:
        late = threading.Event()
        timer = threading.Timer(LIMITS.max_seconds, _end, (child, late))
        timer.start()
        try:
            _give(child, [json.dumps(heads).encode() + b"\n", *(job.data for job in jobs)])
            back = _take(child)
        finally:
            timer.cancel()
            child.kill()
    if late.is_set():
        return f"takes more than {LIMITS.max_seconds} s to read"
    try:
        answers = [_answer(answer) for answer in unpack(back)]
        if len(answers) == len(jobs):
            return answers
    except (ValueError, KeyError, TypeError, MemoryError):
        pass
    return "cannot be read with the memory and time that a pickle may take"


def _end(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    child.kill()


def _command() -> list[str]:
    package = str(Path(__file__).parents[2])
    paths = [path for path in sys.path if Path(path).is_absolute()]
    return [sys.executable, "-I", "-S", "-c", CODE, *paths, package]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | dict.fromkeys(ONE_THREAD, "1")


def _give(child: subprocess.Popen[bytes], pieces: list[bytes]) -> None:
    assert child.stdin is not None
    with contextlib.suppress(OSError):
        for piece in pieces:
            child.stdin.write(piece)
    with contextlib.suppress(OSError):
        child.stdin.close()


def _take(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None
    taken = bytearray()
    while len(taken) <= MOST_BACK and (block := child.stdout.read(BLOCK)):
        taken += block
    return bytes(taken) if len(taken) <= MOST_BACK else b""


def _answer(answer: dict[str, Any]) -> Any:
    if "value" in answer:
        return answer["value"]
    file, rule, next_step = answer["refused"]
    return AutomindError(str(file), str(rule), str(next_step))


def read_npy(path: str | os.PathLike[str]) -> Any:
    """Read a `.npy`; an array of objects becomes nested lists. No pickle in it is run.

    Raises
    ------
    AutomindError
        It is not there or refused.
    """
    return ask("npy", load(path), str(path))


def read_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a `.npz`, such as a recording. No pickle in it is run.

    Parameters
    ----------
    path
        A file of `numpy.savez` or `numpy.savez_compressed`.

    Returns
    -------
    dict
        Name → array; an array of objects becomes nested lists of arrays and plain
        values, as the spike times of each channel.

    Raises
    ------
    AutomindError
        It is not there, refused as an archive, or one of its arrays is refused.
    """
    limits = ZipLimits(max_bytes=LIMITS.max_bytes, max_members=1000)
    jobs, names = [], []
    for member in members(path, limits):
        with open_member(path, member, limits) as stream:
            data = stream.read()
        name = member.partition("/")[2]
        jobs.append(Job("npy", data, f"{path}:{name}"))
        names.append(name.removesuffix(".npy"))
    answers = ask_all(jobs) if jobs else []
    for answer in answers:
        if isinstance(answer, AutomindError):
            raise answer
    return dict(zip(names, answers, strict=True))
