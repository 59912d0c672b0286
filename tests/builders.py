"""Small release archives, tables and whole releases for tests; nothing here is a real number."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import save

from automind_data.common.archive import MEMBER_KINDS
from automind_data.common.columns import NAMES
from automind_data.common.layout import (
    ARCHIVES,
    DATASETS,
    DGMS,
    FILES,
    OBSERVATION_TABLES,
    PARAMETERS,
    PSD_COLUMNS,
)

LAYOUTS = ("published", "wrapped", "renamed", "bare", "run folder", "macos")
"""Folders inside a zip: as published; below one more folder; below another folder
name; none; a run's `data/` and `.hydra/`; with what macOS leaves behind."""

KINDS = tuple(MEMBER_KINDS)
BURST_COLUMNS = (
    "burst_interval_mean",
    "burst_interval_cv",
    "burst_width_mean",
    "burst_offset_time_mean",
)
SCALE, SHIFT = 1.5, 0.25
"""Of the one affine layer of the density estimators that are made here."""

Order = Callable[[list[str]], list[str]]


def prior_bounds() -> list[dict[str, Any]]:
    """28 bounds as `derived/params/<archive>.json` has them: float32 numbers, some of them ugly."""
    return [
        {
            "name": parameter.name,
            "unit": parameter.unit,
            "low": float(np.float32(place / 7 - 2)),
            "high": float(np.float32(place / 7 + 3.1)),
        }
        for place, parameter in enumerate(PARAMETERS)
    ]


