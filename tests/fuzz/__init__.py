"""Readers fed with broken input: a short run with the other tests, a long one by `make fuzz`.

    FUZZ=100000 python -m pytest -n 0 tests/fuzz

`FUZZ` is the number of inputs of each test; what is tried then differs each time.
A test counts its inputs with `counted`; the run prints the counts.
"""

from __future__ import annotations

import os
import resource
from collections import Counter

from hypothesis import HealthCheck, settings

__all__ = ["COUNTS", "counted", "fuzz", "peak"]

SHORT = 150
LONG = int(os.environ.get("FUZZ", "0"))
COUNTS: Counter[str] = Counter()

fuzz = settings(
    max_examples=LONG or SHORT,
    derandomize=not LONG,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""Decorates a test that is given input by hypothesis."""


def counted(what: str, outcome: str) -> None:
    """Count one input and what became of it."""
    COUNTS[f"{what}: {outcome}"] += 1


def peak() -> int:
    """Return the most kB that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
