"""Fetching many files side by side, then giving them to the cache and to the working tree."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.fetching.download import Download, Stopped, Verify
from automind_data.fetching.partial import Partial, partial_of
from automind_data.fetching.sources import Sources
from automind_data.fetching.wanted import choose_paths
from automind_data.pinning.arrivals import require_room
from automind_data.pinning.checkout import check_out
from automind_data.pinning.config import cache_objects
from automind_data.pinning.objects import Objects
from automind_data.pinning.pending import pin_pending, read_pending
from automind_data.pinning.tracked import read_imports, reader_of_folder
from automind_data.pinning.whole import what_is_missing
from automind_data.web import Client, Patience, redacted

__all__ = ["Fetch", "Report"]

JOBS = 4
TOLD_EVERY = 0.05
GOODBYE = 2.0
BY_HAND = "~/Downloads/THE.zip"


@dataclass(frozen=True)
class Report:
    """What a fetch did; paths are published paths, in the order of the layout.

    `pinned` files were awaited and are pinned now; `failed` maps the others to what
    there is to say about them.
    """

    fetched: tuple[str, ...]
    cached: tuple[str, ...]
    pinned: tuple[str, ...]
    failed: dict[str, AutomindError]


@dataclass
class _Job:
    """One file on its way; `md5` and `size` are None where nothing is pinned yet."""

    path: str
    source: str
    address: str
    md5: str | None
    size: int | None
    partial: Partial
    done: int = 0
    last_told: float = 0.0


_Told = queue.SimpleQueue[_Job | Exception | None]
"""What workers say: a file got on, something is broken, or (None) a worker is done."""


class Fetch:
    """One fetch into one clone: `download`, then `finish`.

    Parameters
    ----------
    root
        The top folder of the clone.
    paths
        What to fetch: published files or folders of them, as published paths, as
        paths in the clone, or as `.dvc` files; none: everything.
    jobs
        How many files at a time.
    patience
        How long to try.
    base
        The folder that relative paths start from.

    Raises
    ------
    AutomindError
        A path is none of the release's, or nothing is pinned for it.

    Notes
    -----
    The cache changes in one way only: a file whose size and md5 are right is renamed
    into its place. A kill at any moment leaves the cache as it was, and partial files
    that the next fetch goes on from.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = ".",
        paths: Iterable[str] = (),
        *,
        jobs: int = JOBS,
        patience: Patience | None = None,
        base: str | os.PathLike[str] = ".",
    ) -> None:
        self._root = Path(root).resolve()
        self._cache = Objects(cache_objects(self._root))
        self._pins = read_imports(reader_of_folder(self._root))
        awaited = read_pending(self._root)
        pending = {file.path: file for file in awaited.files} if awaited else {}
        self._paths = choose_paths(self._root, paths, {*self._pins, *pending}, Path(base))
        self._jobs_at_once = jobs
        self._stop = threading.Event()
        self._client = Client(patience, self._sleep)
        self._sources = Sources(self._root, self._client)
        self._failed: dict[str, AutomindError] = {}
        self._fetched: set[str] = set()
        self._awaited: dict[str, Partial] = {}
        self._cached: set[str] = set()
        self._jobs: list[_Job] = []
        for path in self._paths:
            pin = self._pins.get(path)
            if path in pending and awaited:
                number = pending[path].file_id
                source = f"remote://figshare/{number}"
                partial = partial_of(self._cache, f"figshare-{number}", None, None)
                self._jobs.append(_Job(path, source, awaited.address, None, None, partial))
            elif pin and self._cache.has(pin.md5, pin.size):
                self._cached.add(path)
            elif pin:
                partial = partial_of(self._cache, pin.md5, pin.md5, pin.size)
                address = pin.origin.address
                self._jobs.append(_Job(path, pin.source, address, pin.md5, pin.size, partial))

    def download(self) -> Iterator[dict[str, Any]]:
        """Bring what the cache has not; a file that fails does not stop the others.

        Yields
        ------
        dict
            `path` of a file that got on, `done` and `total` bytes of all files.

        Raises
        ------
        AutomindError
            There is no room for what is missing.
        """
        require_room(
            self._cache, sum(max(0, (job.size or 0) - job.partial.on_disk()) for job in self._jobs)
        )
        told: _Told = queue.SimpleQueue()
        waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for job in self._jobs:
            waiting.put(job)
        threads = [
            threading.Thread(target=self._work, args=(waiting, told), daemon=True)
            for _ in range(min(self._jobs_at_once, len(self._jobs)))
        ]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                news = told.get()
                if news is None:
                    working -= 1
                    continue
                if isinstance(news, Exception):
                    raise news
                yield {
                    "path": news.path,
                    "done": sum(each.done for each in self._jobs),
                    "total": sum(each.size or each.done for each in self._jobs),
                }
        finally:
            self._stop.set()
            until = time.monotonic() + GOODBYE
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))

    def finish(self, checkout: bool = True) -> Report:
        """Pin what was awaited, give working files their bytes, and say what was done."""
        pinned = self._pin()
        if checkout:
            pins = read_imports(reader_of_folder(self._root))
            there = {
                path: pins[path]
                for path in self._paths
                if path in pins and self._cache.has(pins[path].md5, pins[path].size)
            }
            if there:
                self._failed |= check_out(self._root, there, self._cache)
        return Report(
            fetched=tuple(path for path in self._paths if path in self._fetched),
            cached=tuple(path for path in self._paths if path in self._cached),
            pinned=pinned,
            failed={path: self._failed[path] for path in self._paths if path in self._failed},
        )

    def _pin(self) -> tuple[str, ...]:
        """Pin the awaited files that have come; return their paths."""
        parts = {path: partial.part for path, partial in self._awaited.items()}
        try:
            if parts:
                pin_pending(self._root, parts)
        except AutomindError as error:
            self._failed |= dict.fromkeys(parts, error)
            return ()
        finally:
            for partial in self._awaited.values():
                partial.release()
        return tuple(path for path in self._paths if path in parts)

    def _sleep(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _work(self, waiting: queue.SimpleQueue[_Job], told: _Told) -> None:
        """Fetch one file after the other until none waits; one thread of several."""
        try:
            while not self._stop.is_set():
                job = waiting.get_nowait()
                try:
                    self._fetch(job, told)
                except AutomindError as error:
                    self._failed[job.path] = error
                except OSError as error:
                    what = str(error.filename or job.path)
                    rule = error.strerror or str(error)
                    self._failed[job.path] = AutomindError(what, rule, "mend that and run it again")
        except (queue.Empty, Stopped):
            pass
        except Exception as error:
            told.put(error)
        finally:
            told.put(None)

    def _fetch(self, job: _Job, told: _Told) -> None:
        def tell(done: int) -> None:
            if self._stop.is_set():
                raise Stopped
            job.done, job.size = done, job.partial.size
            now = time.monotonic()
            if now - job.last_told > TOLD_EVERY or done == job.size:
                job.last_told = now
                told.put(job)

        ways = self._sources.ways(job.source, job.path, job.address)
        partial = job.partial
        partial.acquire(tell)
        keep = False
        try:
            if job.md5 and self._cache.has(job.md5, job.size):
                self._cached.add(job.path)
                return
            verify = _same if job.md5 else _whole(job.path)
            download = Download(job.path, ways, partial, verify, self._client, tell, self._stop)
            md5 = download.run()
            if md5 is None:
                raise _by_hand(job, [fault.rule for fault in download.faults])
            if job.md5:
                self._cache.put(partial.part, job.md5)
                self._fetched.add(job.path)
            else:
                self._awaited[job.path] = partial
                keep = True
        finally:
            if not keep:
                partial.release()


def _same(partial: Partial, md5: str) -> str | None:
    return None if md5 == partial.md5 else f"sends other bytes than are pinned (md5 {md5})"


def _whole(path: str) -> Verify:
    def verify(partial: Partial, md5: str) -> str | None:
        said = what_is_missing(partial.part, path)
        return None if said is None else f"sends a file that {said}"

    return verify


def _by_hand(job: _Job, reasons: Sequence[str]) -> AutomindError:
    """Return the sentence that ends with what a person with a browser can do."""
    step = (
        f"open {redacted(job.address)} in a browser, choose Download all, save the zip with"
        f" {PurePosixPath(job.path).name} in it as {BY_HAND} and run"
        f" automind-data import {BY_HAND}"
    )
    said = ", ".join(dict.fromkeys(reasons))
    return AutomindError(job.path, f"cannot be fetched: {said}", step)
