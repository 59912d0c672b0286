"""The `.dvc` file of one published file: written so that DVC takes it for its own."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

__all__ = ["DATASETS", "FileOrigin", "Import", "dvc_path", "dvc_text", "parse_import"]

DATASETS = "datasets"
"""The folder of the release."""


@dataclass(frozen=True)
class FileOrigin:
    """Where a published file came from: `meta.origin` of its `.dvc` file.

    Dates are `YYYY-MM-DD`: `retrieved` of the import, `date` of the publication. What
    only some places have is None where there is no such thing.
    """

    release: str
    kind: str
    address: str
    retrieved: str
    licence: str
    article: int | None = None
    version: int | None = None
    doi: str | None = None
    title: str | None = None
    date: str | None = None


@dataclass(frozen=True)
class Import:
    """One pinned published file: its bytes by md5 and size, its DVC address, its origin."""

    path: str
    md5: str
    size: int
    source: str
    description: str
    origin: FileOrigin


def dvc_path(published: str) -> str:
    """Return the path of the `.dvc` file of a published file, from the top of the clone.

    >>> dvc_path("dgms/psd_posterior.pickle")
    'datasets/dgms/psd_posterior.pickle.dvc'
    """
    return f"{DATASETS}/{published}.dvc"


def dvc_text(repo: Any, pinned: Import) -> str:
    """Return the text of a frozen import.

    Parameters
    ----------
    repo
        The `dvc.repo.Repo` that the file is for. Nothing is written to it.
    pinned
        What the file says.
    """
    from dvc.dvcfile import load_file
    from dvc.utils.serialize import dumps_yaml

    bytes_are = {"md5": pinned.md5, "size": pinned.size, "hash": "md5"}
    stated = {key: said for key, said in asdict(pinned.origin).items() if said is not None}
    stage: dict[str, Any] = {
        "desc": pinned.description,
        "md5": "",
        "frozen": True,
        "deps": [{**bytes_are, "path": pinned.source}],
        "outs": [{**bytes_are, "path": PurePosixPath(pinned.path).name}],
        "meta": {"origin": stated},
    }
    file = load_file(repo, str(Path(repo.root_dir, dvc_path(pinned.path))))
    stage["md5"] = file.LOADER.load_stage(file, deepcopy(stage), None).compute_md5()
    text: str = dumps_yaml(stage)
    return text


class _Out(msgspec.Struct):
    md5: str
    size: int


class _Dep(msgspec.Struct):
    path: str


class _Meta(msgspec.Struct):
    origin: FileOrigin


class _DvcFile(msgspec.Struct):
    outs: list[_Out]
    meta: _Meta
    deps: list[_Dep] = []
    desc: str = ""


def parse_import(published: str, text: str | bytes) -> Import | None:
    """Read the `.dvc` file of a published file; None if it is no import of ours.

    Examples
    --------
    >>> parse_import("dgms/psd_posterior.pickle", "outs: []") is None
    True
    """
    import msgspec.yaml

    try:
        file = msgspec.yaml.decode(text, type=_DvcFile)
    except msgspec.DecodeError:
        return None
    if len(file.outs) != 1 or len(file.deps) != 1:
        return None
    out = file.outs[0]
    return Import(published, out.md5, out.size, file.deps[0].path, file.desc, file.meta.origin)
