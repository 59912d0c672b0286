"""Functions that workers run in tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError


def square(number: int) -> int:
    return number * number


def slow_square(number: int) -> int:
    time.sleep(0.1)
    return number * number


def slower_first(number: int) -> int:
    time.sleep(0.5 if number == 0 else 0)
    return number


def where(_: Any) -> int:
    return os.getpid()


def broken(what: str) -> None:
    raise ValueError(f"no {what}\nat all")


def refused(path: str) -> None:
    raise AutomindError(path, "is no good", "get another")


def odd(number: int) -> Any:
    """Fail in the way that a number stands for."""
    match number:
        case 0:
            time.sleep(60)
        case 1:
            raise ValueError("one")
        case 2:
            os.kill(os.getpid(), signal.SIGKILL)
        case 3:
            return lambda: None
    print("a task may print")
    return number


def second_time(folder: str) -> str:
    """Die at the first try, fail at the second, succeed at the third."""
    left = Path(folder)
    tries = len(list(left.iterdir()))
    (left / str(tries)).touch()
    if tries == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if tries == 1:
        raise ValueError("again")
    return "done"


def noted(task: tuple[str, int, float]) -> int:
    """Write down the number, the process above and this one, take a while, return a square."""
    folder, number, seconds = task
    Path(folder, f"{number}-{os.getppid()}-{os.getpid()}").touch()
    time.sleep(seconds)
    return number * number
