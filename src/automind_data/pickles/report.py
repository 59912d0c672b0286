"""What every pickle in a file would do, as a table for people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from automind_data.common.archive import members, open_member
from automind_data.common.errors import AutomindError
from automind_data.pickles.confined import Job, ask_all, load
from automind_data.pickles.limits import LIMITS

__all__ = ["inspect_file", "lines"]

Report = dict[str, Any]
ZIP = b"PK"
ENDINGS = (".pickle", ".pkl", ".p", ".npy", ".pt", ".pth", ".joblib")
PICKLED = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
TORCH_MEMBER = "data.pkl"
HEAD = 2


def inspect_file(path: str | os.PathLike[str]) -> Iterator[tuple[str, Report]]:
    """Look at a pickle, a `.npy`, or every pickle and `.npy` in a zip; nothing in it is run.

    Parameters
    ----------
    path
        The file. What it is counts, not how its name ends.

    Yields
    ------
    (file, report)
        `file` names the member as well; the report is that of `inspect_data`.

    Raises
    ------
    AutomindError
        The file is not there, or is an archive that is refused or holds no pickle.
    """
    path = Path(path)
    if not path.is_file():
        raise AutomindError(path, "is not there", "check the path")
    with path.open("rb") as file:
        packed = file.read(HEAD) == ZIP
    jobs = _members(path) if packed else [Job("inspect", load(path), str(path))]
    for job, answer in zip(jobs, ask_all(jobs), strict=True):
        if isinstance(answer, AutomindError):
            answer = {"events": [], "names": 0, "calls": 0, "refused": answer.rule}
        yield job.file, answer


def _members(path: Path) -> list[Job]:
    jobs, torch = [], False
    for member in members(path):
        torch |= PurePosixPath(member).name == TORCH_MEMBER
        with open_member(path, member) as stream:
            head = stream.read(HEAD)
            if head in PICKLED or member.endswith(ENDINGS):
                data = head + stream.read(LIMITS.max_bytes + 1 - HEAD)
                jobs.append(Job("inspect", data, f"{path}:{member}"))
    if torch:
        jobs = [Job("inspect torch", job.data, job.file) for job in jobs]
    if not jobs:
        raise AutomindError(path, "holds no pickle", "look at what is in it")
    return jobs


def lines(file: str, report: Report) -> Iterator[str]:
    """Give a report as lines of text, aligned, and a last one with the verdict.

    Examples
    --------
    >>> event = {"offset": 0, "times": 2, "what": "import", "name": "os.system", "allowed": False}
    >>> report = {"events": [event], "names": 1, "calls": 0, "refused": "mentions os.system"}
    >>> print(*lines("a.pickle", report), sep=chr(10))
    a.pickle
      verdict  what    times  byte  name
      REFUSED  import      2     0  os.system
      refused: mentions os.system
    """
    yield file
    events = report["events"]
    if events:
        head = ("verdict", "what", "times", "byte", "name")
        rows = [
            (
                "allowed" if event["allowed"] else "REFUSED",
                event["what"],
                str(event["times"]),
                str(event["offset"]),
                event["name"],
            )
            for event in events
        ]
        table = [head, *rows]
        wide = [max(len(row[column]) for row in table) for column in range(len(head))]
        for verdict, what, times, byte, name in table:
            left = f"  {verdict:<{wide[0]}}  {what:<{wide[1]}}"
            yield f"{left}  {times:>{wide[2]}}  {byte:>{wide[3]}}  {name}"
    if report["refused"] is None:
        yield f"  allowed: {report['names']} names, {report['calls']} calls"
    else:
        yield f"  refused: {report['refused']}"
