"""Holding files to the contracts that are no part of a release.

These are tables, archives and folders like them, pickles, and `params.yaml`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.archive.plan import matches
from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, DATASETS, OBSERVATION_TABLES
from automind_data.contracts.findings import Finding
from automind_data.contracts.inputs import Bound
from automind_data.contracts.registry import check
from automind_data.contracts.run import WITHOUT_POSTERIOR
from automind_data.contracts.spec import read_spec
from automind_data.contracts.subjects import (
    ArchiveFile,
    Estimator,
    Observations,
    Refused,
    Subject,
    Table,
)
from automind_data.dgm.filters import Conditioning
from automind_data.params import read_params
from automind_data.tables import column_names, tabulate

__all__ = ["validate_file"]


def validate_file(path: str | Path) -> list[Finding]:
    """Hold one file, or a folder with the files of an archive, to the contracts about its kind.

    Parameters
    ----------
    path
        A table (`.csv`, `.parquet`), an archive (`.zip`), a folder with an archive's
        pickles and tables at any depth, a pickle (`.pickle`), or a parameter file (`.yaml`).

    Returns
    -------
    list of Finding
        What was found; that the file is refused is a finding as well.

    Raises
    ------
    AutomindError
        There is no such file, it is of another kind, or the folder holds nothing to check.
    """
    path = Path(path)
    if path.is_dir():
        subjects = _folder
    elif not path.is_file():
        raise AutomindError(path, "is not there", "look at the path")
    else:
        match path.suffix.lower():
            case ".csv":
                subjects = _csv
            case ".parquet":
                subjects = _parquet
            case ".zip":
                subjects = _zip
            case ".pickle":
                subjects = _pickle
            case ".yaml" | ".yml":
                subjects = _params
            case other:
                kinds = ".csv, .parquet, .zip, .pickle and .yaml"
                rule = f"is a {other or 'nameless'} file; {kinds} can be checked"
                raise AutomindError(path, rule, "convert it first")
    with tempfile.TemporaryDirectory() as folder:
        return [f for subject in subjects(path, Path(folder)) for f in check(subject)]


def _csv(path: Path, folder: Path) -> Iterator[Subject]:
    yield from _tabulated(path, path, folder / "table.parquet", _Held())


def _parquet(path: Path, folder: Path) -> Iterator[Subject]:
    try:
        column_names(path)
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)
        return
    yield from _table(path, path, _Held())


def _zip(path: Path, folder: Path) -> Iterator[Subject]:
    needs = tuple(MEMBER_KINDS) if path.stem in DATASETS else WITHOUT_POSTERIOR
    archive = ArchiveFile(file=str(path), path=path, needs=needs)
    yield archive
    if archive.plan.violations:
        return
    held = _Held()
    for kind in PICKLES:
        for member in find_members(path, MEMBER_KINDS[kind]):
            with open_member(path, member) as stream:
                yield from held.take(kind, stream.read(), path, member)
    yield from held.estimators(path)
    if find_members(path, MEMBER_KINDS["table"]):
        yield from _tabulated(path, path, folder / "table.parquet", held)


def _folder(path: Path, folder: Path) -> Iterator[Subject]:
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink()]
    kinds = {
        kind: [f for f in files if matches(f.name, MEMBER_KINDS[kind])] for kind in MEMBER_KINDS
    }
    if not any(kinds.values()):
        rule = f"holds none of the files of an archive ({', '.join(MEMBER_KINDS.values())})"
        raise AutomindError(path, rule, "give the folder that holds them")
    held = _Held()
    for kind in PICKLES:
        for file in kinds[kind]:
            yield from held.take(kind, file.read_bytes(), file)
    yield from held.estimators(path)
    for number, table in enumerate(kinds["table"]):
        yield from _tabulated(table, table, folder / f"{number}.parquet", held)


def _pickle(path: Path, folder: Path) -> Iterator[Subject]:
    kinds = [kind for kind in PICKLES if matches(path.name, MEMBER_KINDS[kind])]
    held = _Held()
    yield from held.take(kinds[0] if kinds else "posterior", path.read_bytes(), path)
    yield from held.estimators(path)


def _params(path: Path, folder: Path) -> Iterator[Subject]:
    try:
        read_params(path)
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)


PICKLES = ("prior", "default params", "analysis params", "posterior")


class _Held:
    """What the pickles beside a table say: its prior, and its density estimators."""

    def __init__(self) -> None:
        self.prior: tuple[Bound, ...] | None = None
        self.posteriors: list[_Posterior] = []

    def take(self, kind: str, data: bytes, file: Path, member: str = "") -> Iterator[Subject]:
        """Read one pickle; what speaks against it is a subject."""
        from automind_data.pickles.confined import ask

        reading = kind if kind in ("prior", "posterior") else "parameters"
        try:
            said = ask(reading, data, member or str(file))
            if kind == "prior":
                prior = msgspec.convert(said, tuple[Bound, ...])
                if self.prior is not None and prior != self.prior:
                    raise AutomindError(file, "holds priors that differ", "keep one of them")
                self.prior = prior
            elif kind == "posterior":
                self.posteriors.append(msgspec.convert(_plain(said[0]), _Posterior))
        except AutomindError as error:
            where = f"{member}: " if member else ""
            yield Refused(file=str(file), sentence=f"{where}{error.rule}")

    def estimators(self, path: Path) -> Iterator[Subject]:
        """Give the density estimators beside their prior, or else beside their own bounds."""
        for posterior in self.posteriors:
            yield Estimator(
                file=str(path),
                parameters=posterior.parameters,
                conditioning=posterior.conditioning,
                prior=posterior.parameters if self.prior is None else self.prior,
            )


class _Posterior(msgspec.Struct, frozen=True):
    parameters: tuple[Bound, ...]
    conditioning: Conditioning


def _plain(value: Any) -> Any:
    """Write infinities as `describe_posterior` leaves them to JSON."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _tabulated(path: Path, source: Path, out: Path, held: _Held) -> Iterator[Subject]:
    try:
        for _ in tabulate(source, out):
            pass
    except AutomindError as error:
        yield Refused(file=str(path), sentence=error.rule)
        return
    yield from _table(path, out, held)


def _table(path: Path, at: Path, held: _Held) -> Iterator[Subject]:
    archived = path.suffix.lower() == ".zip"
    known = read_spec().tables.get(path.stem)
    yield Table(
        file=str(path),
        path=at,
        prior=held.prior,
        uniform=path.stem in ARCHIVES and path.stem not in DATASETS,
        configurations=archived,
        holds=known.holds if known else (),
        uses=tuple(posterior.conditioning for posterior in held.posteriors),
    )
    table = OBSERVATION_TABLES.get(path.stem)
    if table:
        yield Observations(file=str(path), path=at, table=table)
