"""Prints how many inputs were tried."""

from __future__ import annotations

from typing import Any

from tests.fuzz import COUNTS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for what, count in sorted(COUNTS.items()):
        terminalreporter.write_line(f"{count:>9} {what}")
