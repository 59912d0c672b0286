"""Mutated tables: refused in a sentence, or every cell as Python's own csv and float read it."""

from __future__ import annotations

import csv
import io
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES, column_family
from automind_data.tables import csv_blocks, tabulate
from tests.fuzz import counted, fuzz, peak

MEMORY = 60_000
GROWTH = 400_000
START: list[int] = []
LIMITS = {"LONGEST_LINE": 400, "MOST_COLUMNS": 40}
PLAIN = (
    "date,well,psd_0.5,params_analysis.early_stopped,mood\n"
    "161029_2,1,0.1,True,glad\n007,-3,-1e-300,False,\n,4711000.0,nan,,NA\nx,0,5e-324,True,0\n"
)
QUOTED = (
    ',x_o,well,isi_mean_mu,"a, b",params_analysis.early_stopped\n'
    '0,"a,b",7, 0.30000000000000004,"say ""hi""",True\n1,b,+3,"-inf", (x) ,False\n'
    '2,"",,1e22\t,é, True\n'
)
SEEDS = (
    PLAIN,
    PLAIN.replace("\n", "\r\n"),
    "\ufeff" + PLAIN[:-1],
    PLAIN * 1 + "b,2,1.7976931348623157e+308,False,y\n" * 9,
    QUOTED,
    QUOTED.replace("\n", "\r\n"),
    "psd_0.5\n0.1\n-0.0\n1e400\n\n.5\n",
    "date\na\nb\n",
    "well\n1\n9223372036854775807\n-9223372036854775808\n00000000000000000000012\n",
)
WORDS = (
    *('"', '""', ",", ",,", "\n", "\r", "\r\n", "\n\n", "\0", " ", "\t", "\ufeff", "(", "nan(1)"),
    *("1", "9" * 20, "1e999", "1e-999", "+", "-", ".", "e", "_", "0x1p3", "inf", "-nan", "NA"),
    *("True", "true", "None", "１", "ı", "\x0b", "\x85", "\u2028", "'", "\\", "#", ";", "x" * 399),
    *('"\n', '\n"', ',"', '",', "well", "date", "Unnamed: 0", "123456789012345678901234567890.5"),
)
PARTS = [
    ",".join(("params_settings.batch_seed", *PARAMETER_NAMES, "psd_0.5", "x_o"))
    + "".join(
        f"\n{seed}.0," + ",".join(repr(place / 7 + row) for place in range(29)) + f",k_{row}"
        for row in range(3)
    )
    + "\n"
    for seed in (11, 12)
]


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[str, ...], most: int = 5) -> bytes:
    """A table with a few changes."""
    data = bytearray(draw(st.sampled_from(seeds)).encode())
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("word", "word", "over", "cut", "copy", "flip", "end"))):
            case "word":
                data[at:at] = draw(st.sampled_from(WORDS)).encode()
            case "over":
                data[at : at + draw(st.integers(1, 6))] = draw(st.sampled_from(WORDS)).encode()
            case "cut":
                del data[at : at + draw(st.integers(1, 30))]
            case "copy":
                start = draw(st.integers(0, len(data)))
                data[at:at] = data[start : start + draw(st.integers(1, 30))]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "end":
                del data[at:]
    return bytes(data)


def cell(text: str, kind: str) -> Any:
    """What a cell says, by Python's own means."""
    if not text or kind == "text":
        return text or None
    text = text.strip(" \t")
    if kind == "float64":
        return float(text)
    if kind == "bool":
        return {"True": True, "False": False}[text]
    whole, _, zeros = text.partition(".")
    assert not zeros.strip("0")
    return int(whole)


def independent(data: bytes) -> dict[str, list[Any]]:
    """Read a table that was not refused."""
    rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) if row]
    names = rows[0]
    assert {len(row) for row in rows} == {len(names)}
    first = names[0] in ("", "Unnamed: 0")
    columns = list(zip(*rows[1:], strict=True))
    return {
        name: [cell(text, column_family(name)[1]) for text in column]
        for name, column in list(zip(names, columns, strict=True))[first:]
    }


def bits(value: Any) -> Any:
    """A number as its bits; every NaN is the same."""
    if isinstance(value, float):
        return "nan" if value != value else struct.pack("<d", value)
    return value


