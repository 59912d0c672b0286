"""Do our simulations agree with the published ones?

    python -m tests.simulation.agreement [--root CLONE] [--configurations 20] [--seeds 20]
        [--workers N]

Configurations with features and configurations that were stopped early are drawn from the
training and held-out tables of a clone whose `derived/` is there. Each is simulated again with
its own network size, step and length, and other seeds. If both simulators are the same, the
published value is as likely to be at any place among the new ones. So its rank is uniform over
configurations. Two numbers stand for a family of features: its level (mean of standardised
features) and its distance from the middle (mean square of them), both made from all values
alike. Their ranks are held to uniformity by a Kolmogorov-Smirnov test, with Holm's correction.
Exit code 1 if a family fails at p = 0.01, or fewer than 95 % of early stops are the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from automind_data.common.layout import PARAMETER_NAMES, column_family
from automind_data.features import read_settings as read_feature_settings
from automind_data.scaling import Cluster, run_many
from automind_data.simulation import Configuration, read_settings
from automind_data.simulation.rows import Analysed, Task, analysed_run

EARLY = "params_analysis.early_stopped"
FAMILIES = ("isi", "burst", "pca", "psd")
LEVEL, DISTANCE = "level", "distance"


def drawn(root: Path, number: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Draw rows: as many with features as stopped early."""
    tables = [pl.read_parquet(root / f"derived/tables/{name}.parquet") for name in TABLES]
    rows = pl.concat(tables, how="diagonal")
    whole = rows.filter(~pl.col(EARLY) & pl.col("isi_numspks_mu").is_not_null())
    stopped = rows.filter(pl.col(EARLY))
    return [
        row
        for table in (whole, stopped)
        for row in table[random.choice(table.height, number, replace=False).tolist()].to_dicts()
    ]


TABLES = ("training", "heldout")


def values_of(
    published: dict[str, Any], runs: list[Analysed], family: str
) -> NDArray[np.float64] | None:
    """Features of one family, (1 + runs, features), the published ones first; None: no run has any.

    Spectra and variances become logarithms, and what a run does not have lies below what the
    others have.
    """
    names = [name for name in published if column_family(name)[0] == family]
    listed = [published, *(each.features for each in runs)]
    table = np.array([[row.get(name) for name in names] for row in listed], np.float64)
    if family in ("psd", "pca"):
        table = np.log10(np.where(table > 0, table, np.nan))
    table = table[:, ~np.isnan(table).all(axis=0)]
    if not table.size:
        return None
    table = np.where(np.isnan(table), np.nanmin(table, axis=0) - 1, table)
    spread = table.std(axis=0)
    table = table[:, spread > 0]
    return None if not table.size else (table - table.mean(axis=0)) / spread[spread > 0]


def rank_of_first(values: NDArray[np.float64], random: np.random.Generator) -> float:
    """Place of the first value among all, as a share; equal ones are drawn by lot."""
    lower = int((values < values[0]).sum())
    equal = int((values == values[0]).sum())
    return float((lower + random.integers(equal) + random.random()) / len(values))


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correct p-values for their number."""
    order = np.argsort(p)
    scaled = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    corrected = np.empty_like(scaled)
    corrected[order] = np.minimum(scaled, 1)
    return corrected


def main() -> int:
    """Print the table; return the exit code."""
    from scipy.stats import kstest

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--configurations", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    network = args.root / "derived/params/training.json"
    settings, features = read_settings(network), read_feature_settings(network)
    random = np.random.default_rng(args.seed)
    rows = drawn(args.root, args.configurations, random)
    tasks = []
    for place, row in enumerate(rows):
        theta = tuple(float(row[name]) for name in PARAMETER_NAMES)
        for replicate in range(args.seeds):
            given = Configuration(theta, 1_000_000 * (place + 1) + replicate)
            tasks.append((f"{place}", Task(given, settings, features)))
    runs: dict[int, list[Analysed]] = {place: [] for place in range(len(rows))}
    for outcome in run_many(analysed_run, tasks, Cluster(args.workers)):
        runs[int(outcome.key)].append(outcome.unwrap("a run", "look at it"))
    same = [
        (each.status == "early_stopped") == row[EARLY]
        for place, row in enumerate(rows)
        for each in runs[place]
    ]
    ranks: dict[tuple[str, str], list[float]] = {}
    for place, row in enumerate(rows[: args.configurations]):
        kept = sorted(runs[place], key=lambda each: each.run.configuration.random_seed)
        kept = [each for each in kept if each.status == "done"]
        for family in FAMILIES:
            table = values_of(row, kept, family)
            if table is None or not kept:
                continue
            for name, values in ((LEVEL, table.mean(axis=1)), (DISTANCE, (table**2).mean(axis=1))):
                ranks.setdefault((family, name), []).append(rank_of_first(values, random))
    p = np.array([kstest(each, "uniform").pvalue for each in ranks.values()])
    corrected = holm(p)
    print(f"{args.configurations} configurations with features, as many stopped early,")
    print(f"{args.seeds} runs of each with other seeds: {len(tasks)} runs\n")
    print(f"{'family':<8}{'':<10}{'n':>4}{'mean rank':>11}{'p':>9}{'Holm':>9}")
    records = []
    for (family, name), each, raw, held in zip(ranks, ranks.values(), p, corrected, strict=True):
        mean = float(np.mean(each))
        print(f"{family:<8}{name:<10}{len(each):>4}{mean:>11.2f}{raw:>9.3f}{held:>9.3f}")
        records.append({"family": family, "of": name, "n": len(each), "mean rank": mean,
                        "p": float(raw), "Holm": float(held)})  # fmt: skip
    share = float(np.mean(same))
    print(f"\nearly stops as published: {sum(same)} of {len(same)} runs, {100 * share:.1f} %")
    if args.json:
        args.json.write_text(json.dumps({"ranks": records, "early stops": share}, indent=1) + "\n")
    return 0 if (corrected > 0.01).all() and share >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
