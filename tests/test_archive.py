"""Zips from strangers: what is refused, what is normalised, what survives a failure."""

from __future__ import annotations

import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automind_data.common.archive import (
    MANIFEST,
    MEMBER_KINDS,
    Limits,
    find_member,
    find_members,
    members,
    open_member,
    read_plan,
    unpack,
)
from automind_data.common.errors import AutomindError
from tests.builders import LAYOUTS, write_archive, write_zip
from tests.kills import run_on_a_full_disk

CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def one_entry(
    path: Path, name: str, mode: int = 0, method: int = zipfile.ZIP_STORED, data: bytes = b"x"
) -> Path:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/good.csv", b"good")
        archive.writestr(entry, data, method)
    return path


def patch(path: Path, change: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(change(path.read_bytes()))
    return path


def patch_last_entry(path: Path, offset: int, value: bytes) -> Path:
    """Change bytes of the last entry in the list of members."""

    def change(data: bytes) -> bytes:
        at = data.rindex(CENTRAL) + offset
        return data[:at] + value + data[at + len(value) :]

    return patch(path, change)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../evil.csv", "leaves its folder"),
        ("a/../../evil.csv", "leaves its folder"),
        ("a/..", "leaves its folder"),
        ("/etc/evil.csv", "absolute path"),
        ("C:/evil.csv", "absolute path"),
        ("C:evil.csv", "absolute path"),
        ("a\\..\\evil.csv", "backslash"),
        ("a/ev\nil.csv", "control character"),
        ("a/ev\x1bil.csv", "control character"),
        ("a//evil.csv", "empty part"),
        ("a/./evil.csv", "empty part"),
        ("__MACOSX/../../evil.csv", "leaves its folder"),
    ],
)
def test_a_name_that_leads_elsewhere_refuses_the_archive(
    tmp_path: Path, name: str, rule: str
) -> None:
    path = one_entry(tmp_path / "a.zip", name)
    (violation,) = read_plan(path).violations
    assert rule in violation
    assert repr(name)[1:-1] in violation
    target = tmp_path / "inner" / "a"
    with pytest.raises(AutomindError, match="is refused"):
        list(unpack(path, target))
    assert tree(tmp_path) == {"a.zip": path.read_bytes()}


def test_a_nul_in_a_name_refuses_the_archive(tmp_path: Path) -> None:
    path = one_entry(tmp_path / "a.zip", "a/good.csvXX/evil.csv")
    patch(path, lambda data: data.replace(b"csvXX", b"csv\0X"))
    assert any("control character" in violation for violation in read_plan(path).violations)


@pytest.mark.parametrize(
    ("mode", "rule"),
    [
        (stat.S_IFLNK | 0o777, "is a link"),
        (stat.S_IFIFO | 0o644, "no regular file"),
        (stat.S_IFCHR | 0o644, "no regular file"),
        (stat.S_IFDIR | 0o755, "no regular file"),
    ],
)
def test_a_member_that_is_no_file_refuses_the_archive(tmp_path: Path, mode: int, rule: str) -> None:
    path = one_entry(tmp_path / "a.zip", "a/odd.csv", mode)
    (violation,) = read_plan(path).violations
    assert rule in violation


def test_regular_modes_and_folders_are_fine(tmp_path: Path) -> None:
    path = one_entry(tmp_path / "a.zip", "a/sub/", stat.S_IFDIR | 0o755, data=b"")
    assert members(path) == ["a/good.csv"]
    path = one_entry(tmp_path / "a.zip", "a/odd.csv", stat.S_IFREG | 0o644)
    assert members(path) == ["a/good.csv", "a/odd.csv"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a/x.csv", "a/X.csv"),
        ("a/stra\u00dfe.csv", "a/STRASSE.csv"),
        ("a/caf\u00e9.csv", unicodedata.normalize("NFD", "a/caf\u00e9.csv")),
        ("a/data/x.csv", "a/Data/y.csv"),
    ],
)
def test_names_that_become_one_refuse_the_archive(tmp_path: Path, first: str, second: str) -> None:
    path = write_zip(tmp_path / "a.zip", {first: b"1", second: b"2"})
    violations = read_plan(path).violations
    assert violations
    assert all("one name where case or accents do not count" in text for text in violations)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_refuses_the_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/x.csv", b"1")
        archive.writestr("a/x.csv", b"2")
    assert read_plan(tmp_path / "a.zip").violations == ("'a/x.csv' is there 2 times",)


def test_a_name_that_comes_twice_by_normalising_refuses_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x.csv": b"1", "x.csv": b"2"})
    assert read_plan(path).violations == ("'a/x.csv' is there 2 times",)


def test_a_file_that_is_also_a_folder_refuses_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"1", "a/x/y": b"2"})
    assert read_plan(path).violations == ("'a/x' is both a file and a folder",)


