"""`datasets/pending.json`: files that can only be pinned when their bytes have come.

figshare lists neither size nor md5 of what a share link shows. Until the first fetch
this list says what is awaited; it holds no token.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Literal

import msgspec

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_json
from automind_data.common.layout import FILES
from automind_data.origins import FIGSHARE_SOURCE, NOT_STATED, Offer, Stated
from automind_data.pinning.config import option, with_option
from automind_data.pinning.dvcfile import DATASETS
from automind_data.pinning.local import edit_local
from automind_data.pinning.plan import Plan, compare
from automind_data.pinning.release import read_release
from automind_data.pinning.tracked import read_imports, reader_of_folder

if TYPE_CHECKING:
    from automind_data.origins.share_link import ShareLinkOrigin
    from automind_data.pinning.importer import Report

__all__ = [
    "PENDING_FILE",
    "Pending",
    "PendingFile",
    "ShareLinkImport",
    "pin_pending",
    "read_pending",
    "take_off",
    "write",
]

PENDING_FILE = f"{DATASETS}/pending.json"
VARIABLE = "AUTOMIND_FIGSHARE_TOKEN"
FIGSHARE_SECTION = 'remote "figshare"'
IN_ORDER = {file.path: number for number, file in enumerate(FILES)}


@dataclass(frozen=True)
class PendingFile:
    """One awaited file: its published path and its id at figshare."""

    path: str
    file_id: int


@dataclass(frozen=True)
class Pending:
    """What is awaited; `retrieved` is the date of the import, `YYYY-MM-DD`."""

    release: str
    kind: str
    address: str
    retrieved: str
    licence: str
    files: tuple[PendingFile, ...]


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal[1]
    release: str
    kind: str
    address: str
    retrieved: str
    licence: str
    files: tuple[PendingFile, ...]


def read_pending(root: str | os.PathLike[str]) -> Pending | None:
    """Return what a clone awaits; None where it awaits nothing.

    Raises
    ------
    AutomindError
        `pending.json` is not as it was written.
    """
    import msgspec.json

    try:
        said = msgspec.json.decode((Path(root) / PENDING_FILE).read_bytes(), type=_Record)
        datetime.date.fromisoformat(said.retrieved)
    except FileNotFoundError:
        return None
    except ValueError as error:
        rule = f"cannot be read: {' '.join(str(error).split())}"
        raise AutomindError(PENDING_FILE, rule, f"git checkout {PENDING_FILE}") from None
    strange = [file for file in said.files if file.path not in IN_ORDER or file.file_id < 1]
    if strange or len({file.path for file in said.files}) < len(said.files):
        rule = "lists files that no release has, or one of them twice"
        raise AutomindError(PENDING_FILE, rule, f"git checkout {PENDING_FILE}")
    return Pending(said.release, said.kind, said.address, said.retrieved, said.licence, said.files)


def write(root: str | os.PathLike[str], pending: Pending) -> bool:
    """Write what a clone awaits, or remove the list when that is nothing.

    Returns
    -------
    bool
        Whether that changed anything.
    """
    path = Path(root) / PENDING_FILE
    if not pending.files:
        there = path.exists()
        path.unlink(missing_ok=True)
        return there
    files = sorted(pending.files, key=lambda file: IN_ORDER[file.path])
    pending = replace(pending, files=tuple(files))
    if path.exists() and read_pending(root) == pending:
        return False
    write_json(path, {"format": 1, **asdict(pending)})
    return True


def take_off(root: str | os.PathLike[str], paths: Iterable[str]) -> bool:
    """Take files off the list; say whether there were any."""
    pending, gone = read_pending(root), set(paths)
    if pending is None or not gone & {file.path for file in pending.files}:
        return False
    rest = tuple(file for file in pending.files if file.path not in gone)
    return write(root, replace(pending, files=rest))


def pin_pending(root: str | os.PathLike[str], arrived: Mapping[str, Path]) -> Report:
    """Pin awaited files whose bytes have come, and take them off the list.

    Parameters
    ----------
    root
        The top folder of the clone.
    arrived
        Published path → the downloaded file, on the disk of the cache. It is moved
        into the cache.

    Raises
    ------
    AutomindError
        A file is not awaited or is cut off, or a working file that nothing else has
        would be replaced. Nothing has been changed then.
    """
    from automind_data.pinning.importer import ReleaseImport

    pending = read_pending(root)
    awaited = {file.path: file.file_id for file in pending.files} if pending else {}
    for path in arrived:
        if path not in awaited:
            raise AutomindError(path, "is not awaited", "automind-data info")
    if pending is None or not arrived:
        raise AutomindError(PENDING_FILE, "awaits nothing that has come", "automind-data fetch")
    origin = _Downloads(pending, {path: (awaited[path], arrived[path]) for path in arrived})
    today = datetime.date.fromisoformat(pending.retrieved)
    with ReleaseImport(origin, root, partial=True, today=today) as work:
        for _ in work.read():
            pass
        return work.pin()


class _Downloads:
    """Awaited files that have been downloaded."""

    kind: ClassVar[str] = "share link"
    accepts: ClassVar[str] = "files that have been downloaded"

    def __init__(self, pending: Pending, files: Mapping[str, tuple[int, Path]]) -> None:
        self.address = pending.address
        self.release = pending.release
        self.stated = Stated(licence=pending.licence)
        self._files = files

    def __str__(self) -> str:
        return f"release {self.release}"

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say no: nobody types this."""
        return False

    def offers(self) -> list[Offer]:
        """List the files."""
        return [
            Offer(
                path,
                file.stat().st_size,
                partial(_open, file),
                local=file,
                source=f"{FIGSHARE_SOURCE}{number}",
                given=True,
            )
            for path, (number, file) in self._files.items()
        ]

    def base_url(self, prefix: str) -> None:
        """Return None: DVC finds these files by their ids."""


