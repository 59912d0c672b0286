"""One table: every kind of difference, found exactly, with and without digests beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import ks_2samp

from automind_data.diff import tables
from automind_data.diff.changes import TableChange
from automind_data.diff.table_file import ParquetTable
from automind_data.tables.profile import FORMAT
from tests.diff.scratch_diff import (
    SEEDS,
    SOURCES,
    changed,
    compare,
    compared,
    folder_place,
    runs,
    write_table,
)

NAN = float("nan")
BESIDE = pytest.mark.parametrize("beside", [True, False], ids=["digests", "no digests"])
REST = tuple(name for name in SOURCES if name != "training")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read two columns or so at a time."""
    monkeypatch.setattr(tables, "BATCH_BYTES", 400)


def only(found: TableChange) -> Any:
    assert found.columns is not None and found.gaps == ()
    (column,) = found.columns
    return column


@BESIDE
def test_a_correction_is_found_with_its_ratio(tmp_path: Path, beside: bool) -> None:
    old = runs(40)
    values = old["isi_cv_mu"].to_pylist()
    new = changed(old, "isi_cv_mu", {row: values[row] * 0.8 for row in (3, 20, 39)})
    found = compare(tmp_path, old, new, beside=beside)
    assert (found.state, found.old_rows, found.new_rows, found.key) == ("changed", 40, 40, SEEDS)
    assert found.changed.rows() == [(11, 109), (11, 160), (11, 217)]
    assert not found.added and not found.removed and not found.moved
    column = only(found)
    assert (column.name, column.rows, column.ratio) == ("isi_cv_mu", 3, 0.8)
    assert column.transitions == {"value → value": 3}
    assert column.largest_relative == pytest.approx(0.2)
    shifts = [abs(values[row] * 0.8 - values[row]) for row in (3, 20, 39)]
    assert column.largest_absolute == max(shifts)
    assert column.ks == pytest.approx(ks_2samp(values, new["isi_cv_mu"].to_pylist()).statistic)
    assert column.examples[0].key == (11, 109)
    assert (column.examples[0].old, column.examples[0].new) == (values[3], values[3] * 0.8)


@BESIDE
def test_rows_that_came_and_went(tmp_path: Path, beside: bool) -> None:
    old = runs(30)
    new = pa.concat_tables(
        [old.slice(0, 4), old.slice(6), changed(runs(31).slice(30), SEEDS[0], {0: 12})]
    )
    found = compare(tmp_path, old, new, beside=beside)
    assert found.removed.rows() == [(11, 112), (11, 115)]
    assert found.added.rows() == [(12, 190)]
    assert (len(found.changed), found.columns, found.moved) == (0, (), False)
    assert (found.old_rows, found.new_rows) == (30, 29)


@BESIDE
def test_another_order_is_no_change(tmp_path: Path, beside: bool) -> None:
    old = runs(30)
    shuffled = old.take(np.random.default_rng(1).permutation(30))
    found = compare(tmp_path, old, shuffled, beside=beside)
    assert (found.state, found.moved) == ("changed", True)
    assert not (found.added or found.removed or found.changed)
    columns = compare(tmp_path, old, old.select(old.column_names[::-1]), beside=beside)
    assert (columns.state, columns.moved, columns.gaps) == ("same", False, ())


def test_other_bytes_of_the_same_values_are_no_change(tmp_path: Path) -> None:
    path = SOURCES["training"].path
    for side, compression in (("old", "none"), ("new", "zstd")):
        write_table(tmp_path / side, path, runs(30))
        pq.write_table(runs(30), tmp_path / side / path, compression=compression)
    found = compared("training", *(folder_place(tmp_path / side, side) for side in ("old", "new")))
    assert (found.state, found.old_rows, found.gaps) == ("same", 30, ())


