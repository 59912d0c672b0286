"""CSV to Parquet: exact, in order, streamed, deterministic, and refused with a line."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automind_data import tables
from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.common.layout import ARCHIVES, PARAMETER_NAMES, column_family
from automind_data.tables import csv_blocks, read_table, row_groups, tabulate
from tests.builders import (
    LAYOUTS,
    csv_bytes,
    read_text,
    reshape_archive,
    summary_table,
    text_bytes,
    write_archive,
    write_zip,
)

UGLY = (
    "0.1",
    "-0.0",
    "5e-324",
    "1.7976931348623157e+308",
    "0.30000000000000004",
    "1e22",
    "123456789012345678",
    "inf",
    "-inf",
    "7.038531e-26",
    "2.2250738585072011e-308",
    "0.1000000000000000055511151231257827021181583404541015625",
)


def written(source: Path, **options: int) -> Path:
    out = source.parent / "out.parquet"
    list(tabulate(source, out, **options))
    return out


def csv_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def assert_same_bits(found: pd.Series, wanted: pd.Series) -> None:
    assert found.dtype == np.float64
    one, other = found.to_numpy(), wanted.to_numpy(np.float64)
    same = (one.view(np.int64) == other.view(np.int64)) | (np.isnan(one) & np.isnan(other))
    assert same.all()


@pytest.mark.parametrize("keys", [None, ["007", "160229_2_0", "NA"]])
def test_a_table_is_what_pandas_reads(tmp_path: Path, keys: list[str] | None) -> None:
    table = summary_table(40, batch_seed=11, n_pcs=3, x_o=keys)
    source = csv_file(tmp_path, csv_bytes(table))
    wanted = pd.read_csv(source, index_col=0, dtype={"x_o": str}, keep_default_na=True)
    found = read_table(written(source))
    assert list(found.columns) == list(table.columns)
    types = {"int64": "int64", "float64": "float64", "bool": "bool", "text": "str"}
    for name in found.columns:
        kind = column_family(name)[1]
        assert str(found[name].dtype) == types[kind], name
        if kind == "float64":
            assert_same_bits(found[name], wanted[name])
        else:
            assert found[name].tolist() == table[name].tolist(), name


def test_numbers_keep_every_bit(tmp_path: Path) -> None:
    source = csv_file(tmp_path, "psd_0.5\n" + "\n".join(UGLY) + "\n")
    found = read_table(written(source))["psd_0.5"]
    assert_same_bits(found, pd.Series([float(text) for text in UGLY]))


def test_keys_keep_every_letter_and_empty_cells_are_null(tmp_path: Path) -> None:
    source = csv_file(
        tmp_path,
        "date,x_o,mood,psd_0.5,params_analysis.early_stopped,well\n"
        '0161223,"a,b",NaN,,True,3\n'
        "161223_2, null ,1.50,nan,,\n"
        ',"say ""hi""",,2.5,False,-4\n',
    )
    found = pq.read_table(written(source)).to_pydict()
    assert found["date"] == ["0161223", "161223_2", None]
    assert found["x_o"] == ["a,b", " null ", 'say "hi"']
    assert found["mood"] == ["NaN", "1.50", None]
    assert found["psd_0.5"][0] is None
    assert np.isnan(found["psd_0.5"][1])
    assert found["params_analysis.early_stopped"] == [True, None, False]
    assert found["well"] == [3, None, -4]


@pytest.mark.parametrize("first", ["", "Unnamed: 0", '""', "\ufeff"])
def test_an_unnamed_first_column_is_dropped(tmp_path: Path, first: str) -> None:
    source = csv_file(tmp_path, f"{first},date,well\n0,a,1\n1,b,2\n")
    assert read_table(written(source)).to_dict("list") == {"date": ["a", "b"], "well": [1, 2]}


@pytest.mark.parametrize("text", ["date,well\na,1\nb,2", "\ufeffdate,well\r\na,1\r\n\r\nb,2\r\n"])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path: Path, text: str) -> None:
    found = read_table(written(csv_file(tmp_path, text)))
    assert found.to_dict("list") == {"date": ["a", "b"], "well": [1, 2]}


