"""Calibration on data with known truth: what must pass passes, what is wrong is caught.

    python benchmarks/calibration.py [--json FILE] [--pairs N] [--seeds N] [--dgm NAME ...]

Parameters are drawn from a density estimator itself at the held-out observations. It
must pass every check; the prior, widened draws, one shifted marginal and a scaled
final layer, put through the same code beside it, must each fail one. Then the time
that the stage takes on the release itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from automind_data.calibration.baseline import fit_gaussian
from automind_data.calibration.controls import (
    Prior,
    Shifted,
    Widened,
    final_layer_scaled,
    known_truths,
)
from automind_data.calibration.judge import LEVEL, Check, judge
from automind_data.calibration.measure import Measured, Posterior, Settings, measure
from automind_data.calibration.rows import read_simulations
from automind_data.dgm import DGM, load

ROOT = Path(__file__).parents[1]
ALLOWED = 60.0
DRAWS = 99
WRONG: dict[str, Callable[[DGM], Posterior]] = {
    "untouched": lambda dgm: dgm,
    "prior": lambda dgm: Prior(len(dgm.names)),
    "widened 1.5x": lambda dgm: Widened(dgm, 1.5),
    "one marginal shifted by 0.1": lambda dgm: Shifted(dgm, 0, 0.1),
    "final layer x 1.3": lambda dgm: final_layer_scaled(dgm, 1.3),
}


def finished(work: Generator[dict[str, Any], None, Measured]) -> Measured:
    """Run to the end and return what comes of it."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: Measured = end.value
            return found


class Bench:
    """Held-out observations of one density estimator, and the baseline of its training rows."""

    def __init__(self, name: str, root: Path) -> None:
        self.dgm = load(root / "derived/dgms" / name)
        tables = root / "derived/tables"
        training = read_simulations(tables / "training.parquet", self.dgm, 4000, 1)
        self.heldout = read_simulations(tables / "heldout.parquet", self.dgm, 2000, 1)
        self.gaussian = fit_gaussian(training.u, training.x)

    def checks(self, posterior: Posterior, pairs: int, seed: int, truth: Any = None) -> list[Check]:
        """Put one posterior through the checks; truths are from `truth` or the estimator."""
        truths = known_truths(truth or self.dgm, self.heldout.keys, self.heldout.x, pairs, seed)
        settings = Settings(seed=seed, n_samples=DRAWS, acceptance_draws=1000)
        found = finished(
            measure(
                posterior,
                truths,
                settings,
                width=len(self.dgm.names),
                gaussian=self.gaussian,
                other=None if posterior is self.dgm else self.dgm,
            )
        )
        checks: list[Check] = judge(found, names=self.dgm.names, settings=settings)
        return checks


def controls(bench: Bench, pairs: int, say: Callable[[str, list[Check]], None]) -> None:
    for name, make in WRONG.items():
        say(name, bench.checks(make(bench.dgm), pairs, seed=1))
    prior = Prior(len(bench.dgm.names))
    say("prior, truths from it", bench.checks(prior, pairs, seed=1, truth=prior))


def alarms(bench: Bench, pairs: int, seeds: int) -> dict[str, int]:
    """Return how often each check fails though nothing is wrong."""
    counted: dict[str, int] = {}
    for seed in range(100, 100 + seeds):
        for check in bench.checks(bench.dgm, pairs, seed):
            counted[check.name] = counted.get(check.name, 0) + (check.verdict == "fail")
    return counted


def stage(root: Path) -> float:
    """Return the seconds that the stage takes on the release."""
    observed = sorted((root / "derived/observations").glob("*.parquet"))
    tables = [path for path in observed if not path.name.endswith(".digests.parquet")]
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            *(sys.executable, "-m", "automind_data", "calibrate", scratch),
            *("--params", str(root / "params.yaml")),
            *("--dgm", str(root / "derived/dgms/psd"), "--dgm", str(root / "derived/dgms/burst")),
            *("--training", str(root / "derived/tables/training.parquet")),
            *("--heldout", str(root / "derived/tables/heldout.parquet")),
            *(part for table in tables for part in ("--observations", str(table))),
        ]
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--dgm", nargs="+", default=["psd", "burst"])
    asked = parser.parse_args(arguments)
    records: list[dict[str, Any]] = []
    for name in asked.dgm:
        bench = Bench(name, asked.root)

        def say(control: str, checks: list[Check], name: str = name) -> None:
            caught = [check.name for check in checks if check.verdict == "fail"]
            pairs = checks[0].n
            print(f"{name:6} {control:28} {pairs} pairs  fails: {', '.join(caught) or 'none'}")
            for check in checks:
                print(f"       {check.name:10} {check.verdict:10} {check.said}", flush=True)
            records.append(
                {
                    "name": f"control {name} {control}",
                    "value": len(caught),
                    "unit": "failed checks",
                    "failed": caught,
                    "baseline": None,
                    "ratio": None,
                    "threads": 2,
                    "n": pairs,
                }
            )

        controls(bench, asked.pairs, say)
        if asked.seeds:
            counted = alarms(bench, asked.pairs, asked.seeds)
            total = sum(counted.values())
            said = ", ".join(f"{check} {count}" for check, count in counted.items())
            print(
                f"{name:6} false alarms in {asked.seeds} seeds, level {LEVEL}: {said}", flush=True
            )
            records.append(
                {
                    "name": f"false alarms {name}",
                    "value": total,
                    "unit": "failed checks",
                    "by_check": counted,
                    "baseline": None,
                    "ratio": None,
                    "threads": 2,
                    "n": asked.seeds,
                }
            )
    seconds = stage(asked.root)
    print(f"stage calibrate, both: {seconds:.1f} s, {ALLOWED:.0f} s allowed")
    records.append(
        {
            "name": "calibrate, both density estimators",
            "value": seconds,
            "unit": "s",
            "baseline": ALLOWED,
            "ratio": ALLOWED / seconds,
            "threads": 2,
            "n": 1,
        }
    )
    if asked.json:
        asked.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
