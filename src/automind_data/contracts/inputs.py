"""The JSON files that contracts read, as far as they need them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from automind_data.common.errors import AutomindError
from automind_data.common.typed import AGAIN, ReleaseFile, read_typed
from automind_data.dgm.filters import Conditioning

__all__ = [
    "ArchiveParams",
    "Bound",
    "EstimatorFile",
    "Release",
    "ReleaseFile",
    "Source",
    "read_input",
]

T = TypeVar("T")


class Release(msgspec.Struct, frozen=True):
    """`datasets/release.json`."""

    release: str
    files: tuple[ReleaseFile, ...]
    sample: bool = False


class Bound(msgspec.Struct, frozen=True):
    """One parameter of a prior; bounds in `unit`, None where they are no finite numbers."""

    name: str
    unit: str
    low: float | None
    high: float | None


class Source(msgspec.Struct, frozen=True):
    """The pickle that something was converted from."""

    md5: Annotated[str, msgspec.Meta(min_length=1)]


class EstimatorFile(msgspec.Struct, frozen=True):
    """`derived/dgms/<name>/dgm.json`."""

    parameters: tuple[Bound, ...]
    conditioning: Conditioning
    source: Source


class ArchiveParams(msgspec.Struct, frozen=True):
    """`derived/params/<archive>.json`."""

    prior: tuple[Bound, ...]
    simulation: dict[str, Any] = {}
    analysis: dict[str, Any] = {}
    differences: dict[str, Any] = {}


class ProfileFile(msgspec.Struct, frozen=True):
    """The profile of a table, as far as drift is judged by it."""

    rows: Annotated[int, msgspec.Meta(ge=1)]
    columns: dict[str, dict[str, Any]]


class Probe(msgspec.Struct, frozen=True):
    """`probe.json` of a density estimator: digests of what it is made of."""

    architecture: str
    features: str
    tensors: dict[str, str]


def read_input(path: str | Path, kind: type[T]) -> T:
    """Read a JSON file as `kind`.

    Raises
    ------
    AutomindError
        The file is missing or does not have the agreed form.
    """
    found = read_typed(path, kind)
    if found is None:
        raise AutomindError(path, "is not there", AGAIN)
    return found
