"""Holding a release, a data set, or any files to the contracts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
from automind_data.contracts.before import FOLDER, profile_path, read_baseline
from automind_data.contracts.findings import Finding, write_findings, write_summary
from automind_data.contracts.inputs import (
    ArchiveParams,
    EstimatorFile,
    Probe,
    ProfileFile,
    Release,
    read_input,
)
from automind_data.contracts.registry import check
from automind_data.contracts.spec import read_spec
from automind_data.contracts.subjects import (
    Analyses,
    Apart,
    ArchiveFile,
    Attested,
    Copies,
    Discovered,
    Drawn,
    Drift,
    Estimator,
    NotDerived,
    Observations,
    Priors,
    Published,
    Subject,
    Table,
)
from automind_data.dgm.filters import Conditioning

__all__ = ["check_dataset", "validate_release", "write_gate"]

OF_NO_MATTER = {
    "path_dict",
    "params_settings.batch_seed",
    "params_settings.experiment",
    "params_settings.random_seed",
    "params_settings.real_run_time",
}
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
    usable: dict[str, dict[str, int]] = {}
    for done, subject in enumerate(subjects, 1):
        findings += check(subject)
        if isinstance(subject, Table) and subject.uses:
            usable[subject.path.stem] = dict(subject.spectra.usable)
        yield {"path": subject.file, "done": done, "total": len(subjects)}
    tables = {name: root / _table_of(name) for name in ARCHIVES}
    rows = {name: pq.read_metadata(at).num_rows for name, at in tables.items() if at.is_file()}
    write_findings(out / "findings.jsonl", findings)
    write_summary(out / "summary.json", findings, rows, usable)


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
    uses = _uses(root, there)
    for archive in ARCHIVES.values():
        if archive.path in there:
            yield from _archive(root, archive, uses)
    for table in OBSERVATION_TABLES.values():
        if table.path in there:
            yield from _observation_table(root, table, uses)
    for dataset in DATASETS.values():
        yield from _dataset(root, dataset, there)
    yield from _between(root, there)
    yield from _since(root, release)


def _uses(root: Path, there: set[str]) -> tuple[Conditioning, ...]:
    """What the published density estimators are conditioned on."""
    paths = [root / _dgm_of(name) for name, published in DGMS.items() if published in there]
    return tuple(read_input(path, EstimatorFile).conditioning for path in paths if path.is_file())


def _archive(root: Path, archive: Archive, uses: tuple[Conditioning, ...]) -> Iterator[Subject]:
    needs = tuple(MEMBER_KINDS) if archive.name in DATASETS else WITHOUT_POSTERIOR
    yield ArchiveFile(file=archive.path, path=root / "datasets" / archive.path, needs=needs)
    params = root / _params_of(archive.name)
    if not params.is_file():
        yield NotDerived(file=archive.path, output=_params_of(archive.name))
    table = root / _table_of(archive.name)
    if not table.is_file():
        yield NotDerived(file=archive.path, output=_table_of(archive.name))
        return
    yield Table(
        file=archive.path,
        path=table,
        prior=read_input(params, ArchiveParams).prior if params.is_file() else None,
        uniform=archive.name not in DATASETS,
        configurations=True,
        holds=read_spec().tables[archive.name].holds,
        uses=uses,
    )


def _observation_table(
    root: Path, table: ObservationTable, uses: tuple[Conditioning, ...]
) -> Iterator[Subject]:
    path = root / _observations_of(table.name)
    if not path.is_file():
        yield NotDerived(file=table.path, output=_observations_of(table.name))
        return
    drawn_from = root / _params_of(table.drawn_from) if table.drawn_from else None
    known = drawn_from is not None and drawn_from.is_file()
    yield Table(
        file=table.path,
        path=path,
        prior=read_input(drawn_from, ArchiveParams).prior if known and drawn_from else None,
        holds=read_spec().tables[table.name].holds,
        uses=uses,
    )
    yield Observations(file=table.path, path=path, table=table)


def _dataset(root: Path, dataset: Dataset, there: set[str]) -> Iterator[Subject]:
    archive, published = ARCHIVES[dataset.name], DGMS[dataset.dgm]
    observed = OBSERVATION_TABLES[dataset.observations]
    table, observations = root / _table_of(dataset.name), root / _observations_of(observed.name)
    both = table.is_file() and observations.is_file()
    if both:
        every = Observations(file=observed.path, path=observations, table=observed)
        yield Discovered(
            file=archive.path,
            dataset=dataset.name,
            path=table,
            observations=observed.path,
            known=frozenset(key for key in every.keys if key is not None),
            simulated=observed.drawn_from is not None,
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
            network_inside=_network(root, dataset.name),
            network_published=_network(root, dataset.dgm),
        )
    if dataset.dgm in found and observations.is_file():
        yield _observations(dataset, observations, found[dataset.dgm])
    if dataset.name in found and both:
        yield Attested(
            file=archive.path,
            dataset=dataset.name,
            path=table,
            dgm=(root / _dgm_of(dataset.name)).parent,
            observations=observations,
            of=dataset,
        )


def _network(root: Path, name: str) -> dict[str, str]:
    """Return digests of the parts of a network; none where its probe is not there."""
    path = (root / _dgm_of(name)).with_name("probe.json")
    if not path.is_file():
        return {}
    probe = read_input(path, Probe)
    return {"architecture": probe.architecture, "conditioning": probe.features, **probe.tensors}


def _between(root: Path, there: set[str]) -> Iterator[Subject]:
    """What holds between archives."""
    params = {
        name: read_input(root / _params_of(name), ArchiveParams)
        for name, archive in ARCHIVES.items()
        if archive.path in there and (root / _params_of(name)).is_file()
    }
    if params:
        file = ARCHIVES[next(iter(params))].path
        yield Priors(file=file, of={name: said.prior for name, said in params.items()})
        yield Analyses(
            file=file,
            of={name: flat_settings(said.analysis) for name, said in params.items()},
            within={name: said.differences for name, said in params.items()},
        )
    tables = {name: root / _table_of(name) for name in ARCHIVES if ARCHIVES[name].path in there}
    training, heldout = tables.get("training"), tables.get("heldout")
    if training and heldout and training.is_file() and heldout.is_file():
        yield Apart(file=ARCHIVES["heldout"].path, path=heldout, training=training)
    for table in OBSERVATION_TABLES.values():
        path, archive = root / _observations_of(table.name), tables.get(table.drawn_from or "")
        if table.drawn_from and archive and archive.is_file() and path.is_file():
            yield Drawn(
                file=table.path,
                path=path,
                key=table.key_columns,
                archive=archive,
                drawn_from=table.drawn_from,
            )


def _since(root: Path, release: Release) -> Iterator[Subject]:
    """What changed since the release before, where that is another one of the same kind."""
    known = read_baseline(root / FOLDER)
    if known is None:
        return
    before, profiles = known
    if before.release == release.release or before.sample != release.sample:
        return
    files = {name: archive.path for name, archive in ARCHIVES.items()}
    files |= {name: table.path for name, table in OBSERVATION_TABLES.items()}
    for name, file in files.items():
        path = root / profile_path(name)
        if name in profiles and path.is_file():
            now = read_input(path, ProfileFile)
            new = {"rows": now.rows, "columns": now.columns}
            yield Drift(file=file, before=before.release, old=profiles[name], new=new)


def flat_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return `section.key` → value with its unit, but for what names a run or a place.

    >>> flat_settings({"params_analysis": {"n_pcs": {"value": 20, "unit": "1"}}})
    {'params_analysis.n_pcs': '20'}
    """
    return {
        f"{section}.{key}": " ".join(
            [json.dumps(entry.get("value")), *([u] if (u := entry.get("unit", "1")) != "1" else [])]
        )
        for section, entries in settings.items()
        if section not in OF_NO_MATTER and isinstance(entries, Mapping)
        for key, entry in entries.items()
        if f"{section}.{key}" not in OF_NO_MATTER and isinstance(entry, Mapping)
    }


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
