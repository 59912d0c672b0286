"""Killed at any moment: the old folder or the new one, and the next run leaves no litter."""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from pathlib import Path

import pytest

from automind_data.common import files, leftovers
from automind_data.common.archive import read_manifest, unpack
from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder, atomic_path, write_text
from tests.kills import KILLS, content, kill_at_random, run_on_a_full_disk, run_until_killed
from tests.zips import DEFLATED, Part, write

START = """
import itertools, sys
from automind_data.common.archive import unpack
from automind_data.common import files
if sys.argv[4] == "renames":
    files.exchange = lambda one, other: False
paths = itertools.cycle(sys.argv[1:3])
"""
UNPACK = "list(unpack(next(paths), sys.argv[3]))"
KILLED_AT = """
import sys
from pathlib import Path
from automind_data.common import files
from automind_data.common.archive import unpack
place = sys.argv[3]
if place.startswith("replace"):
    files.exchange = lambda one, other: False
    Path.replace = killing(Path.replace, int(place[-1]))
elif place == "remove":
    files.shutil.rmtree = kill
elif place == "exchange":
    files.exchange = kill
for _ in unpack(sys.argv[1], sys.argv[2]):
    pass
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two archives `a` with other files: some small, one of 3 MB."""
    top = tmp_path_factory.mktemp("archives")
    made = []
    for name in ("old", "new"):
        rng = random.Random(name)
        parts = [Part(f"a/{name}/{n}", rng.randbytes(2000)) for n in range(40)]
        parts.append(Part("a/x.csv", rng.randbytes(2000) * 1500, DEFLATED))
        made.append(write(top / name / "a.zip", parts))
    return made[0], made[1]


def unpacked(path: Path, folder: Path) -> dict[str, bytes]:
    list(unpack(path, folder))
    return content(folder)


@pytest.mark.parametrize("way", ["exchange", "renames"])
def test_kills_at_random_moments(tmp_path: Path, archives: tuple[Path, Path], way: str) -> None:
    whole = [unpacked(path, tmp_path / "made" / path.parent.name) for path in archives]
    rng, target = random.Random(way), tmp_path / "out" / "a"
    unpacked(archives[0], target)
    littered = 0
    for _ in range(KILLS):
        kill_at_random(rng, 0.12, START, UNPACK, *archives, target, way)
        littered += len(list(target.parent.iterdir())) > 1
        assert content(target) in whole or (way == "renames" and not target.exists())
        leftovers.clear(target)
        assert content(target) in whole
        assert [path.name for path in target.parent.iterdir()] == ["a"]
    assert littered
    assert unpacked(archives[1], target) == whole[1]


@pytest.mark.parametrize(
    ("place", "there"),
    [("exchange", "old"), ("remove", "new"), ("replace1", "old"), ("replace3", None)],
)
def test_a_kill_at_each_step_of_the_change(
    tmp_path: Path, archives: tuple[Path, Path], place: str, there: str | None
) -> None:
    old, new = archives
    target = tmp_path / "out" / "a"
    held = {"old": unpacked(old, target), "new": unpacked(new, tmp_path / "made")}
    run_until_killed(KILLED_AT, new, target, place)
    assert (content(target) if target.exists() else None) == held.get(there or "")
    assert len(list(target.parent.iterdir())) > 1 - target.exists()
    with pytest.raises(ZeroDivisionError), atomic_folder(target):
        assert content(target) == held[there or "old"]
        assert len(list(target.parent.iterdir())) == 2
        raise ZeroDivisionError
    assert unpacked(new, target) == held["new"]
    assert [path.name for path in target.parent.iterdir()] == ["a"]


def test_what_a_running_process_writes_is_left_alone(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a") as first, atomic_path(tmp_path / "b") as second:
        (first / "x").write_text("1")
        second.write_text("2")
        with atomic_folder(tmp_path / "a") as third:
            (third / "x").write_text("3")
        write_text(tmp_path / "b", "4")
        assert (first / "x").read_text() + second.read_text() == "12"
    assert content(tmp_path) == {"a/x": b"1", "b": b"2"}


def test_litter_of_other_targets_and_files_of_others_are_left_alone(tmp_path: Path) -> None:
    names = [".a.abcdefgh.part", ".a.b.abcdefgh.part", ".a.short.part", "a.part", ".a.abcdefgh.old"]
    for name in names:
        (tmp_path / name).write_text("1")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".a.abcdefg2.part").symlink_to(tmp_path / "elsewhere")
    write_text(tmp_path / "a", "2")
    assert {path.name for path in tmp_path.iterdir()} == {
        "a",
        "elsewhere",
        ".a.b.abcdefgh.part",
        ".a.short.part",
        "a.part",
        ".a.abcdefg2.part",
    }