@BESIDE
def test_the_order_is_said_beside_a_change(tmp_path: Path, beside: bool) -> None:
    old = runs(30)
    new = changed(old, "burst_num", {8: 5.0}).take(np.arange(30)[::-1])
    found = compare(tmp_path, old, new, beside=beside)
    assert found.moved and found.changed.rows() == [(11, 124)]
    assert only(found).examples[0].new == 5.0


@BESIDE
def test_null_nan_inf_and_zero(tmp_path: Path, beside: bool) -> None:
    start = {0: None, 1: NAN, 2: 0.0, 3: 1.0, 4: 1.0, 5: 1.0, 6: None, 7: 2.0, 8: NAN, 9: None}
    end = {0: 1.0, 1: None, 2: 4.0, 3: None, 4: NAN, 5: float("inf"), 6: NAN, 7: 3.0}
    old = changed(runs(12), "isi_cv_mu", start)
    column = only(compare(tmp_path, old, changed(old, "isi_cv_mu", end), beside=beside))
    assert column.rows == 8
    assert column.transitions == {
        "value → value": 2, "value → null": 1, "value → NaN": 1, "value → inf": 1,
        "null → value": 1, "null → NaN": 1, "NaN → null": 1,
    }  # fmt: skip
    assert (column.largest_absolute, column.largest_relative, column.old_zero) == (4.0, 0.5, 1)
    assert column.ratio is None


@BESIDE
def test_a_ratio_is_said_only_where_it_holds_in_every_row(tmp_path: Path, beside: bool) -> None:
    old = changed(runs(12), "isi_cv_mu", {0: 1.0, 1: 2.0, 2: 4.0})
    for end, ratio in (
        ({0: 0.8, 1: 1.6, 2: 3.2}, 0.8),
        ({0: 0.8, 1: 1.6, 2: None}, None),
        ({0: 0.8, 1: 1.6, 2: NAN}, None),
        ({0: 0.8, 1: 1.6, 2: 3.3}, None),
        ({0: 0.8}, None),
    ):
        new = changed(old, "isi_cv_mu", end)
        assert only(compare(tmp_path, old, new, beside=beside)).ratio == ratio


@BESIDE
def test_nan_is_nan_whatever_its_bits(tmp_path: Path, beside: bool) -> None:
    old = changed(runs(12), "isi_cv_mu", {2: NAN})
    new = changed(changed(old, "isi_cv_mu", {2: -NAN}), "burst_num", {2: 1.0})
    assert only(compare(tmp_path, old, new, beside=beside)).name == "burst_num"


def test_the_sign_of_zero_is_a_bit_too(tmp_path: Path) -> None:
    old = changed(runs(12), "isi_cv_mu", {2: 0.0})
    column = only(compare(tmp_path, old, changed(old, "isi_cv_mu", {2: -0.0})))
    assert (column.rows, column.largest_absolute, column.largest_relative) == (1, 0.0, None)


@BESIDE
def test_text_flags_and_whole_numbers(tmp_path: Path, beside: bool) -> None:
    old = runs(12, kind=pa.array(["a", None, "c"] * 4), big=pa.array([2**60] * 12))
    new = changed(changed(old, "kind", {0: "b", 1: "x", 5: None}), "big", {4: 2**60 + 1})
    new = changed(new, "params_analysis.early_stopped", {7: not old[4][7].as_py()})
    found = compare(tmp_path, old, new, beside=beside)
    text, big, flag = sorted(found.columns, key=lambda each: -each.rows)
    if big.name != "big":
        big, flag = flag, big
    assert (text.name, text.type, text.rows, text.ks) == ("kind", "text", 3, None)
    assert text.transitions == {"value → value": 1, "value → null": 1, "null → value": 1}
    assert (text.largest_absolute, text.examples[0].old, text.examples[0].new) == (None, "a", "b")
    assert (big.name, big.largest_absolute) == ("big", 1.0)
    assert (flag.name, flag.rows) == ("params_analysis.early_stopped", 1)
    assert [row[1] for row in found.changed.rows()] == [100, 103, 112, 115, 121]