def _open(file: Path) -> BinaryIO:
    return file.open("rb")


class ShareLinkImport:
    """The import of what a share link shows: the token kept, the files awaited.

    Parameters
    ----------
    origin
        The share link, with its files.
    root
        The top folder of the clone.
    release
        The release's name; None: the one that the origin gives.
    partial
        Await what is there when published files are missing.
    today
        The retrieval date; None: the date of the clock.

    Raises
    ------
    AutomindError
        Files are missing (and `partial` is False), there is no token, or another one
        than the environment has.
    """

    def __init__(
        self,
        origin: ShareLinkOrigin,
        root: str | os.PathLike[str] = ".",
        *,
        release: str | None = None,
        partial: bool = False,
        today: datetime.date | None = None,
    ) -> None:
        self._root = Path(root).resolve()
        self._origin = origin
        self._keep_token = self._must_keep_token()
        self._missing = tuple(path for path in IN_ORDER if path not in origin.files)
        if self._missing and (not partial or not origin.files):
            listed = f"{len(self._missing)} of {len(FILES)} files are missing"
            rule = f"{listed} ({', '.join(self._missing)})"
            raise AutomindError(
                str(origin), rule, "add their ids, or take the others with --partial"
            )
        pinned = read_imports(reader_of_folder(self._root))
        self._pinned = pinned
        self._same = tuple(
            path
            for path, number in origin.files.items()
            if path in pinned and pinned[path].source == f"{FIGSHARE_SOURCE}{number}"
        )
        name = (origin.release if release is None else release).strip()
        if not name or not name.isprintable() or "?" in name:
            raise AutomindError(str(origin), "gives no name to the release", "add --release NAME")
        awaited = [path for path in IN_ORDER if path in origin.files and path not in self._same]
        self._awaited = tuple(awaited)
        self._pending = Pending(
            release=name,
            kind=origin.kind,
            address=origin.address,
            retrieved=(today or datetime.date.today()).isoformat(),
            licence=NOT_STATED,
            files=tuple(PendingFile(path, origin.files[path]) for path in awaited),
        )

    def plan(self) -> Plan:
        """Compare what is awaited with what is pinned; nothing is written."""
        before = (read_release(self._root) or {}).get("release")
        arriving = dict.fromkeys(self._origin.files, (None, None))
        return compare(self._pending.release, before, self._pinned, arriving, self._same)

    def pin(self) -> Report:
        """Keep the token in `.dvc/config.local` and write the list of awaited files."""
        from automind_data.pinning.importer import Report

        if self._keep_token:
            token = self._keep_token
            edit_local(
                self._root, lambda text: with_option(text, FIGSHARE_SECTION, "password", token)
            )
        before = read_pending(self._root)
        wanted = self._pending
        if before and replace(before, retrieved=wanted.retrieved) == wanted:
            wanted = before
        return Report(
            release=wanted.release,
            kind=wanted.kind,
            changed=(),
            same=self._same,
            missing=self._missing,
            extra=(),
            written=(PENDING_FILE,) if write(self._root, wanted) else (),
            to_fetch=self._awaited,
            awaited=self._awaited,
        )

    def _must_keep_token(self) -> str | None:
        """Return the token that this clone has to remember; None: it is known already."""
        said, token = os.environ.get(VARIABLE), self._origin.token
        if said and token in (None, said):
            return None
        if said:
            rule = f"has another token than {VARIABLE}"
            raise AutomindError(str(self._origin), rule, f"unset {VARIABLE}, or use its link")
        if token is None and option(self._root, FIGSHARE_SECTION, "password") is None:
            step = f"give the whole link, or set {VARIABLE}"
            raise AutomindError(str(self._origin), "has no token", step)
        return token
