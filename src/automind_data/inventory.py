"""What a clone holds: the release, its files, the derived outputs, and where their bytes are."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from automind_data.common.layout import FILES
from automind_data.pinning.config import cache_objects, option
from automind_data.pinning.dvcfile import DATASETS, Import
from automind_data.pinning.objects import Objects
from automind_data.pinning.pending import read_pending
from automind_data.pinning.release import SAMPLE, read_release
from automind_data.pinning.tracked import Output, read_imports, read_outputs, reader_of_folder

__all__ = ["Entry", "Inventory", "take_inventory"]

Where = Literal["workspace", "cache", "remote only", "to be made"]


@dataclass(frozen=True)
class Entry:
    """One file or folder that the clone pins.

    `size` is in bytes, `files` the number of files of a folder. `where` is the
    nearest place with the pinned bytes; a working file counts by its size, whether
    its bytes are right is for `dvc status` to say. Outputs with `stored` False are
    never in cache or remote: `dvc repro` makes them. `release` is that of an
    imported file, `stage` the one that makes a derived output.
    """

    path: str
    md5: str
    size: int
    where: Where
    in_workspace: bool
    in_cache: bool
    stored: bool = True
    release: str | None = None
    stage: str | None = None
    files: int | None = None


@dataclass(frozen=True)
class Inventory:
    """What `automind-data info` says.

    Sizes are in bytes: `size` of everything that is stored, `to_fetch` what a full
    pull would download into the cache, `to_place` what it would write into the
    working folders, `disk` both together. Where the file system lets files share
    their blocks with the cache, a pull needs less. `awaited` are published files that
    a fetch will pin, `unpinned` those that nothing pins. None stands for what the
    clone does not say.
    """

    release: str | None
    sample: bool
    kind: str | None
    address: str | None
    licence: str | None
    retrieved: str | None
    push_remote: str | None
    cache: str
    files: tuple[Entry, ...]
    awaited: tuple[str, ...]
    unpinned: tuple[str, ...]
    derived: tuple[Entry, ...]
    size: int
    to_fetch: int
    to_place: int
    disk: int
    disk_free: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with the version of their form."""
        return {"version": 1, **asdict(self)}


def take_inventory(root: str | os.PathLike[str] = ".") -> Inventory:
    """Look at a clone without DVC, without the network, and without reading data.

    Parameters
    ----------
    root
        The top folder of the clone.

    Raises
    ------
    AutomindError
        `dvc.lock`, `dvc.yaml`, the list of a folder's files or that of awaited files
        cannot be read.
    """
    root = Path(root).resolve()
    read = reader_of_folder(root)
    cache = Objects(cache_objects(root))
    imports = read_imports(read)
    said = read_release(root) or {}
    files = tuple(_imported(root, cache, file) for file in imports.values())
    derived = tuple(_derived(root, cache, output) for output in read_outputs(read))
    stored = [entry for entry in (*files, *derived) if entry.stored]
    to_fetch = sum(entry.size for entry in stored if not entry.in_cache)
    to_place = sum(entry.size for entry in stored if not entry.in_workspace)
    remote = option(root, "core", "remote")
    pending = read_pending(root)
    awaited = tuple(file.path for file in pending.files) if pending else ()
    return Inventory(
        release=said.get("release"),
        sample=any(file.origin.kind == SAMPLE for file in imports.values()),
        kind=said.get("kind"),
        address=said.get("address"),
        licence=said.get("licence"),
        retrieved=said.get("retrieved"),
        push_remote=remote[0] if remote else None,
        cache=str(cache.folder),
        files=files,
        awaited=awaited,
        unpinned=tuple(file.path for file in FILES if file.path not in {*imports, *awaited}),
        derived=derived,
        size=sum(entry.size for entry in stored),
        to_fetch=to_fetch,
        to_place=to_place,
        disk=to_fetch + to_place,
        disk_free=shutil.disk_usage(root).free,
    )


def _imported(root: Path, cache: Objects, file: Import) -> Entry:
    path = f"{DATASETS}/{file.path}"
    working = root / path
    here = working.is_file() and working.stat().st_size == file.size
    cached = cache.has(file.md5, file.size)
    where: Where = "workspace" if here else "cache" if cached else "remote only"
    return Entry(path, file.md5, file.size, where, here, cached, release=file.origin.release)


def _derived(root: Path, cache: Objects, output: Output) -> Entry:
    working = root / output.path
    if output.files is None:
        here = working.is_file() and working.stat().st_size == output.size
    else:
        here = working.is_dir()
    cached = output.stored and cache.whole(output.md5)
    away: Where = "remote only" if output.stored else "to be made"
    return Entry(
        output.path,
        output.md5,
        output.size,
        "workspace" if here else "cache" if cached else away,
        here,
        cached,
        stored=output.stored,
        stage=output.stage,
        files=output.files,
    )
