"""Observations: rows of a table, each under its key `x_o`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.common.layout import OBSERVATION_TABLES, Dataset, column_family

__all__ = ["column_names", "observation_key", "read_observations"]

Row = Mapping[str, Any]


def observation_key(row: Row, key_columns: Iterable[str]) -> str:
    """Join the texts of a row's key columns by one underscore.

    >>> observation_key({"date": "161029_2", "well": 0}, ("date", "well"))
    '161029_2_0'
    """
    return "_".join(str(row[column]) for column in key_columns)


def read_observations(
    path: str | Path, columns: Iterable[str], dataset: Dataset | None = None
) -> dict[str, Row]:
    """Read an observation table.

    Parameters
    ----------
    path
        A Parquet or CSV table. Its key is the column `x_o`, or else the key columns
        of one of the release's observation tables, or else the row number.
    columns
        The feature columns to read.
    dataset
        Only the observations that belong to this data set of the release.

    Returns
    -------
    dict
        Key → row (key columns and features), in the table's order.

    Raises
    ------
    AutomindError
        The table cannot be read, a feature column is missing, or two rows have one key.
    """
    path = Path(path)
    columns = list(columns)
    names = column_names(path)
    missing = [column for column in columns if column not in names]
    if missing:
        rule = f"has no column {missing[0]}" + (
            f" nor {len(missing) - 1} more that are needed" if len(missing) > 1 else ""
        )
        raise AutomindError(path, rule, "choose the table that the density estimator was made for")
    keys = _key_columns(names)
    rows = _read_rows(path, [*keys, *(column for column in columns if column not in keys)])
    found: dict[str, Row] = {}
    for number, row in enumerate(rows):
        if dataset is not None and not dataset.has_area(str(row.get("area", ""))):
            continue
        key = observation_key(row, keys) if keys else str(number)
        if key in found:
            raise AutomindError(path, f"has two rows for observation {key}", "keep one of them")
        found[key] = row
    return found


def column_names(path: Path) -> list[str]:
    """Return the columns of a Parquet or CSV table.

    Raises
    ------
    AutomindError
        The table is not there or is no such table.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        with path.open(encoding="utf-8-sig", newline="") as file:
            import csv

            return next(csv.reader(file), [])
    except FileNotFoundError:
        raise AutomindError(path, "is not there", "check the path") from None
    except (pyarrow.ArrowInvalid, UnicodeDecodeError):
        raise AutomindError(path, "is no Parquet or CSV table", "check the file") from None


def _key_columns(names: list[str]) -> tuple[str, ...]:
    if "x_o" in names:
        return ("x_o",)
    for table in OBSERVATION_TABLES.values():
        if all(column in names for column in table.key_columns):
            return table.key_columns
    return ()


def _read_rows(path: Path, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.ParquetFile(path).read(columns=columns)
        else:
            types = {
                "text": pyarrow.string(),
                "int64": pyarrow.int64(),
                "float64": pyarrow.float64(),
                "bool": pyarrow.bool_(),
            }
            table = pyarrow.csv.read_csv(
                path,
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=columns,
                    column_types={name: types[column_family(name)[1]] for name in columns},
                ),
            )
    except pyarrow.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise AutomindError(path, f"cannot be read ({reason})", "correct the table") from None
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name, value in row.items():
            if value is None and column_family(name)[1] == "float64":
                row[name] = float("nan")
    return rows
