"""The same tasks in this process, in one child, and on two workers of this machine.

    python benchmarks/scaling.py [--json FILE] [--tasks N] [--repeats N]

A task keeps one core busy for about half a second. `whole` has the start of the workers
and of the scheduler in it, `running` begins when the first tasks come back. The cost of a
task that does nothing is measured as well. Runs alternate; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automind_data.scaling import Cluster, run_many

SECONDS = 0.5
WAYS = {
    "in this process": Cluster(),
    "one child": Cluster(timeout=600),
    "two workers": Cluster(workers=2),
}
EMPTY = 200


def sized() -> range:
    """Return numbers whose sum takes about `SECONDS` to compute."""
    fastest = min(timed(lambda: sum(range(2_000_000))) for _ in range(5))
    return range(round(2_000_000 * SECONDS / fastest))


def timed(task: Callable[[], Any]) -> float:
    """Return how many seconds a task took."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def measure(cluster: Cluster, numbers: range, tasks: int) -> tuple[float, float]:
    """Return the seconds of all tasks, and the seconds per task once the first are back."""
    start = time.perf_counter()
    back = []
    for outcome in run_many(sum, ((str(number), numbers) for number in range(tasks)), cluster):
        if outcome.failure is not None:
            raise SystemExit(outcome.failure)
        back.append(time.perf_counter())
    whole = time.perf_counter() - start
    first = cluster.workers
    return whole, (back[-1] - back[first - 1]) / (tasks - first)


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    numbers = sized()
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    idle: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(args.repeats):
        for way, cluster in WAYS.items():
            times[way].append(measure(cluster, numbers, args.tasks))
            idle[way].append(measure(cluster, range(1), EMPTY)[1])
    alone, records = times["in this process"], []
    print(f"{args.tasks} tasks of {SECONDS} s, medians of {args.repeats}")
    print(f"{'where':<16} {'whole':>8} {'ratio':>6} {'running':>9} {'ratio':>6} {'empty task':>11}")
    for way, cluster in WAYS.items():
        whole, running = (statistics.median(each) for each in zip(*times[way], strict=True))
        pairs = list(zip(alone, times[way], strict=True))
        ratios = [
            round(statistics.median(one[part] / other[part] for one, other in pairs), 2)
            for part in (0, 1)
        ]
        empty = statistics.median(idle[way])
        print(
            f"{way:<16} {whole:>6.2f} s {ratios[0]:>6} {running:>7.3f} s {ratios[1]:>6}"
            f" {1000 * empty:>8.2f} ms",
            flush=True,
        )
        for what, value, ratio in (("whole", whole, ratios[0]), ("running", running, ratios[1])):
            records.append(
                {
                    "name": f"{way}: {what}",
                    "value": round(value, 4),
                    "unit": "s",
                    "baseline": "in this process",
                    "ratio": ratio,
                    "threads": cluster.workers,
                    "n": args.repeats,
                }
            )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
