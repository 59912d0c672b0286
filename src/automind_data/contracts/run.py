"""Holding a release, a data set, or any files to the contracts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from automind_data.common.archive import MEMBER_KINDS
from automind_data.common.files import write_json
from automind_data.common.layout import (
    ARCHIVES,
    DATASETS,
    DGMS,
    OBSERVATION_TABLES,
    Archive,
    Dataset,
    ObservationTable,
)
from automind_data.contracts.findings import Finding, write_findings, write_summary
from automind_data.contracts.inputs import ArchiveParams, EstimatorFile, Release, read_input
from automind_data.contracts.registry import check
from automind_data.contracts.subjects import (
    ArchiveFile,
    Copies,
    Discovered,
    Estimator,
    NotDerived,
    Observations,
    Published,
    Subject,
    Table,
)

__all__ = ["check_dataset", "validate_release", "write_gate"]

WITHOUT_POSTERIOR = tuple(kind for kind in MEMBER_KINDS if kind != "posterior")


def validate_release(root: str | Path, out: str | Path) -> Iterator[dict[str, Any]]:
    """Hold the release in a clone to all contracts.

    Parameters
    ----------
    root
        The folder with `datasets/` and `derived/`.
    out
        Gets `findings.jsonl` and `summary.json`; other files there stay.

    Yields
    ------
    dict
        `path` of what is checked, `done` and `total` number of things to check.

    Raises
    ------
    AutomindError
        `datasets/release.json` is missing, or a derived JSON file is damaged.
    """
    root, out = Path(root), Path(out)
    subjects = list(_release(root))
    findings: list[Finding] = []
    for done, subject in enumerate(subjects, 1):
        findings += check(subject)
        yield {"path": subject.file, "done": done, "total": len(subjects)}
    tables = {name: root / _table_of(name) for name in ARCHIVES}
    rows = {name: pq.read_metadata(at).num_rows for name, at in tables.items() if at.is_file()}
    write_findings(out / "findings.jsonl", findings)
    write_summary(out / "summary.json", findings, rows)


def check_dataset(
    dataset: str, dgm: str | Path, prior: str | Path, observations: str | Path
) -> list[Finding]:
    """Hold what sampling one data set needs to the contracts.

    Parameters
    ----------
    dataset
        Name of the data set.
    dgm
        Folder of the density estimator that is sampled.
    prior
        `derived/params/<archive>.json` of the data set.
    observations
        Its observation table, as Parquet.

    Raises
    ------
    AutomindError
        One of them is missing or damaged.
    """
    estimator = read_input(Path(dgm) / "dgm.json", EstimatorFile)
    bounds = read_input(prior, ArchiveParams).prior
    subjects: tuple[Subject, ...] = (
        Estimator(
            file=DGMS[DATASETS[dataset].dgm],
            dataset=dataset,
            parameters=estimator.parameters,
            conditioning=estimator.conditioning,
            prior=bounds,
        ),
        _observations(DATASETS[dataset], Path(observations), estimator),
    )
    return [finding for subject in subjects for finding in check(subject)]


def write_gate(path: str | Path, dataset: str, findings: list[Finding]) -> str:
    """Write whether a data set may be sampled, and the ids of the errors that forbid it.

    Returns
    -------
    str
        `open` or `closed`.
    """
    errors = sorted({finding.id for finding in findings if finding.severity == "error"})
    verdict = "closed" if errors else "open"
    write_json(path, {"dataset": dataset, "verdict": verdict, "errors": errors})
    return verdict


def _release(root: Path) -> Iterator[Subject]:
    folder = root / "datasets"
    release = read_input(folder / "release.json", Release)
    yield Published(file="release.json", folder=folder, release=release)
    there = {file.path for file in release.files if (folder / file.path).is_file()}
    for archive in ARCHIVES.values():
        if archive.path in there:
            yield from _archive(root, archive)
    for table in OBSERVATION_TABLES.values():
        if table.path in there:
            yield from _observation_table(root, table)
    for dataset in DATASETS.values():
        yield from _dataset(root, dataset, there)


def _archive(root: Path, archive: Archive) -> Iterator[Subject]:
    needs = tuple(MEMBER_KINDS) if archive.name in DATASETS else WITHOUT_POSTERIOR
    yield ArchiveFile(file=archive.path, path=root / "datasets" / archive.path, needs=needs)
    params = root / _params_of(archive.name)
    if not params.is_file():
        yield NotDerived(file=archive.path, output=_params_of(archive.name))
    table = root / _table_of(archive.name)
    if not table.is_file():
        yield NotDerived(file=archive.path, output=_table_of(archive.name))
        return
    prior = read_input(params, ArchiveParams).prior if params.is_file() else None
    yield Table(file=archive.path, path=table, prior=prior, configurations=True)


def _observation_table(root: Path, table: ObservationTable) -> Iterator[Subject]:
    path = root / _observations_of(table.name)
    if not path.is_file():
        yield NotDerived(file=table.path, output=_observations_of(table.name))
        return
    drawn_from = root / _params_of(table.drawn_from) if table.drawn_from else None
    known = drawn_from is not None and drawn_from.is_file()
    prior = read_input(drawn_from, ArchiveParams).prior if known and drawn_from else None
    yield Table(file=table.path, path=path, prior=prior)
    yield Observations(file=table.path, path=path, table=table)


def _dataset(root: Path, dataset: Dataset, there: set[str]) -> Iterator[Subject]:
    archive, published = ARCHIVES[dataset.name], DGMS[dataset.dgm]
    observed = OBSERVATION_TABLES[dataset.observations]
    table, observations = root / _table_of(dataset.name), root / _observations_of(observed.name)
    if table.is_file() and observations.is_file():
        every = Observations(file=observed.path, path=observations, table=observed)
        known = frozenset(key for key in every.keys if key is not None)
        yield Discovered(
            file=archive.path,
            dataset=dataset.name,
            path=table,
            observations=observed.path,
            known=known,
        )
    found: dict[str, EstimatorFile] = {}
    params = root / _params_of(dataset.name)
    for path, name in ((published, dataset.dgm), (archive.path, dataset.name)):
        if path not in there:
            continue
        if not (root / _dgm_of(name)).is_file():
            yield NotDerived(file=path, dataset=dataset.name, output=_dgm_of(name))
            continue
        found[name] = read_input(root / _dgm_of(name), EstimatorFile)
        if params.is_file():
            yield Estimator(
                file=path,
                dataset=dataset.name,
                parameters=found[name].parameters,
                conditioning=found[name].conditioning,
                prior=read_input(params, ArchiveParams).prior,
            )
    if len(found) == 2:
        yield Copies(
            file=archive.path,
            dataset=dataset.name,
            published=published,
            md5_inside=found[dataset.name].source.md5,
            md5_published=found[dataset.dgm].source.md5,
        )
    if dataset.dgm in found and observations.is_file():
        yield _observations(dataset, observations, found[dataset.dgm])


def _observations(dataset: Dataset, path: Path, estimator: EstimatorFile) -> Observations:
    table = OBSERVATION_TABLES[dataset.observations]
    return Observations(
        file=table.path,
        dataset=dataset.name,
        path=path,
        table=table,
        features=estimator.conditioning.columns,
    )


def _table_of(archive: str) -> str:
    return f"derived/tables/{archive}.parquet"


def _params_of(archive: str) -> str:
    return f"derived/params/{archive}.json"


def _dgm_of(name: str) -> str:
    return f"derived/dgms/{name}/dgm.json"


def _observations_of(name: str) -> str:
    return f"derived/observations/{name}.parquet"
