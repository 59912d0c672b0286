"""Tables and repositories whose differences are known, for tests of `diff`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save

from automind_data.common.files import md5_of
from automind_data.diff.changes import TableChange
from automind_data.diff.place import Place
from automind_data.diff.tables import TABLES, compare_table
from automind_data.pinning.config import cache_objects
from automind_data.pinning.objects import Objects
from automind_data.tables.digests import DIGEST, DigestFile, row_digests, row_key
from automind_data.tables.profile import profile_of_parquet, write_profile
from tests.scratch import commit, make_clone, make_release, run_import

SEEDS = ("params_settings.batch_seed", "params_settings.random_seed")
SOURCES = {source.name: source for source in TABLES}
ROW_GROUP = 7


def runs(rows: int, **columns: Any) -> pa.Table:
    """A table with both seeds, the features of `rows` runs, and more columns."""
    rng = np.random.default_rng(3)
    made: dict[str, Any] = {
        SEEDS[0]: np.full(rows, 11),
        SEEDS[1]: np.arange(rows) * 3 + 100,
        "isi_cv_mu": np.exp(rng.normal(size=rows)),
        "burst_num": rng.normal(size=rows),
        "params_analysis.early_stopped": rng.random(rows) < 0.3,
    }
    return pa.table(made | columns)


def changed(table: pa.Table, name: str, cells: Mapping[int, Any]) -> pa.Table:
    """The table with other values in some rows of a column."""
    values = table[name].to_pylist()
    for row, value in cells.items():
        values[row] = value
    column = pa.array(values, table.schema.field(name).type, from_pandas=False)
    return table.set_column(table.column_names.index(name), name, column)


def write_table(folder: Path, path: str, table: pa.Table, beside: bool = True) -> None:
    """Write a derived table, with its profile and digests if wanted."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target, row_group_size=ROW_GROUP)
    if beside:
        stem = path.removesuffix(".parquet")
        write_profile(folder / f"{stem}.profile.json", profile_of_parquet(target))
        digests = folder / f"{stem}.digests.parquet"
        if row_key(table.column_names):
            with DigestFile(digests, table.column_names) as file:
                file.add(table)
        else:
            pq.write_table(pa.table({DIGEST: row_digests(table)}), digests)


def folder_place(folder: Path, name: str, pull: bool = False) -> Place:
    """The files of a folder, as if a commit pinned them."""

    def find(path: str) -> Path | None:
        return folder / path if (folder / path).is_file() else None

    def md5(path: str) -> str | None:
        found = find(path)
        return md5_of(found) if found else None

    revision = SimpleNamespace(name=name, commit=name, root=folder, outputs={}, find=find, md5=md5)
    return Place(revision, pull)


def compare(
    folder: Path, old: pa.Table, new: pa.Table, *, name: str = "training", beside: bool = True
) -> TableChange:
    """Compare two tables that are written for it."""
    source = SOURCES[name]
    places = []
    for side, table in (("old", old), ("new", new)):
        shutil.rmtree(folder / side, ignore_errors=True)
        write_table(folder / side, source.path, table, beside)
        places.append(folder_place(folder / side, side))
    return compared(name, *places)


