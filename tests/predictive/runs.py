"""Small tables of simulations and their targets, made of random numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from automind_data.common.layout import DATASETS, PARAMETER_NAMES, PSD_COLUMNS
from automind_data.dgm.filters import EARLY
from automind_data.params import PredictiveParams, RankedBy
from automind_data.predictive.compare import Comparison, compare_table
from automind_data.predictive.rows import Estimator, read_estimator
from tests.builders import BURST_COLUMNS, estimator, write_estimator, write_json

SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
SAMPLES = "NPE_samples_prune_50"


def settings(**changes: Any) -> PredictiveParams:
    said: dict[str, Any] = {
        "k": 3,
        "ranked_by": RankedBy("standardized_mse", "log10_mae"),
        "near": 0.1,
        "near_at_least": 5,
        "bootstrap": 400,
        "seed": 7,
    }
    return PredictiveParams(**{**said, **changes})


def write_burst_dgm(folder: Path, **changes: Any) -> Estimator:
    """A density estimator of bursts that standardises by twos."""
    write_estimator(folder, "burst")
    said = estimator("burst")
    said["conditioning"]["standardize"] = {"kind": "z-score", "mean": [0.5] * 4, "std": [2.0] * 4}
    said["conditioning"].update(changes)
    write_json(folder / "dgm.json", said)
    return read_estimator(folder)


def write_psd_dgm(folder: Path) -> Estimator:
    """A density estimator of spectra with the recipe of the release."""
    write_estimator(folder, "psd")
    said = estimator("psd")
    said["conditioning"] |= {
        "standardize": {"kind": "demean and scale", "scale": 0.1},
        "training_filters": {
            "discard_stopped": True,
            "discard_conditions": {
                "manual_filter_logPSD": True,
                "power_thresh": [1e-10, "inf"],
                "f_band": [2, 10],
            },
        },
    }
    write_json(folder / "dgm.json", said)
    return read_estimator(folder)


def bursts(values: Sequence[Any]) -> pl.DataFrame:
    """Rows of burst features: a number stands for all four of a row, None for no features."""
    table = pl.DataFrame(
        {name: [None if each is None else float(each) for each in values] for name in BURST_COLUMNS}
    )
    return table.cast(dict.fromkeys(BURST_COLUMNS, pl.Float64))


def models(
    features: pl.DataFrame,
    x_o: Sequence[str | None],
    kind: Sequence[str | None] | str = SAMPLES,
    stopped: Sequence[bool | None] | None = None,
    marked: Sequence[bool] | None = None,
) -> pl.DataFrame:
    """A discovered table; `marked` says which rows have features at all."""
    n = len(features)
    kinds = [kind] * n if isinstance(kind, str) else list(kind)
    rng = np.random.default_rng(3)
    flags = list(stopped) if stopped is not None else [False] * n
    has = list(marked) if marked is not None else [not flag for flag in flags]
    return pl.DataFrame(
        {
            SEEDS[0]: [11] * n,
            SEEDS[1]: list(range(n)),
            "x_o": list(x_o),
            "inference.type": kinds,
            **{name: rng.random(n) for name in PARAMETER_NAMES},
            EARLY: pl.Series(flags, dtype=pl.Boolean),
            "isi_numspks_mu": [1.0 if each else None for each in has],
        }
    ).hstack(features)


def write(path: Path, table: pl.DataFrame, row_group_size: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write_parquet(path, row_group_size=row_group_size)
    return path


def finish(work: Any) -> Any:
    """Run a generator of events to its end and return what it returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def compared(
    path: Path,
    of: Estimator,
    targets: Mapping[str, Mapping[str, Any]],
    heldout: Path | None = None,
    ranked_by: str = "log10_mae",
    heldout_key: tuple[str, ...] = (),
) -> Comparison:
    made = finish(compare_table(path, of, targets, heldout, ranked_by, heldout_key))
    assert isinstance(made, Comparison)
    return made


def spectra(n: int, seed: int) -> pl.DataFrame:
    """Spectra that fall off, each with noise and a peak of its own."""
    rng = np.random.default_rng(seed)
    hertz = np.array([float(name.removeprefix("psd_")) for name in PSD_COLUMNS])
    slope = -1.2 * np.log10(1 + hertz / rng.uniform(2, 20, (n, 1)))
    peak = rng.uniform(0, 1.5, (n, 1)) * np.exp(
        -(((hertz - rng.uniform(20, 200, (n, 1))) / 5) ** 2)
    )
    logs = slope + peak + rng.normal(0, 0.08, (n, len(hertz))) + rng.normal(0, 1, (n, 1))
    return pl.DataFrame(10.0**logs, schema=list(PSD_COLUMNS))


def write_root(
    root: Path,
    wells: Sequence[tuple[str, int]],
    areas: Mapping[str, Sequence[tuple[str, str]]],
    runs: int,
    each: int,
    *,
    sample: bool = True,
    resimulated: bool = True,
) -> Path:
    """A release as `predict` reads it: `each` samples for every observation."""
    derived = root / "derived"
    write_burst_dgm(derived / "dgms" / "burst")
    write_psd_dgm(derived / "dgms" / "psd")
    write_json(root / "datasets" / "release.json", {"release": "2031.4", "sample": sample})
    rng = np.random.default_rng(5)
    heldout = spectra(40 + runs, 1).hstack(bursts(np.exp(rng.normal(0, 0.5, 40 + runs))))
    heldout = models(heldout, [""] * len(heldout)).drop("x_o", "inference.type")
    write(derived / "tables" / "heldout.parquet", heldout)
    targets = derived / "observations"
    date, well = zip(*wells, strict=True)
    keys = pl.DataFrame({"date": list(date), "well": list(well)})
    write(
        targets / "organoid_summary.parquet",
        keys.hstack(bursts(np.exp(rng.normal(0, 0.5, len(wells))))),
    )
    listed = [pair for name in areas for pair in areas[name]]
    mouse, area = zip(*listed, strict=True)
    keys = pl.DataFrame({"mouse": list(mouse), "area": list(area)})
    write(targets / "allenvc_summary.parquet", keys.hstack(spectra(len(listed), 2)))
    write(targets / "synthetic_summary.parquet", heldout.head(runs))
    x_o = {
        "organoids": [f"{day}_{number}" for day, number in wells],
        **{name: [f"{one}_{other}" for one, other in areas[name]] for name in areas},
        "synthetic": [f"11_{number}" for number in range(runs)],
    }
    for number, name in enumerate(DATASETS):
        n = each * len(x_o[name])
        features = spectra(n, 10 + number).hstack(bursts(np.exp(rng.normal(0, 0.5, n))))
        first = "gt_resim" if name == "synthetic" and resimulated else f"{SAMPLES}"
        kind = [first if row % each == 0 else SAMPLES for row in range(n)]
        table = models(features, np.repeat(x_o[name], each).tolist(), kind)
        write(derived / "tables" / f"{name}.parquet", table)
    return root