def test_no_link_in_the_old_folder_is_followed(tmp_path: Path, archives: tuple[Path, Path]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    target = tmp_path / "a"
    target.mkdir()
    (target / "x.csv").symlink_to(outside / "mine")
    (target / "old").symlink_to(outside)
    with pytest.raises(AutomindError, match=r"holds files that are not from .*, as old; next"):
        list(unpack(archives[0], target))
    (target / "old").unlink()
    list(unpack(archives[0], target))
    assert content(outside) == {"mine": b"mine"}
    assert not (target / "x.csv").is_symlink()


def test_files_have_sane_modes_whatever_the_archive_says(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [Part("a/x", mode=0o104777), Part("a/b/y", mode=0o100000)])
    mask = os.umask(0o022)
    try:
        list(unpack(path, tmp_path / "out"))
    finally:
        os.umask(mask)
    modes = {each.name: oct(each.stat().st_mode & 0o7777) for each in (tmp_path / "out").rglob("*")}
    assert modes == {"x": "0o644", "y": "0o644", ".manifest.json": "0o644", "b": "0o755"}
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_the_manifest_says_what_is_there_and_is_the_same_each_time(tmp_path: Path) -> None:
    parts = [Part("a/x", b"1"), Part("a/b/y", b"22", DEFLATED), Part("a/.DS_Store")]
    path = write(tmp_path / "a.zip", parts)
    list(unpack(path, tmp_path / "one"))
    list(unpack(path, tmp_path / "two"))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert read_manifest(tmp_path / "one") == {
        "format": 1,
        "archive": "a",
        "files": [
            {
                "name": name,
                "size": len(data),
                "crc32": f"{zlib.crc32(data):08x}",
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for name, data in (("x", b"1"), ("b/y", b"22"))
        ],
        "left_out": ["a/.DS_Store"],
        "warnings": [],
    }


def test_a_folder_is_replaced_by_one_of_other_names_unless_somebody_changed_it(
    tmp_path: Path, archives: tuple[Path, Path]
) -> None:
    old, new = archives
    target = tmp_path / "a"
    list(unpack(old, target))
    (target / "old" / "7").write_text("my notes")
    with pytest.raises(AutomindError, match=r"not from .*, as old/7; next: move them away"):
        list(unpack(new, target))
    list(unpack(old, target))
    list(unpack(new, target))
    assert not (target / "old").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 1, "files": 3}', '{"files": [[]]}', "[" * 9]
)
def test_a_manifest_that_says_nothing_protects_everything(
    tmp_path: Path, archives: tuple[Path, Path], text: str
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".manifest.json").write_text(text)
    (tmp_path / "a" / "thesis").write_text("mine")
    with pytest.raises(AutomindError, match=r"as thesis"):
        list(unpack(archives[0], tmp_path / "a"))


WRITE = """
import sys
from automind_data.common.archive import unpack
for _ in unpack(sys.argv[1], sys.argv[2]):
    pass
"""


@pytest.mark.parametrize("limit", [1_000, 3_000, 2_000_000, 2_999_999])
def test_a_full_disk_in_a_small_file_a_large_one_and_the_manifest(
    tmp_path: Path, archives: tuple[Path, Path], limit: int
) -> None:
    target = tmp_path / "out" / "a"
    before = unpacked(archives[0], target)
    done = run_on_a_full_disk(limit, WRITE, archives[1], target)
    assert "the disk is full after" in done.stderr
    assert content(target) == before
    assert [path.name for path in target.parent.iterdir()] == ["a"]
    list(unpack(archives[1], target))


def test_an_exchange_puts_each_in_the_place_of_the_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    if files.exchange(tmp_path / "one", tmp_path / "two"):
        assert set(content(tmp_path)) == {"one/two", "two/one"}
    else:
        assert set(content(tmp_path)) == {"one/one", "two/two"}
    assert not files.exchange(tmp_path / "one", tmp_path / "none")