def test_seeds_written_as_floats_are_whole_numbers(tmp_path: Path) -> None:
    name = "params_settings.batch_seed"
    source = csv_file(tmp_path, f"{name},date\n4711000.0,a\n+7,b\n9007199254740993,c\n,d\n")
    found = pq.read_table(written(source))[name].to_pylist()
    assert found == [4711000, 7, 9007199254740993, None]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_an_archive_gives_the_same_table(tmp_path: Path, layout: str) -> None:
    plain = write_archive(tmp_path / "plain" / "training.zip", batch_seed=3, n_pcs=2)
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2, layout=layout)
    pd.testing.assert_frame_equal(read_table(written(path)), read_table(written(plain)))


def test_columns_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = write_archive(
        tmp_path / "training.zip",
        batch_seed=3,
        n_pcs=4,
        order=lambda names: sorted(names, reverse=True),
        extra={"mood": "glad", "01": "007"},
    )
    found = read_table(written(path))
    assert list(found.columns) == sorted(found.columns, reverse=True)
    assert set(found["01"]) == {"007"}


def test_several_tables_are_one_in_the_order_of_their_names(tmp_path: Path) -> None:
    one = write_archive(tmp_path / "one" / "training.zip", batch_seed=98, n_pcs=2, rows=7)
    three = write_archive(
        tmp_path / "three" / "training.zip", batch_seed=98, n_pcs=2, rows=7, tables=3
    )
    found, wanted = read_table(written(three)), read_table(written(one))
    seeds = found["params_settings.batch_seed"]
    assert seeds.tolist() == [100, 100, 98, 98, 98, 99, 99]
    order = [5, 6, 0, 1, 2, 3, 4]
    features = [name for name in wanted.columns if name != "params_settings.batch_seed"]
    pd.testing.assert_frame_equal(
        found[features], wanted[features].iloc[order].reset_index(drop=True)
    )


def test_tables_of_runs_are_found_at_any_depth_beside_other_files(tmp_path: Path) -> None:
    name, rows = "summary_data_merged.csv", {}
    for seed, folder in ((3, "run-b/data"), (1, "run-c"), (2, "run-a/deep/data")):
        rows[f"training/{folder}/{seed}_MK1_{name}"] = summary_table(seed, batch_seed=seed, n_pcs=2)
    others = {
        "training/run-b/.hydra/config.yaml": b"seed: 3\n",
        "training/run-b/data/3_MK1_posterior_samples.csv": b"theta\n1\n",
        f"training/run-c/1_{name}.bak": b"not,a\ntable",
        f"__MACOSX/training/run-c/._1_MK1_{name}": b"mac",
        "training/notes.csv": b"well\nx\n",
    }
    held = {path: csv_bytes(table) for path, table in rows.items()}
    found = read_table(written(write_zip(tmp_path / "training.zip", {**held, **others})))
    assert found["params_settings.batch_seed"].tolist() == [2, 2, 3, 3, 3, 1]
    wanted = pd.concat([rows[path] for path in sorted(rows)], ignore_index=True)
    for column in wanted.select_dtypes("float64"):
        assert_same_bits(found[column], wanted[column])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="burst_num"), "lacks burst_num"),
        (lambda t: t.assign(mood="glad"), "has mood besides"),
        (lambda t: t[[*t.columns[1:], t.columns[0]]], "has params_settings.random_seed where"),
    ],
)
def test_tables_of_different_columns_are_refused(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    table = summary_table(3, batch_seed=1, n_pcs=2)
    path = write_zip(
        tmp_path / "training.zip",
        {
            "training/a_summary_data_merged.csv": csv_bytes(table),
            "training/b_summary_data_merged.csv": csv_bytes(change(table)),
        },
    )
    with pytest.raises(AutomindError, match=said) as caught:
        written(path)
    assert "a_summary_data_merged.csv" in str(caught.value)
    assert "b_summary_data_merged.csv" in str(caught.value)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["training.zip"]


def test_the_bytes_do_not_depend_on_how_the_text_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 7)
    path = write_archive(tmp_path / "synthetic.zip", batch_seed=3, n_pcs=2, rows=17, x_o=["a", "b"])
    found = {md5_of(written(path, block=block)) for block in (1, 30_000, 100_001, 1 << 24)}
    assert len(found) == 1
    metadata = pq.read_metadata(tmp_path / "out.parquet")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [7, 7, 3]
    columns = [group.column(n) for group in groups for n in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}


