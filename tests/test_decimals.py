"""Plain text becomes numbers to the last bit, and what is not plain is left alone."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automind_data.tables import decimals, plain_rows, tabulate
from automind_data.tables.plain_rows import PlainRows

MANY = 100_000
LONGEST = 1 << 16


def read(text: bytes, kinds: tuple[str, ...] = ("float64", "float64")) -> pa.Table | None:
    types = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}
    schema = pa.schema([(str(n), types[kind]) for n, kind in enumerate(kinds) if kind])
    rows = gathered(text, kinds, schema)
    return None if rows is None else rows.table()


def gathered(text: bytes, kinds: tuple[str, ...], schema: pa.Schema) -> PlainRows | None:
    reader = plain_rows.PlainReader(kinds, schema, len(text.splitlines()))
    zero_after = np.frombuffer(text + b"\0", np.uint8)
    if reader.read(zero_after, 0, len(text), LONGEST) < len(text):
        return None
    return reader.take()


def assert_exact(cells: Iterable[str]) -> None:
    cells = list(cells)
    table = read("".join(f"{cell},\n" for cell in cells).encode())
    assert table is not None
    wanted = np.array([float(cell) for cell in cells]).view(np.int64)
    found = table["0"].to_numpy().view(np.int64)
    wrong = [cells[place] for place in np.flatnonzero(found != wanted)]
    assert not wrong, f"{len(wrong)} of {len(cells)}, as {wrong[:5]}"
    assert table["1"].null_count == len(cells)


def shortest(values: np.ndarray) -> list[str]:
    return [repr(value) for value in values.tolist()]


def test_floats_as_programs_write_them() -> None:
    rng = np.random.default_rng(0)
    assert_exact(shortest(np.exp(rng.normal(size=MANY))))
    assert_exact(shortest(rng.normal(size=MANY) * 10.0 ** rng.integers(-270, 270, MANY)))
    assert_exact(shortest(rng.random(MANY).astype(np.float32).astype(np.float64)))
    assert_exact(f"{value:.6g}" for value in rng.normal(size=MANY).tolist())


def test_floats_of_as_many_digits_as_there_can_be() -> None:
    rng = random.Random(0)
    powers = range(decimals.SMALLEST_POWER + 20, 260)
    assert_exact(
        f"{rng.randrange(10 ** rng.randrange(1, 20))}e{rng.choice(powers)}" for _ in range(MANY)
    )


def test_numbers_halfway_between_two_floats_and_beside_them() -> None:
    rng = random.Random(0)
    cells = []
    for _ in range(MANY // 10):
        halfway = 2 * (rng.getrandbits(52) | 1 << 52) + 1
        whole = halfway << rng.randrange(9)
        cells += [str(whole - 1), str(whole), str(whole + 1)]
        for places in range(1, 5):
            text = str(halfway * 5**places)
            cells.append(f"{text[:-places]}.{text[-places:]}")
    assert_exact(cell for cell in cells if len(cell.replace(".", "")) <= decimals.MOST_DIGITS)


def test_odd_but_plain() -> None:
    zeros = "0." + 40 * "0" + "12345678901234567"
    assert_exact(["0", "-0", "0.0", "-0.0", "00012.50", "1e5", "1E-5", "-1e+05", zeros, "1e22"])


@pytest.mark.parametrize(
    "cell",
    [
        *"+1 1. .5 - -- 1e 1e+ 1e1000 nan inf NaN -inf 1.2.3 0x1 1_0 1e5.0".split(),
        *"12345678901234567890 2.2250738585072014e-308 4.9e-324 1.7976931348623157e308".split(),
        *(" 1", "1 ", "1\t", '"1"', "1\0", "1\r", "\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)
def test_what_is_not_plain_is_left_to_others(cell: str) -> None:
    for text in (f"1,{cell}\n", f"1,{cell}", f"{cell},1\n", f"1,1\n{cell},1\n1,1\n"):
        assert read(text.encode()) is None


def test_kinds_of_cells() -> None:
    kinds = ("", "float64", "bool", "int64")
    table = read(b"a,1.5,True,-7\nb,,False,\n,-2,,999999999999999999", kinds)
    assert table is not None
    assert table.to_pydict() == {
        "1": [1.5, None, -2.0],
        "2": [True, False, None],
        "3": [-7, None, 999999999999999999],
    }
    for bad in (
        "1,1,1.0",
        "1,1,1e3",
        "1,1,9999999999999999999",
        "1,TRUE,1",
        "1,Tru,1",
        "1,Truee,1",
    ):
        assert read(f"a,{bad}\n".encode(), kinds) is None
        assert read(f"a,{bad}".encode(), kinds) is None
    for bad in ('"a",1,True,1', "a b,1,True,1", "\N{LATIN SMALL LETTER E WITH ACUTE},1,True,1"):
        assert read(f"{bad}\n".encode(), kinds) is None


@pytest.mark.parametrize(
    "text",
    [
        "1\n",
        "1,2,3\n",
        "1,2\n3\n",
        "\n",
        "1,2\n\n",
        "1,2\n\n3,4\n",
        "1,2\r\n",
        "1;2\n",
        "1 2\n",
        "1-2\n",
        ",",
        "1",
    ],
)
def test_rows_of_another_length_are_not_read(text: str) -> None:
    found = read(text.encode())
    assert found is None or (text == "," and found.num_rows == 1)


def test_text_and_single_columns_are_left_to_others() -> None:
    schema = pa.schema([("0", pa.string()), ("1", pa.float64())])
    assert gathered(b"1,2\n", ("text", "float64"), schema) is None
    assert read(b"1\n", ("float64",)) is None


def test_parts_of_rows_are_put_together() -> None:
    schema = pa.schema([("a", pa.float64()), ("b", pa.bool_())])
    text = b"1,True\n,False\n3,\n4,True\n"
    rows = gathered(text, ("float64", "bool"), schema)
    assert isinstance(rows, PlainRows)
    whole = rows.table()
    parts = [rows.slice(0, 1), rows.slice(1, 2), rows.slice(3)]
    assert [part.height for part in parts] == [1, 2, 1]
    assert plain_rows.joined(parts, schema).equals(whole)


def test_a_file_with_plain_and_other_blocks_is_one_table(tmp_path: Path) -> None:
    lines = [f"{number},{number / 7!r},{'' if number % 3 else number}\n" for number in range(300)]
    lines[150] = '"150", 1.5 ,+150\n'
    lines[151] = "151,inf,150.0\n"
    source = tmp_path / "table.csv"
    source.write_text("well,day,psd_1.0\n" + "".join(lines))
    found = set()
    for block in (1, 97, 1000, 1 << 20):
        list(tabulate(source, tmp_path / "out.parquet", block=block))
        found.add((tmp_path / "out.parquet").read_bytes())
    assert len(found) == 1
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["well"] == list(range(300))
    assert table["day"][:150] + table["day"][152:] == [
        number / 7 for number in range(300) if number not in (150, 151)
    ]
    assert (table["day"][150], table["day"][151]) == (1.5, float("inf"))
    assert table["psd_1.0"][149:153] == [None, 150.0, 150.0, None]
