"""What a pickle would do if somebody loaded it, and whether we would read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.pickles.arrays import MAGIC, OBJECT, parse_npy, split_npy
from automind_data.pickles.kinds import what_else
from automind_data.pickles.machine import Event, Machine
from automind_data.pickles.reader import read_whole
from automind_data.pickles.storage import read_storage
from automind_data.pickles.tree import Call, Refusal, measure, shown

__all__ = ["inspect_data", "inspect_torch"]

Report = dict[str, Any]
STORAGE = "torch.storage._load_from_bytes"


def inspect_data(data: bytes, file: str) -> Report:
    """List what a pickle, or the pickle in a `.npy`, would import and call.

    Parameters
    ----------
    data, file
        The bytes and what to call them.

    Returns
    -------
    dict
        `events`: what is imported, called or filled with a state, each once, as
        `offset` of the first time, `times`, `what`, `name`, `allowed`. `names` and
        `calls`: how many. `refused`: what speaks against the file, or None.
    """
    if not data.startswith(MAGIC):
        return _report(*_look(data, 0))
    events: list[Event] = []
    try:
        header, content = split_npy(data, file)
        if str(header["descr"]).lstrip("|<>=") == OBJECT:
            events, wrong = _look(content, len(data) - len(content))
            if wrong is not None:
                return _report(events, wrong)
        parse_npy(data, file)
    except AutomindError as error:
        return _report(events, error.rule)
    return _report(events, None)


def _look(data: bytes, before: int) -> tuple[list[Event], str | None]:
    """Let a pickle that starts `before` bytes into its file say what it would do."""
    other = what_else(data)
    machine = Machine(strict=False)
    wrong = None
    try:
        tree = read_whole(data, machine)
        measure(tree)
        wrong = _nested(tree)
    except Refusal as error:
        wrong = str(error)
    events = [Event(e.offset + before, e.what, e.module, e.name, e.refused) for e in machine.events]
    first = next((event for event in events if event.refused), None)
    if first:
        wrong = f"{first.refused} at byte {first.offset}, which is not allowed"
    if other:
        wrong = f"is {other}, no pickle of the release"
    return events, wrong


def inspect_torch(data: bytes, file: str) -> Report:
    """List what the pickle in a zip of torch.save would do; such files are always refused."""
    report = inspect_data(data, file)
    rule = "is a part of a file of torch.save, no pickle of the release"
    found = report["refused"]
    return {**report, "refused": rule if found is None else f"{rule}, and {found}"}


def _nested(tree: Any) -> str | None:
    """Say what is wrong with the first tensor that holds something else than numbers."""
    waiting, seen = [tree], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Call):
            waiting.extend((value.args, value.state, value.items))
            if value.kind == STORAGE:
                try:
                    (data,) = value.args
                    read_storage(data)
                except (ValueError, TypeError) as error:
                    return f"holds a damaged tensor: {error}"
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
    return None


def _report(events: Iterable[Event], refused: str | None) -> Report:
    rows: dict[tuple[str, str, str], Report] = {}
    counts = {"import": 0, "call": 0}
    for event in events:
        counts[event.what] = counts.get(event.what, 0) + 1
        row = rows.setdefault(
            (event.what, event.module, event.name),
            {
                "offset": event.offset,
                "times": 0,
                "what": event.what,
                "name": shown(f"{event.module}.{event.name}"),
                "allowed": True,
            },
        )
        row["times"] += 1
        row["allowed"] &= event.allowed
    return {
        "events": [*rows.values()],
        "names": sum(what == "import" for what, _, _ in rows),
        "calls": counts["call"],
        "refused": None if refused is None else shown(refused),
    }
