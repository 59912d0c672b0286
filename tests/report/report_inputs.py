"""A small release as the report finds it: the agreed files, made of random numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from ruamel.yaml import YAML

from automind_data.common.layout import ARCHIVES, DATASETS, DGMS, FILES, PARAMETERS
from tests.conftest import ROOT

BURSTS = (
    "burst_interval_mean",
    "burst_interval_cv",
    "burst_width_mean",
    "burst_offset_time_mean",
)
MICE = (("m1", "VISp-spont"), ("m1", "CA1-spont"), ("m2", "VISp-spont"), ("m2", "CA1-flash off"))
WELLS = tuple((date, well) for date in ("161001", "161029_2") for well in range(4))
ISI = ("burst_num", "isi_mean_mu")
RUNS = tuple((77, seed) for seed in (5, 12, 31))


def keys(table: str) -> list[str]:
    """The keys of an observation table, in its order."""
    rows = {"allenvc_summary": MICE, "organoid_summary": WELLS, "synthetic_summary": RUNS}[table]
    return [f"{first}_{second}" for first, second in rows]


def make_inputs(
    root: Path,
    *,
    sample: bool = True,
    oversample: int = 1,
    n_samples: int = 60,
    n_models: int = 9,
    predicted: bool = False,
    calibrated: bool = False,
    simulated: bool = False,
    skipped: dict[str, str] | None = None,
    findings: tuple[dict[str, object], ...] = (),
    without: tuple[str, ...] = (),
) -> Path:
    """Write every file that the report reads below `root` and return `root`."""
    rng = np.random.default_rng(8)
    _release(root, sample)
    _observations(root / "derived" / "observations", rng)
    for name in DGMS:
        _estimator(root / "derived" / "dgms" / name, name)
        if calibrated:
            _calibration(root / "derived" / "calibration" / name, name)
    for name in DATASETS:
        _samples(root / "derived", name, rng, n_samples, oversample, skipped or {})
        _models(root / "derived", name, n_models)
        if predicted:
            _predictive(root / "derived", name)
    if simulated:
        _robustness(root / "derived" / "predictive", rng)
    _validation(root / "derived" / "validation", findings)
    pl.DataFrame(
        [
            {
                "name": p.name, "symbol": p.symbol, "unit": p.unit,
                "low": -float(i), "high": float(i + 1), "meaning": p.meaning,
            }
            for i, p in enumerate(PARAMETERS)
        ]
    ).write_csv(root / "derived" / "parameters.csv")  # fmt: skip
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    _write(
        root / "params.yaml",
        {
            "unpack": {"max_members": 1, "max_bytes": 1},
            "sampling": {
                "seed": 1,
                "n_samples": 1,
                "oversample": 1,
                "acceptance_draws": 1,
                "max_draws": 1,
                "sets": {name: {"observations": "all"} for name in DATASETS},
            },
            "features": params["features"],
            "calibration": params["calibration"],
            "predictive": {
                "k": 1,
                "ranked_by": {"psd": "log10_mse", "burst": "log10_mse"},
                "near": 0.1,
                "near_at_least": 1,
                "bootstrap": 1,
                "seed": 1,
            },
            "train": params["train"],
            "simulate": params["simulate"],
            "report": {"observation": "first"},
        },
    )
    for path in without:
        (root / path).unlink()
    return root


def _robustness(folder: Path, rng: np.random.Generator) -> None:
    """Two data sets: models with and without a tolerance, and one of which all runs failed."""
    rows = []
    for name, key in (("mouse-hc", "m1_CA1-spont"), ("synthetic", "77_5"), ("synthetic", "77_12")):
        for rank in (1, 2):
            whole = [] if (key, rank) == ("77_12", 2) else sorted(rng.lognormal(-2, 1, 12).tolist())
            judged, some = name == "synthetic", bool(whole)
            rows.append({
                "dataset": name, "x_o": key, "rank": rank, "row": rank, "ranked_by": "log10_mse",
                "runs": 14, "matching": sum(each < 0.1 for each in whole) if judged else None,
                "share_low": 0.05 if judged else None, "share_high": 0.5 if judged else None,
                "published": 0.05, "median": whole[6] if some else None,
                "lowest": whole[0] if some else None, "highest": whole[-1] if some else None,
                "tolerance": 0.1 if judged else None, "noise_floor": 0.02 if judged else None,
                "distances": whole,
            })  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema_overrides={"distances": pl.List(pl.Float64)}).write_parquet(
        folder / "robustness.parquet"
    )
    counts = {"runs": 56, "configurations": 4, "early_stopped": 2, "failed": 0}
    shares = {"share_matching": 0.4, "low": 0.3, "high": 0.52}
    both = {"matched_as_published": 4, "match_again": 1}
    said = {"mouse-hc": counts, "synthetic": counts | shares | both}
    _write(folder / "robustness.json", {"simulated": 1, **said})


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def _release(root: Path, sample: bool) -> None:
    files = [
        {"path": file.path, "md5": f"{i:032x}", "size": 10 ** (3 + i % 5) + i, "release": "2031.4"}
        for i, file in enumerate(FILES)
    ]
    _write(
        root / "datasets" / "release.json",
        {
            "format": 1, "release": "2031.4", "sample": sample,
            "kind": "sample release" if sample else "folder",
            "address": "https://figshare.com/s/0123456789abcdef", "licence": "not stated",
            "retrieved": "2031-05-06", "files": files,
        },
    )  # fmt: skip


def _observations(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    frequency = np.arange(0, 500.5, 0.5)
    columns = [f"psd_{f:.1f}" for f in frequency]

    def spectra(n: int) -> dict[str, np.ndarray]:
        slope = 1e-3 / (1 + (frequency / 8) ** 1.5)
        power = slope * rng.lognormal(0, 0.4, (n, 1)) * rng.gamma(4, 0.25, (n, len(frequency)))
        return dict(zip(columns, power.T, strict=True))

    mouse, area = zip(*MICE, strict=True)
    pl.DataFrame({"mouse": mouse, "area": area, **spectra(len(MICE))}).write_parquet(
        folder / "allenvc_summary.parquet"
    )
    batch, seed = zip(*RUNS, strict=True)
    pl.DataFrame(
        {
            "params_settings.batch_seed": batch,
            "params_settings.random_seed": seed,
            **spectra(len(RUNS)),
        }
    ).write_parquet(folder / "synthetic_summary.parquet")
    date, well = zip(*WELLS, strict=True)
    bursts = {name: rng.lognormal(i - 1, 0.6, len(WELLS)) for i, name in enumerate(BURSTS)}
    bursts[BURSTS[1]][3] = np.nan
    bursts |= {name: np.full(len(WELLS), 3.0) for name in ISI}
    pl.DataFrame({"date": date, "well": well, **bursts}).write_parquet(
        folder / "organoid_summary.parquet"
    )


def _estimator(folder: Path, name: str) -> None:
    conditioning = (
        {
            "kind": "psd",
            "band": [0.5, 495.0],
            "columns": [f"psd_{step / 2:.1f}" for step in range(1, 991)],
            "log10": True,
            "standardize": {"kind": "demean and scale", "scale": 0.1},
        }
        if name == "psd"
        else {
            "kind": "burst",
            "columns": list(BURSTS),
            "bounds": [[0.01, 100.0]] * 4,
            "log10": [True] * 4,
            "standardize": {"kind": "z-score", "mean": [0.0] * 4, "std": [1.0] * 4},
        }
    )
    _write(
        folder / "dgm.json",
        {
            "format": 1,
            "parameters": [
                {"name": p.name, "unit": p.unit, "low": -float(i), "high": float(i + 1)}
                for i, p in enumerate(PARAMETERS)
            ],
            "conditioning": conditioning,
            "x_dim": 990 if name == "psd" else 4,
            "source": {
                "file": DGMS[name].rpartition("/")[2],
                "member": None,
                "md5": "f" * 32,
                "bytes": 1000,
            },
        },
    )


def _predictive(derived: Path, name: str) -> None:
    """The five models of each observation that `_models` scaled least, and what is said of all."""
    table = pl.read_parquet(derived / "tables" / f"{name}.parquet").with_row_index("predict.row")
    by = "standardized_mse" if DATASETS[name].dgm == "psd" else "log10_mae"
    share = {"value": 0.4, "count": 2, "n": 5, "bootstrap": [0.1, 0.8], "exact": [0.05, 0.85]}
    parts, records = [], []
    for key in listed(name):
        rows = table.filter(pl.col("x_o") == key).head(5)
        distance = np.arange(1, 6) / 10
        parts.append(
            rows.with_columns(
                pl.Series("predict.rank", np.arange(1, 6)),
                pl.lit(-3.5).alias("infer.log_prob"),
                *(pl.Series(f"predict.{each}", distance) for each in ("log10_mse", by)),
            )
        )
        records.append(
            {
                "x_o": key, "status": "compared", "reason": None, "models": 11, "samples": 11,
                "whole": 9, "discarded": 0, "incomplete": 0, "failed": 1, "early_stopped": 1,
                "best": {by: 0.1}, "noise_floor": {by: 0.05} if name == "synthetic" else None,
                "heldout": 80, "near": 10, "tolerance": 0.25, "yield": share,
                "within_noise_floor": None,
            }
        )  # fmt: skip
    record = {
        "dataset": name, "kind": DATASETS[name].dgm, "recordings": name != "synthetic",
        "ranked_by": by, "k": 5, "bootstrap": 100, "seed": 1, "rows_without_key": 0,
        "yield": share, "claimed": None if name == "synthetic" else [0.05, 0.25],
        "against_claim": None if name == "synthetic" else "compatible", "observations": records,
    }  # fmt: skip
    _write(derived / "predictive" / "checks" / f"{name}.json", record)
    pl.concat(parts).write_parquet(derived / "predictive" / f"{name}.parquet")


def _samples(
    derived: Path,
    name: str,
    rng: np.random.Generator,
    n_samples: int,
    oversample: int,
    skipped: dict[str, str],
) -> None:
    dataset = DATASETS[name]
    kind = "NPE_samples" if oversample == 1 else f"NPE_samples_prune_{oversample}"
    records, frames = [], []
    for key in listed(name):
        if key in skipped:
            records.append(
                {
                    "x_o": key, "status": "skipped", "reason": skipped[key], "draws": None,
                    "accepted": None, "acceptance": None, "acceptance_se": None,
                }
            )  # fmt: skip
            continue
        records.append(
            {
                "x_o": key, "status": "sampled", "reason": None, "draws": 4321, "accepted": 2000,
                "acceptance": 0.4628, "acceptance_se": 0.0076,
            }
        )  # fmt: skip
        unit = rng.beta(1 + np.arange(28) % 7, 2, (n_samples, 28)).astype(np.float32)
        columns: dict[str, object] = {
            "x_o": [key] * n_samples,
            "inference.type": [kind] * n_samples,
        }
        for i, parameter in enumerate(PARAMETERS):
            columns[parameter.name] = unit[:, i].astype(np.float64) * (2 * i + 1) - i
            columns[f"unit.{parameter.name}"] = unit[:, i]
        frames.append(pl.DataFrame(columns))
    folder = derived / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    pl.concat(frames).write_parquet(folder / f"{name}.parquet")
    _write(
        folder / f"{name}.json",
        {
            "dataset": name, "dgm": dataset.dgm, "seed": 20261, "n_samples": n_samples,
            "oversample": oversample, "observations": records,
        },
    )  # fmt: skip


def listed(name: str) -> list[str]:
    """The keys of the observations of a data set."""
    dataset = DATASETS[name]
    known = keys(dataset.observations)
    return [key for key in known if dataset.has_area(key.partition("_")[2])]


def _models(derived: Path, name: str, n: int) -> None:
    """Discovered rows of every observation: its features, scaled; a stopped and an empty row."""
    dataset = DATASETS[name]
    table = pl.read_parquet(derived / "observations" / f"{dataset.observations}.parquet")
    targets = dict(zip(keys(dataset.observations), table.iter_rows(named=True), strict=True))
    columns = [each for each in table.columns if each.startswith(("psd_", "burst_", "isi_"))]
    rows = []
    for key in listed(name):
        for at in range(n + 2):
            factor = 1.0 + at * np.linspace(0, 0.1, len(columns))
            values = {c: targets[key][c] * float(f) for c, f in zip(columns, factor, strict=True)}
            rows.append(
                {
                    "params_settings.batch_seed": 5, "params_settings.random_seed": len(rows),
                    "x_o": key, "inference.type": "NPE_samples_prune_50",
                    "params_analysis.early_stopped": at == n,
                    **{p.name: 0.5 for p in PARAMETERS},
                    **(values if at <= n else dict.fromkeys(columns, None)),
                }
            )  # fmt: skip
        if name == "synthetic":
            rows.append({**rows[-3], "inference.type": "gt_resim"})
    folder = derived / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(folder / f"{name}.parquet")


def _calibration(folder: Path, name: str) -> None:
    """The record and the tables of one density estimator; the third parameter leaves the band."""
    number = {"value": -2.5, "error": 0.5, "must_be": 1.5, "give_or_take": 0.75}
    verdicts = {"sbc": "fail", "coverage": "pass", "prior": "undecided", "misspecification": "pass"}
    checks = {
        each: {
            "verdict": verdict, "said": f"what {each} found", "n": 77, "seed": 9,
            "p": None if each == "prior" else 1e-6 if each == "sbc" else 0.25,
            "numbers": {"gain" if each == "prior" else "largest_deviation": number},
        }
        for each, verdict in verdicts.items()
    }  # fmt: skip
    simulations = {
        each: {"rows": 500, "usable": 300, "taken": 77} for each in ("training", "heldout")
    }
    record = {"dgm": name, "usable": "fail", "simulations": simulations, "checks_made": checks}
    _write(folder / "record.json", record)
    share = np.linspace(0.05, 0.95, 19)
    wide = 0.3 * share * (1 - share)
    curves = {p.name: wide * (5 if at == 2 else 0.5) for at, p in enumerate(PARAMETERS)}
    edges = {"rank": share, "lower": -wide, "upper": wide, "lowest": wide / 2, "highest": 5 * wide}
    level = {"level": share, "calibrated": share, "lower": share - 0.05, "upper": share + 0.05}
    names = [p.name for p in PARAMETERS]
    columns = ("p", "z_mean", "z_square", "shrinkage", "achieved")
    n = 40 if name == "psd" else 0
    table = "allenvc_summary" if name == "psd" else "organoid_summary"
    there = keys(table)
    odd = {each: np.geomspace(0.005, 1, len(there)) for each in ("mmd_p", "density_p")}
    outside = [str(p <= 0.01) for p in odd["density_p"]]
    simulated = {
        "table": ["synthetic_summary"],
        "x_o": ["77_5"],
        "mmd_p": [0.5],
        "density_p": [0.5],
        "outside": ["False"],
    }
    for path, values in {
        "sbc": edges,
        "ranks": {"rank": share} | curves,
        "coverage": level | {"covered": share**2},
        "tarp": level | {"covered": share},
        "parameters": {"parameter": names} | {each: np.linspace(0, 0.5, 28) for each in columns},
        "simulations": {
            "x_o": [f"5_{at}" for at in range(n)], "log_prob": np.linspace(-9, 3, n),
            "gaussian": np.linspace(-1, 1, n),
        },
        "observations": {"table": [table] * len(there), "x_o": there} | odd | {"outside": outside},
    }.items():  # fmt: skip
        frame = pl.DataFrame(values)
        if path == "observations":
            frame = pl.concat([frame, pl.DataFrame(simulated)])
        frame.write_csv(folder / f"{path}.csv")


def _validation(folder: Path, findings: tuple[dict[str, object], ...]) -> None:
    lines = [
        {
            "version": 1, "id": "made-up", "severity": "info", "file": "datasets", "dataset": None,
            "message": "A made-up finding.", "count": 1, "examples": [], **finding,
        }
        for finding in findings
    ]  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "findings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tally = {
        f"{severity}s": sum(line["severity"] == severity for line in lines)
        for severity in ("error", "warning", "hint", "info")
    }
    rows = {name: 1_000_000 + i for i, name in enumerate(ARCHIVES)}
    summary = {"valid": int(tally["errors"] == 0), **tally, "rows": rows}
    usable = {"training": {"psd": 517_001, "burst": 243_002}, "allenvc_summary": {"psd": 18}}
    _write(folder / "summary.json", {**summary, "usable": usable})
    for name in DATASETS:
        _write(folder / "gate" / f"{name}.json", {"dataset": name, "verdict": "open", "errors": []})