def test_the_bytes_of_long_texts_do_not_depend_on_how_the_text_is_cut(tmp_path: Path) -> None:
    letters = np.random.default_rng(0).choice(list("abcdefgh"), 2_000_000).tobytes()
    text = letters.decode("utf-32-le")
    cells = (text[1300 * row : 1300 * row + 900 + row % 400] for row in range(1500))
    source = csv_file(tmp_path, "mood,well\n" + "".join(f"{cell},1\n" for cell in cells))
    found = {md5_of(written(source, block=block)) for block in (50_000, 333_333, 1 << 24)}
    assert len(found) == 1


def test_text_is_read_no_further_than_needed(tmp_path: Path) -> None:
    lines = [b"date,well\n", *(b"%07d,1\n" % number for number in range(10_000))]

    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

        def readinto(self, room: bytearray, /) -> int:
            read = super().readinto(room)
            self.taken += read
            return read

        def readline(self, size: int | None = -1, /) -> bytes:
            data = super().readline(size)
            self.taken += len(data)
            return data

    stream = Counting(b"".join(lines))
    header = csv_blocks.read_header(stream, "table")
    block = 1000
    blocks = csv_blocks.read_blocks(stream, header, "table", block, rows=7)
    for count, (done, rows) in enumerate(blocks, 1):
        assert rows.height <= block // 10 + 1
        assert stream.taken - header.length <= (count + 5) * (block + 10)
        assert done <= stream.taken
    assert done == stream.taken == len(b"".join(lines))


def test_events_count_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP", 7)
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2, rows=20, tables=2)
    events = list(tabulate(path, tmp_path / "out.parquet", block=50_000))
    done = [event["done"] for event in events]
    assert len(done) >= 4
    assert done == sorted(set(done))
    with zipfile.ZipFile(path) as archive:
        size = sum(e.file_size for e in archive.infolist() if e.filename.endswith(".csv"))
    assert {event["total"] for event in events} == {done[-1]} == {size}


def test_the_file_says_where_it_comes_from_and_no_time(tmp_path: Path) -> None:
    path = write_archive(
        tmp_path / "training.zip", batch_seed=3, n_pcs=2, extra={"mood": "x", "psd_": "y"}
    )
    said = pq.read_metadata(written(path)).metadata
    assert said is not None
    assert said[b"automind.source"] == b"training.zip"
    assert said[b"automind.source_md5"].decode() == md5_of(path)
    assert json.loads(said[b"automind.unknown_columns"]) == ["mood", "psd_"]
    assert set(said) == {
        b"automind.source",
        b"automind.source_md5",
        b"automind.unknown_columns",
        b"ARROW:schema",
    }


def test_observation_keys_are_listed_as_they_appear(tmp_path: Path) -> None:
    keys = ["z_1", "a_1", "m_1"]
    path = write_archive(tmp_path / "synthetic.zip", batch_seed=3, n_pcs=2, rows=8, x_o=keys)
    list(tabulate(path, tmp_path / "out.parquet", tmp_path / "keys.json", block=2000))
    assert json.loads((tmp_path / "keys.json").read_text()) == {"x_o": keys}
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2)
    list(tabulate(path, tmp_path / "out.parquet", tmp_path / "keys.json"))
    assert json.loads((tmp_path / "keys.json").read_text()) == {"x_o": []}


