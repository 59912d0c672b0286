"""Reading a CSV stream block by block into typed tables.

A block ends at a line's end, so a text with a line break inside is refused;
every cell has the type that the layout gives its column; a refusal names the
line.

Plain blocks of numbers, which is what programs write, are read by a loop of our own
(`tables.decimals`), with columns of text by polars. A block with a quote, a blank or
anything else that these do not take is parsed again by pyarrow, which knows quotes
and takes blanks around numbers. What one of them reads, the others read to the last
bit.
"""

from __future__ import annotations

import contextlib
import csv
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from automind_data.common.ahead import ahead
from automind_data.common.errors import AutomindError
from automind_data.common.layout import column_family
from automind_data.tables.plain_rows import PlainReader, Rows
from automind_data.tables.refusals import INTEGER, LOOK, NUMBER, explain, shown

__all__ = [
    "BLOCK",
    "LONGEST_LINE",
    "MOST_COLUMNS",
    "ROW_GROUP",
    "Header",
    "read_blocks",
    "read_header",
]

BLOCK = 16 << 20
ROW_GROUP = 8192
"""Rows in each row group of a table but the last: about 77 MB of the widest published one.

More of them make reading a few columns slower, since a file lists every column of each.
"""
LONGEST_LINE = 1 << 16
"""Bytes; twice those of a row of the widest published table."""
MOST_COLUMNS = 2500
"""Twice those of the widest published table."""
TYPES = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "text": pa.string()}
PLAIN_TYPES = {
    "float64": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.String(),
    "text": pl.String(),
}
NOT_BLANK = re.compile(rb"[^\r\n]")
NOT_PLAIN = (b'"', b" ", b"\t", b"\0")
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Header:
    """The columns of a table; `indexed` if a first column without a name was left out.

    `length` is the number of bytes of the line, `line_end` what it ends in.
    """

    columns: tuple[str, ...]
    indexed: bool
    length: int
    line_end: bytes = b"\n"

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The type that the layout gives each column, by its name there."""
        return {name: column_family(name)[1] for name in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the text; the one without a name is empty."""
        return ("", *self.columns) if self.indexed else self.columns

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns as Arrow types."""
        return pa.schema([(name, TYPES[kind]) for name, kind in self.kinds.items()])


def read_header(stream: BinaryIO, file: str) -> Header:
    """Read the first line.

    Parameters
    ----------
    stream, file
        The text and what to call it.

    Raises
    ------
    AutomindError
        The file is empty or is no text in UTF-8, the line is too long or has no commas, or
        a column has no name, the name of another, or a control character in it.
    """
    line = stream.readline(LONGEST_LINE + 1)
    if line.startswith(UTF_16):
        raise AutomindError(file, "is UTF-16 text where a table is UTF-8", "save it as UTF-8")
    if not line.removeprefix(BOM_UTF8).strip():
        raise AutomindError(file, "is empty", "get it again from where it was published")
    if len(line) > LONGEST_LINE:
        raise AutomindError(file, f"line 1 has more than {LONGEST_LINE} bytes", LOOK)
    text = line.rstrip(b"\r\n")
    if b"\r" in text or line.endswith(b"\r"):
        rule = "line 1 has a carriage return that is not followed by a line feed"
        raise AutomindError(file, rule, "write the file anew with line ends of LF or CR LF")
    if b"\0" in text:
        raise AutomindError(file, "line 1 has a NUL byte", LOOK)
    try:
        names = next(csv.reader([text.decode("utf-8-sig")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise AutomindError(file, "line 1 is no header of a CSV table", LOOK) from None
    if len(names) > MOST_COLUMNS:
        rule = f"line 1 names {len(names)} columns, more than the limit of {MOST_COLUMNS}"
        raise AutomindError(file, rule, LOOK)
    if len(names) == 1 and ";" in names[0]:
        rule = "line 1 has semicolons where commas belong"
        raise AutomindError(file, rule, "save the table with commas between its cells")
    odd = next((name for name in names if not name.isprintable()), None)
    if odd is not None:
        rule = f"line 1 has a control character in the column name {shown(odd)}"
        raise AutomindError(file, rule, LOOK)
    indexed = names[0] in ("", "Unnamed: 0")
    columns = tuple(names[1:] if indexed else names)
    twice = [name for name, times in Counter(columns).items() if times > 1 and name]
    if twice:
        named = ", ".join(map(shown, twice[:5]))
        raise AutomindError(file, f"line 1 names {named} more than once", LOOK)
    if "" in columns or not columns:
        raise AutomindError(file, "line 1 has a column without a name", LOOK)
    return Header(columns, indexed, len(line), line[len(text) :])


def read_blocks(
    stream: BinaryIO, header: Header, file: str, block: int = BLOCK, rows: int = ROW_GROUP
) -> Iterator[tuple[int, Rows]]:
    """Read what follows the header.

    Parameters
    ----------
    stream, header, file
        The text after its first line, the columns, and what to call the text.
    block
        Bytes read at a time.
    rows
        How many rows to give at once where the text is plain.

    Yields
    ------
    (done, rows)
        Bytes of text read so far, and rows with the columns of `header`.

    Raises
    ------
    AutomindError
        A row has another number of cells than the header, or a cell is not of
        its column's kind, or a line ends unlike the first; the line is named.
    """
    kinds = [header.kinds.get(name, "") for name in header.names]
    plain = PlainReader(kinds, header.schema, rows)
    done, line = header.length, 2
    with contextlib.closing(ahead(_cut_at_lines(stream, block), depth=1)) as texts:
        for text, size in texts:
            begin = 0
            while begin < size:
                if header.line_end == b"\n":
                    before, gathered = begin, plain.height
                    begin = plain.read(text, begin, size, LONGEST_LINE)
                    done += begin - before
                    line += plain.height - gathered
                    if plain.full:
                        yield done, plain.take()
                        continue
                if begin < size:
                    if plain.height:
                        yield done, plain.take()
                    rest = text[begin:size].tobytes()
                    parsed = _parse_lines(rest, header, file, line)
                    done += len(rest)
                    line += rest.count(b"\n")
                    if parsed is not None:
                        yield done, parsed
                    begin = size
    if plain.height:
        yield done, plain.take()


def _cut_at_lines(stream: BinaryIO, block: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Give the text in pieces of whole lines, each with its size; a zero follows it.

    A line that is much too long is cut.
    """
    rest = b""
    while True:
        text = np.empty(len(rest) + block + 1, np.uint8)
        text[: len(rest)] = np.frombuffer(rest, np.uint8)
        size = len(rest) + _filled(text[len(rest) : -1], stream)
        last = size < len(text) - 1
        tail = text[max(size - LONGEST_LINE - 1, 0) : size].tobytes()
        rest = tail[tail.rfind(b"\n") + 1 :]
        if last or len(rest) > LONGEST_LINE:
            rest = b""
        size -= len(rest)
        text[size] = 0
        if size:
            yield text, size
        if last:
            return


