"""Rows of numbers, flags and empty cells, read in one go and put together without a detour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from automind_data.tables import decimals

__all__ = ["PlainRows", "Rows", "joined", "plain_rows"]

KINDS = {"": decimals.LEFT_OUT, "float64": decimals.FLOAT, "int64": decimals.WHOLE}
KINDS |= {"bool": decimals.FLAG}


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
        values, height = np.ascontiguousarray(self.values), self.height
        bits = np.packbits(self.known, axis=1, bitorder="little")
        whole: Any = self.known.all(axis=1)
        columns = []
        for place, field in enumerate(self.schema):
            known = None if whole[place] else pa.py_buffer(bits[place])
            cells: Any = values[place]
            if pa.types.is_boolean(field.type):
                cells = np.packbits(cells != 0, bitorder="little")
            columns.append(pa.Array.from_buffers(field.type, height, [known, pa.py_buffer(cells)]))
        return pa.Table.from_arrays(columns, schema=self.schema)


Rows = pl.DataFrame | PlainRows


def plain_rows(
    text: bytes, lines: int, kinds: Sequence[str], schema: pa.Schema
) -> PlainRows | None:
    """Read text that holds nothing but plain numbers, flags and empty cells.

    Parameters
    ----------
    text
        Whole lines that end in LF; the last one may lack its end.
    lines
        How many line ends are in it.
    kinds
        The type of each column of the text; nothing where it is left out.
    schema
        The columns that are not left out, in the same order.

    Returns
    -------
    PlainRows or None
        None where the text is not plain, or has a column of text or no second column.
    """
    if len(kinds) < 2 or not KINDS.keys() >= set(kinds):
        return None
    codes = np.array([KINDS[kind] for kind in kinds], np.uint8)
    left_out = sum(kind == "" for kind in kinds)
    room = lines + (not text.endswith(b"\n"))
    values = np.empty((len(kinds) - left_out, room), np.int64)
    known = np.empty(values.shape, np.uint8)
    tens, exact = decimals.powers(), decimals.exact_powers()
    rows = decimals.read_rows(
        np.frombuffer(text, np.uint8),
        len(text),
        codes,
        len(codes),
        tens,
        exact,
        values,
        known,
        room,
    )
    return PlainRows(schema, values, known) if rows == room else None


def joined(parts: Sequence[Rows], schema: pa.Schema) -> pa.Table:
    """Put rows together as one Arrow table, each column in one piece."""
    plain = [part for part in parts if isinstance(part, PlainRows)]
    if len(plain) == len(parts):
        values = np.concatenate([part.values for part in plain], axis=1)
        known = np.concatenate([part.known for part in plain], axis=1)
        return PlainRows(schema, values, known).table()
    frames = [pl.DataFrame(part.table()) if isinstance(part, PlainRows) else part for part in parts]
    whole = pl.concat(frames).rechunk()
    return whole.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