GOOD = "date,well,psd_0.5,params_analysis.early_stopped\na,1,0.5,True\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("\ufeff", "is empty"),
        ("\ufeff\ndate\na\n", "is empty"),
        ("date,we\x1b[2Jll\na,1\n", "a control character in the column name 'we\\x1b[2Jll'"),
        ("date,\ufeffdate\na,1\n", "a control character in the column name"),
        ("date;well\na;1\n", "line 1 has semicolons where commas belong"),
        ("date\twell\na\t1\n", "a control character in the column name 'date\\twell'"),
        ("da\0te,well\na,1\n", "line 1 has a NUL byte"),
        ("da\rte,well\na,1\n", "line 1 has a carriage return that is not followed"),
        ("date,well\r", "line 1 has a carriage return that is not followed"),
        ('"date,well\na,1\n', "line 1 is no header of a CSV table"),
        ("\ufeffdate".encode("utf-16"), "is UTF-16 text where a table is UTF-8"),
        (",".join(f"c{n}" for n in range(2501)) + "\n", "line 1 names 2501 columns, more than"),
        ("x" * (1 << 16) + "\n1\n", "line 1 has more than 65536 bytes"),
        ("date,well\n", "has a header but no rows"),
        ("date,well,date\n1,2,3\n", "line 1 names date more than once"),
        ("date,,well\n1,2,3\n", "line 1 has a column without a name"),
        (b"da\xffte\n1\n", "line 1 is no header of a CSV table"),
        (GOOD + "b,2,0.5\n", "line 3 has 3 cells where the header has 4"),
        (GOOD + "b,2,0.5,True,9\n", "line 3 has 5 cells where the header has 4"),
        (GOOD + "b,2,oops,True\n", "line 3, column psd_0.5: 'oops' where a number belongs"),
        (GOOD + "b,2,NA,True\n", "line 3, column psd_0.5: 'NA' where a number belongs"),
        (GOOD + "b,2.5,1,True\n", "line 3, column well: '2.5' where a whole number belongs"),
        (GOOD + "b,1e3,1,True\n", "line 3, column well: '1e3' where a whole number belongs"),
        (GOOD + "b,0x10,1,True\n", "line 3, column well: '0x10' where a whole number belongs"),
        (GOOD + f"b,{2**63},1,True\n", "where a whole number belongs"),
        (GOOD + "b,2,1,yes\n", "early_stopped: 'yes' where True or False belongs"),
        (GOOD + "b,2,1,1\n", "early_stopped: '1' where True or False belongs"),
        (GOOD.encode() + b"b\xff,2,1,True\n", "line 3, column date: 'b\\udcff' where text"),
        (GOOD + "b,2,nan(1),True\n", "line 3, column psd_0.5: 'nan(1)' where a number belongs"),
        (GOOD + "b,2,1, \n", "early_stopped: ' ' where True or False belongs"),
        (GOOD + "b,2,\u0131nf,True\n", "psd_0.5: '\u0131nf' where a number belongs"),
        (GOOD + "b,2,1\0,True\n", "line 3 has a NUL byte"),
        (",date\n\0,b\n", "line 2 has a NUL byte"),
        (GOOD + "\ufeffb,2,1,True\n", "line 3 begins with a byte order mark"),
        (GOOD + "\ufeff" + GOOD, "line 3 begins with a byte order mark"),
        (b",date\n\xff,b\n", "line 2, column '': '\\udcff' where text belongs"),
        (GOOD + "b,2,0.", "line 3 has 3 cells where the header has 4 and no end: the file is cut"),
        (
            GOOD + 'b,2,"0.',
            "line 3, column psd_0.5: a quote that is not closed in that line and no",
        ),
        (GOOD + 'b,2,"0.\n",True\n', "line 3, column psd_0.5: a quote that is not closed in that"),
        (GOOD + "b,2,1,True\r\n", "line 3, column params_analysis.early_stopped: a line end that"),
        (
            GOOD + "b,2,\r1,True\nc,oops,1,True\n",
            "line 3, column psd_0.5: a line end that is not LF",
        ),
        (GOOD + "b,oops,1,True\nc,2,1,True\r\n", "line 3, column well: 'oops' where a whole"),
        (GOOD.replace("\n", "\r\n") + "b,2,1,True\n", "a line end that is not CR LF, as in line 1"),
        (GOOD + "b,oops,1,True\n" + "x" * (1 << 18), "line 3, column well: 'oops' where"),
        (GOOD + "\n\nb,2,oops,True\n", "line 5, column psd_0.5: 'oops'"),
        (GOOD * 1 + "b,2,1,True\n" * 50 + "c,x,1,True\n", "line 53, column well: 'x'"),
    ],
)
@pytest.mark.parametrize("block", [40, 1 << 20])
def test_a_bad_table_is_refused_and_nothing_changes(
    tmp_path: Path, text: str | bytes, said: str, block: int
) -> None:
    source = csv_file(tmp_path, text)
    (tmp_path / "out.parquet").write_bytes(b"of before")
    (tmp_path / "keys.json").write_bytes(b"of before")
    with pytest.raises(AutomindError, match=re.escape(said)) as caught:
        list(tabulate(source, tmp_path / "out.parquet", tmp_path / "keys.json", block=block))
    assert str(caught.value).startswith(str(source))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out.parquet").read_bytes() == b"of before"
    assert (tmp_path / "keys.json").read_bytes() == b"of before"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("block", [1, 40, 1 << 20])
