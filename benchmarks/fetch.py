"""Fetching from a server on this machine into the cache, against curl and md5sum.

    python benchmarks/fetch.py [--json FILE]

Both ask the same server, in turn, and write to the same disk. The server is a process
of its own that sends with sendfile.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SIZES = {"200 MB": 200_000_000, "1 GB": 1_000_000_000}
LARGE = "1 GB"
REPEATS = 5
PUBLISHED = "training_prior_samples/training.zip"
FILE_ID = 50000001
PIN = """\
frozen: true
deps:
- path: remote://figshare/{id}
outs:
- md5: {md5}
  size: {size}
  hash: md5
  path: training.zip
meta:
  origin:
    release: benchmark
    kind: figshare
    address: https://figshare.com
    retrieved: '2026-01-01'
    licence: not stated
"""


@dataclass(frozen=True)
class Run:
    """What a command took: seconds, and MB of memory at its peak."""

    seconds: float
    peak: float


def run(*command: str, cwd: Path, environment: dict[str, str]) -> Run:
    """Run a command that has to succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} exited {process.returncode}")
    return Run(seconds, usage.ru_maxrss / 1024)


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[dict[str, str]]:
    """Serve a release in a process of its own; give the environment that points at it."""
    command = [sys.executable, "-m", "tests.figshare_server", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        said = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        yield {**os.environ, **said}
    finally:
        process.terminate()
        process.wait()


def make_file(path: Path, size: int) -> str:
    """Write a file of random blocks; return its md5."""
    path.parent.mkdir(parents=True)
    digest = hashlib.md5(usedforsecurity=False)
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        while size:
            part = block[:size]
            digest.update(part)
            size -= file.write(part)
    return digest.hexdigest()


def compare(scratch: Path, size: int, repeats: int) -> tuple[list[Run], list[Run]]:
    """Return the runs of `fetch` and those of curl with md5sum, taken in turn."""
    release, clone, plain = (scratch / name for name in ("release", "clone", "plain"))
    md5 = make_file(release / PUBLISHED, size)
    pin = clone / "datasets" / f"{PUBLISHED}.dvc"
    for folder in (clone / ".dvc", pin.parent, plain):
        folder.mkdir(parents=True)
    (clone / ".dvc" / "config").touch()
    pin.write_text(PIN.format(id=FILE_ID, md5=md5, size=size))
    cached = clone / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    fetch = (sys.executable, "-m", "automind_data", "fetch", "--no-checkout")
    ours, theirs = [], []
    with serve(release) as environment:
        url = f"{environment['AUTOMIND_FIGSHARE_DOWNLOAD']}/{FILE_ID}"
        shell = ("sh", "-c", f"curl -sLO {url} && md5sum {FILE_ID}")
        for _ in range(repeats):
            ours.append(run(*fetch, cwd=clone, environment=environment))
            assert cached.stat().st_size == size
            cached.unlink()
            theirs.append(run(*shell, cwd=plain, environment=environment))
            (plain / str(FILE_ID)).unlink()
    for folder in (release, clone, plain):
        shutil.rmtree(folder)
    return ours, theirs


def measure(scratch: Path) -> list[dict[str, Any]]:
    """Measure time for the large file, memory for both."""
    peaks = {}
    for name, size in SIZES.items():
        ours, theirs = compare(scratch, size, REPEATS)
        peaks[name] = statistics.median(each.peak for each in ours)
    mine = statistics.median(each.seconds for each in ours)
    other = statistics.median(each.seconds for each in theirs)
    small = next(iter(SIZES))
    common = {"threads": len(os.sched_getaffinity(0)), "n": REPEATS}
    return [
        {
            "name": f"fetch of {LARGE} into the cache",
            "value": round(mine, 3),
            "unit": "s",
            "baseline": f"curl -sLO and md5sum: {other:.3f} s",
            "ratio": round(other / mine, 3),
            **common,
        },
        {
            "name": f"peak memory, fetch of {LARGE}",
            "value": round(peaks[LARGE], 1),
            "unit": "MB",
            "baseline": f"fetch of {small}: {peaks[small]:.1f} MB",
            "ratio": round(peaks[small] / peaks[LARGE], 3),
            **common,
        },
    ]


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        records = measure(Path(scratch))
    print(f"{'what':<30} {'value':>8}    {'compared with':<36} {'times better':>12}")
    for each in records:
        said = f"{each['value']:>8} {each['unit']:<2}"
        print(f"{each['name']:<30} {said} {each['baseline']:<36} {each['ratio']:>12}")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
