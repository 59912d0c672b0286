"""The JSON files that contracts read, as far as they need them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from automind_data.common.errors import AutomindError

__all__ = [
    "ArchiveParams",
    "Bound",
    "Conditioning",
    "EstimatorFile",
    "Release",
    "ReleaseFile",
    "Source",
    "read_input",
]

T = TypeVar("T")


class ReleaseFile(msgspec.Struct, frozen=True):
    """One published file as `datasets/release.json` states it."""

    path: str
    md5: str
    size: int
    release: str


class Release(msgspec.Struct, frozen=True):
    """`datasets/release.json`."""

    release: str
    files: tuple[ReleaseFile, ...]


class Bound(msgspec.Struct, frozen=True):
    """One parameter of a prior; bounds in `unit`, None where they are no finite numbers."""

    name: str
    unit: str
    low: float | None
    high: float | None


class Conditioning(msgspec.Struct, frozen=True):
    """What a density estimator is conditioned on: `psd` or `burst`, and its feature columns."""

    kind: str
    columns: tuple[str, ...]


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


def read_input(path: str | Path, kind: type[T]) -> T:
    """Read a JSON file as `kind`.

    Raises
    ------
    AutomindError
        The file is missing or does not have the agreed form.
    """
    again = "make it again with `dvc repro`"
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=kind)
    except FileNotFoundError:
        raise AutomindError(path, "is not there", again) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AutomindError(path, f"does not have the agreed form: {error}", again) from None
