"""The process that runs tasks, one after the other, for the process that started it.

Messages are a length and so many bytes. A task is a pickled function and its argument;
the child says at once that it begins, then sends an `Answer`. It ends, with all that
it started, when the pipe from its parent closes or nothing came for a while.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import struct
import threading
import time
from typing import IO, Any, NamedTuple

from automind_data.common.errors import AutomindError

__all__ = ["BEGUN", "Answer", "called", "main", "receive", "send"]

LENGTH = struct.Struct("<Q")
IDLE = 120.0
BEGUN = b"begun"
LONGEST = 300


class Answer(NamedTuple):
    """What one try of a task came to.

    Attributes
    ----------
    status
        `done`, `raised` (an exception), `refused` (an `AutomindError`), `late` (over its
        time) or `died` (its process ended).
    seconds
        Inside the function.
    value
        The pickled result; the three parts of the refusal; otherwise a sentence.
    """

    status: str
    seconds: float
    value: Any


def send(pipe: IO[bytes], message: bytes) -> None:
    """Write one message."""
    pipe.write(LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """Read one message; None if the other side is gone."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    message = pipe.read(size)
    return message if len(message) == size else None


def called(function: Any, argument: Any) -> Answer:
    """Call a function; say what it returned or raised."""
    start = time.perf_counter()
    try:
        value = function(argument)
    except AutomindError as error:
        said = (error.file, error.rule, error.next_step)
        return Answer("refused", time.perf_counter() - start, said)
    except Exception as error:
        return Answer("raised", time.perf_counter() - start, _sentence(error))
    return Answer("done", time.perf_counter() - start, value)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {text[:LONGEST]}" if text else name


def main() -> None:
    """Answer tasks from the standard input until it closes."""
    tasks = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - file descriptors, no path
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks, waiting), daemon=True).start()
    while True:
        try:
            task = waiting.get(timeout=IDLE)
        except queue.Empty:
            return
        send(answers, BEGUN)
        send(answers, pickle.dumps(_answer(task)))


def _answer(task: bytes) -> Answer:
    try:
        function, argument = pickle.loads(task)  # noqa: S301 - from our own parent
    except Exception as error:
        return Answer("raised", 0.0, f"cannot be read by its worker: {_sentence(error)}")
    answer = called(function, argument)
    if answer.status != "done":
        return answer
    try:
        return answer._replace(value=pickle.dumps(answer.value))
    except Exception as error:
        said = f"{_sentence(error)} for what it returned, which cannot be sent back"
        return Answer("raised", answer.seconds, said)


def _listen(tasks: IO[bytes], waiting: queue.SimpleQueue[bytes]) -> None:
    while (task := receive(tasks)) is not None:
        waiting.put(task)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