@BESIDE
def test_columns_that_came_and_went(tmp_path: Path, beside: bool) -> None:
    old = runs(20, pca_1=np.arange(20.0), note=pa.array(["x"] * 20))
    new = changed(old, "burst_num", {4: 9.0}).drop_columns(["note", "pca_1"])
    new = new.append_column("t_rec", pa.array([None, *range(19)], pa.float64()))
    found = compare(tmp_path, old, new, beside=beside)
    assert found.new_columns == (("t_rec", "float64"),)
    assert set(found.lost_columns) == {("pca_1", "float64"), ("note", "text")}
    assert found.changed.rows() == [(11, 112)]
    assert only(found).name == "burst_num"
    alone = compare(tmp_path, old, old.drop_columns(["note"]), beside=beside)
    assert (alone.state, len(alone.changed), alone.columns) == ("changed", 0, ())


@BESIDE
def test_a_column_of_another_type(tmp_path: Path, beside: bool) -> None:
    path = SOURCES["training"].path
    old = runs(20, mood=pa.array(range(20)))
    other = changed(old, "mood", {3: 7}).set_column(
        5, "mood", pa.array([0.0, 1, 2, 7, *range(4, 20)])
    )
    for side, table in (("old", old), ("new", other)):
        write_table(tmp_path / side, path, table, beside=False)
        if beside:
            write_table(tmp_path / side, path, table)
    if beside:  # the profile names types by column names, so it says what the files have here
        for side, kind in (("old", "int64"), ("new", "float64")):
            profile = tmp_path / side / SOURCES["training"].profile
            said = json.loads(profile.read_text())
            said["columns"]["mood"]["type"] = kind
            profile.write_text(json.dumps(said))
    found = compared("training", *(folder_place(tmp_path / side, side) for side in ("old", "new")))
    (retyped,) = found.retyped
    assert (retyped.name, retyped.old, retyped.new, retyped.changed) == (
        "mood",
        "int64",
        "float64",
        1,
    )
    assert (len(found.changed), found.columns, found.gaps) == (0, (), ())


@BESIDE
def test_keys_that_repeat(tmp_path: Path, beside: bool) -> None:
    old = changed(runs(10), SEEDS[1], {1: 100, 2: 100, 6: 118})
    new = changed(old, "burst_num", {1: 7.0}).slice(0, 9)
    found = compare(tmp_path, old, new, beside=beside)
    assert found.changed.columns == (*SEEDS, "occurrence")
    assert found.changed.rows() == [(11, 100, 2)]
    assert found.removed.rows() == [(11, 127, 1)]
    assert only(found).examples[0].key == (11, 100, 2)
    fewer = compare(tmp_path, old, pa.concat_tables([old.slice(0, 2), old.slice(3)]), beside=beside)
    assert fewer.removed.rows() == [(11, 100, 3)] and not fewer.changed


@BESIDE
def test_a_table_without_a_key(tmp_path: Path, beside: bool) -> None:
    old = runs(10).drop_columns(list(SEEDS))
    found = compare(tmp_path, old, changed(old, "burst_num", {4: 1.5}), beside=beside)
    assert (found.key, found.changed.columns, found.changed.rows()) == ((), ("row",), [(4,)])
    assert only(found).examples[0].key == (4,)
    longer = compare(tmp_path, old.slice(0, 8), old, beside=beside)
    assert longer.added.rows() == [(8,), (9,)] and not longer.changed
    mixed = compare(tmp_path, old, old.take(np.arange(10)[::-1]), beside=beside)
    assert mixed.moved and not mixed.changed and mixed.columns == ()


