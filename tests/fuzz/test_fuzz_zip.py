"""Mutated zips: refused in a sentence or unpacked as the plan says, within the limits, inside."""

from __future__ import annotations

import functools
import hashlib
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automind_data.common.archive import (
    MANIFEST,
    Limits,
    open_member,
    read_manifest,
    read_plan,
    records,
    unpack,
)
from automind_data.common.errors import AutomindError
from tests.fuzz import counted, fuzz, peak
from tests.zips import DEFLATED, DEFLATED64, STORED, Part, build, pack

SIZES = (0, 1, 1000, 199_999, 200_001, 1_000_000, 1_999_999, 2_000_001, 6_000_000)
LIMITS = Limits(max_members=50, max_bytes=2_000_000)
MEMORY = 60_000
TEXT = "".join(f"{n * 0.37!r},{n}\n" for n in range(3000)).encode()
RECORDS = {
    b"PK\1\2": 46,
    b"PK\3\4": 30,
    b"PK\5\6": 22,
    b"PK\6\6": 56,
    b"PK\6\7": 20,
    b"PK\7\x08": 16,
}
NAMES = (b"../x", b"/x", b"a\\x", b"a/X", b"a/x/y", b"\0", b"a/../../x", b"C:x", b"__MACOSX/x", b"")
NUMBERS = (0, 1, 2, 8, 9, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 2**31, 2**32 - 2, 2**32 - 1)


def seeds() -> list[bytes]:
    """Archives of every form."""
    made = []
    for method in (STORED, DEFLATED, DEFLATED64):
        for wide in (False, True):
            for descriptor in ("", "<4sLLL", "<LQQ"):
                parts = [
                    Part("a/", b"", mode=0o40755),
                    Part("a/x", TEXT[:900], method, descriptor=descriptor, wide=wide),
                    Part("a/d/y", TEXT, method, 0o100644, descriptor=descriptor, wide=wide),
                    Part("a/empty", b""),
                    Part("__MACOSX/a/._x", b"1"),
                ]
                made.append(build(parts, wide=wide, comment=b"by hand" if wide else b""))
    made.append(build([Part("a/x", bytes(100_000), DEFLATED), Part("a/z", made[3])]))
    made.append(build([Part("a/x", TEXT, DEFLATED, descriptor="<4sLLL")] * 1, wrap=1 << 12))
    return made


SEEDS = seeds()


def places_of(data: bytes, signature: bytes) -> list[int]:
    found, at = [], data.find(signature)
    while at >= 0:
        found.append(at)
        at = data.find(signature, at + 1)
    return found


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A seed with up to five changes."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 5))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(("flip", "cut", "field", "field", "field", "name", "splice"))):
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                stop = draw(st.integers(at, len(data)))
                del data[at:stop]
            case "field":
                kind = draw(st.sampled_from(sorted(RECORDS)))
                if found := places_of(bytes(data), kind):
                    place = draw(st.sampled_from(found)) + 2 * draw(
                        st.integers(2, RECORDS[kind] // 2 - 1)
                    )
                    form = draw(st.sampled_from(("<H", "<L", "<Q")))
                    number = draw(st.sampled_from(NUMBERS) | st.integers(0, len(data) + 9))
                    raw = struct.pack(form, number % 256 ** struct.calcsize(form))
                    data[place : place + len(raw)] = raw
            case "name":
                old = draw(st.sampled_from((b"a/x", b"a/d/y", b"a/empty")))
                new = draw(st.sampled_from(NAMES) | st.binary(max_size=8))
                count = draw(st.integers(1, 2))
                data = bytearray(
                    bytes(data).replace(old, new.ljust(len(old), b"/")[: len(old)], count)
                )
            case "splice":
                other = draw(st.sampled_from(SEEDS))
                start = draw(st.sampled_from(places_of(other, b"PK")))
                data[at:at] = other[start : start + draw(st.integers(0, 300))]
    return bytes(data)


@functools.cache
def zeros(size: int, method: int) -> bytes:
    """So many noughts, packed."""
    return pack(bytes(size), method)


@st.composite
def bombs(draw: st.DrawFn) -> bytes:
    """Members whose packed bytes say something else than their sizes."""
    method = draw(st.sampled_from((DEFLATED, DEFLATED64)))
    size = draw(st.sampled_from(SIZES))
    said = {"size": draw(st.sampled_from((size, 0, 1, 200_000, 2**32 - 1)))}
    if draw(st.booleans()):
        said["crc"] = zlib.crc32(b"")
    packed = zeros(size, method)
    return build([Part("a/x", bytes(size), method, packed=packed, central=said, local=said)])


def hold(top: Path, data: bytes) -> str:
    """Unpack an archive and look at all that came of it; return what that was."""
    work = Path(tempfile.mkdtemp(dir=top))
    path, out = work / "a.zip", work / "in" / "out"
    path.write_bytes(data)
    written = most = 0
    before = peak()
    try:
        try:
            plan = read_plan(path, LIMITS)
            for event in unpack(path, out, LIMITS):
                written = event["done"]
                most = max(most, written)
        except AutomindError as error:
            assert "\n" not in str(error)
            assert most <= LIMITS.max_bytes
            assert {each.name for each in work.rglob("*")} <= {"a.zip", "in"}
            return "refused"
        assert not plan.violations
        files = {file["name"]: file for file in read_manifest(out)["files"]}
        there = {p.relative_to(work).as_posix() for p in work.rglob("*") if not p.is_dir()}
        assert there == {"a.zip", f"in/out/{MANIFEST}", *(f"in/out/{name}" for name in files)}
        assert set(files) == {member.path.partition("/")[2] for member in plan.members}
        assert sum(file["size"] for file in files.values()) == written <= LIMITS.max_bytes
        for member in plan.members:
            name = member.path.partition("/")[2]
            with open_member(path, member.path, LIMITS) as stream:
                content = stream.read()
            file = files[name]
            assert content == (out / name).read_bytes()
            assert len(content) == file["size"]
            assert not member.exact or len(content) == member.size
            assert f"{zlib.crc32(content):08x}" == file["crc32"] == f"{member.crc32:08x}"
            assert hashlib.sha256(content).hexdigest() == file["sha256"]
            assert not (out / name).is_symlink()
        return "unpacked"
    finally:
        shutil.rmtree(work)
        assert peak() - before < MEMORY


@fuzz
@given(data=mutated())
def test_mutated_zips(tmp_path: Path, data: bytes) -> None:
    counted("zips", hold(tmp_path, data))


@fuzz
@given(data=mutated())
def test_mutated_zips_whose_numbers_wrap_early(tmp_path: Path, data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "WRAP", 1 << 12)
        counted("zips that wrap", hold(tmp_path, data))


@fuzz
@given(data=bombs())
def test_zips_that_lie_about_sizes(tmp_path: Path, data: bytes) -> None:
    counted("zips that lie", hold(tmp_path, data))


@fuzz
@given(data=st.binary(max_size=400))
def test_bytes_behind_an_end(tmp_path: Path, data: bytes) -> None:
    for whole in (data, data + build([]), data + build([])[:12] + data):
        counted("files of noise", hold(tmp_path, whole))


def test_the_seeds_are_read(tmp_path: Path) -> None:
    assert [hold(tmp_path, data) for data in SEEDS[:-1]].count("refused") == 0
