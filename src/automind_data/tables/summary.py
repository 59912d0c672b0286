"""A profile in a dozen numbers, small enough to be a metric."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from automind_data.common.layout import column_family
from automind_data.tables.profile import DIGITS

__all__ = ["summary_of_profile"]

FAMILIES = ("parameter", "isi", "burst", "pca", "psd")


def summary_of_profile(profile: dict[str, Any]) -> dict[str, Any]:
    """Sum up the profile of a table.

    Parameters
    ----------
    profile
        As `Profiler.profile` makes it.

    Returns
    -------
    dict
        `rows`, `columns`; `early_stopped`, the share of rows that were; and for each family
        of columns in the table `nulls`, the share of cells without a value, and `middle`,
        the median over its columns of their medians.
    """
    rows = profile["rows"]
    families = defaultdict(list)
    for name, said in profile["columns"].items():
        families[column_family(name)[0]].append(said)
    summary: dict[str, Any] = {"rows": rows, "columns": len(profile["columns"])}
    stopped = profile["columns"].get("params_analysis.early_stopped")
    if stopped is not None and stopped["mean"] is not None:
        summary["early_stopped"] = stopped["mean"]
    middle = profile["percent"].index(50)
    for family in FAMILIES:
        columns = families[family]
        if not columns:
            continue
        nulls = sum(said["nulls"] for said in columns) / (rows * len(columns))
        medians = [said["quantiles"][middle] for said in columns if said["quantiles"]]
        summary[family] = {"nulls": float(f"{nulls:.{DIGITS}g}")}
        if medians:
            summary[family]["middle"] = float(f"{statistics.median_low(medians):.{DIGITS}g}")
    return summary