def test_each_kind_of_key(tmp_path: Path) -> None:
    for name, key, columns in (
        ("organoid_summary", ("date", "well"), {"date": ["a", "a", "b"], "well": [1, 2, 1]}),
        ("allenvc_summary", ("mouse", "area"), {"mouse": ["7", "7", "8"], "area": ["V", "L", "V"]}),
        ("organoids", ("x_o",), {"x_o": ["a", "b", "c"]}),
        ("organoids", ("x_o", *SEEDS), {"x_o": ["a"] * 3, SEEDS[0]: [1] * 3, SEEDS[1]: [1, 2, 3]}),
    ):
        old = pa.table({**columns, "burst_num": [1.0, 2.0, 3.0]})
        found = compare(tmp_path, old, changed(old, "burst_num", {1: 5.0}), name=name)
        assert found.key == key
        assert found.changed.rows() == [tuple(values[1] for values in columns.values())]


def test_a_key_column_that_is_gone(tmp_path: Path) -> None:
    """The key is what both tables have."""
    old = runs(10, x_o=pa.array(["k"] * 10))
    found = compare(tmp_path, old, changed(runs(10), "burst_num", {2: 1.0}))
    assert (found.key, found.lost_columns) == (SEEDS, (("x_o", "text"),))
    assert found.changed.rows() == [(11, 106)] and not found.added


@pytest.mark.parametrize("seed", range(12))
@BESIDE
def test_against_a_comparison_cell_by_cell(tmp_path: Path, seed: int, beside: bool) -> None:
    rng = np.random.default_rng(seed)
    old = runs(60, **{f"pca_{at}": rng.normal(size=60).round(1) for at in range(1, 9)})
    cells = old.drop_columns(list(SEEDS)).to_pylist()
    for _ in range(rng.integers(1, 30)):
        name = f"pca_{rng.integers(1, 9)}"
        cells[rng.integers(60)][name] = [None, NAN, 0.0, 1.5, -0.1][rng.integers(5)]
    keys = {name: old[name].to_pylist() for name in SEEDS}
    new = pa.Table.from_pylist(cells, old.drop_columns(list(SEEDS)).schema)
    new = new.append_column(SEEDS[0], pa.array(keys[SEEDS[0]]))
    new = new.append_column(SEEDS[1], pa.array(keys[SEEDS[1]]))
    kept = np.sort(rng.choice(60, rng.integers(40, 60), replace=False))
    new = new.take(rng.permutation(kept) if seed % 2 else kept)

    def texts(table: pa.Table) -> dict[int, dict[str, str]]:
        rows = table.to_pylist()
        return {row.pop(SEEDS[1]): {name: repr(cell) for name, cell in row.items()} for row in rows}

    before, after = texts(old), texts(new)
    wanted: dict[str, int] = {}
    for key, row in after.items():
        for name, cell in row.items():
            if cell != before[key][name]:
                wanted[name] = wanted.get(name, 0) + 1
    found = compare(tmp_path, old, new, beside=beside)
    assert {each.name: each.rows for each in found.columns} == wanted
    assert [row[1] for row in found.changed.rows()] == [
        key for key in before if key in after and before[key] != after[key]
    ]
    assert {row[1] for row in found.removed.rows()} == before.keys() - after.keys()
    assert not found.added and found.gaps == ()


def test_only_what_is_needed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[tuple[tuple[str, ...], int]] = []
    honest = ParquetTable._read

    def read(self: ParquetTable, columns: Any, groups: Any) -> pa.Table:
        reads.append((tuple(columns), len(groups)))
        return honest(self, columns, groups)

    monkeypatch.setattr(ParquetTable, "_read", read)
    old = runs(70, **{f"pca_{at}": np.arange(70.0) for at in range(1, 30)})
    assert compare(tmp_path, old, old.take(np.arange(70)[::-1])).moved
    assert reads == []
    found = compare(tmp_path, old, changed(old, "pca_17", {33: 1.0, 34: 2.0}))
    assert only(found).name == "pca_17"
    assert reads == [(("pca_17",), 1)] * 2 + [(("pca_17",), 10)] * 2


