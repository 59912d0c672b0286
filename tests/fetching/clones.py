"""Clones that pin what a test server serves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from automind_data.common.files import md5_of
from automind_data.fetching.run import Fetch, Report
from automind_data.pinning.config import cache_objects
from automind_data.pinning.dvcfile import FileOrigin, Import, dvc_path, dvc_text
from automind_data.pinning.objects import Objects
from automind_data.web import Patience
from tests.figshare_server import FigshareServer, ServedFile
from tests.scratch import make_clone

ADDRESS = "https://figshare.com/articles/dataset/Test_release/1000001/1"
ORIGIN = FileOrigin("test", "figshare", ADDRESS, "2026-01-01", "not stated")
QUICK = Patience(tries=2, pause=0.02, longest_pause=2.0, timeout=0.4, interval=0.0)
PATH = "training_prior_samples/training.zip"


def big_release(folder: Path, size: int = 200_000, path: str = PATH) -> Path:
    """A release of one file of random bytes."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(os.urandom(size))
    return folder


def pin(clone: Path, pins: Iterable[Import]) -> None:
    """Write `.dvc` files as DVC would."""
    from dvc.repo import Repo

    with Repo(str(clone)) as repo:
        for each in pins:
            target = clone / dvc_path(each.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(dvc_text(repo, each))


def import_of(server: FigshareServer, file: ServedFile, source: str | None = None) -> Import:
    """What an import pins for a file that the server lists."""
    listed = server.listed(file)
    where = source or f"remote://figshare/{file.id}"
    return Import(file.path, listed["computed_md5"], listed["size"], where, "d", ORIGIN)


def pinned_clone(folder: Path, server: FigshareServer) -> Path:
    """A clone that pins the server's newest version."""
    clone = make_clone(folder)
    pin(clone, [import_of(server, file) for file in server.versions[-1]])
    return clone


def fetch(
    clone: Path, *paths: str, checkout: bool = False, jobs: int = 4, patience: Patience = QUICK
) -> Report:
    """Fetch, all steps."""
    work = Fetch(clone, paths, jobs=jobs, patience=patience, base=clone)
    for event in work.download():
        assert event["done"] <= event["total"]
    return work.finish(checkout)


def typed(
    clone: Path, server: FigshareServer, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the command as a user types it."""
    return subprocess.Popen(
        [sys.executable, "-m", "automind_data", "fetch", *arguments],
        cwd=clone,
        env={**os.environ, **server.environment, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def cache_of(clone: Path) -> Objects:
    """The clone's cache."""
    return Objects(cache_objects(clone))


def cached(clone: Path) -> set[str]:
    """The md5s in the cache, every one checked against its bytes."""
    cache = cache_of(clone)
    found = set(cache)
    for md5 in found:
        assert md5_of(cache.path(md5)) == md5
    return found


def partials(clone: Path) -> Path:
    """The folder of partial files."""
    return cache_of(clone).folder.parent / ".fetch"


def part_of(clone: Path, md5: str) -> Path:
    """Where the bytes of a file wait until it is whole."""
    return partials(clone) / md5 / "part"


def leave_part(clone: Path, md5: str, size: int, content: bytes) -> None:
    """Leave behind what a killed fetch leaves behind."""
    part = part_of(clone, md5)
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    (part.parent / "expected.json").write_text(f'{{"md5": "{md5}", "size": {size}}}\n')
