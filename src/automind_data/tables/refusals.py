"""Finding the line, the column and the words for a text that cannot be read as a table.

Slow and thorough: it only runs when a table is refused. Every line is looked at by
itself, so that the first fault is the same one however the text was cut into blocks.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence

from automind_data.common.errors import AutomindError

__all__ = ["INTEGER", "LOOK", "NUMBER", "explain", "shown"]

LOOK = "look at that line"
ONE_END = "write the file anew with one kind of line end"
KINDS = {"float64": "a number", "int64": "a whole number", "bool": "True or False", "text": "text"}
INTEGER = r"^[+-]?[0-9]+(\.0+)?$"
NUMBER = (
    r"^[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?"
    r"|[nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
)
SHOWN = 40


def shown(text: str) -> str:
    """Return a text from a file as a sentence may show it: short, and without control characters.

    >>> shown("psd_0.5"), shown("x\\x1b[2J")
    ('psd_0.5', "'x\\\\x1b[2J'")
    """
    text = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return text if text and text.isprintable() else repr(text)


def explain(
    text: bytes,
    names: Sequence[str],
    kinds: Mapping[str, str],
    line_end: bytes,
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
        The columns of the text; one that is not in `kinds` holds text of any kind.
    kinds
        The type of each column.
    line_end
        What every line ends in.
    file, line
        What to call the text, and the number of its first line.
    reason
        What to say if nothing is found.
    """
    lines = text.split(b"\n")
    last = line + len(lines) - 1
    for number, raw in enumerate(lines, line):
        whole = raw + b"\n" if number < last else raw
        if place := _stray_line_end(whole, line_end):
            column = shown(names[min(raw.count(b",", 0, place - 1), len(names) - 1)])
            end = {b"\n": "LF", b"\r\n": "CR LF"}.get(line_end, "the end of the file")
            rule = f"line {number}, column {column}: a line end that is not {end}, as in line 1"
            return AutomindError(file, rule, ONE_END)
        if fault := _fault(raw.rstrip(b"\r"), names, kinds, cut_off=number == last):
            return AutomindError(file, f"line {number}{fault}", LOOK)
    rule = f"cannot be read from line {line} on: {' '.join(reason.split())[:200]}"
    return AutomindError(file, rule, LOOK)


def _stray_line_end(whole: bytes, line_end: bytes) -> int:
    """Return the place after the first line end that is not as it should be; 0: there is none."""
    found = re.search(rb"\r" if line_end == b"\n" else rb"(?<!\r)\n|\r(?!\n)", whole)
    return found.end() if found else 0


def _fault(raw: bytes, names: Sequence[str], kinds: Mapping[str, str], cut_off: bool) -> str:
    """Say what is wrong with a line, as the rest of a sentence that names it."""
    if not raw:
        return ""
    if b"\0" in raw:
        return " has a NUL byte"
    if raw.startswith(BOM_UTF8):
        return " begins with a byte order mark"
    reader = csv.reader((raw.decode("utf-8", "surrogateescape"), ""))
    cells = next(reader)
    end = " and no end: the file is cut off in mid-row" if cut_off else ""
    if reader.line_num > 1:
        column = shown(names[min(len(cells), len(names)) - 1])
        return f", column {column}: a quote that is not closed in that line{end}"
    if len(cells) != len(names):
        end = end if len(cells) < len(names) else ""
        return f" has {len(cells)} cells where the header has {len(names)}{end}"
    for name, cell in zip(names, cells, strict=True):
        kind = kinds.get(name, "text")
        if cell and not _fits(cell, kind):
            found = repr(cell if len(cell) <= SHOWN else cell[:SHOWN] + "…")
            return f", column {shown(name)}: {found} where {KINDS[kind]} belongs"
    return ""


def _fits(cell: str, kind: str) -> bool:
    if kind == "text":
        return not re.search(r"[\udc80-\udcff]", cell)
    cell = cell.strip(" \t")
    if kind == "bool":
        return cell in ("True", "False")
    if kind == "int64":
        return bool(re.search(INTEGER, cell)) and _is_small(cell)
    return bool(re.search(NUMBER, cell))


def _is_small(whole: str) -> bool:
    digits = whole.split(".")[0]
    return len(digits.lstrip("+-0")) < 20 and -(2**63) <= int(digits) < 2**63
