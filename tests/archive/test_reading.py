"""The bytes of members: right to the last one, or refused before it; sizes that wrapped at 4 GB."""

from __future__ import annotations

import io
import os
import random
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from automind_data.common.archive import (
    Limits,
    inflate,
    open_member,
    read_manifest,
    read_plan,
    records,
    unpack,
)
from automind_data.common.errors import AutomindError
from tests.zips import CENTRAL, DEFLATED, DEFLATED64, END, LOCAL, STORED, Part, build, pack, write

METHODS = (STORED, DEFLATED, DEFLATED64)
TEXT = "".join(f"{random.Random(n).random()!r}," for n in range(60_000)).encode()
PATH = "a/x.csv"


def read_all(path: Path, size: int) -> bytes:
    """What a reader in pieces of this size gets to see before the first failure."""
    seen = b""
    with open_member(path, PATH) as stream:
        try:
            while chunk := stream.read(size):
                seen += chunk
        except AutomindError as error:
            with pytest.raises(AutomindError):
                stream.read(1)
            return seen + b"!" + error.rule.encode()
    return seen


@pytest.fixture(params=["isal", "zlib"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the fast inflater, and as it is where that has no wheel."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    inflate.engine.cache_clear()
    assert inflate.engine().crc32.__module__.startswith(("isal", "_isal")) == (
        request.param == "isal"
    )
    yield request.param
    inflate.engine.cache_clear()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1000, 1 << 18, 1 << 24])
def test_a_member_is_read_whole(tmp_path: Path, engine: str, method: int, size: int) -> None:
    path = write(tmp_path / "a.zip", [Part("a/before"), Part(PATH, TEXT, method), Part("a/after")])
    assert read_all(path, size) == TEXT
    with open_member(path, PATH) as stream:
        buffer = bytearray(len(TEXT))
        assert stream.readinto(buffer) == len(TEXT)
        assert buffer == TEXT
    with open_member(path, PATH) as stream:
        assert io.TextIOWrapper(stream).readline() == TEXT.decode()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda data, _: (data, {"crc": 1}), "does not match its checksum"),
        (lambda data, m: (pack(TEXT[:-1], m), {}), "ends after"),
        (lambda data, m: (pack(TEXT + b"1", m), {}), "has more bytes than stated"),
        (lambda data, _: (data[:-1], {}), "is cut off"),
        (lambda data, _: (data + b"\0", {}), "has bytes after its end"),
        (lambda data, _: (data[: len(data) // 2] + b"\xff" * 400, {}), "is damaged"),
    ],
)
def test_a_member_that_is_not_what_it_says_never_comes_to_its_end(
    tmp_path: Path, engine: str, method: int, change, rule: str
) -> None:
    packed, said = change(pack(TEXT, method), method)
    said = {"packed": len(packed), "size": len(TEXT), "crc": zlib.crc32(TEXT), **said}
    if method == STORED:
        said["size"] = len(packed)
    part = Part(PATH, TEXT, method, packed=packed, central=said, local=said)
    path = write(tmp_path / "a.zip", [part])
    assert not read_plan(path).violations
    seen, _, found = read_all(path, 4096).partition(b"!")
    assert len(seen) < len(TEXT)
    assert TEXT.startswith(seen) or method == STORED or rule == "is damaged"
    expected = "does not match its checksum" if method == STORED else rule
    assert expected in found.decode() or rule == "is damaged"
    with pytest.raises(AutomindError, match=r"member a/x\.csv "):
        list(unpack(path, tmp_path / "out"))
    assert [each.name for each in tmp_path.iterdir()] == ["a.zip"]


def test_both_inflaters_give_the_same_for_any_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    data = TEXT[:300_000] + bytes(200_000)
    packed = pack(data, DEFLATED)
    for piece in (1, 7, 100, 4096):
        monkeypatch.setattr(inflate, "PIECE", piece * 50)
        cuts = sorted(rng.sample(range(1, len(packed)), 40))
        blocks = [packed[a:b] for a, b in zip([0, *cuts], [*cuts, len(packed)], strict=True)]
        assert b"".join(inflate.inflated(blocks, DEFLATED)) == data


def test_an_archive_that_changes_between_plan_and_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [Part(PATH, TEXT)])
    events = unpack(path, tmp_path / "out")
    plan = read_plan(path)
    os.utime(path, ns=(1, 1))
    from automind_data.common.archive.reading import open_archive

    with pytest.raises(AutomindError, match="was changed while it was read"), open_archive(plan):
        pass
    assert list(events)


def test_a_plan_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [Part(PATH)])
    os.utime(path, ns=(1, 1))
    first = read_plan(path)
    assert read_plan(path) == first
    write(path, [Part(PATH), Part("a/y")])
    assert len(read_plan(path).members) == 2


