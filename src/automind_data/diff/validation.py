"""What changed in the findings of validation, and in the metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import msgspec.yaml

from automind_data.common.errors import AutomindError
from automind_data.diff.changes import FindingChange, Gap, MetricChange
from automind_data.diff.parameters import flat
from automind_data.diff.place import Place, Unread, same_bytes

__all__ = ["FINDINGS", "compare_findings", "compare_metrics", "metric_paths"]

FINDINGS = "derived/validation/findings.jsonl"
STATES = ("appeared", "changed", "went away")
_TEMPLATE = re.compile(r"\$\{[^}]*\}")


class _Finding(msgspec.Struct, frozen=True):
    id: str
    severity: str
    file: str
    message: str
    count: int
    dataset: str | None = None


Identity = tuple[str, str, str | None, str]


def compare_findings(old: Place, new: Place) -> tuple[tuple[FindingChange, ...], tuple[Gap, ...]]:
    """Compare findings; one is known by its id, file, data set and message."""
    if same_bytes(old, new, FINDINGS) or not (old.there(FINDINGS) or new.there(FINDINGS)):
        return (), ()
    try:
        before, after = (_findings(side) for side in (old, new))
    except Unread as unread:
        return (), (unread.gap,)
    found = _finding_changes(before, after)
    return tuple(sorted(found, key=lambda each: STATES.index(each.state))), ()


def _findings(side: Place) -> dict[Identity, tuple[str, int]]:
    """Return severity and count of each finding; nothing where the revision has no findings."""
    if not side.there(FINDINGS):
        return {}
    found: dict[Identity, tuple[str, int]] = {}
    for each in side.read(FINDINGS, "which findings appeared or went away", _read_findings):
        identity = (each.id, each.file, each.dataset, each.message)
        severity, count = found.get(identity, (each.severity, 0))
        found[identity] = (severity, count + each.count)
    return found


def _read_findings(path: Path) -> list[_Finding]:
    try:
        lines = path.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=_Finding) for line in lines if line.strip()]
    except msgspec.DecodeError:
        step = "make it again with `dvc repro`"
        raise AutomindError(path, "holds no validation findings", step) from None


def _finding_changes(
    before: dict[Identity, tuple[str, int]], after: dict[Identity, tuple[str, int]]
) -> Iterator[FindingChange]:
    for identity in dict.fromkeys((*before, *after)):
        one, other = before.get(identity), after.get(identity)
        if one == other:
            continue
        yield FindingChange(
            "appeared" if one is None else "went away" if other is None else "changed",
            *identity,
            one[0] if one else None,
            other[0] if other else None,
            one[1] if one else 0,
            other[1] if other else 0,
        )


def metric_paths(side: Place) -> tuple[str, ...]:
    """Return the metrics files that the `dvc.yaml` of a revision names."""
    text = side.revision.read("dvc.yaml")
    try:
        said = msgspec.yaml.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.DecodeError:
        return ()
    named = list(_named(said.get("metrics")))
    for stage in (said.get("stages") or {}).values():
        stage = stage.get("do", stage) if isinstance(stage, dict) else {}
        named += _named(stage.get("metrics"))
    found: dict[str, None] = {}
    for name in named:
        pattern = re.compile(".+".join(re.escape(part) for part in _TEMPLATE.split(name)))
        outputs = [path for path in side.revision.outputs if pattern.fullmatch(path)]
        found.update(dict.fromkeys(outputs or [name]))
    return tuple(found)


def _named(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else []:
        yield from entry if isinstance(entry, dict) else [str(entry)]


def compare_metrics(old: Place, new: Place) -> tuple[tuple[MetricChange, ...], tuple[Gap, ...]]:
    """Compare every entry of the metrics files of both revisions."""
    changes: list[MetricChange] = []
    gaps: list[Gap] = []
    for path in dict.fromkeys((*metric_paths(old), *metric_paths(new))):
        if same_bytes(old, new, path):
            continue
        try:
            one, other = (_metrics(side, path) for side in (old, new))
        except Unread as unread:
            gaps.append(unread.gap)
            continue
        changes += [
            MetricChange(path, name, one.get(name), other.get(name))
            for name in dict.fromkeys((*one, *other))
            if one.get(name) != other.get(name)
        ]
    return tuple(changes), tuple(gaps)


def _metrics(side: Place, path: str) -> dict[str, Any]:
    unknown = "how metrics changed"
    if side.there(path):
        return side.read(path, unknown, lambda at: _entries(at.read_bytes(), path))
    text = side.revision.read(path)
    try:
        return _entries(text, path) if text else {}
    except AutomindError as error:
        raise Unread(side.damaged(path, unknown, error.rule)) from None


def _entries(text: bytes, path: str) -> dict[str, Any]:
    yaml = Path(path).suffix in (".yaml", ".yml")
    try:
        return dict(flat(msgspec.yaml.decode(text) if yaml else json.loads(text)))
    except (msgspec.DecodeError, ValueError):
        raise AutomindError(path, "is no JSON or YAML", "make it again with `dvc repro`") from None