def test_a_change_that_the_profile_cannot_see(tmp_path: Path) -> None:
    """Two rows changed places in one column: same minimum, maximum, mean and sd."""
    old = runs(30, pca_1=np.arange(30.0), pca_2=np.arange(30.0))
    new = changed(changed(old, "pca_2", {4: 5.0, 5: 4.0}), "pca_1", {9: 99.0})
    found = compare(tmp_path, old, new)
    assert {each.name: each.rows for each in found.columns} == {"pca_1": 1, "pca_2": 2}
    assert [row[1] for row in found.changed.rows()] == [112, 115, 127]


def test_a_table_that_one_revision_lacks(tmp_path: Path) -> None:
    write_table(tmp_path / "new", SOURCES["training"].path, runs(5))
    old, new = (folder_place(tmp_path / side, side) for side in ("old", "new"))
    found = compared("training", old, new)
    assert (found.state, found.old_rows, found.new_rows) == ("added", None, 5)
    assert compared("training", new, old).state == "removed"
    assert compared("heldout", old, new) is None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("profile", b"{", "is no JSON, so the table itself was read"),
        (
            "profile",
            b'{"format": %d, "columns": {"a": 3}}' % FORMAT,
            "has not the form of a profile",
        ),
        ("digests", b"PAR1", "is no Parquet file, so the table itself was read"),
        ("digests", None, "has 29 rows where the profile has 30, so the table itself was read"),
    ],
)
def test_a_damaged_file_beside_the_table(
    tmp_path: Path, file: str, content: bytes | None, said: str
) -> None:
    source = SOURCES["training"]
    old = runs(30)
    compare(tmp_path, old, changed(old, "burst_num", {3: 1.0}))
    damaged = tmp_path / "new" / getattr(source, file)
    if content is None:
        write_table(tmp_path / "x", source.path, old.slice(1))
        content = (tmp_path / "x" / source.digests).read_bytes()
    damaged.write_bytes(content)
    found = compared("training", *(folder_place(tmp_path / side, side) for side in ("old", "new")))
    assert found.changed.rows() == [(11, 109)] and found.columns[0].name == "burst_num"
    (gap,) = found.gaps
    assert said in gap.sentence and gap.sentence.count("; next: ") == 1 and not gap.missing


def test_digests_of_another_table_are_noticed(tmp_path: Path) -> None:
    source = SOURCES["training"]
    old = runs(30)
    compare(tmp_path, old, old.slice(0))
    write_table(tmp_path / "x", source.path, changed(old, "burst_num", {3: 1.0}))
    (tmp_path / "x" / source.digests).replace(tmp_path / "new" / source.digests)
    (tmp_path / "new" / source.path).write_bytes((tmp_path / "x" / source.path).read_bytes())
    write_table(tmp_path / "new", source.path, old.slice(0), beside=False)
    pq.write_table(old, tmp_path / "new" / source.path, compression="none")
    found = compared("training", *(folder_place(tmp_path / side, side) for side in ("old", "new")))
    assert found.changed.rows() == [(11, 109)] and found.columns == ()
    assert "does not fit its digests in 1 row" in found.gaps[0].sentence


@pytest.mark.parametrize("cut", [0, 1000])
def test_a_damaged_table(tmp_path: Path, cut: int) -> None:
    source = SOURCES["training"]
    old = runs(30)
    compare(tmp_path, old, changed(old, "burst_num", {3: 1.0}))
    damaged = tmp_path / "new" / source.path
    damaged.write_bytes(damaged.read_bytes()[:cut])
    found = compared("training", *(folder_place(tmp_path / side, side) for side in ("old", "new")))
    assert found.changed.rows() == [(11, 109)] and found.columns is None
    (gap,) = found.gaps
    assert "training.parquet: of new is no Parquet file, so how the changed rows" in gap.sentence
