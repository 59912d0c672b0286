"""Finding the line, the column and the words for a text that cannot be read as a table.

Slow and thorough: it only runs when a table is refused.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Mapping, Sequence

from automind_data.common.errors import AutomindError

__all__ = ["INTEGER", "LOOK", "explain", "explain_line_end"]

LOOK = "look at that line"
KINDS = {"float64": "a number", "int64": "a whole number", "bool": "True or False", "text": "text"}
INTEGER = r"^[+-]?[0-9]+(\.0+)?$"
NUMBER = re.compile(
    r"[ \t]*[+-]?([0-9]+\.?[0-9]*(e[+-]?[0-9]+)?|\.[0-9]+(e[+-]?[0-9]+)?|nan|inf(inity)?)[ \t]*",
    re.I,
)
SHOWN = 40


def explain(
    text: bytes,
    names: Sequence[str],
    kinds: Mapping[str, str],
    file: str,
    line: int,
    reason: str,
) -> AutomindError:
    """Find the first line that cannot be read.

    Parameters
    ----------
    text
        Whole lines; the last one may lack its end.
    names
        The columns of the text; one that is not in `kinds` is not looked at.
    kinds
        The type of each column.
    file, line
        What to call the text, and the number of its first line.
    reason
        What to say if nothing is found.
    """
    lines = csv.reader(io.StringIO(text.decode("utf-8", "surrogateescape"), newline=""))
    all_lines = text.count(b"\n")
    with contextlib.suppress(csv.Error):
        for cells in lines:
            last = line + lines.line_num - 1
            if not cells:
                continue
            if len(cells) != len(names):
                cut_off = len(cells) < len(names) and lines.line_num > all_lines
                rule = f"line {last} has {len(cells)} cells where the header has {len(names)}"
                rule += " and no end: the file is cut off in mid-row" if cut_off else ""
                return AutomindError(file, rule, LOOK)
            for name, cell in zip(names, cells, strict=True):
                if name in kinds and not _fits(cell, kinds[name]):
                    shown = repr(cell if len(cell) <= SHOWN else cell[:SHOWN] + "…")
                    rule = f"line {last}, column {name}: {shown} where {KINDS[kinds[name]]} belongs"
                    return AutomindError(file, rule, LOOK)
    rule = f"cannot be read from line {line} on: {' '.join(reason.split())[:200]}"
    return AutomindError(file, rule, LOOK)


def explain_line_end(
    text: bytes, names: Sequence[str], line_end: bytes, file: str, line: int
) -> AutomindError:
    """Find the first line of a text that does not end as the header does."""
    unlike = re.search(rb"\r" if line_end == b"\n" else rb"(?<!\r)\n|\r(?!\n)", text)
    at = unlike.start() if unlike else 0
    begin = text.rfind(b"\n", 0, at) + 1
    place = min(text.count(b",", begin, at), len(names) - 1)
    ends = {b"\n": "LF", b"\r\n": "CR LF"}.get(line_end, "the end of the file")
    number = line + text.count(b"\n", 0, at)
    rule = f"line {number}, column {names[place]}: a line end that is not {ends}, as in line 1"
    return AutomindError(file, rule, "write the file anew with one kind of line end")


def _fits(cell: str, kind: str) -> bool:
    match kind:
        case "text":
            return not re.search(r"[\0\r\n\udc80-\udcff]", cell)
        case "bool":
            return cell.strip(" \t") in ("", "True", "False")
        case "int64":
            whole = re.fullmatch(INTEGER, cell.strip(" \t"))
            return not cell or (bool(whole) and _is_small(cell))
        case _:
            return not cell or NUMBER.fullmatch(cell) is not None


def _is_small(whole: str) -> bool:
    digits = whole.strip(" \t").split(".")[0]
    return len(digits.lstrip("+-0")) < 20 and -(2**63) <= int(digits) < 2**63
