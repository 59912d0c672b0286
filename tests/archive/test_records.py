"""Records of a zip that contradict one another, and those that are only unusual."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from automind_data.common.archive import Limits, open_member, read_plan, unpack
from automind_data.common.errors import AutomindError
from tests.zips import DEFLATED, DEFLATED64, LOCAL, MAX32, STORED, Part, build, write

DATA = b"hello world, " * 50
GOOD = Part("a/good.csv", DATA, DEFLATED)
LAST = Part("a/last.csv", b"twelve bytes")
DESCRIPTORS = ("<4sLLL", "<4sLQQ", "<LLL", "<LQQ")
FIRST = LOCAL.size + len("a/last.csv") + len(LAST.data)


def content(path: Path) -> dict[str, bytes]:
    held = {}
    for member in read_plan(path).require().members:
        with open_member(path, member.path) as stream:
            held[member.path] = stream.read()
    return held


def refused(tmp_path: Path, data: bytes) -> tuple[str, ...]:
    """The violations; nothing of the archive is written."""
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    violations = read_plan(path).violations
    with pytest.raises(AutomindError, match="is refused: ") as caught:
        list(unpack(path, tmp_path / "out"))
    assert all(said in str(caught.value) for said in violations)
    assert [each.name for each in tmp_path.iterdir()] == ["a.zip"]
    return violations


@pytest.mark.parametrize("method", [STORED, DEFLATED, DEFLATED64])
@pytest.mark.parametrize("descriptor", ["", *DESCRIPTORS])
@pytest.mark.parametrize("wide", [False, True])
def test_every_honest_form_is_read(
    tmp_path: Path, method: int, descriptor: str, wide: bool
) -> None:
    held = {"a/x": DATA, "a/empty": b"", "a/y": bytes(range(256)) * 9}
    parts = [
        Part(name, data, method, descriptor=descriptor, wide=wide) for name, data in held.items()
    ]
    path = write(tmp_path / "a.zip", parts, wide=wide)
    assert not read_plan(path).warnings
    assert content(path) == held
    list(unpack(path, tmp_path / "out"))
    assert {f"a/{n}": (tmp_path / "out" / n).read_bytes() for n in ("x", "empty", "y")} == held


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ({"name": b"a/evil.csv"}, "contradicts its header, which has the name 'a/evil.csv'"),
        ({"method": DEFLATED}, "compression 8 where the list of members has 0"),
        ({"flags": 0x1}, "flags 0x0001 where the list of members has 0x0000"),
        ({"flags": 0x8}, "flags 0x0008 where the list of members has 0x0000"),
        ({"size": 13}, "size 13 where the list of members has 12"),
        ({"packed": 13}, "packed size 13 where the list of members has 12"),
        ({"crc": 7}, "checksum 7 where the list of members has"),
    ],
)
def test_a_header_that_contradicts_the_list_of_members(
    tmp_path: Path, said: dict[str, Any], rule: str
) -> None:
    (violation,) = refused(tmp_path, build([GOOD, Part(LAST.name, LAST.data, local=said)]))
    assert violation.startswith("'a/last.csv' contradicts its header")
    assert rule in violation


def test_a_long_name_in_a_header_is_cut_in_the_sentence(tmp_path: Path) -> None:
    (violation,) = refused(
        tmp_path, build([Part(LAST.name, LAST.data, local={"name": b"x" * 5000})])
    )
    assert len(violation) < 200


def test_the_header_of_nothing(tmp_path: Path) -> None:
    moved = Part(LAST.name, LAST.data, central={"offset": 3})
    assert refused(tmp_path, build([GOOD, moved])) == (
        "'a/last.csv' has no header where the list of members says",
    )


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_an_encrypted_member(tmp_path: Path, flag: int) -> None:
    assert refused(tmp_path, build([GOOD, Part(LAST.name, flags=flag)])) == (
        "'a/last.csv' is encrypted",
    )


@pytest.mark.parametrize(
    ("method", "name"), [(12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (77, "method 77")]
)
def test_an_unsupported_compression(tmp_path: Path, method: int, name: str) -> None:
    assert refused(tmp_path, build([GOOD, Part(LAST.name, method=method)])) == (
        f"'a/last.csv' is compressed with {name}, which is not supported",
    )


def test_a_folder_with_content(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD, Part("a/sub/", b"123456789")])) == (
        "'a/sub/' is a folder with content",
    )


def test_a_file_that_is_an_empty_folder_too(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD, Part("a/x"), Part("a/x/", b"")])) == (
        "'a/x' is both a file and a folder",
    )


def test_a_name_that_says_utf8_and_is_not(tmp_path: Path) -> None:
    (violation,) = refused(tmp_path, build([GOOD, Part(b"a/caf\xe9", flags=0x800)]))
    assert violation == "'a/caf\\udce9' has a name that is not UTF-8 although it says so"


def test_names_from_a_mac_and_from_dos_are_read(tmp_path: Path) -> None:
    parts = [Part("a/café.csv".encode()), Part(b"a/\x82t\x82.csv")]
    path = write(tmp_path / "a.zip", parts)
    assert [member.path for member in read_plan(path).members] == ["a/café.csv", "a/été.csv"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("a/" + "x" * 256, "has 256 bytes in one part of its path, more than 255"),
        ("a/" + "é" * 128, "has 256 bytes in one part of its path, more than 255"),
        ("a/" + "d/" * 520 + "x", "has a path of more than 1024 bytes"),
        ("a/" + "d/" * 32_000 + "x", "has a path of more than 1024 bytes"),
        ("a/\u202egnp.exe", "has a control character in its path"),
        ("a/x\u2028y", "has a control character in its path"),
    ],
)
def test_a_name_that_no_disk_or_reader_takes(tmp_path: Path, name: str, rule: str) -> None:
    (violation,) = refused(tmp_path, build([GOOD, Part(name)]))
    assert violation.endswith(rule)


def test_a_manifest_in_the_archive_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [GOOD, Part("a/.manifest.json"), Part("a/b/.manifest.json")])
    plan = read_plan(path)
    assert plan.dropped == ("a/.manifest.json",)
    assert [member.path for member in plan.members] == ["a/good.csv", "a/b/.manifest.json"]


def test_what_windows_leaves_behind_is_left_out_however_it_is_spelled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [GOOD, Part("a/Desktop.ini"), Part("a/thumbs.DB")])
    assert read_plan(path).dropped == ("a/Desktop.ini", "a/thumbs.DB")


def test_more_packed_bytes_than_a_stored_member_has(tmp_path: Path) -> None:
    said = {"size": 9}
    (violation,) = refused(
        tmp_path, build([GOOD, Part(LAST.name, LAST.data, central=said, local=said)])
    )
    assert violation == "'a/last.csv' is stored in 12 bytes where it says that it has 9"


def test_members_that_share_bytes(tmp_path: Path) -> None:
    again = Part(LAST.name, LAST.data, central={"offset": 0})
    violations = refused(tmp_path, build([LAST, Part("a/x"), again]))
    assert "'a/last.csv' overlaps 'a/last.csv'" in violations


def test_one_member_inside_another(tmp_path: Path) -> None:
    inner = build([Part("a/inner", b"1")])[: LOCAL.size + 7 + 1]
    outer = Part("a/outer", inner)
    place = LOCAL.size + len("a/outer")
    violations = refused(tmp_path, build([outer, Part("a/inner", b"1", central={"offset": place})]))
    assert "'a/inner' overlaps 'a/outer'" in violations


def test_a_member_that_runs_into_the_list_of_members(tmp_path: Path) -> None:
    said = {"size": 500, "packed": 500}
    assert refused(tmp_path, build([GOOD, Part(LAST.name, central=said, local=said)])) == (
        "'a/last.csv' runs beyond the members' part of the archive",
    )


def test_bytes_before_the_start(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD, LAST], before=b"MZ" * 9)) == (
        "it has 18 bytes before its start",
    )


def test_bytes_before_the_first_member(tmp_path: Path) -> None:
    first = Part(LAST.name, LAST.data, before=b"#!/bin/sh\n")
    assert refused(tmp_path, build([first, GOOD])) == ("it has 10 bytes before its first member",)


def test_two_archives_one_after_the_other(tmp_path: Path) -> None:
    whole = build([GOOD])
    assert refused(tmp_path, whole + build([LAST])) == (
        f"it has {len(whole)} bytes before its start",
    )


@pytest.mark.parametrize("wide", [False, True])
def test_bytes_after_the_end(tmp_path: Path, wide: bool) -> None:
    assert refused(tmp_path, build([GOOD, LAST], behind=b"\0" * 7, wide=wide)) == (
        "it has 7 bytes after its end",
    )


def test_so_many_bytes_after_the_end_that_there_is_none(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD], behind=b"\0" * 70_000)) == (
        "it is cut off or is not a zip",
    )


def test_an_end_record_in_the_comment(tmp_path: Path) -> None:
    empty = build([])
    assert refused(tmp_path, build([GOOD], comment=empty)) == ("it has several end records",)


def test_an_older_list_of_members_among_the_members(tmp_path: Path) -> None:
    """What some tools leave when they add to an archive."""
    older = build([LAST])[FIRST:]
    (violation,) = refused(tmp_path, build([LAST, Part("a/x", before=older), GOOD]))
    assert violation == (
        f"it has several end records (bytes {FIRST} to {FIRST + len(older)} belong to no member"
        " and hold one)"
    )


def test_a_member_that_is_not_listed(tmp_path: Path) -> None:
    hidden = build([Part("a/hidden")])[: LOCAL.size + 8 + 1]
    for data in (build([LAST, Part("a/x", before=hidden)]), build([LAST], between=hidden)):
        (violation,) = refused(tmp_path, data)
        assert violation.endswith("belong to no member and hold records of a zip")


def test_bytes_of_nobody_are_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [LAST, Part("a/x", before=b"\0" * 40)])
    plan = read_plan(path)
    assert plan.violations == ()
    assert plan.warnings == (f"bytes {FIRST} to {FIRST + 40} belong to no member",)


def test_a_nested_archive_is_content(tmp_path: Path) -> None:
    inner = build([GOOD, LAST])
    path = write(tmp_path / "a.zip", [GOOD, Part("a/inner.zip", inner)])
    assert content(path)["a/inner.zip"] == inner


def test_an_archive_cut_off_behind_a_nested_one(tmp_path: Path) -> None:
    inner = build([GOOD])
    data = build([LAST, Part("a/inner.zip", inner)])
    violations = refused(tmp_path, data[: data.index(inner) + len(inner)])
    assert "bytes before its start" in violations[0]


def test_fewer_members_than_stated(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD], end={"stated": 3, "here": 3})) == (
        "it lists 1 members where it says that there are 3",
    )


@pytest.mark.parametrize("said", [{"disk": 1}, {"here": 1}])
def test_a_part_of_an_archive_on_several_disks(tmp_path: Path, said: dict[str, int]) -> None:
    assert "it is one part of several" in refused(tmp_path, build([GOOD, LAST], end=said))


def test_a_list_of_members_that_is_elsewhere(tmp_path: Path) -> None:
    (violation,) = refused(tmp_path, build([GOOD], end={"offset": 10**6}))
    assert violation == "its list of members is not where its end record says"


def test_a_list_of_members_that_does_not_reach_the_end(tmp_path: Path) -> None:
    whole = build([GOOD, LAST])
    length = struct.unpack_from("<L", whole, len(whole) - 10)[0]
    first = length - len("a/last.csv") - 46
    said = {"length": first, "stated": 1, "here": 1}
    assert refused(tmp_path, build([GOOD, LAST], end=said))[0] == (
        "its list of members does not end where its end record begins"
    )


@pytest.mark.parametrize("at", [0, 46 + 10])
def test_a_damaged_list_of_members(tmp_path: Path, at: int) -> None:
    data = bytearray(build([GOOD, LAST]))
    place = data.index(b"PK\1\2") + at
    data[place] ^= 1
    assert refused(tmp_path, bytes(data)) == (f"its list of members is damaged after {at} bytes",)


@pytest.mark.parametrize(
    ("at", "value", "rule"),
    [
        (4, struct.pack("<Q", 50), "its Zip64 end record does not end where the next record"),
        (0, b"XX", "its Zip64 end record is not where it should be"),
        (16, struct.pack("<L", 1), "it is one part of several"),
        (24, struct.pack("<QQ", 3, 3), "it lists 2 members where it says that there are 3"),
        (40, struct.pack("<Q", 10**12), "it is cut off or is not a zip"),
        (40, struct.pack("<Q", 2**64 - 1), "it is cut off or is not a zip"),
        (48, struct.pack("<Q", 2**63), "its list of members is not where its end record says"),
        (56 + 4, struct.pack("<L", 1), "it is one part of several"),
        (56 + 16, struct.pack("<L", 2), "it is one part of several"),
    ],
)
def test_a_zip64_end_that_contradicts(tmp_path: Path, at: int, value: bytes, rule: str) -> None:
    def change(record: bytes) -> bytes:
        return record[:at] + value + record[at + len(value) :]

    assert rule in " ".join(refused(tmp_path, build([GOOD, LAST], wide=True, locator=change)))


def test_two_ends_that_contradict_one_another(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD, LAST], wide=True, end={"stated": 1})) == (
        "its two end records contradict one another",
    )


def test_a_locator_that_points_elsewhere_is_bytes_before_the_start(tmp_path: Path) -> None:
    assert refused(tmp_path, build([GOOD], wide=True, before=b"\0" * 9)) == (
        "it has 9 bytes before its start",
    )


def test_a_bomb_of_one_member(tmp_path: Path) -> None:
    data = bytes(3 << 20)
    path = write(tmp_path / "a.zip", [Part("a/x", data, DEFLATED)])
    packed = read_plan(path).members[0].packed
    first, _whole = refused(tmp_path, path.read_bytes())
    assert first == (
        f"'a/x' unpacks to 3145728 bytes from {packed}, more than the limit of 200 times as many"
    )
    assert not read_plan(path, Limits(max_ratio=1100)).violations


def test_a_bomb_of_many_small_members(tmp_path: Path) -> None:
    parts = [Part(f"a/{n}", bytes(1 << 20), DEFLATED) for n in range(9)]
    (violation,) = refused(tmp_path, build(parts))
    size = (tmp_path / "a.zip").stat().st_size
    assert violation == (
        f"it unpacks to 9437184 bytes from {size}, more than the limit of 200 times as many"
    )


def test_a_list_of_members_longer_than_its_limit(tmp_path: Path) -> None:
    parts = [Part(f"a/{n}" + "x" * 65_000) for n in range(20)]
    path = write(tmp_path / "a.zip", parts)
    (violation,) = read_plan(path, Limits(max_members=100)).violations
    assert violation.startswith("its list of members takes 1300")
    assert violation.endswith("more than 1074176")


def test_more_members_than_stated_and_allowed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.zip", [Part(f"a/{n}") for n in range(5)], end={"stated": 1, "here": 1}
    )
    assert read_plan(path, Limits(max_members=4)).violations == (
        "it has more members than the limit of 4",
    )


def test_more_folders_than_members_are_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [Part("a/b/c/d/e"), Part("a/b/f")])
    assert read_plan(path, Limits(max_members=4)).violations == ()
    assert read_plan(path, Limits(max_members=3)).violations == (
        "it has more folders than the limit of 3",
    )


def test_a_count_that_starts_anew_at_two_to_the_sixteen_is_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [Part(f"a/{n}", b"") for n in range(65_540)])
    plan = read_plan(path)
    assert plan.violations == ()
    assert plan.warnings == ("it lists 65540 members where it says that there are 4",)


def test_all_violations_are_said_at_once(tmp_path: Path) -> None:
    parts = [
        Part("../evil", mode=0o120777),
        Part("/abs", method=14),
        Part("a\\b", flags=1),
        Part("a/x"),
        Part("a/X"),
        Part("a/z", local={"name": b"q"}),
    ]
    said = " | ".join(refused(tmp_path, build(parts, behind=b"!")))
    for rule in (
        "'../evil' leaves its folder (..)",
        "'../evil' is a link",
        "'/abs' has an absolute path",
        "'/abs' is compressed with LZMA",
        "has a backslash",
        "is encrypted",
        "one name where case or accents do not count",
        "contradicts its header",
        "1 bytes after its end",
    ):
        assert rule in said


def test_a_zip64_size_without_its_field_is_a_size(tmp_path: Path) -> None:
    said = {"size": MAX32, "packed": MAX32}
    (violation, *_) = refused(tmp_path, build([Part("a/x", central=said, local=said)]))
    assert violation == "'a/x' runs beyond the members' part of the archive"