def summary_table(
    rows: int,
    *,
    batch_seed: int,
    n_pcs: int,
    seed: int = 0,
    x_o: list[str] | None = None,
    stopped: float = 0.2,
) -> pd.DataFrame:
    """A summary table in the published columns, its parameters inside `prior_bounds`.

    With `x_o` it is the table of a discovered archive: these keys in turn, each with
    the log-density of the `estimator`. `stopped` is the share of rows without features.
    """
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "params_settings.batch_seed": np.full(rows, batch_seed),
        "params_settings.random_seed": np.sort(rng.choice(100 * rows, rows, replace=False)),
    }
    if x_o is not None:
        columns["x_o"] = [x_o[row % len(x_o)] for row in range(rows)]
        columns["inference.type"] = [
            "NPE_map" if row < len(x_o) else "NPE_samples_prune_50" for row in range(rows)
        ]
        columns["infer.log_prob"] = np.zeros(rows, np.float32)
    log_prob = np.full(rows, -14 * np.log(2 * np.pi) + 28 * np.log(SCALE))
    for bound in prior_bounds():
        low, high = np.float32(bound["low"]), np.float32(bound["high"])
        u = rng.random(rows, dtype=np.float32)
        columns[bound["name"]] = (u * (high - low) + low).astype(np.float64)
        log_prob -= 0.5 * (SCALE * u.astype(np.float64) + SHIFT) ** 2
    if x_o is not None:
        columns["infer.log_prob"] = log_prob.astype(np.float32)
    early = rng.random(rows) < stopped
    columns["params_settings.sim_time"] = np.where(early, 1.1, 10.1)
    columns["params_settings.real_run_time"] = rng.random(rows)
    columns["params_analysis.early_stopped"] = early
    features = [name for _, _, name in NAMES if name.startswith(("isi_", "burst_"))]
    features += ["pca_total", *(f"pca_{number + 1}" for number in range(n_pcs))]
    for name in (*features, *PSD_COLUMNS):
        values = np.exp(rng.normal(size=rows))
        if name == "burst_num":
            values = np.floor(values) + 2
        elif name.startswith(("burst_corr", "pca_")) and name != "pca_total":
            values /= 1 + values
        columns[name] = np.where(early, np.nan, values)
    return pd.DataFrame(columns)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """The table as pandas writes it by default, with its index as a first column."""
    return table.to_csv().encode()


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    """A zip with these members in this order; a name ending in `/` is a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(
                zipfile.ZipInfo(name), data, 0 if name.endswith("/") else zipfile.ZIP_DEFLATED
            )
    return path


def place_members(archive: str, files: Mapping[str, bytes], layout: str) -> dict[str, bytes]:
    """Name the files of an archive as a zip of this layout (see `LAYOUTS`) names them."""
    match layout:
        case "published":
            return {f"{archive}/{name}": data for name, data in files.items()}
        case "wrapped":
            return {f"download/{archive}/{name}": data for name, data in files.items()}
        case "renamed":
            return {f"{archive} copy/{name}": data for name, data in files.items()}
        case "bare":
            return dict(files)
        case "run folder":
            placed = {f"{archive}/data/{name}": data for name, data in files.items()}
            return {**placed, f"{archive}/.hydra/config.yaml": b"seed: 1\n"}
        case "macos":
            placed = {f"{archive}/": b""}
            for name, data in files.items():
                placed[f"{archive}/{name}"] = data
                placed[f"__MACOSX/{archive}/._{name}"] = b"\0\5\x16\7"
            return {**placed, f"{archive}/.DS_Store": b"\0", f"{archive}/Thumbs.db": b"\0"}
    raise ValueError(layout)


def write_archive(
    path: Path,
    *,
    batch_seed: int,
    n_pcs: int,
    rows: int = 6,
    layout: str = "published",
    order: Order | None = None,
    extra: Mapping[str, str] | None = None,
    tables: int = 1,
    x_o: list[str] | None = None,
    posterior: bool | None = None,
    pickles: Mapping[str, bytes] | None = None,
    seed: int = 0,
    stopped: float = 0.2,
) -> Path:
    """Write a small archive of the release; its name is the stem of `path`.

    Parameters
    ----------
    path
        The zip to write.
    batch_seed, n_pcs, rows
        Of the table; several tables share the rows.
    layout
        One of `LAYOUTS`.
    order
        Puts the column names of the table in another order.
    extra
        Columns to add, each with one text for all rows.
    tables
        Number of summary tables; batch seeds count up from `batch_seed`.
    x_o
        Keys of a discovered archive's table.
    posterior
        Is there a posterior; as in the release if not given.
    pickles
        Bytes by kind of member; the others are stand-ins that nothing can read.
    seed, stopped
        Of the table, see `summary_table`.
    """
    archive = path.stem
    table = summary_table(
        rows, batch_seed=batch_seed, n_pcs=n_pcs, x_o=x_o, seed=seed, stopped=stopped
    )
    for name, text in (extra or {}).items():
        table[name] = text
    if order:
        table = table[order(list(table.columns))]
    files: dict[str, bytes] = {}
    for number, part in enumerate(np.array_split(np.arange(rows), tables)):
        chosen = table.iloc[part].reset_index(drop=True)
        chosen["params_settings.batch_seed"] = batch_seed + number
        files[f"{batch_seed + number}_MK1_summary_data_merged.csv"] = csv_bytes(chosen)
    has_posterior = archive in DATASETS if posterior is None else posterior
    for kind in KINDS:
        if kind == "table" or (kind == "posterior" and not has_posterior):
            continue
        stem = f"{batch_seed}_MK1" if kind == "analysis params" else str(batch_seed)
        standing_in = f"stand-in for {kind}".encode()
        files[MEMBER_KINDS[kind].replace("*", stem)] = (pickles or {}).get(kind, standing_in)
    return write_zip(path, place_members(archive, files, layout))


def reshape_archive(
    source: Path,
    target: Path,
    *,
    layout: str = "published",
    seeds: Mapping[str, str] | None = None,
    n_pcs: int | None = None,
    order: Order | None = None,
    extra: Mapping[str, str] | None = None,
    tables: int = 1,
) -> Path:
    """Write an archive anew in another shape, the numbers in it unchanged.

    Parameters
    ----------
    source, target
        An archive in the published layout with one table, and the zip to write.
    layout, order, extra, tables
        As for `write_archive`; tables after the first get a letter behind the seed in
        their file names.
    seeds
        Batch seeds to replace, in file names, seed columns and keys.
    n_pcs
        Keep only so many principal components.
    """
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(source) as archive:
        for member in archive.namelist():
            name = Path(member).name
            data = archive.read(member)
            if not name.endswith(".csv"):
                files[replace_seeds(name, seeds)] = data
                continue
            table = read_text(replace_seeds(data.decode(), seeds))
            components = [c for c in table.columns if re.fullmatch(r"pca_\d+", c)]
            table = table.drop(columns=components[n_pcs:] if n_pcs is not None else [])
            for column, text in (extra or {}).items():
                table[column] = text
            columns = list(table.columns)
            table = table[[columns[0], *(order(columns[1:]) if order else columns[1:])]]
            parts = np.array_split(np.arange(len(table)), tables)
            for number, part in enumerate(parts):
                head, tail = replace_seeds(name, seeds).split("_", 1)
                stem = head + (chr(96 + number) if number else "")
                files[f"{stem}_{tail}"] = text_bytes(table.iloc[part])
    return write_zip(target, place_members(target.stem, files, layout))


def replace_seeds(text: str, seeds: Mapping[str, str] | None) -> str:
    """Replace whole numbers by others, also where `_` follows."""
    for old, new in (seeds or {}).items():
        text = re.sub(rf"(?<![\d.]){old}(?![\d.])", new, text)
    return text


def read_text(text: str) -> pd.DataFrame:
    """A CSV table with every cell as the text it is; a first column without a name is `""`."""
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    return table.rename(columns={"Unnamed: 0": ""})


def text_bytes(table: pd.DataFrame) -> bytes:
    """The inverse of `read_text`."""
    return table.to_csv(index=False).encode()


def observation_keys(name: str) -> list[dict[str, Any]]:
    """Key columns of four observations of a table of the layout."""
    match name:
        case "organoid_summary":
            return [{"date": date, "well": well} for date in ("007", "160229_2") for well in (0, 1)]
        case "allenvc_summary":
            return [
                {"mouse": mouse, "area": area}
                for mouse in ("715", "0719")
                for area in ("VISp", "CA1")
            ]
        case _:
            columns = OBSERVATION_TABLES[name].key_columns
            return [dict(zip(columns, (31, run), strict=True)) for run in (3, 7, 8, 20)]


def observation_table(name: str) -> pd.DataFrame:
    """A small observation table of the layout."""
    rng = np.random.default_rng(1)
    keys = pd.DataFrame(observation_keys(name))
    features: Sequence[str] = PSD_COLUMNS
    if name == "organoid_summary":
        features = [column for _, _, column in NAMES if column.startswith(("isi_", "burst_"))]
    values = pd.DataFrame({column: np.exp(rng.normal(size=len(keys))) for column in features})
    correlations = [column for column in values if column.startswith("burst_corr")]
    values[correlations] = np.tanh(values[correlations])
    if "burst_num" in values:
        values["burst_num"] += 2
    return pd.concat([keys, values], axis=1)


def key_of(row: Mapping[str, Any]) -> str:
    """The `x_o` of a row of `observation_keys`."""
    return "_".join(str(value) for value in row.values())


def set_keys(dataset: str) -> list[str]:
    """The keys of the observations of a data set, from `observation_keys`."""
    chosen = DATASETS[dataset]
    rows = observation_keys(chosen.observations)
    return [key_of(row) for row in rows if chosen.has_area(str(row.get("area", "")))]


def estimator(dgm: str) -> dict[str, Any]:
    """A `dgm.json` of a density estimator that ignores what it is conditioned on."""
    columns = BURST_COLUMNS if dgm == "burst" else PSD_COLUMNS[1:991]
    zeros, ones = [0.0] * len(columns), [1.0] * len(columns)
    return {
        "format": 1,
        "parameters": prior_bounds(),
        "conditioning": {
            "kind": dgm,
            "columns": list(columns),
            "log10": True,
            "standardize": {"kind": "z-score", "mean": zeros, "std": ones},
        },
        "flow": {"embedding": [], "transforms": [{"kind": "affine", "tensors": "only"}]},
        "source": {"file": Path(DGMS[dgm]).name, "member": None, "md5": "0" * 32, "bytes": 1},
    }


def write_estimator(folder: Path, dgm: str) -> None:
    """Write the `estimator` with its tensors."""
    write_json(folder / "dgm.json", estimator(dgm))
    tensors = {"only._scale": np.full(28, SCALE, "f"), "only._shift": np.full(28, SHIFT, "f")}
    (folder / "dgm.safetensors").write_bytes(save(tensors))


def write_release(root: Path, *, batch_seed: int, n_pcs: int) -> Path:
    """Write a small release and what is derived from it for validation; all contracts hold."""
    from automind_data.tables import tabulate

    datasets, derived = root / "datasets", root / "derived"
    runs = summary_table(6, batch_seed=batch_seed + 1, n_pcs=n_pcs, seed=1, stopped=0.0)[:2]
    seeds = runs[list(OBSERVATION_TABLES["synthetic_summary"].key_columns)]
    for number, archive in enumerate(ARCHIVES.values()):
        keys = set_keys(archive.name) if archive.name in DATASETS else None
        if archive.name == "synthetic":
            keys = [key_of(row) for row in seeds.to_dict("records")]
        path = write_archive(
            datasets / archive.path,
            batch_seed=batch_seed + number,
            n_pcs=n_pcs,
            rows=2 * len(keys) if keys else 6,
            x_o=keys,
            seed=number,
            stopped=0.0 if archive.name == "heldout" else 0.2,
        )
        list(tabulate(path, derived / "tables" / f"{archive.name}.parquet"))
        write_json(derived / "params" / f"{archive.name}.json", {"prior": prior_bounds()})
    for table in OBSERVATION_TABLES.values():
        path = datasets / table.path
        path.parent.mkdir(parents=True, exist_ok=True)
        made = runs if table.name == "synthetic_summary" else observation_table(table.name)
        path.write_bytes(csv_bytes(made))
        list(tabulate(path, derived / "observations" / f"{table.name}.parquet"))
    for name in DGMS:
        write_estimator(derived / "dgms" / name, name)
    for name, dataset in DATASETS.items():
        write_estimator(derived / "dgms" / name, dataset.dgm)
    for file in FILES:
        path = datasets / file.path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"stand-in for {file.path}".encode())
    write_release_json(root, "made-up")
    return root


def write_release_json(root: Path, release: str, *, sample: bool = False) -> None:
    """State the published files of `root` as they are."""
    files = []
    for file in FILES:
        data = (root / "datasets" / file.path).read_bytes()
        md5 = hashlib.md5(data).hexdigest()
        files.append({"path": file.path, "md5": md5, "size": len(data), "release": release})
    said = {"release": release, "sample": sample, "files": files}
    write_json(root / "datasets" / "release.json", said)


def write_json(path: Path, value: Any) -> Path:
    """Write JSON where there may be no folder yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path
