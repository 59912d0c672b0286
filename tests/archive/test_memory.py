"""Small archives whose list of members would take gigabytes are refused in little memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zips import CENTRAL, END, LOCAL, Part, build

PEAK = """
import resource, sys
from automind_data.common.archive import read_plan
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
violations = read_plan(sys.argv[1]).violations
print(peak() - before, len(violations), violations[0])
"""


def listing(names: list[bytes], first: bytes, stated: int | None = None) -> bytes:
    """An archive whose list of members names one member again and again."""
    local = LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, 0x21, 0, 0, 0, len(first), 0) + first
    listed = b"".join(
        CENTRAL.pack(b"PK\1\2", 0x031E, 20, 0, 0, 0, 0x21, 0, 0, 0, len(name), *[0] * 6) + name
        for name in names
    )
    count = len(names) if stated is None else stated
    return local + listed + END.pack(b"PK\5\6", 0, 0, count, count, len(listed), len(local), 0)


def one_header() -> bytes:
    return listing([b"%05d" % number for number in range(20_000)], b"n" * 60_000)


def one_long_path() -> bytes:
    return build([Part("aa/" * 21_000 + "x", b"")])


def long_paths() -> bytes:
    return build([Part(f"{number}/" + "aa/" * 21_000 + "x", b"") for number in range(200)])


def deep_folders() -> bytes:
    return build([Part(f"{number}/" + "a/" * 90 + "x", b"") for number in range(20_000)])


def many_members() -> bytes:
    return listing([b"x"] * 540_000, b"x", stated=1)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (one_header, "'00000' contradicts its header, which has the name 'nnnnn"),
        (one_long_path, "has a path of more than 1024 bytes"),
        (long_paths, "has a path of more than 1024 bytes"),
        (deep_folders, "it has more folders than the limit of 100000"),
        (many_members, "it has more members than the limit of 100000"),
    ],
)
def test_a_plan_takes_little_memory(tmp_path: Path, make: Callable[[], bytes], rule: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
    )
    peak, _, said = done.stdout.split(" ", 2)
    assert rule in said
    assert int(peak) < 120_000