def compared(name: str, old: Place, new: Place) -> TableChange:
    """Run the comparison of one table to its end."""
    work = compare_table(SOURCES[name], old, new)
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def dgm_files(
    *,
    tensors: Mapping[str, Any] | None = None,
    log_prob: Any = None,
    features: int = 4,
    low: float = 0.0,
    bins: int = 10,
    source: str = "1" * 32,
    probe: bool = True,
) -> dict[str, bytes]:
    """The files of a made-up density estimator, by name."""
    parameters = [{"name": f"p{at}", "unit": "mV", "low": low, "high": 1.0} for at in range(2)]
    description = {
        "format": 1,
        "parameters": parameters,
        "conditioning": {"kind": "burst", "columns": [f"f{at}" for at in range(features)]},
        "flow": {"transforms": [{"kind": "lu", "bins": bins, "tensors": "t"}], "embedding": []},
        "source": {"file": "a.pickle", "member": None, "md5": source, "bytes": 1},
    }
    values = {
        name: np.asarray(value, np.float32)
        for name, value in (tensors or {"a": [1.0], "b": [2.0]}).items()
    }
    files = {
        "dgm.json": json.dumps(description).encode(),
        "dgm.safetensors": save(values),
    }
    if probe:
        said = {
            "format": 1,
            "architecture": hashlib.md5(json.dumps(description["flow"]).encode()).hexdigest(),
            "features": hashlib.md5(json.dumps(description["conditioning"]).encode()).hexdigest(),
            "tensors": {
                name: hashlib.md5(value.tobytes()).hexdigest() for name, value in values.items()
            },
            "log_prob": log_prob or [[-1.0, -2.0], [None, -3.0]],
        }
        files["probe.json"] = json.dumps(said).encode()
    return files


class Repository:
    """A clone whose commits pin derived files that are written to `stage` by hand."""

    def __init__(self, folder: Path) -> None:
        self.root = make_clone(folder / "clone")
        self.stage = folder / "stage"
        self._releases = folder / "releases"

    def release(self, name: str, mark: str = "first") -> None:
        """Import a made-up release."""
        source = make_release(self._releases / name, mark)
        run_import(self.root, source, release=name, embed=True)

    def table(self, name: str, table: pa.Table, beside: bool = True) -> None:
        write_table(self.stage, SOURCES[name].path, table, beside)

    def write(self, path: str, content: Any) -> None:
        target = self.stage / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        target.write_bytes(text)

    def dgm(self, name: str, **said: Any) -> None:
        folder = self.stage / "derived/dgms" / name
        shutil.rmtree(folder, ignore_errors=True)
        for file, content in dgm_files(**said).items():
            self.write(f"derived/dgms/{name}/{file}", content)

    def commit(self, message: str) -> str:
        """Pin what is staged in the cache and in `dvc.lock`, and commit."""
        outs = [self._pin(path) for path in self._staged()]
        metrics = "derived/validation/summary.json"
        paths = [out["path"] for out in outs]
        stage = {
            "cmd": "true",
            "outs": [path for path in paths if path != metrics],
            "metrics": [path for path in paths if path == metrics],
        }
        (self.root / "dvc.yaml").write_text(json.dumps({"stages": {"all": stage}}))
        lock = {"schema": "2.0", "stages": {"all": {"cmd": "true", "outs": outs}}}
        (self.root / "dvc.lock").write_text(json.dumps(lock))
        return commit(self.root, message)

    def _staged(self) -> list[str]:
        found: dict[str, None] = {}
        for path in sorted(self.stage.rglob("*")):
            inside = path.relative_to(self.stage).as_posix()
            if path.is_file():
                parts = inside.split("/")
                found["/".join(parts[:3]) if parts[1] == "dgms" else inside] = None
        return list(found)

    def _pin(self, path: str) -> dict[str, Any]:
        source = self.stage / path
        if source.is_file():
            return {"path": path, "md5": self._store(source.read_bytes()), "hash": "md5",
                    "size": source.stat().st_size}  # fmt: skip
        files = sorted(source.iterdir())
        listed = [{"md5": self._store(each.read_bytes()), "relpath": each.name} for each in files]
        md5 = self._store(json.dumps(listed).encode(), ".dir")
        size = sum(each.stat().st_size for each in files)
        return {"path": path, "md5": md5, "hash": "md5", "size": size, "nfiles": len(files)}

    def _store(self, content: bytes, suffix: str = "") -> str:
        md5 = hashlib.md5(content).hexdigest() + suffix
        target = Objects(cache_objects(self.root)).path(md5)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o444)
        return md5