WRAPPED = "its sizes and places start anew at 4 GB, as in archives made on a Mac"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("descriptor", ["", "<4sLLL"])
def test_sizes_and_places_that_wrapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int, descriptor: str
) -> None:
    """As at 4 GB, with the numbers starting anew at 64 kB."""
    wrap = 1 << 16
    monkeypatch.setattr(records, "WRAP", wrap)
    held = {"a/y": b"small", PATH: TEXT[:700_000], "a/z": TEXT[:50_000], "a/q": TEXT[:300_000]}
    parts = [Part(name, data, method, descriptor=descriptor) for name, data in held.items()]
    path = write(tmp_path / "a.zip", parts, wrap=wrap)
    plan = read_plan(path)
    assert plan.violations == ()
    assert plan.warnings[0].startswith(WRAPPED)
    list(unpack(path, tmp_path / "out"))
    assert {f"a/{n[2:]}": (tmp_path / "out" / n[2:]).read_bytes() for n in held} == held
    manifest = read_manifest(tmp_path / "out")
    assert [file["size"] for file in manifest["files"]] == [len(data) for data in held.values()]
    assert manifest["warnings"] == list(plan.warnings)


def test_a_wrapped_member_is_proven_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "WRAP", 1 << 16)
    data = bytearray(build([Part(PATH, TEXT, DEFLATED), Part("a/z")], wrap=1 << 16))
    data[200_000] ^= 255
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(AutomindError, match=r"member a/x\.csv "):
        list(unpack(tmp_path / "a.zip", tmp_path / "out"))


def test_a_wrapped_size_that_only_reading_shows_keeps_to_the_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "WRAP", 1 << 16)
    data = bytes(5 << 16)
    path = write(tmp_path / "a.zip", [Part(PATH, data, DEFLATED)], wrap=1 << 16)
    assert read_plan(path, Limits(max_ratio=1100)).members[0].size == 1 << 16
    list(unpack(path, tmp_path / "out", Limits(max_ratio=1100)))
    assert (tmp_path / "out" / "x.csv").read_bytes() == data
    for limits in (Limits(max_ratio=300), Limits(max_ratio=1100, max_bytes=200_000)):
        with pytest.raises(AutomindError, match="has more bytes than"):
            list(unpack(path, tmp_path / "out", limits))


def test_a_true_archive_of_more_than_four_gigabytes(tmp_path: Path) -> None:
    """A stored member with a hole of 4 GB, as a Mac writes it: 32 bits of each number."""
    size = (4 << 30) + (1 << 20)
    head, last = b"first,row\n", Part("a/last.csv", TEXT[:1000])
    crc = zlib.crc32(head)
    zeros = bytes(1 << 20)
    left = size - len(head)
    crc = _crc_of_zeros(crc, left, zeros)
    name, end = b"a/big.csv", len(b"a/big.csv")
    path = tmp_path / "a.zip"
    descriptor = struct.pack("<4sLLL", b"PK\7\x08", crc, size % 2**32, size % 2**32)
    local = LOCAL.pack(b"PK\3\4", 20, 8, STORED, 0, 0x21, 0, 0, 0, end, 0) + name
    central = CENTRAL.pack(
        b"PK\1\2", 789, 20, 8, STORED, 0, 0x21, crc, size % 2**32, size % 2**32, end, *[0] * 6
    )
    rest = build([last])
    listed = rest.index(b"PK\1\2")
    stop = rest.index(b"PK\5\6")
    with path.open("wb") as file:
        file.write(local + head)
        file.seek(left, os.SEEK_CUR)
        file.write(descriptor)
        place = file.tell()
        file.write(rest[:listed])
        at = file.tell()
        second = bytearray(rest[listed:stop])
        second[42:46] = struct.pack("<L", place % 2**32)
        file.write(central + name + second)
        length = len(central) + end + len(second)
        file.write(END.pack(b"PK\5\6", 0, 0, 2, 2, length, at % 2**32, 0))
    plan = read_plan(path)
    assert plan.violations == ()
    assert plan.warnings[0].startswith(WRAPPED)
    assert [member.size for member in plan.members] == [size, 1000]
    with open_member(path, "a/last.csv") as stream:
        assert stream.read() == last.data
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open_member(path, "a/big.csv") as stream:
        assert stream.read(len(head)) == head
        buffer, done = bytearray(1 << 20), len(head)
        while length := stream.readinto(buffer):
            done += length
    assert done == size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def _crc_of_zeros(crc: int, length: int, zeros: bytes) -> int:
    crc32 = inflate.engine().crc32
    while length:
        step = min(length, len(zeros))
        crc = crc32(zeros[:step] if step < len(zeros) else zeros, crc)
        length -= step
    return crc


PEAK = """
import resource, sys
from automind_data.common.archive import Limits, open_member
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_member(sys.argv[1], "a/small", Limits(max_ratio=10**6)) as stream:
    stream.read()
before = peak()
with open_member(sys.argv[1], "a/x.csv", Limits(max_ratio=10**6)) as stream:
    while stream.read(1 << 20):
        pass
print(peak() - before)
"""


@pytest.mark.parametrize("method", [DEFLATED, DEFLATED64])
def test_memory_stays_flat_while_a_large_member_is_read(tmp_path: Path, method: int) -> None:
    noise = random.Random(0).randbytes(60 << 20) if method == DEFLATED64 else b""
    parts = [Part("a/small", TEXT, method), Part(PATH, noise + bytes(150 << 20), method)]
    path = write(tmp_path / "a.zip", parts)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 45_000
