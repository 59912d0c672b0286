"""Holding files to the contracts that are no part of a release: tables, archives, params.yaml."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, OBSERVATION_TABLES
from automind_data.contracts.findings import Finding
from automind_data.contracts.inputs import Bound
from automind_data.contracts.registry import check
from automind_data.contracts.run import WITHOUT_POSTERIOR
from automind_data.contracts.subjects import ArchiveFile, Observations, Refused, Subject, Table
from automind_data.params import read_params
from automind_data.tables import column_names, tabulate

__all__ = ["validate_file"]


def validate_file(path: str | Path) -> list[Finding]:
    """Hold one file to the contracts about its kind.

    Parameters
    ----------
    path
        A table (`.csv`, `.parquet`), an archive (`.zip`) or a parameter file (`.yaml`).

    Returns
    -------
    list of Finding
        What was found; that the file is refused is a finding as well.

    Raises
    ------
    AutomindError
        There is no such file, or it is of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise AutomindError(path, "is not there", "look at the path")
    match path.suffix.lower():
        case ".csv":
            subjects = _csv
        case ".parquet":
            subjects = _parquet
        case ".zip":
            subjects = _zip
        case ".yaml" | ".yml":
            subjects = _params
        case other:
            rule = f"is a {other or 'nameless'} file; .csv, .parquet, .zip and .yaml can be checked"
            raise AutomindError(path, rule, "convert it first")
    with tempfile.TemporaryDirectory() as folder:
        return [f for subject in subjects(path, Path(folder)) for f in check(subject)]


def _csv(path: Path, folder: Path) -> Iterator[Subject]:
    yield from _tabulated(path, folder / "table.parquet", None)


def _parquet(path: Path, folder: Path) -> Iterator[Subject]:
    try:
        column_names(path)
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)
        return
    yield from _table(path, path, None)


def _zip(path: Path, folder: Path) -> Iterator[Subject]:
    needs = tuple(MEMBER_KINDS) if path.stem in DATASETS else WITHOUT_POSTERIOR
    archive = ArchiveFile(file=str(path), path=path, needs=needs)
    yield archive
    if archive.plan.violations:
        return
    prior = None
    try:
        prior = _prior(path)
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)
    if find_members(path, MEMBER_KINDS["table"]):
        yield from _tabulated(path, folder / "table.parquet", prior)


def _params(path: Path, folder: Path) -> Iterator[Subject]:
    try:
        read_params(path)
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)


def _prior(path: Path) -> tuple[Bound, ...] | None:
    from automind_data.pickles.legacy import describe_prior

    priors = []
    for member in find_members(path, MEMBER_KINDS["prior"]):
        with open_member(path, member) as stream:
            priors.append(describe_prior(stream.read(), member))
    if any(prior != priors[0] for prior in priors):
        raise AutomindError(path, "holds priors that differ", "keep one of them")
    fields = Bound.__struct_fields__
    return (
        tuple(Bound(*(entry[name] for name in fields)) for entry in priors[0]) if priors else None
    )


def _tabulated(path: Path, out: Path, prior: tuple[Bound, ...] | None) -> Iterator[Subject]:
    try:
        for _ in tabulate(path, out):
            pass
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)
        return
    yield from _table(path, out, prior)


def _table(path: Path, at: Path, prior: tuple[Bound, ...] | None) -> Iterator[Subject]:
    yield Table(file=str(path), path=at, prior=prior, configurations=path.suffix.lower() == ".zip")
    known = OBSERVATION_TABLES.get(path.stem)
    if known:
        yield Observations(file=str(path), path=at, table=known)
