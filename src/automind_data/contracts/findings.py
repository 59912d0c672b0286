"""Findings: what a contract found, and how they are written."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from automind_data.common.files import write_json, write_text

__all__ = ["Finding", "Severity", "one_line", "summarize", "write_findings", "write_summary"]

Severity = Literal["info", "hint", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that a contract found.

    `id` names the contract, `file` what it is about (a published path or the path
    that was given), `count` how many cases there are, `examples` up to five of them,
    `rule` what should hold.
    """

    id: str
    severity: Severity
    file: str
    dataset: str | None
    message: str
    count: int
    examples: tuple[Mapping[str, Any], ...]
    rule: str = ""
    version: int = 1


def write_findings(path: str | Path, findings: Iterable[Finding]) -> None:
    """Write findings as JSON lines, one a line, in their order."""
    lines = (json.dumps(_record(finding), ensure_ascii=False) + "\n" for finding in findings)
    write_text(path, "".join(lines))


def summarize(
    findings: Iterable[Finding],
    rows: Mapping[str, int],
    usable: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Count findings by severity.

    Parameters
    ----------
    findings
        All findings of a release.
    rows
        Number of rows of each archive's table.
    usable
        For each table, the number of rows that each density estimator could be trained on.

    Returns
    -------
    dict
        `valid` (1 without an error, else 0), `errors`, `warnings`, `hints`, `infos`, `rows`,
        `usable`.
    """
    counted = Counter(finding.severity for finding in findings)
    return {
        "valid": int(not counted["error"]),
        "errors": counted["error"],
        "warnings": counted["warning"],
        "hints": counted["hint"],
        "infos": counted["info"],
        "rows": dict(rows),
        "usable": {table: dict(counts) for table, counts in (usable or {}).items()},
    }


def write_summary(
    path: str | Path,
    findings: Iterable[Finding],
    rows: Mapping[str, int],
    usable: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Any]:
    """Write the summary as JSON and return it."""
    summary = summarize(findings, rows, usable)
    write_json(path, summary)
    return summary


def one_line(summary: Mapping[str, Any]) -> str:
    """Say a summary in one line.

    >>> one_line(summarize([], {}))
    'valid: 0 errors, 0 warnings, 0 hints'
    """
    verdict = "valid" if summary["valid"] else "not valid"
    counts = (
        f"{summary[key]} {key[:-1] if summary[key] == 1 else key}"
        for key in ("errors", "warnings", "hints")
    )
    return f"{verdict}: {', '.join(counts)}"


def _record(finding: Finding) -> dict[str, Any]:
    return {
        "version": finding.version,
        "id": finding.id,
        "severity": finding.severity,
        "file": finding.file,
        "dataset": finding.dataset,
        "message": finding.message,
        "rule": finding.rule,
        "count": finding.count,
        "examples": [{key: _plain(value) for key, value in e.items()} for e in finding.examples],
    }


def _plain(value: Any) -> Any:
    """JSON has no number that is not finite: it is written as its text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
