"""The newest sample release, derived as far as validation reads it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from automind_data.common.layout import ARCHIVES, DATASETS, DGMS, FILES, OBSERVATION_TABLES
from automind_data.contracts.before import profile_path
from automind_data.pickles.convert import convert_archive_params, convert_posterior
from automind_data.tables import tabulate
from tests.builders import write_release_json
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def whole(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `datasets/` and `derived/` of the sample release. Copy it before you write."""
    root = tmp_path_factory.mktemp("whole")
    datasets, derived = root / "datasets", root / "derived"
    for file in FILES:
        (datasets / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(release / file.path, datasets / file.path)
    said = json.loads((ROOT / "datasets" / "release.json").read_text(encoding="utf-8"))
    write_release_json(root, said["release"], sample=True)
    for name, archive in ARCHIVES.items():
        profile = root / profile_path(name)
        table = derived / "tables" / f"{name}.parquet"
        list(tabulate(datasets / archive.path, table, profile=profile, release=said["release"]))
        convert_archive_params(datasets / archive.path, derived / "params" / f"{name}.json")
    for name, observed in OBSERVATION_TABLES.items():
        table = derived / "observations" / f"{name}.parquet"
        list(tabulate(datasets / observed.path, table, profile=root / profile_path(name)))
    for name, path in DGMS.items():
        convert_posterior(datasets / path, derived / "dgms" / name)
    for name, dataset in DATASETS.items():
        like = derived / "dgms" / dataset.dgm
        convert_posterior(datasets / ARCHIVES[name].path, derived / "dgms" / name, like)
    shutil.copytree(ROOT / "datasets" / "baseline", datasets / "baseline")
    return root
