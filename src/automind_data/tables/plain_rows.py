"""Rows of numbers, flags and empty cells, read to where a row group takes them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from automind_data.tables import decimals

__all__ = ["PlainReader", "PlainRows", "Rows", "joined", "text_size"]

KINDS = {"": decimals.LEFT_OUT, "float64": decimals.FLOAT, "int64": decimals.WHOLE}
KINDS |= {"bool": decimals.FLAG}
VIEW = 16
"""Bytes by which polars refers to a text."""
APART = 8
"""Cells between two columns, so that they do not contend for the same lines of a cache."""


@dataclass(frozen=True)
class PlainRows:
    """Cells of a table without text.

    `schema` has the columns and their types; `values` (columns, rows) 64 bits for each cell,
    as int64; `known` (columns, rows) is 0 where a cell is empty and 1 elsewhere.
    """

    schema: pa.Schema
    values: NDArray[np.int64]
    known: NDArray[np.uint8]

    @property
    def height(self) -> int:
        """The number of rows."""
        return len(self.values[0])

    def slice(self, first: int, height: int | None = None) -> PlainRows:
        """Return some rows, from `first` on."""
        part = np.s_[:, first : None if height is None else first + height]
        return PlainRows(self.schema, self.values[part], self.known[part])

    def table(self) -> pa.Table:
        """Return the same as an Arrow table."""
        values, height = self.values, self.height
        bits = np.packbits(self.known, axis=1, bitorder="little")
        whole: Any = self.known.all(axis=1)
        columns = []
        for place, field in enumerate(self.schema):
            known = None if whole[place] else pa.py_buffer(bits[place])
            cells: Any = np.ascontiguousarray(values[place])
            if pa.types.is_boolean(field.type):
                cells = np.packbits(cells != 0, bitorder="little")
            columns.append(pa.Array.from_buffers(field.type, height, [known, pa.py_buffer(cells)]))
        return pa.Table.from_arrays(columns, schema=self.schema)


Rows = pl.DataFrame | PlainRows


class PlainReader:
    """Reads lines that hold nothing but plain numbers, flags and empty cells.

    Parameters
    ----------
    kinds
        The type of each column of the text; nothing where it is left out.
    schema
        The columns that are not left out, in the same order.
    room
        How many rows are gathered at most; fewer where the first text has fewer.
    """

    def __init__(self, kinds: Sequence[str], schema: pa.Schema, room: int) -> None:
        self._readable = len(kinds) >= 2 and KINDS.keys() >= set(kinds)
        self._kinds = np.array([KINDS.get(kind, 0) for kind in kinds], np.uint8)
        self._schema, self._most = schema, room
        self._make_room(0)

    def _make_room(self, rows: int) -> None:
        self._room = min(rows, self._most)
        shape = len(self._schema), self._room + APART
        self._values, self._known = np.empty(shape, np.int64), np.empty(shape, np.uint8)
        self._filled = 0

    @property
    def height(self) -> int:
        """How many rows are gathered."""
        return self._filled

    @property
    def full(self) -> bool:
        """Whether there is no room for another row."""
        return 0 < self._filled == self._room

    def read(self, text: NDArray[np.uint8], begin: int, size: int, longest: int) -> int:
        """Read lines from `begin` on, up to one that is not plain or until there is no room.

        Parameters
        ----------
        text
            Lines that end in LF; the last one may lack its end.
        begin, size
            Where the first one begins and the last one ends; a byte that is zero follows.
        longest
            A line of more bytes is not plain.

        Returns
        -------
        int
            Where the next line begins.
        """
        if not self._readable:
            return begin
        if not self._room:
            self._make_room((size - begin) // len(self._kinds) + 1)
        place = np.array([begin])
        self._filled = decimals.read_rows(
            text,
            place,
            size,
            longest,
            self._kinds,
            len(self._kinds),
            decimals.powers(),
            decimals.exact_powers(),
            self._values,
            self._known,
            self._room + APART,
            self._filled,
            self._room,
        )
        return min(int(place[0]), size)

    def take(self) -> PlainRows:
        """Return the rows gathered, and gather anew."""
        part = np.s_[:, : self._filled]
        rows = PlainRows(self._schema, self._values[part], self._known[part])
        if 2 * self._filled < self._room:
            rows = PlainRows(self._schema, rows.values.copy(), rows.known.copy())
            self._filled = 0
        else:
            self._make_room(self._room if self._room == self._most else 0)
        return rows


def joined(parts: Sequence[Rows], schema: pa.Schema) -> pa.Table:
    """Put rows together as one Arrow table, each column in one piece."""
    plain = [part for part in parts if isinstance(part, PlainRows)]
    if len(plain) == len(parts) == 1:
        return plain[0].table()
    if len(plain) == len(parts):
        values = np.concatenate([part.values for part in plain], axis=1)
        known = np.concatenate([part.known for part in plain], axis=1)
        return PlainRows(schema, values, known).table()
    frames = [pl.DataFrame(part.table()) if isinstance(part, PlainRows) else part for part in parts]
    whole = pl.concat(frames).rechunk()
    return whole.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)


def text_size(rows: Rows) -> int:
    """Return the bytes that the text in some rows takes while it is put together."""
    if isinstance(rows, PlainRows):
        return 0
    texts = rows.select(pl.col(pl.String))
    sizes: tuple[int, ...] = ()
    if texts.width:
        sizes = texts.select(pl.all().str.len_bytes().sum()).row(0)
    return sum(sizes) + VIEW * texts.width * rows.height
