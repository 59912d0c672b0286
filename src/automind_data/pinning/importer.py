"""Importing a release: every file read and verified first, everything written after that."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_json, write_text
from automind_data.common.layout import FILES
from automind_data.origins import Origin, find_origin, shown, stated_by
from automind_data.pinning import config, pending
from automind_data.pinning.arrivals import (
    Arrival,
    choose,
    read_offer,
    refuse_cut_off,
    require_room,
)
from automind_data.pinning.checkout import md5_of_working, refuse_unsaved
from automind_data.pinning.dvcfile import DATASETS, FileOrigin, Import, dvc_path, dvc_text
from automind_data.pinning.local import edit_local
from automind_data.pinning.objects import Objects
from automind_data.pinning.plan import Plan, compare
from automind_data.pinning.release import RELEASE_FILE, SAMPLE, read_release, release_record
from automind_data.pinning.tracked import read_imports, reader_of_folder

__all__ = ["EMBEDDED", "EMBEDDED_SOURCE", "ReleaseImport", "Report"]

EMBEDDED = ".dvc-sample"
"""The folder in git that is the DVC remote `embedded`."""

EMBEDDED_SOURCE = f"remote://embedded/{config.OBJECTS.as_posix()}/"
RELEASE_SOURCE = "remote://release/"
RELEASE_SECTION = 'remote "release"'
CONFIG = ".dvc/config"


@dataclass(frozen=True)
class Report:
    """What an import did; paths are published paths.

    `changed` files are pinned anew and `same` files were pinned like this before;
    `extra` are names at the origin that belong to no published file; `to_fetch` are
    files whose bytes are still at their origin, and of these `awaited` are those that
    can only be pinned then; `written` are the tracked files that the import wrote.
    """

    release: str
    kind: str
    changed: tuple[str, ...]
    same: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    written: tuple[str, ...]
    to_fetch: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()


class ReleaseImport:
    """One import of one release into one clone; a context manager with three steps.

    `read` reads, `plan` says what would change, `pin` changes it.

    Parameters
    ----------
    source
        Where the release is, as the user typed it, or the origin itself.
    root
        The top folder of the clone.
    release
        The release's name; None: the one that the origin gives.
    partial
        Import what is there when published files are missing.
    embed
        Put the bytes into the remote that lies in git, as a sample release.
    today
        The retrieval date; None: the date of the clock.

    Raises
    ------
    AutomindError
        `source` is no origin; a published file is missing, is at two places, is cut
        off, or cannot be pinned; the list of awaited files cannot be read; another
        DVC command is at work in the clone.

    Notes
    -----
    A refusal or a kill before `pin` leaves tracked files and cache as they were.
    A kill during `pin` leaves every file whole, old or new: objects come first,
    then the remote that takes pushes, then the `.dvc` files one by one, then
    `release.json` and the list of awaited files, then the working files. The same
    import again does the rest.
    """

    def __init__(
        self,
        source: str | Origin,
        root: str | os.PathLike[str] = ".",
        *,
        release: str | None = None,
        partial: bool = False,
        embed: bool = False,
        today: datetime.date | None = None,
    ) -> None:
        self._root = Path(root).resolve()
        self._source = shown(source) if isinstance(source, str) else str(source)
        self._origin = find_origin(source) if isinstance(source, str) else source
        offers = self._origin.offers()
        self._match = choose(self._source, offers, partial)
        by_name = {offer.name: offer for offer in offers}
        self._offers = {path: by_name[name] for path, name in self._match.found.items()}
        self._embed = embed
        self._arrived: dict[str, Arrival] = {}
        self._exits = contextlib.ExitStack()
        self._cache = Objects(config.cache_objects(self._root))
        self._pinned = read_imports(reader_of_folder(self._root))
        pending.read_pending(self._root)
        self._stated = FileOrigin(
            release=self._name(release),
            kind=SAMPLE if embed else self._origin.kind,
            address=self._origin.address,
            retrieved=(today or datetime.date.today()).isoformat(),
            **asdict(stated_by(self._origin)),
        )

    def __enter__(self) -> Self:
        local = {path: offer.local for path, offer in self._offers.items() if offer.local}
        refuse_cut_off(self._source, local)
        with contextlib.ExitStack() as exits:
            self._repo = exits.enter_context(_locked(self._root))
            owner = hashlib.sha256(str(self._root).encode()).hexdigest()[:12]
            self._staging = exits.enter_context(self._cache.staging(owner))
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def read(self) -> Iterator[dict[str, Any]]:
        """Read and check every file; only a staging folder is written.

        Yields
        ------
        dict
            `path` being read, `done` and `total` bytes of all files.

        Raises
        ------
        AutomindError
            A file is cut off or changed meanwhile, there is no room for its bytes,
            or a working file that nothing else has would be replaced.
        """
        total = sum(offer.size for offer in self._offers.values() if offer.open)
        require_room(self._cache, sum(self._offers[path].size for path in self._to_copy()))
        before = 0
        for number, (path, offer) in enumerate(self._offers.items()):
            reading = read_offer(
                offer, self._staging / str(number), self._pinned.get(path), self._cache
            )
            while True:
                try:
                    yield {"path": path, "done": before + next(reading), "total": total}
                except StopIteration as end:
                    self._arrived[path] = end.value
                    break
            before += offer.size if offer.open else 0
        parts = {path: file.part for path, file in self._arrived.items() if file.part}
        refuse_cut_off(self._source, parts)
        for path, file in self._arrived.items():
            self._refuse_unsaved(path)
            if self._embed and not file.part and not self._cache.has(file.md5, file.size):
                step = "fetch it without --embed, then embed the folder datasets/"
                raise AutomindError(path, "is not here, so it cannot be embedded", step)

    def plan(self) -> Plan:
        """Compare what `read` found with what is pinned; nothing is written."""
        before = (read_release(self._root) or {}).get("release")
        arriving = {path: (file.md5, file.size) for path, file in self._arrived.items()}
        return compare(self._stated.release, before, self._pinned, arriving)

    def pin(self) -> Report:
        """Write what `read` found and give the working files their bytes.

        Raises
        ------
        AutomindError
            A working file that nothing else has would be replaced.
        """
        from dvc.exceptions import DvcException

        for path in self._offers:
            self._refuse_unsaved(path)
        for file in self._arrived.values():
            if file.part:
                self._cache.put(file.part, file.md5)
        new = {path: self._import_of(path) for path in self._offers}
        changed = tuple(path for path, file in new.items() if not self._is_pinned(file))
        pins = {**self._pinned, **{path: new[path] for path in changed}}
        if self._embed:
            self._fill_embedded()
        written = self._write(changed, pins)
        for path in self._offers:
            self._remove_outdated(path)
        self._exits.close()
        try:
            self._check_out()
        except DvcException as error:
            rule = f"is pinned, but its working files are not all there: {_line(error)}"
            raise AutomindError(self._source, rule, "dvc checkout") from None
        return Report(
            release=self._stated.release,
            kind=self._stated.kind,
            changed=changed,
            same=tuple(path for path in self._offers if path not in changed),
            missing=self._match.missing,
            extra=self._match.extra,
            written=written,
            to_fetch=tuple(
                path
                for path, file in self._arrived.items()
                if not self._cache.has(file.md5, file.size)
            ),
        )

    def _name(self, given: str | None) -> str:
        name = (self._origin.release if given is None else given).strip()
        if given is None and any(self._is_working_file(path) for path in self._offers):
            rule = "is this clone's own folder, whose name is not that of a release"
            raise AutomindError(self._source, rule, "add --release NAME")
        if not name or not name.isprintable():
            raise AutomindError(self._source, "gives no name to the release", "add --release NAME")
        if "?" in name:
            rule = f"gives the release the name {name!r}; question marks are kept out of git here"
            raise AutomindError(self._source, rule, "add --release NAME without one")
        return name

    def _working(self, path: str) -> Path:
        return self._root / DATASETS / path

    def _is_working_file(self, path: str) -> bool:
        local, working = self._offers[path].local, self._working(path)
        return local is not None and working.exists() and local.samefile(working)

    def _to_copy(self) -> list[str]:
        cached = {
            path
            for path, file in self._pinned.items()
            if path in self._offers
            and file.size == self._offers[path].size
            and self._cache.has(file.md5, file.size)
        }
        copied = [path for path, offer in self._offers.items() if offer.open and not offer.given]
        return [path for path in copied if path not in cached]

    def _refuse_unsaved(self, path: str) -> None:
        """Refuse to replace a working file whose bytes nothing else has."""
        working = self._working(path)
        if self._is_working_file(path):
            return
        refuse_unsaved(self._repo, working, self._arrived[path].md5, self._cache)

    def _remove_outdated(self, path: str) -> None:
        """Remove a working file of the release before that nothing here can replace yet.

        Else a stage would read it for the new one. The cache has its bytes.
        """
        file, md5 = self._arrived[path], md5_of_working(self._repo, self._working(path))
        if self._cache.has(file.md5, file.size) or md5 in (None, file.md5):
            return
        if self._cache.has(str(md5)):
            self._working(path).unlink()

    def _import_of(self, path: str) -> Import:
        file = next(file for file in FILES if file.path == path)
        arrival, offer = self._arrived[path], self._offers[path]
        if self._embed:
            source = f"{EMBEDDED_SOURCE}{arrival.md5[:2]}/{arrival.md5[2:]}"
        else:
            source = offer.source or f"{RELEASE_SOURCE}{path}"
        said = f"sample data: {file.description}" if self._embed else file.description
        return Import(path, arrival.md5, arrival.size, source, said, self._stated)

    def _is_pinned(self, file: Import) -> bool:
        old = self._pinned.get(file.path)
        if old is None or (old.md5, old.size) != (file.md5, file.size):
            return False
        keeps_source = not self._embed and self._offers[file.path].source is None
        return keeps_source or old.source == file.source

    def _write(self, changed: tuple[str, ...], pins: dict[str, Import]) -> tuple[str, ...]:
        """Write the tracked files that have to change; return their paths.

        At no moment could a push bring bytes of another release into git: pushes are
        turned to `storage` before the first `.dvc` file, to `embedded` after the last.
        """
        texts = {dvc_path(path): dvc_text(self._repo, pins[path]) for path in changed}
        in_order = [pins[file.path] for file in FILES if file.path in pins]
        before = (read_release(self._root) or {}).get("files", [])
        said = {each["path"]: each["release"] for each in before}
        kept = {
            path: said.get(path, pins[path].origin.release)
            for path in pins
            if path not in self._offers
        }
        record = release_record(self._stated, in_order, kept)
        stale = _bytes_of(record["files"]) != _bytes_of(before)
        all_embedded = all(file.source.startswith(EMBEDDED_SOURCE) for file in in_order)
        self._remember_url(pins)
        written = []
        if changed and not self._embed and self._push_to("storage", instead_of="embedded"):
            written.append(CONFIG)
        for name, text in texts.items():
            write_text(self._root / name, text)
            written.append(name)
        if changed or stale:
            write_json(self._root / RELEASE_FILE, record)
            written.append(RELEASE_FILE)
        if pending.take_off(self._root, self._offers):
            written.append(pending.PENDING_FILE)
        if self._embed and all_embedded and self._push_to("embedded", instead_of="storage"):
            written.append(CONFIG)
        return tuple(written)

    def _push_to(self, remote: str, instead_of: str) -> bool:
        """Make `remote` the one that `dvc push` uses; say whether the config had to change."""
        path = self._root / CONFIG
        text = path.read_text(encoding="utf-8")
        if config.options(text).get(("core", "remote"), instead_of) != instead_of:
            return False
        write_text(path, config.with_option(text, "core", "remote", remote))
        return True

    def _remember_url(self, pins: dict[str, Import]) -> None:
        """Tell this clone's DVC where `remote://release/` is, or that it is nowhere."""
        if not any(pins[path].source.startswith(RELEASE_SOURCE) for path in self._offers):
            return
        prefix = self._match.prefix
        url = None if prefix is None else self._origin.base_url(prefix)
        if any(self._is_working_file(path) for path in self._offers):
            url = None
        edit_local(
            self._root,
            lambda text: (
                config.without_option(text, RELEASE_SECTION, "url")
                if url is None
                else config.with_option(text, RELEASE_SECTION, "url", url)
            ),
        )

    def _fill_embedded(self) -> None:
        embedded = Objects(self._root / EMBEDDED / config.OBJECTS)
        with embedded.staging("embed") as staging:
            for file in self._arrived.values():
                if not embedded.has(file.md5, file.size):
                    embedded.add(self._cache.path(file.md5), file.md5, staging)

    def _check_out(self) -> None:
        """Give the working files what the cache has; without targets DVC would take all."""
        from dvc.repo import Repo

        there = [path for path, file in self._arrived.items() if self._cache.has(file.md5)]
        if not there:
            return
        with Repo(str(self._root)) as repo:
            repo.checkout([str(self._root / dvc_path(path)) for path in there], force=True)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[Any]:
    """Open a clone with DVC and keep other DVC commands out of it."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    with contextlib.ExitStack() as exits:
        try:
            repo = exits.enter_context(Repo(str(root)))
            exits.enter_context(repo.lock)
        except LockError:
            step = "run it again when that is done"
            raise AutomindError(root, "is in use by another DVC command", step) from None
        except DvcException as error:
            rule = f"cannot be opened by DVC: {_line(error)}"
            raise AutomindError(root, rule, "dvc status") from None
        yield repo


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _bytes_of(files: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    return [(file["path"], file["md5"], file["size"]) for file in files]