def test_limits_refuse_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {f"a/{n}.csv": b"12345" for n in range(4)})
    assert not read_plan(path, Limits(4, 20)).violations
    assert read_plan(path, Limits(3, 20)).violations == (
        "it has 4 members, more than the limit of 3",
    )
    assert read_plan(path, Limits(4, 19)).violations == (
        "it unpacks to 20 bytes, more than the limit of 19",
    )


@pytest.mark.parametrize("keep", [0, 10, 60, -1, -30])
def test_what_is_cut_off_or_no_zip_is_refused(tmp_path: Path, keep: int) -> None:
    whole = write_archive(tmp_path / "whole.zip", batch_seed=5, n_pcs=2, rows=2).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:keep])
    with pytest.raises(AutomindError, match="cut off or is not a zip; next: get the archive"):
        members(tmp_path / "a.zip")


@pytest.mark.parametrize("comment", [b"", b"made by hand"])
def test_a_comment_is_fine(tmp_path: Path, comment: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a/x", b"1")
        archive.comment = comment
    assert members(tmp_path / "a.zip") == ["a/x"]


def test_an_archive_without_files_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/": b"", "__MACOSX/a/._x": b"1"})
    assert read_plan(path).violations == ("it holds no file",)


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match=r"a\.zip: is not there"):
        members(tmp_path / "a.zip")


def test_one_sentence_names_twenty_violations_and_every_rule(tmp_path: Path) -> None:
    names = [f"../{n}.csv" for n in range(30)]
    path = write_zip(tmp_path / "a.zip", dict.fromkeys((*names, "/etc/x", "a\\b"), b"1"))
    with pytest.raises(AutomindError) as caught:
        members(path)
    said = str(caught.value)
    assert [name in said for name in names] == [True] * 18 + [False] * 12
    assert "'/etc/x' has an absolute path" in said
    assert "has a backslash in its path" in said
    assert "and 12 more, which `automind-data unpack --plan` lists" in said
    assert len(read_plan(path).violations) == 32
    assert "\n" not in said


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_published_one(tmp_path: Path, layout: str) -> None:
    published = write_archive(tmp_path / "p" / "training.zip", batch_seed=7, n_pcs=2, rows=2)
    path = write_archive(tmp_path / "training.zip", batch_seed=7, n_pcs=2, rows=2, layout=layout)
    folder = "training/data" if layout == "run folder" else "training"
    wanted = [path.replace("training", folder, 1) for path in members(published)]
    assert [name for name in members(path) if ".hydra" not in name] == wanted
    list(unpack(path, tmp_path / "out" / "training"))
    assert sorted(f"training/{name}" for name in tree(tmp_path / "out" / "training")) == sorted(
        members(path)
    )
    for kind in ("table", "prior"):
        assert find_member(path, MEMBER_KINDS[kind]) in wanted


def test_a_readme_beside_the_folder_goes_into_it(tmp_path: Path) -> None:
    for top in ("", "download/"):
        held = {f"{top}README.txt": b"1", f"{top}training/x.csv": b"2"}
        path = write_zip(tmp_path / "training.zip", held)
        assert members(path) == ["training/README.txt", "training/x.csv"]


def test_a_run_folder_without_a_top_folder_keeps_its_parts(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "training.zip", {"data/x.csv": b"1"})
    assert members(path) == ["training/data/x.csv"]


def test_what_systems_leave_behind_is_dropped_and_reported(tmp_path: Path) -> None:
    held = {
        "a/x.csv": b"1",
        "a/.DS_Store": b"2",
        "a/sub/Thumbs.db": b"3",
        "a/._x.csv": b"4",
        "__MACOSX/a/._x.csv": b"5",
        "__MACOSX/a/notes.txt": b"6",
    }
    plan = read_plan(write_zip(tmp_path / "a.zip", held))
    assert [member.path for member in plan.members] == ["a/x.csv"]
    assert plan.dropped == tuple(held)[1:]


def test_events_count_every_byte(tmp_path: Path) -> None:
    held = {"a/big": os.urandom(3 << 20), "a/empty": b"", "a/small": b"12"}
    path = write_zip(tmp_path / "a.zip", held)
    events = list(unpack(path, tmp_path / "out"))
    done = [event["done"] for event in events]
    assert done == sorted(set(done))
    assert {event["total"] for event in events} == {done[-1]} == {(3 << 20) + 2}
    assert [event["path"] for event in events][-1] == "a/small"
    assert tree(tmp_path / "out") == {name[2:]: data for name, data in held.items()}


def damaged(tmp_path: Path) -> Path:
    """An archive whose second member does not match its checksum."""
    path = one_entry(tmp_path / "a.zip", "a/odd.csv", data=b"twelve bytes")
    return patch(path, lambda data: data.replace(b"twelve bytes", b"twelve_bytes"))