@pytest.mark.parametrize(
    "text",
    [
        'date\na\n"b\nc\nd\n',
        'date\na\n"b\nc"\nd\n',
        GOOD + '"b\nc",2,1,True\n',
        GOOD + 'b,2,1,True\n"c,3,1,True\nd,4,1,True\n',
        GOOD + 'b,2,1,"True\nd,4,1,True\n',
        'date,well\na,1\nb,"2\nc,3\n',
        'date,psd_0.5\na,1\nb,"2\nc,3\n',
        'date,psd_0.5\na,1\nb,2\nc,"3\n',
        ',date\n0,a\n"1,b\n2,c\n',
        ',psd_0.5\n0,1\n1,2\n2,"3\n',
    ],
)
def test_a_line_break_inside_quotes_never_swallows_rows(
    tmp_path: Path, text: str, block: int
) -> None:
    with pytest.raises(AutomindError, match=r"table\.csv: line \d"):
        written(csv_file(tmp_path, text), block=block)


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "LONGEST_LINE", 1000)
    with pytest.raises(AutomindError, match="line 2 has more than 1000 bytes"):
        written(csv_file(tmp_path, "date\n" + "x" * 5000), block=100)


def test_endless_text_is_refused_however_it_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "MOST_TEXT", 20_000)
    monkeypatch.setattr(tables, "ROW_GROUP", 100)
    much = csv_file(tmp_path, "mood,well\n" + 250 * f"{'x' * 190},1\n")
    (tmp_path / "less").mkdir()
    little = csv_file(tmp_path / "less", "mood,well\n" + 250 * f"{'x' * 180},1\n")
    for block in (100, 5_000, 1 << 24):
        with pytest.raises(AutomindError, match="bytes of text in the rows of one group"):
            written(much, block=block)
        written(little, block=block)


def test_endless_keys_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "KEY_LETTERS", 20)
    keys = [*["a", "b", "a"] * 30, "x" * 10, "y" * 8]
    for wanted in (True, False):
        source = csv_file(tmp_path, "x_o,well\n" + "".join(f"{key},1\n" for key in keys))
        work = tabulate(source, tmp_path / "out.parquet", tmp_path / "keys.json", block=50)
        if wanted:
            list(work)
            assert json.loads((tmp_path / "keys.json").read_bytes())["x_o"] == [
                "a",
                "b",
                *keys[-2:],
            ]
        else:
            with pytest.raises(AutomindError, match="more than 20 letters in different keys x_o"):
                list(work)
        keys.append("z")


def test_an_archive_without_a_summary_table_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "training.zip", {"training/1_prior.pickle": b"1"})
    with pytest.raises(AutomindError, match="holds no summary table"):
        written(path)


@pytest.mark.parametrize("missing", [PARAMETER_NAMES[3:4], PARAMETER_NAMES[2:9], PARAMETER_NAMES])
def test_an_archive_whose_table_lacks_parameters_is_refused(
    tmp_path: Path, missing: tuple[str, ...]
) -> None:
    path = write_archive(
        tmp_path / "training.zip",
        batch_seed=3,
        n_pcs=2,
        order=lambda names: [name for name in names if name not in missing],
    )
    with pytest.raises(AutomindError, match=re.escape(f"has no column {missing[0]}")) as caught:
        written(path)
    assert "has all 28; next: get the table again" in str(caught.value)


def test_a_plain_table_has_all_parameters_or_none(tmp_path: Path) -> None:
    table = summary_table(3, batch_seed=1, n_pcs=2)
    without = table.drop(columns=list(PARAMETER_NAMES))
    assert len(read_table(written(csv_file(tmp_path, csv_bytes(without))))) == 3
    source = csv_file(tmp_path, csv_bytes(table.drop(columns=PARAMETER_NAMES[0])))
    with pytest.raises(AutomindError, match=PARAMETER_NAMES[0]):
        written(source)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for name in ("table.csv", "training.zip"):
        with pytest.raises(AutomindError, match=f"{name}: is not there"):
            list(tabulate(tmp_path / name, tmp_path / "out.parquet"))


