"""The pipeline on the tracked release: from nothing, with nothing to do, and starting up.

    python benchmarks/pipeline.py [--json FILE]

Each figure stands beside what it is compared with, measured in the same run.
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
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
REPEATS = 5


def run(*command: str, cwd: Path) -> float:
    """Run a command and return how many seconds it took."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def median(*command: str, cwd: Path) -> float:
    """Return the median time of several runs, after one that warms the disk cache."""
    run(*command, cwd=cwd)
    return statistics.median(run(*command, cwd=cwd) for _ in range(REPEATS))


def measure(scratch: Path) -> list[dict[str, Any]]:
    """Measure in a fresh clone below `scratch`."""
    empty = scratch / "empty"
    empty.mkdir()
    run("git", "init", "-q", cwd=empty)
    run("dvc", "init", "-q", cwd=empty)
    clone = scratch / "clone"
    run("git", "clone", "-q", str(ROOT), str(clone), cwd=scratch)
    run("dvc", "pull", "-q", *map(str, clone.glob("datasets/**/*.dvc")), cwd=clone)
    (clone / "dvc.lock").unlink()
    shutil.rmtree(clone / ".dvc" / "cache" / "runs", ignore_errors=True)
    whole = run("dvc", "repro", "-q", cwd=clone)
    idle = median("dvc", "repro", "-q", cwd=clone)
    status = median("dvc", "status", "-q", cwd=empty)
    starting = median("automind-data", "--help", cwd=clone)
    python = median("python", "-c", "pass", cwd=clone)
    cores = len(os.sched_getaffinity(0))

    def record(name: str, value: float, baseline: str, other: float, n: int) -> dict[str, Any]:
        return {
            "name": name,
            "value": round(value, 3),
            "unit": "s",
            "baseline": f"{baseline}: {other:.3f} s",
            "ratio": round(other / value, 3),
            "threads": cores,
            "n": n,
        }

    return [
        record("whole pipeline from nothing", whole, "60 s allowed", 60.0, 1),
        record("dvc repro, nothing to do", idle, "dvc status, empty repository", status, REPEATS),
        record("automind-data --help", starting, "python -c pass", python, REPEATS),
    ]


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        records = measure(Path(scratch))
    print(f"{'what':<30} {'s':>7}  {'compared with':<40} {'times better':>12}")
    for each in records:
        print(f"{each['name']:<30} {each['value']:>7} {each['baseline']:<41} {each['ratio']:>12}")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