def test_a_damaged_member_leaves_the_old_folder(tmp_path: Path) -> None:
    list(unpack(write_zip(tmp_path / "a.zip", {"a/odd.csv": b"old"}), tmp_path / "out"))
    with pytest.raises(AutomindError, match=r"member a/odd\.csv does not match its checksum"):
        list(unpack(damaged(tmp_path), tmp_path / "out"))
    assert tree(tmp_path / "out") == {"odd.csv": b"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


def test_a_damaged_member_is_found_while_reading(tmp_path: Path) -> None:
    with (
        open_member(damaged(tmp_path), "a/odd.csv") as stream,
        pytest.raises(AutomindError, match="does not match its checksum"),
    ):
        stream.read()


def test_stopping_halfway_leaves_the_old_folder(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"old"})
    list(unpack(path, tmp_path / "out"))
    write_zip(path, {"a/x": b"new", "a/y": b"new"})
    events = unpack(path, tmp_path / "out")
    next(events)
    events.close()
    assert tree(tmp_path / "out") == {"x": b"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


def test_a_folder_of_the_same_files_is_replaced(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"old"})
    list(unpack(path, tmp_path / "out"))
    (tmp_path / "out" / ".DS_Store").write_bytes(b"1")
    write_zip(path, {"a/x": b"new", "a/y": b"new"})
    list(unpack(path, tmp_path / "out"))
    assert tree(tmp_path / "out") == {"x": b"new", "y": b"new"}


def test_a_folder_with_files_of_somebody_else_is_kept(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"new"})
    mine = tmp_path / "out" / "sub" / "thesis.txt"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(AutomindError, match=r"not from .*a\.zip, as sub/thesis\.txt; next: move"):
        list(unpack(path, tmp_path / "out"))
    assert tree(tmp_path / "out") == {"sub/thesis.txt": b"mine"}


def test_a_file_in_place_of_the_folder_is_kept(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"new"})
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(AutomindError, match="is a file where a folder belongs"):
        list(unpack(path, tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"new"})
    (tmp_path / "disk" / "out").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "out")
    list(unpack(path, tmp_path / "out"))
    assert (tmp_path / "out").is_symlink()
    assert tree(tmp_path / "disk" / "out") == {"x": b"new"}


UNPACK = """
import sys
from automind_data.common.command import main
sys.argv = ["automind-data", "unpack", *sys.argv[1:]]
main()
"""


def test_a_full_disk_is_one_sentence_and_leaves_the_old_folder(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/x": b"old"})
    list(unpack(path, tmp_path / "out"))
    write_zip(path, {"a/w": b"1", "a/x": os.urandom(200_000)})
    done = run_on_a_full_disk(100_000, UNPACK, path, tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the disk is full after 1 of 200001 bytes; next: make room" in done.stderr
    assert tree(tmp_path / "out") == {"x": b"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


def test_a_member_is_read_as_it_is(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    path = write_zip(tmp_path / "a.zip", {"b/c/x": data, "b/c/y": b"1"})
    assert members(path) == ["a/c/x", "a/c/y"]
    with open_member(path, "a/c/x") as stream:
        assert stream.read(7) + stream.read() == data
    with pytest.raises(AutomindError, match="holds no 'b/c/x'"), open_member(path, "b/c/x"):
        pass


def test_one_member_of_a_kind_is_found_or_the_candidates_named(tmp_path: Path) -> None:
    held = {"a/sub/2_prior.pickle": b"", "a/1_prior.pickle": b"", "a/1_posterior.pickle": b""}
    path = write_zip(tmp_path / "a.zip", held)
    assert find_member(path, "*_posterior.pickle") == "a/1_posterior.pickle"
    assert find_members(path, "*_prior.pickle") == ["a/1_prior.pickle", "a/sub/2_prior.pickle"]
    with pytest.raises(AutomindError) as caught:
        find_member(path, "*_prior.pickle")
    assert "a/1_prior.pickle, a/sub/2_prior.pickle" in str(caught.value)
    with pytest.raises(AutomindError, match=r"holds no \*\.csv"):
        find_member(path, "*.csv")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(names=st.lists(st.text("a.A/\\:é\0~ ", min_size=1, max_size=9), min_size=1, max_size=4))
def test_nothing_is_ever_written_outside_the_folder(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    top = tmp_path_factory.mktemp("any")
    with zipfile.ZipFile(top / "a.zip", "w") as archive:
        for name in dict.fromkeys(names):
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            archive.writestr(entry, b"" if name.endswith("/") else b"1")
    before = (top / "a.zip").read_bytes()
    try:
        planned = members(top / "a.zip")
        list(unpack(top / "a.zip", top / "in" / "out"))
    except AutomindError:
        assert tree(top) == {"a.zip": before}
    else:
        written = {f"in/out/{path.removeprefix('a/')}": b"1" for path in planned}
        assert tree(top) == {"a.zip": before, **written}
