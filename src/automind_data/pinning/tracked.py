"""What a working tree or a commit pins, read from its `.dvc` files, `dvc.yaml` and `dvc.lock`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, DGMS, FILES
from automind_data.pinning.dvcfile import Import, dvc_path, parse_import

__all__ = ["Output", "Reader", "read_imports", "read_outputs", "reader_of_folder"]

Reader = Callable[[str], bytes | None]
"""Gives the content of a file by its path from the top of the clone; None: not there."""

_TEMPLATE = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True)
class Output:
    """One output that `dvc.lock` pins, or a density estimator that a `.dvc` file does.

    `md5` ends in `.dir` for a folder; `size` in bytes; `files` is the number of
    files of a folder; `stored` is False for outputs that DVC does not put in its
    cache.
    """

    path: str
    stage: str
    md5: str
    size: int
    files: int | None
    stored: bool


class _Out(msgspec.Struct):
    path: str
    md5: str
    size: int = 0
    nfiles: int | None = None


class _Stage(msgspec.Struct):
    outs: list[_Out] = []


class _Added(msgspec.Struct):
    outs: list[_Out]


class _Lock(msgspec.Struct):
    stages: dict[str, _Stage] = {}


def reader_of_folder(root: Path) -> Reader:
    """Return the reader of a working tree."""

    def read(path: str) -> bytes | None:
        try:
            return (root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    return read


def read_imports(read: Reader) -> dict[str, Import]:
    """Return the pinned published files by published path, in the order of the layout."""
    found = {}
    for file in FILES:
        text = read(dvc_path(file.path))
        pinned = parse_import(file.path, text) if text is not None else None
        if pinned:
            found[file.path] = pinned
    return found


def read_outputs(read: Reader) -> list[Output]:
    """Return what `dvc.lock` pins, in its order, then density estimators that were put in place.

    One that `dvc add` tracks takes the place of the one that a stage had made.

    Raises
    ------
    AutomindError
        `dvc.lock`, `dvc.yaml` or a `.dvc` file is not as DVC writes it.
    """
    lock = _decoded(read, "dvc.lock", _Lock) or _Lock()
    pipeline = _decoded(read, "dvc.yaml", dict[str, Any]) or {}
    outputs = []
    for name, stage in lock.stages.items():
        unstored = _unstored((pipeline.get("stages") or {}).get(name.partition("@")[0]) or {})
        for out in stage.outs:
            stored = not any(pattern.fullmatch(out.path) for pattern in unstored)
            outputs.append(Output(out.path, name, out.md5, out.size, out.nfiles, stored))
    added = {output.path: output for output in _added(read)}
    return [*(each for each in outputs if each.path not in added), *added.values()]


def _added(read: Reader) -> Iterator[Output]:
    for name in (*DGMS, *DATASETS):
        path = f"derived/dgms/{name}"
        for out in (_decoded(read, f"{path}.dvc", _Added) or _Added([])).outs:
            yield Output(path, f"{path}.dvc", out.md5, out.size, out.nfiles, True)


def _decoded(read: Reader, path: str, kind: type[Any]) -> Any:
    import msgspec.yaml

    text = read(path)
    if text is None or not text.strip():
        return None
    try:
        return msgspec.yaml.decode(text, type=kind)
    except msgspec.DecodeError as error:
        reason = " ".join(str(error).split())
        raise AutomindError(path, f"cannot be read: {reason}", f"git checkout {path}") from None


def _unstored(stage: dict[str, Any]) -> list[re.Pattern[str]]:
    """Return patterns of the outputs of a stage in `dvc.yaml` that say `cache: false`."""
    stage = stage.get("do", stage)
    entries = [entry for part in ("outs", "metrics", "plots") for entry in stage.get(part, [])]
    paths = [
        path
        for entry in entries
        if isinstance(entry, dict)
        for path, flags in entry.items()
        if (flags or {}).get("cache", True) is False
    ]
    return [
        re.compile(".+".join(re.escape(part) for part in _TEMPLATE.split(path))) for path in paths
    ]
