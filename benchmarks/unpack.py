"""Unpacking a text table of 400 MB: inflating, reading a member, and unpack against `unzip`.

    python benchmarks/unpack.py [--json FILE] [--rows N]

The rows have as many numbers as the published table, of made-up values. Each figure
stands beside what it is compared with, measured in the same run; memory is the peak of
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

ROWS, COLUMNS = 20_000, 1_090
REPEATS = 3
TIMED = """
import resource, sys, time
from pathlib import Path
zip_path, target = Path(sys.argv[1]), Path(sys.argv[2])
{prepare}
start, before = time.perf_counter(), time.process_time()
{work}
seconds = time.perf_counter() - start
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
work = sum(each.ru_utime + each.ru_stime for each in used) - before
print(seconds, used[0].ru_maxrss / 1024, work)
"""
PACKED = """
from automind_data.common.archive.plan import read_plan
member = read_plan(zip_path).members[0]
with zip_path.open("rb") as file:
    file.seek(member.data)
    packed = file.read(member.packed)
"""
INFLATE = """
stream, size = decompressobj(-15), 0
for at in range(0, len(packed), 1 << 16):
    size += len(stream.decompress(packed[at : at + (1 << 16)]))
assert size == member.size
"""
ZLIB = ("from zlib import decompressobj" + PACKED, INFLATE)
ISAL = ("from isal.isal_zlib import decompressobj" + PACKED, INFLATE)
MEMBER = (
    "from automind_data.common.archive import members, open_member\nbuffer = bytearray(1 << 20)",
    """
with open_member(zip_path, members(zip_path)[0]) as stream:
    while stream.readinto(buffer):
        pass
""",
)
ZIPFILE = (
    "import zipfile\nbuffer = bytearray(1 << 20)",
    """
with zipfile.ZipFile(zip_path) as archive, archive.open(archive.namelist()[0]) as stream:
    while stream.readinto(buffer):
        pass
""",
)
UNPACK = (
    "from automind_data.common.archive import unpack",
    "for _ in unpack(zip_path, target): pass",
)
UNZIP = (
    "import subprocess",
    "subprocess.run(['unzip', '-q', '-d', target, zip_path], check=True)",
)


def write_table(path: Path, rows: int) -> None:
    """Write a zip with one CSV of made-up numbers, a deterministic one."""
    rng = np.random.default_rng(0)
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("table/table.csv", "w", force_zip64=True) as out,
    ):
        for _ in range(rows):
            out.write((",".join(map(repr, np.exp(rng.normal(size=COLUMNS)).tolist()))).encode())
            out.write(b"\n")


def once(script: tuple[str, str], zip_path: Path, target: Path) -> tuple[float, float, float]:
    """Return the seconds, the peak in MB and the seconds of all cores of one process."""
    prepare, work = script
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(prepare=prepare, work=work), zip_path, target],
        check=True,
        capture_output=True,
        text=True,
    )
    taken, peak, worked = map(float, done.stdout.split())
    return taken, peak, worked


def measure(script: tuple[str, str], zip_path: Path, scratch: Path) -> tuple[float, float]:
    """Return the median of seconds and the largest peak in MB of several processes."""
    seconds, peaks, _ = zip(
        *(once(script, zip_path, scratch / "out") for _ in range(REPEATS)), strict=True
    )
    return statistics.median(seconds), max(peaks)


def records_of(scratch: Path, rows: int) -> list[dict[str, Any]]:
    """Measure on a table of so many rows below `scratch`."""
    zip_path, small = scratch / "table.zip", scratch / "small" / "table.zip"
    write_table(zip_path, rows)
    small.parent.mkdir()
    write_table(small, max(1, rows // 10))
    scripts = {"zlib": ZLIB, "isal": ISAL, "zipfile": ZIPFILE, "member": MEMBER}
    scripts |= {"unpack": UNPACK}
    if shutil.which("unzip"):
        scripts["unzip"] = UNZIP
    found = {name: measure(script, zip_path, scratch) for name, script in scripts.items()}
    size = zipfile.ZipFile(zip_path).infolist()[0].file_size / 1e6
    cores = len(os.sched_getaffinity(0))

    def against(name: str, this: str, baseline: str, other: str, threads: int) -> dict[str, Any]:
        value, reference = found[this][0], found[other][0]
        return {
            "name": name,
            "value": round(value, 3),
            "unit": "s",
            "baseline": f"{baseline}: {reference:.3f} s",
            "ratio": round(reference / value, 3),
            "threads": threads,
            "n": REPEATS,
            "mb_per_s": round(size / value),
        }

    def memory(name: str, script: tuple[str, str], peak: float) -> dict[str, Any]:
        less = measure(script, small, scratch)[1]
        return {
            "name": name,
            "value": round(peak, 1),
            "unit": "MB",
            "baseline": f"a tenth of the rows: {less:.1f} MB",
            "ratio": round(less / peak, 3),
            "threads": cores,
            "n": REPEATS,
        }

    records = [
        against("inflate, ISA-L", "isal", "zlib", "zlib", 1),
        against("read a member, proven", "member", "zipfile", "zipfile", 1),
        against("read a member, proven", "member", "inflate only, ISA-L", "isal", 1),
    ]
    if "unzip" in found:
        records.append(against("unpack with sha256", "unpack", "unzip", "unzip", cores))
    records.append(against("unpack with sha256", "unpack", "inflate only, ISA-L", "isal", cores))
    records.append(memory("peak memory, read a member", MEMBER, found["member"][1]))
    records.append(memory("peak memory, unpack", UNPACK, found["unpack"][1]))
    return records


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        records = records_of(Path(scratch), args.rows)
    print(f"{'what':<28} {'value':>8}     {'compared with':<34} {'times better':>12}")
    for each in records:
        value = f"{each['value']:>8} {each['unit']:<3}"
        print(f"{each['name']:<28} {value} {each['baseline']:<34} {each['ratio']:>12}")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
