"""A digest of every row, so that two versions of a table compare without being read.

The digest of a row is the sum, modulo 2**64, of one hash for each of its cells.
A cell's hash depends on the column's name and type and on the value's bits. So
digests do not depend on the order of columns, and the share of a column can be
taken off again. They find what changed; they are no protection against forgery,
which is what the md5 of every file is for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import OBSERVATION_TABLES
from automind_data.common.machine_code import Compiled, exists, unsigned_shift
from automind_data.tables.cells import buffers, numbers, whole

__all__ = [
    "DIGEST",
    "DigestFile",
    "digests_of_parquet",
    "read_digests",
    "row_digests",
    "row_groups",
    "row_key",
]

DIGEST = "digest"
"""The column with the digests, uint64."""

SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
Words = NDArray[np.uint64]
_NAN = 0x7FF8000000000000
_NULL = 0x7FF800000000DEAD
_MAGNITUDE, _INFINITY = 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000
_FIRST_FACTOR, _SECOND_FACTOR = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def row_key(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that name a row of a table with these columns.

    `x_o` and both seeds, as far as they are there, or else the key columns of an
    observation table; none where the row number is all there is.

    >>> row_key(["date", "well", "burst_num"])
    ('date', 'well')
    """
    there = set(columns)
    run = SEEDS if set(SEEDS) <= there else ()
    if run or "x_o" in there:
        return ("x_o", *run) if "x_o" in there else run
    for table in OBSERVATION_TABLES.values():
        if set(table.key_columns) <= there:
            return table.key_columns
    return ()


def row_digests(table: pa.Table) -> Words:
    """Return the digest of each row of a table, over all of its columns, (rows,).

    Examples
    --------
    >>> one = pa.table({"a": [1.0, None], "b": ["x", "y"]})
    >>> other = one.select(["b", "a"])
    >>> bool((row_digests(one) == row_digests(other)).all())
    True
    >>> bool((row_digests(one) == row_digests(one.select(["a"]))).any())
    False
    """
    total = np.zeros(table.num_rows, np.uint64)
    totals = total.ctypes.data
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = _kind(column.type)
        digest = hashlib.blake2b(f"{name}\0{kind}".encode(), digest_size=8).digest()
        seed = int.from_bytes(digest, "little", signed=True)
        cells = whole(column)
        if kind in ("float64", "int64") and len(cells):
            numbers, known = buffers(cells)
            _add(numbers, known, cells.offset, len(cells), kind == "float64", seed, totals)
        else:
            words = _words(cells, kind)
            _add(words, 0, 0, len(words), False, seed, totals)
    return total


@Compiled
def _add(
    words: Words,
    known: NDArray[np.uint8],
    first: int,
    count: int,
    floats: int,
    seed: int,
    total: Words,
) -> None:
    """Add the hash of each of `count` cells from `first` on to its row's total.

    `known` has a bit for each cell, or is nowhere.
    """
    for row in range(count):
        place = first + row
        word = words[place]
        if floats and (word & _MAGNITUDE) > _INFINITY:
            word = _NAN
        if exists(known) and not (known[place >> 3] >> (place & 7)) & 1:
            word = _NULL
        word ^= seed
        word = (word ^ unsigned_shift(word, 30)) * _FIRST_FACTOR
        word = (word ^ unsigned_shift(word, 27)) * _SECOND_FACTOR
        total[row] += word ^ unsigned_shift(word, 31)


def _kind(kind: pa.DataType) -> str:
    for name, holds in (
        ("float64", pa.types.is_float64),
        ("int64", pa.types.is_int64),
        ("bool", pa.types.is_boolean),
        ("text", lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind)),
    ):
        if holds(kind):
            return name
    return str(kind)


def _words(cells: pa.Array, kind: str) -> Words:
    """Return 64 bits for each flag or text, in an array of its own."""
    words: Words
    if kind == "bool":
        values, null = numbers(cells)
        words = values.view(np.uint64).copy()
    else:
        words = _texts(cells)
        null = np.asarray(cells.is_null()) if cells.null_count else None
    if null is not None:
        words[null] = _NULL
    return words


def _texts(cells: pa.Array) -> Words:
    coded = cells.cast(pa.string()).dictionary_encode()
    known = [
        hashlib.blake2b(text.encode(), digest_size=8).digest()
        for text in coded.dictionary.to_pylist()
    ]
    words: Words = np.frombuffer(b"".join(known) or bytes(8), "<u8").astype(np.uint64)
    return np.take(words, np.asarray(coded.indices.fill_null(0)))


class DigestFile:
    """Writes the key and the digest of each row, as Parquet, while a table goes by."""

    def __init__(self, path: Path, columns: Iterable[str]) -> None:
        self._path = path
        self._key = list(row_key(columns))
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> DigestFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, rows: pa.Table) -> None:
        """Take the next rows."""
        found = _digested(rows, self._key)
        if self._writer is None:
            texts = [field.name for field in found.schema if _kind(field.type) == "text"]
            self._writer = pq.ParquetWriter(
                self._path, found.schema, compression="zstd", use_dictionary=texts
            )
        self._writer.write_table(found)


def _digested(rows: pa.Table, key: list[str]) -> pa.Table:
    return pa.table({**{name: rows[name] for name in key}, DIGEST: row_digests(rows)})


def row_groups(
    path: str | os.PathLike[str], columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """Read a Parquet table one row group after the other, only `columns` if given."""
    file = pq.ParquetFile(path)
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=columns)


def digests_of_parquet(path: str | os.PathLike[str]) -> pa.Table:
    """Return key and digest of each row of a typed Parquet table, reading it once."""
    names = pq.read_schema(path).names
    key = list(row_key(names))
    return pa.concat_tables([_digested(rows, key) for rows in row_groups(path)])


def read_digests(path: str | os.PathLike[str]) -> pa.Table:
    """Read what `DigestFile` wrote.

    Raises
    ------
    AutomindError
        It is not there or is no such file.
    """
    again = "make it again with `dvc repro`"
    try:
        table = pq.ParquetFile(path).read()
    except FileNotFoundError:
        raise AutomindError(path, "is not there", again) from None
    except pa.ArrowInvalid:
        raise AutomindError(path, "is no Parquet file", again) from None
    if DIGEST not in table.column_names or table.schema.field(DIGEST).type != pa.uint64():
        raise AutomindError(path, "holds no digests of rows", again)
    return table
