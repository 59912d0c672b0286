"""Profiles and digests of tables: right, independent of blocks, and sharp."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automind_data import tables
from automind_data.common.errors import AutomindError
from automind_data.tables import tabulate
from automind_data.tables.digests import (
    DIGEST,
    digests_of_parquet,
    read_digests,
    row_digests,
    row_key,
)
from automind_data.tables.profile import Profiler, profile_of_parquet, read_profile
from tests.builders import csv_bytes, summary_table

SEEDS = ["params_settings.batch_seed", "params_settings.random_seed"]
NAN = float("nan")


def tabulated(folder: Path, table: pd.DataFrame, **options: Any) -> tuple[Path, Path, Path]:
    folder.mkdir(exist_ok=True)
    source = folder / "table.csv"
    source.write_bytes(csv_bytes(table))
    out = (folder / "out.parquet", folder / "profile.json", folder / "digests.parquet")
    list(tabulate(source, out[0], profile=out[1], digests=out[2], **options))
    return out


def one(name: str, value: Any, kind: pa.DataType) -> int:
    return int(row_digests(pa.table({name: pa.array([value], kind)}))[0])


def test_the_numbers_are_those_of_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 7)
    table = summary_table(50, batch_seed=11, n_pcs=3)
    parquet, profile, _ = tabulated(tmp_path, table)
    said, wanted = read_profile(profile), pd.read_parquet(parquet)
    assert said["rows"] == 50 and said["key"] == SEEDS
    assert list(said["columns"]) == list(wanted.columns)
    for name, column in wanted.items():
        found, numbers = said["columns"][name], column.astype(float)
        assert found["nulls"] == int(column.isna().sum())
        if numbers.notna().any():
            assert (found["min"], found["max"]) == (numbers.min(), numbers.max())
            assert found["mean"] == pytest.approx(numbers.mean(), rel=1e-8)
            assert found["sd"] == pytest.approx(numbers.std(), rel=1e-8, abs=1e-12)
        else:
            assert {found[key] for key in ("min", "max", "mean", "sd")} == {None}


def test_odd_values_are_counted_and_left_out() -> None:
    profiler = Profiler(["isi_mean_mu", "date", "well", "params_analysis.early_stopped"])
    profiler.add(
        pa.table(
            {
                "isi_mean_mu": [1.0, NAN, None, float("inf"), -float("inf"), 3.0],
                "date": ["a", None, "b", "c", "d", "e"],
                "well": [1, 2, 3, 4, 5, 2**53 + 1],
                "params_analysis.early_stopped": [True, False, None, True, True, True],
            }
        )
    )
    columns = profiler.profile()["columns"]
    numbers = {"nulls": 1, "nan": 1, "inf": 2, "min": 1.0, "max": 3.0, "mean": 2.0}
    quantiles = [1.0] * 4 + [3.0] * 3
    expected = {"type": "float64", **numbers, "sd": 1.41421356, "quantiles": quantiles}
    assert columns["isi_mean_mu"] == expected
    assert columns["date"] == {"type": "text", "nulls": 1}
    assert columns["well"]["max"] == 2**53 + 1
    assert columns["params_analysis.early_stopped"]["mean"] == 0.8


def test_numbers_too_large_to_square_have_no_sd() -> None:
    profiler = Profiler(["psd_0.0"])
    profiler.add(pa.table({"psd_0.0": [1e308, -1e308]}))
    said = profiler.profile()["columns"]["psd_0.0"]
    assert (said["max"], said["sd"]) == (1e308, None)
    json.dumps(said, allow_nan=False)


@pytest.mark.parametrize("block", [3_000, 50_000, 8 << 20])
def test_blocks_and_row_groups_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 16)
    table = summary_table(60, batch_seed=11, n_pcs=3, x_o=["007", "160229_2_0"])
    whole = tabulated(tmp_path / "whole", table)
    parts = tabulated(tmp_path / "parts", table, block=block)
    for first, second in zip(whole, parts, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert profile_of_parquet(whole[0]) == read_profile(whole[1])
    again = digests_of_parquet(whole[0])
    assert again.equals(read_digests(whole[2]))
    assert again.column_names == ["x_o", *SEEDS, DIGEST]


def by_hand(name: str, kind: str, word: int) -> int:
    """The hash of one cell, as the definition has it, in plain whole numbers."""
    word ^= int.from_bytes(
        hashlib.blake2b(f"{name}\0{kind}".encode(), digest_size=8).digest(), "little"
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word = (word ^ (word >> shift)) * factor % 2**64
    return word ^ (word >> 31)


def test_the_definition_of_a_digest_never_changes() -> None:
    """Digests of old commits are compared with new ones."""
    flag = "params_analysis.early_stopped"
    table = pa.table(
        {
            "psd_0.5": pa.array([0.1, None, NAN]),
            "well": pa.array([3, -4, None], pa.int64()),
            flag: [True, False, None],
            "date": ["161029_2", "", None],
        }
    )
    null, nan = 0x7FF800000000DEAD, 0x7FF8000000000000
    tenth = struct.unpack("<Q", struct.pack("<d", 0.1))[0]
    text, empty = (
        int.from_bytes(hashlib.blake2b(each, digest_size=8).digest(), "little")
        for each in (b"161029_2", b"")
    )
    words = [(tenth, 3, 1, text), (null, 2**64 - 4, 0, empty), (nan, null, null, null)]
    columns = (("psd_0.5", "float64"), ("well", "int64"), (flag, "bool"), ("date", "text"))
    assert row_digests(table).tolist() == [
        sum(by_hand(*column, word) for column, word in zip(columns, row, strict=True)) % 2**64
        for row in words
    ]


def test_every_change_shows_and_only_that_row(tmp_path: Path) -> None:
    table = summary_table(20, batch_seed=11, n_pcs=3).iloc[:, :60]
    before = read_digests(tabulated(tmp_path / "one", table)[2])
    for name in table.columns:
        changed = table.copy()
        value = changed.loc[7, name]
        match changed[name].dtype.kind:
            case "f":
                changed.loc[7, name] = np.nextafter(value, 1e9)
            case "i":
                changed.loc[7, name] = value + 1
            case _:
                changed.loc[7, name] = not value
        after = read_digests(tabulated(tmp_path / "other", changed)[2])
        differ = np.asarray(before[DIGEST]) != np.asarray(after[DIGEST])
        expected = [7] if not changed[name].equals(table[name]) else []
        assert differ.nonzero()[0].tolist() == expected, name


def test_null_nan_zero_and_sign_are_four_things() -> None:
    values = [None, NAN, 0.0, -0.0, float("inf"), 5e-324]
    assert len({one("a", value, pa.float64()) for value in values}) == len(values)
    assert one("a", NAN, pa.float64()) == one("a", -NAN, pa.float64())
    assert one("a", 1, pa.int64()) != one("a", 1.0, pa.float64())
    assert one("a", 1.0, pa.float64()) != one("b", 1.0, pa.float64())
    assert one("a", None, pa.string()) != one("a", "", pa.string())


def test_a_column_is_taken_off_again() -> None:
    table = pa.table({"a": [1.0, 2.0], "b": ["x", None], "c": [3, 4]})
    rest = row_digests(table) - row_digests(table.select(["b"]))
    assert (rest == row_digests(table.select(["c", "a"]))).all()


def test_sliced_and_chunked_tables_have_the_same_digests() -> None:
    table = pa.table({"a": [1.0, None, 3.0], "b": ["x", "y", None], "c": [True, None, False]})
    pieces = pa.concat_tables([table.slice(2), table.slice(0, 2)])
    assert row_digests(pieces).tolist() == np.roll(row_digests(table), 1).tolist()


def test_a_table_without_a_key_has_digests_all_the_same(tmp_path: Path) -> None:
    _, profile, digests = tabulated(tmp_path, pd.DataFrame({"psd_0.0": [1.0, 2.0]}))
    assert read_profile(profile)["key"] == []
    assert read_digests(digests).column_names == [DIGEST]
    assert read_digests(digests).num_rows == 2


def test_keys() -> None:
    assert row_key([*SEEDS, "x_o"]) == ("x_o", *SEEDS)
    assert row_key(SEEDS) == tuple(SEEDS)
    assert row_key(["mouse", "area", "psd_0.0"]) == ("mouse", "area")
    assert row_key(["psd_0.0"]) == ()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "columns": {}}', "{"])
def test_a_damaged_profile_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "profile.json").write_text(text)
    with pytest.raises(AutomindError, match=r"profile\.json: is no"):
        read_profile(tmp_path / "profile.json")


def test_a_file_without_digests_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    with pytest.raises(AutomindError, match="holds no digests"):
        read_digests(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(AutomindError, match="is no Parquet file"):
        read_digests(tmp_path / "a.parquet")


def test_a_refused_table_leaves_profile_and_digests(tmp_path: Path) -> None:
    parquet, profile, digests = tabulated(tmp_path, summary_table(5, batch_seed=1, n_pcs=2))
    before = [path.read_bytes() for path in (parquet, profile, digests)]
    (tmp_path / "table.csv").write_text("psd_0.0\n1\nx\n")
    with pytest.raises(AutomindError, match="line 3"):
        list(tabulate(tmp_path / "table.csv", parquet, profile=profile, digests=digests))
    assert [path.read_bytes() for path in (parquet, profile, digests)] == before
    assert not list(tmp_path.glob(".*"))