def _filled(room: NDArray[np.uint8], stream: BinaryIO) -> int:
    """Read until there is no room or no more to read."""
    size = 0
    while size < len(room) and (read := stream.readinto(room[size:])):  # type: ignore[attr-defined]
        size += read
    return size


def _short_lines(text: bytes) -> int:
    """Return where the first line that is too long begins, looking only where one could be."""
    begin = 0
    while begin + LONGEST_LINE < len(text):
        end = text.rfind(b"\n", begin, begin + LONGEST_LINE + 1) + 1
        if not end:
            return begin
        begin = end
    return len(text)


def _ends_as(text: bytes, line_end: bytes) -> bool:
    if line_end == b"\n":
        return b"\r" not in text
    pairs = text.count(b"\r\n")
    return pairs == text.count(b"\r") == text.count(b"\n")


def _parse_lines(text: bytes, header: Header, file: str, line: int) -> pl.DataFrame | None:
    """Parse whole lines, the first of which is number `line`; None if all of them are blank."""
    short = _short_lines(text)
    try:
        rows = _parse(text[:short], header)
    except pa.ArrowInvalid as error:
        names, kinds, end = header.names, header.kinds, header.line_end
        raise explain(text[:short], names, kinds, end, file, line, str(error)) from None
    if short < len(text):
        line += text.count(b"\n", 0, short)
        raise AutomindError(file, f"line {line} has more than {LONGEST_LINE} bytes", LOOK)
    return rows


