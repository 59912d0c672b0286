"""Writing a table as Parquet while the rows after it are still being read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from automind_data.common.errors import AutomindError
from automind_data.common.layout import column_family
from automind_data.tables.plain_rows import Rows, joined, text_size

__all__ = ["Reader", "RowGroups"]

Reader = Callable[[pa.Table], None]

MOST_WAITING = 1
"""Row groups that wait, complete, for the one that is being written."""
MOST_TEXT = 128 << 20
"""Bytes of a row group's text; published tables have two columns of it, with short keys."""


class RowGroups:
    """A Parquet file written in row groups of one size, however the rows arrive.

    Groups are written in a thread while the next ones are gathered. Each of
    `readers` is given every row group, in order, before it is written.

    Numbers are stored byte by byte (`BYTE_STREAM_SPLIT`), which packs them smaller
    and, with the fast levels of zstd, in less time than as they are.
    """

    def __init__(self, path: Path, schema: pa.Schema, readers: Iterable[Reader], rows: int) -> None:
        families = {name: column_family(name) for name in schema.names}
        texts = [name for name, kind in families.items() if kind[1] == "text"]
        floats = [name for name, kind in families.items() if kind[1] == "float64"]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=-3,
            use_dictionary=texts,
            use_byte_stream_split=floats,
            write_statistics=[name for name, kind in families.items() if kind[0] != "psd"],
        )
        self._schema = schema
        self._readers = tuple(readers)
        self._size = rows
        self._waiting: list[Rows] = []
        self._rows = self._text = 0
        self._thread = ThreadPoolExecutor(1)
        self._written: deque[Future[None]] = deque()

    def __enter__(self) -> RowGroups:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                if self._rows:
                    self._hand_over(self._rows)
                self._wait()
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._writer.close()

    def add(self, rows: Rows, file: str) -> None:
        """Take the next rows, which come from `file`.

        Raises
        ------
        AutomindError
            There is too much text in the rows of one group.
        """
        self._waiting.append(rows)
        self._rows += rows.height
        self._text += text_size(rows)
        while self._rows >= self._size:
            _require_little_text(self._hand_over(self._size), file)
        _require_little_text(self._text, file)

    def describe(self, metadata: Mapping[str, str]) -> None:
        """Put this into the file's metadata."""
        self._wait()
        self._writer.add_key_value_metadata(dict(metadata))

    def _hand_over(self, rows: int) -> int:
        """Give rows to the thread that writes; return how much text they hold."""
        group: list[Rows] = []
        left = rows
        while left:
            first = self._waiting.pop(0)
            group.append(first.slice(0, left))
            if first.height > left:
                self._waiting.insert(0, first.slice(left))
            left -= group[-1].height
        text = sum(map(text_size, group))
        self._rows -= rows
        self._text -= text
        self._wait(MOST_WAITING)
        self._written.append(self._thread.submit(self._write, group))
        return text

    def _wait(self, most: int = 0) -> None:
        while len(self._written) > most:
            self._written.popleft().result()

    def _write(self, rows: list[Rows]) -> None:
        group = joined(rows, self._schema)
        rows.clear()
        for read in self._readers:
            read(group)
        self._writer.write_table(group, row_group_size=group.num_rows)


def _require_little_text(size: int, file: str) -> None:
    if size > MOST_TEXT:
        rule = f"has more than {MOST_TEXT} bytes of text in the rows of one group"
        raise AutomindError(file, rule, "look at its columns of text")
