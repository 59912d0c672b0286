"""Prints how many malicious files were tried and what became of them."""

from __future__ import annotations

from typing import Any

COUNTS = ("malicious files refused", "canaries", "run by the standard unpickler")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = [
        (what, number)
        for report in terminalreporter.stats.get("passed", [])
        for what, number in getattr(report, "user_properties", ())
        if what in COUNTS
    ]
    if found:
        sums = {what: sum(n for said, n in found if said == what) for what in COUNTS}
        terminalreporter.write_line(", ".join(f"{sums[what]} {what}" for what in COUNTS))