def _parse(text: bytes, header: Header) -> pl.DataFrame | None:
    if not _ends_as(text, header.line_end):
        raise pa.ArrowInvalid("mixed line ends")
    if text.startswith(BOM_UTF8) or b"\n" + BOM_UTF8 in text:  # both parsers drop a first one
        raise pa.ArrowInvalid("a byte order mark")
    if not NOT_BLANK.search(text):
        return None
    rows = _parse_plain(text, header)
    return _parse_any(text, header) if rows is None else rows


def _parse_plain(text: bytes, header: Header) -> pl.DataFrame | None:
    """Parse text without quotes and blanks; None where that cannot be done, for any reason.

    polars refuses a line with too many cells, but fills up one with too few and takes
    an empty line for such a one: so the commas are counted.
    """
    names = header.names
    if header.line_end == b"\r\n":
        text = text.replace(b"\r\n", b"\n")
    if len(names) < 2 or any(letter in text for letter in NOT_PLAIN):
        return None
    kinds = {"": "text", **header.kinds}
    try:
        rows = pl.read_csv(
            text,
            has_header=False,
            schema={name: PLAIN_TYPES[kinds[name]] for name in names},
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    commas = np.count_nonzero(np.frombuffer(text, np.uint8) == ord(","))
    if commas != rows.height * (len(names) - 1):
        return None
    for place, name in enumerate(names):
        if kinds[name] == "bool":
            flags = rows.to_series(place)
            if not flags.drop_nulls().is_in(["True", "False"]).all():
                return None
            rows.replace_column(place, flags == "True")
    if header.indexed:
        rows.drop_in_place("")
    return rows


def _parse_any(text: bytes, header: Header) -> pl.DataFrame:
    if b"\0" in text:
        raise pa.ArrowInvalid("a NUL byte")
    direct = () if b"(" in text else ("float64",)  # pyarrow takes nan(…) for a number
    kinds = {name: header.kinds.get(name, "text") for name in header.names}
    read_as = {name: TYPES[kind if kind in direct else "text"] for name, kind in kinds.items()}
    rows = pa_csv.read_csv(
        pa.BufferReader(text),
        pa_csv.ReadOptions(column_names=header.names, block_size=len(text) + 1),
        convert_options=pa_csv.ConvertOptions(
            include_columns=header.names,
            column_types=read_as,
            null_values=[""],
            strings_can_be_null=True,
        ),
    )
    for place, (name, kind) in enumerate(kinds.items()):
        if kind not in direct:
            rows = rows.set_column(place, name, _convert(rows[name], kind))
    return pl.DataFrame(rows.select(header.columns))


def _convert(cells: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "text":
        _require(pc.invert(pc.match_substring_regex(cells, r"[\r\n]")))
        return cells
    cells = pc.utf8_trim(cells, " \t")
    if kind == "bool":
        _require(pc.is_in(pc.drop_null(cells), value_set=pa.array(["True", "False"])))
        return pc.equal(cells, "True")
    if kind == "float64":
        _require(pc.match_substring_regex(cells, NUMBER))
        return pc.cast(cells, pa.float64())
    _require(pc.match_substring_regex(cells, INTEGER))
    return pc.cast(pc.replace_substring_regex(cells, r"^\+|\.0+$", ""), pa.int64())


def _require(holds: pa.ChunkedArray) -> None:
    if pc.all(holds).as_py() is False:
        raise pa.ArrowInvalid("a cell is not of its column's kind")