def assert_same(found: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert list(map(bits, found[name])) == list(map(bits, values)), name


@pytest.fixture(scope="module", autouse=True)
def the_seeds_are_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As they are; memory is measured from then on."""
    source = tmp_path_factory.mktemp("seeds") / "table.csv"
    for text in SEEDS:
        source.write_bytes(text.encode())
        assert hold(source, (1, 1 << 20), [text.encode()]) == "read", text
    START.append(peak())


@contextmanager
def folder(top: Path) -> Iterator[Path]:
    """A folder of its own for one input; memory stays within its limits."""
    work, before = Path(tempfile.mkdtemp(dir=top)), peak()
    try:
        yield work
    finally:
        shutil.rmtree(work)
        assert peak() - before < MEMORY
        assert peak() - START[0] < GROWTH


def outcome(source: Path, block: int) -> str | dict[str, bytes]:
    """Tabulate; return the refusal, or every output."""
    out = source.parent / "in" / "out"
    names = {"t", "k", "p", "d", "m"}
    try:
        work = tabulate(
            source,
            out / "t",
            out / "k",
            profile=out / "p",
            digests=out / "d",
            metrics=out / "m",
            block=block,
        )
        for _ in work:
            pass
    except AutomindError as error:
        said = str(error)
        assert said.isprintable() and len(said) < 1000
        assert said.startswith(str(source)) and "cannot be read from" not in said
        names = set()
        found: str | dict[str, bytes] = said
    else:
        found = {path.name: path.read_bytes() for path in out.iterdir()}
    written = {path.name for path in source.parent.rglob("*") if path.is_file()}
    assert written == {source.name} | names
    shutil.rmtree(source.parent / "in", ignore_errors=True)
    return found


def read(found: dict[str, bytes]) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = pq.read_table(io.BytesIO(found["t"])).to_pydict()
    return table


def hold(source: Path, blocks: tuple[int, ...], tables: list[bytes]) -> str:
    """Tabulate in blocks of every size; return what became of it."""
    first, *others = (outcome(source, block) for block in blocks)
    assert all(other == first for other in others)
    if isinstance(first, str):
        return "refused"
    wanted = [independent(data) for data in tables]
    merged = {name: [v for table in wanted for v in table[name]] for name in wanted[0]}
    assert_same(read(first), merged)
    return "read"


@fuzz
@given(data=mutated(SEEDS), block=st.integers(1, 90))
def test_mutated_tables(tmp_path: Path, data: bytes, block: int) -> None:
    with folder(tmp_path) as work, pytest.MonkeyPatch.context() as patch:
        for name, limit in LIMITS.items():
            patch.setattr(csv_blocks, name, limit)
        source = work / "table.csv"
        source.write_bytes(data)
        counted("tables", hold(source, (1 << 20, block), [data]))


@fuzz
@given(one=mutated((PARTS[0],), 2), other=mutated((PARTS[1],), 1), block=st.integers(1, 900))
def test_mutated_tables_in_zips(tmp_path: Path, one: bytes, other: bytes, block: int) -> None:
    with folder(tmp_path) as work:
        source = work / "training.zip"
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("training/b_summary_data_merged.csv", other)
            archive.writestr("training/.hydra/config.yaml", b"x: 1\n")
            archive.writestr("training/run/a_summary_data_merged.csv", one)
        counted("tables in zips", hold(source, (1 << 20, block), [other, one]))


@fuzz
@given(change=st.data(), method=st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
def test_a_table_in_a_damaged_zip(tmp_path: Path, change: st.DataObject, method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("training/a_summary_data_merged.csv", PARTS[0])
    data = bytearray(buffer.getvalue())
    for _ in range(change.draw(st.integers(1, 3))):
        data[change.draw(st.integers(0, len(data) - 1))] ^= 1 << change.draw(st.integers(0, 7))
    with folder(tmp_path) as work:
        source = work / "training.zip"
        source.write_bytes(data)
        found = [outcome(source, block) for block in (1 << 20, 700)]
        assert isinstance(found[0], str) == isinstance(found[1], str)
        if not isinstance(found[0], str):
            assert found[0] == found[1]
            assert_same(read(found[0]), independent(PARTS[0].encode()))
        counted("tables in damaged zips", "refused" if isinstance(found[0], str) else "read")
