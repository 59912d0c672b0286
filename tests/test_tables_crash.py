"""Tabulating killed at any moment or on a full disk: old or new outputs, and the next run mends."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from automind_data import tables
from automind_data.common.errors import AutomindError
from automind_data.tables import tabulate
from automind_data.tables.digests import DigestFile
from tests.builders import write_archive
from tests.kills import KILLS, content, kill_at_random, run_on_a_full_disk, run_until_killed

NAMES = ("k.json", "p.json", "m.json", "d.parquet", "t.parquet")
"""The outputs in the order in which they are put in place; the table is the last."""

TABULATE = """
import itertools, sys
from pathlib import Path
from automind_data.tables import tabulate
paths, folder = itertools.cycle(sys.argv[2:]), Path(sys.argv[1])
def run():
    work = tabulate(
        next(paths), folder / "t.parquet", folder / "k.json", profile=folder / "p.json",
        digests=folder / "d.parquet", metrics=folder / "m.json", block=30_000,
    )
    for _ in work:
        pass
"""
KILLED_AT = f"""{TABULATE}
Path.replace = killing(Path.replace, int(sys.argv.pop()))
run()
"""
VERB = """
import sys
from automind_data.common.command import main
main()
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two archives of the same name that differ in every output."""
    top = tmp_path_factory.mktemp("archives")
    old, new = (
        write_archive(
            top / name / "synthetic.zip", batch_seed=3, n_pcs=2, rows=rows, x_o=keys, seed=rows
        )
        for name, rows, keys in (("old", 30, ["a", "b"]), ("new", 50, ["c"]))
    )
    return old, new


def tabulated(path: Path, folder: Path) -> dict[str, bytes]:
    list(
        tabulate(
            path,
            folder / "t.parquet",
            folder / "k.json",
            profile=folder / "p.json",
            digests=folder / "d.parquet",
            metrics=folder / "m.json",
        )
    )
    return content(folder)


def new_ones(found: dict[str, bytes], old: dict[str, bytes], new: dict[str, bytes]) -> list[bool]:
    """Which outputs are the new ones, in the order of `NAMES`; all others are the old ones."""
    assert all(old[name] != new[name] for name in NAMES)
    assert all(found[name] in (old[name], new[name]) for name in NAMES)
    return [found[name] == new[name] for name in NAMES]


def test_kills_at_random_moments(tmp_path: Path, archives: tuple[Path, Path]) -> None:
    old, new = (tabulated(path, tmp_path / path.parent.name) for path in archives)
    rng, folder = random.Random(0), tmp_path / "out"
    tabulated(archives[0], folder)
    littered, ended = 0, set()
    for number in range(KILLS):
        kill_at_random(rng, 0.5, TABULATE, "run()", folder, *archives[:: (-1) ** number])
        there = new_ones(content(folder), old, new)
        assert sorted(there, reverse=there[0]) == there
        littered += len(content(folder)) > len(NAMES)
        ended.add(there[-1])
        mended = tabulated(archives[number % 2], folder)
        assert mended == (old, new)[number % 2]
        assert set(mended) == set(NAMES)
    assert littered > KILLS // 3
    assert ended == {True, False}


@pytest.mark.parametrize("place", range(1, len(NAMES) + 1))
def test_a_kill_before_each_of_the_outputs_is_put_in_place(
    tmp_path: Path, archives: tuple[Path, Path], place: int
) -> None:
    old, new = (tabulated(path, tmp_path / path.parent.name) for path in archives)
    folder = tmp_path / "out"
    tabulated(archives[0], folder)
    run_until_killed(KILLED_AT, folder, archives[1], str(place))
    done = place - 1
    assert new_ones(content(folder), old, new) == [True] * done + [False] * (len(NAMES) - done)
    assert len(content(folder)) == 2 * len(NAMES) - done
    assert tabulated(archives[1], folder) == new


@pytest.mark.parametrize("short", [10**9, 100_000, 1])
def test_a_full_disk_is_one_sentence_and_leaves_every_old_output(
    tmp_path: Path, archives: tuple[Path, Path], short: int
) -> None:
    sizes = {name: len(data) for name, data in tabulated(archives[1], tmp_path / "new").items()}
    assert sizes["t.parquet"] == max(sizes.values())
    folder = tmp_path / "out"
    before = tabulated(archives[0], folder)
    outs = [*("--observations-list", folder / "k.json"), *("--profile", folder / "p.json")]
    outs += [*("--digests", folder / "d.parquet"), *("--metrics", folder / "m.json")]
    arguments = ("tabulate", archives[1], folder / "t.parquet", *outs)
    done = run_on_a_full_disk(max(0, sizes["t.parquet"] - short), VERB, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"automind-data: {folder / 't.parquet'}: cannot be written, the disk is full;"
        " next: make room and run it again.\n"
    )
    assert content(folder) == before
    assert run_on_a_full_disk(sizes["t.parquet"], VERB, *arguments).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("name", NAMES[:-1])
def test_a_disk_that_is_full_when_the_table_is_written(
    tmp_path: Path, archives: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = tabulated(archives[0], tmp_path)
    write = Path.write_text

    def to_a_full_disk(path: Path, text: str, **named: str) -> int:
        full = path.name.startswith(f".{name}.")
        return write(Path("/dev/full") if full else path, text, **named)

    monkeypatch.setattr(Path, "write_text", to_a_full_disk)
    if name == "d.parquet":
        monkeypatch.setattr(
            tables, "DigestFile", lambda _, columns: DigestFile(Path("/dev/full"), columns)
        )
    with pytest.raises(AutomindError, match=r"t\.parquet: cannot be written, the disk is full"):
        tabulated(archives[1], tmp_path)
    assert content(tmp_path) == before
