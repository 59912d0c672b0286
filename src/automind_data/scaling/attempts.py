"""One try of a task, in a process that can be ended when its time is over."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from typing import Any

from automind_data.scaling.child import BEGUN, Answer, receive, send

__all__ = ["attempt", "close"]

CODE = """\
import sys
sys.path[:] = sys.argv[1:]
from automind_data.scaling.child import main
main()
"""
ONE_THREAD = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
STARTING = 300.0
"""Seconds within which a process must have started."""

_mine = threading.local()


def attempt(run: str, task: bytes, timeout: float | None) -> bytes:
    """Run a task once, in the child that belongs to this thread and run.

    This is what a worker of Dask calls. It does not unpickle the task or its result.

    Parameters
    ----------
    run
        Which run of `run_many` the task belongs to; another run has a child of its own.
    task
        The pickled function and its argument.
    timeout
        Seconds; None: no limit.

    Returns
    -------
    bytes
        A pickled `Answer`.
    """
    child: _Child | None = getattr(_mine, "child", None)
    if child is not None and child.run != run:
        close()
        child = None
    answer = child.ask(task, timeout) if child is not None else None
    if answer is None:
        close()
        _mine.child = child = _Child(run)
        answer = child.ask(task, timeout) or child.died()
    if answer.status in ("late", "died"):
        close()
    return pickle.dumps(answer)


def close() -> None:
    """End the child of this thread, if there is one."""
    child: _Child | None = getattr(_mine, "child", None)
    _mine.child = None
    if child is not None:
        child.end()


class _Child:
    """A process that runs tasks of one run."""

    def __init__(self, run: str) -> None:
        self.run = run
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict.fromkeys(ONE_THREAD, "1"),
            start_new_session=True,
        )

    def ask(self, task: bytes, timeout: float | None) -> Answer | None:
        """Return the answer to a task; None if the process was gone before it began."""
        process, late = self._process, threading.Event()
        assert process.stdin is not None and process.stdout is not None
        try:
            with self._limit(STARTING, threading.Event()):
                send(process.stdin, task)
                if receive(process.stdout) != BEGUN:
                    return None
        except OSError:
            return None
        with self._limit(timeout, late):
            message = receive(process.stdout)
        if message is not None:
            answer: Answer = pickle.loads(message)  # noqa: S301 - from our own child
            return answer
        return (
            Answer("late", 0.0, f"took more than {timeout:g} s") if late.is_set() else self.died()
        )

    @contextlib.contextmanager
    def _limit(self, seconds: float | None, late: threading.Event) -> Any:
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self._stop, (late,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _stop(self, late: threading.Event) -> None:
        late.set()
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def died(self) -> Answer:
        """Say how the process ended."""
        self._kill_if_running()
        code = self._process.wait()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return Answer("died", 0.0, f"ended its process {how}")

    def _kill_if_running(self) -> None:
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._kill()

    def end(self) -> None:
        """End the process and what it started."""
        self._kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