def test_a_damaged_archive_leaves_the_old_table(tmp_path: Path) -> None:
    table = summary_table(5, batch_seed=1, n_pcs=2)
    path = tmp_path / "training.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("training/1_MK1_summary_data_merged.csv", csv_bytes(table))
    out = written(path)
    before = out.read_bytes()
    data = path.read_bytes()
    at = data.index(b".", len(data) // 2)
    path.write_bytes(data[:at] + b"1" + data[at + 1 :])
    with pytest.raises(AutomindError, match="does not match its checksum"):
        list(tabulate(path, out, block=500))
    assert out.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_an_output_over_the_source_or_another_output_is_refused(tmp_path: Path) -> None:
    source = csv_file(tmp_path, "date,well\na,1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.csv").symlink_to(source)
    out, said = tmp_path / "out.parquet", "written over the source or over another output"
    for outs, rule in (
        ((source, None), said),
        ((tmp_path / "link.csv", None), said),
        ((out, source), said),
        ((out, tmp_path / "folder" / ".." / "out.parquet"), said),
        ((out, tmp_path / "folder"), "is a folder where a file belongs"),
    ):
        with pytest.raises(AutomindError, match=rule):
            list(tabulate(source, outs[0], profile=outs[1]))
    assert source.read_text() == "date,well\na,1\n"
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "link.csv", "folder"}


def test_stopping_halfway_leaves_nothing(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2, rows=20)
    events = tabulate(path, tmp_path / "out.parquet", block=10_000)
    next(events)
    events.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["training.zip"]


def test_reading_gives_the_columns_asked_for(tmp_path: Path) -> None:
    out = written(csv_file(tmp_path, GOOD))
    found = read_table(out, columns=["well", "date"])
    assert found.to_dict("list") == {"well": [1], "date": ["a"]}
    with pytest.raises(AutomindError, match="has no column mood"):
        read_table(out, columns=["mood"])
    with pytest.raises(AutomindError, match="is not there"):
        read_table(tmp_path / "no.parquet")
    with pytest.raises(AutomindError, match="is no Parquet file"):
        read_table(csv_file(tmp_path, GOOD))


def test_polars_reads_the_same(tmp_path: Path) -> None:
    table = summary_table(9, batch_seed=1, n_pcs=2, x_o=["a", "b"])
    found = pl.read_parquet(written(csv_file(tmp_path, csv_bytes(table))))
    assert found.to_dict(as_series=False)["x_o"] == table["x_o"].tolist()
    assert found["psd_3.5"].to_list() == [
        None if np.isnan(value) else value for value in table["psd_3.5"]
    ]


def test_text_tables_of_builders_round_trip(tmp_path: Path) -> None:
    data = csv_bytes(summary_table(3, batch_seed=1, n_pcs=2))
    assert text_bytes(read_text(data.decode())) == data


@settings(max_examples=150, deadline=None, derandomize=True)
@given(body=st.text('a1.,"\n\r -', min_size=1, max_size=25))
def test_what_is_read_or_refused_does_not_depend_on_how_the_text_is_cut(
    tmp_path_factory: pytest.TempPathFactory, body: str
) -> None:
    source = csv_file(tmp_path_factory.mktemp("any"), "date,psd_0.5\na,1\n" + body)

    def outcome(block: int) -> dict[str, list[object]] | None:
        try:
            table: dict[str, list[object]] = pq.read_table(written(source, block=block)).to_pydict()
        except AutomindError:
            return None
        return table

    assert outcome(1) == outcome(9) == outcome(1 << 20)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_reshaped_archive_of_the_release_has_the_same_numbers(
    tmp_path: Path, release: Path, layout: str
) -> None:
    source = release / ARCHIVES["heldout"].path
    (tmp_path / "one").mkdir()
    list(tabulate(source, tmp_path / "one" / "out.parquet"))
    wanted = read_table(tmp_path / "one" / "out.parquet")
    seed = str(wanted["params_settings.batch_seed"].iloc[0])
    path = reshape_archive(
        source,
        tmp_path / "heldout.zip",
        layout=layout,
        seeds={seed: "77"},
        n_pcs=2,
        order=lambda names: names[::-1],
        extra={"mood": "glad"},
        tables=2,
    )
    found = read_table(written(path))
    assert set(found.pop("mood")) == {"glad"}
    assert set(found.pop("params_settings.batch_seed")) == {77}
    dropped = [name for name in wanted.columns if name not in found.columns]
    assert all(re.fullmatch(r"pca_\d+|params_settings.batch_seed", name) for name in dropped)
    kept = [name for name in wanted.columns if name not in dropped]
    assert [name for name in kept if name.startswith("pca_")] == ["pca_total", "pca_1", "pca_2"]
    assert list(found.columns) == kept[::-1]
    pd.testing.assert_frame_equal(found[kept], wanted[kept], check_exact=True)
