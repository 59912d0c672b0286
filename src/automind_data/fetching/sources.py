"""From the DVC address of a pinned file to the places that have its bytes, best one first."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote, urlsplit

from automind_data.common.errors import AutomindError
from automind_data.pinning.config import option
from automind_data.web import Body, Client, Fault, Patience, redacted
from automind_data.web.addresses import host_of
from automind_data.web.figshare import api_base, download_base, token

__all__ = ["Sources", "Way"]

FIGSHARE = "figshare"
BLOCK = 1 << 20
RANGE = 1 << 24


class Way(Protocol):
    """One place that has a file."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def open(self, offset: int, size: int | None, what: str) -> AbstractContextManager[Body]:
        """Ask once for the file from a byte on.

        Parameters
        ----------
        offset
            The first byte that is wanted; the body may start at 0 all the same.
        size
            The size that the file has to have, where that is known.
        what
            What messages call the file.

        Raises
        ------
        Fault
            The place does not give it.
        """
        ...


@dataclass(frozen=True)
class _Web:
    url: str = field(repr=False)
    client: Client

    @property
    def name(self) -> str:
        return host_of(self.url)

    def open(self, offset: int, size: int | None, what: str) -> AbstractContextManager[Body]:
        return self.client.stream(self.url, offset, what=what, expect=size)


@dataclass(frozen=True)
class _Local:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @contextlib.contextmanager
    def open(self, offset: int, size: int | None, what: str) -> Iterator[Body]:
        try:
            with self.path.open("rb") as file:
                total = self.path.stat().st_size
                _require_size(self.name, what, total, size)
                file.seek(offset)
                yield Body(offset, total, lambda: _blocks(file))
        except (FileNotFoundError, NotADirectoryError):
            raise Fault(what, "not found", f"{self.name} is not there") from None
        except PermissionError:
            raise Fault(what, "forbidden", f"{self.name} may not be read") from None


@dataclass(frozen=True)
class _Storage:
    """A place that DVC knows how to read: s3 and the like."""

    name: str
    path: str
    system: Any = field(repr=False)

    @contextlib.contextmanager
    def open(self, offset: int, size: int | None, what: str) -> Iterator[Body]:
        with self._named(what):
            total = int(self.system.size(self.path))
        _require_size(self.name, what, total, size)
        yield Body(offset, total, lambda: self._ranges(offset, total, what))

    def _ranges(self, start: int, total: int, what: str) -> Iterator[bytes]:
        while start < total:
            with self._named(what):
                block = self.system.fs.cat_file(
                    self.path, start=start, end=min(start + RANGE, total)
                )
            if not block:
                break
            start += len(block)
            yield block

    @contextlib.contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Turn what a storage library raises into a fault."""
        try:
            yield
        except FileNotFoundError:
            raise Fault(what, "not found", f"{self.name} is not there") from None
        except PermissionError as error:
            said = " ".join(str(error).split()) or "forbidden"
            raise Fault(what, "forbidden", f"{self.name} is closed to us: {said}") from None
        except Exception as error:
            said = " ".join(str(error).split())[:200]
            rule = f"{self.name} cannot be read: {type(error).__name__} {said}"
            raise Fault(what, "unreachable", rule, again=True) from None


class Sources:
    """Finds the places of pinned files, for one clone.

    Parameters
    ----------
    root
        The top folder of the clone.
    client
        What asks web services.
    """

    def __init__(self, root: Path, client: Client) -> None:
        self._root = root
        self._client = client
        self._systems: dict[str, tuple[Any, str]] = {}
        self._lock = threading.Lock()

    def ways(self, source: str, what: str, address: str = "") -> list[Way]:
        """Return the places that may have a file, in the order in which to try them.

        Parameters
        ----------
        source
            The path of the dependency in the file's `.dvc`.
        what
            What messages call the file.
        address
            Where the file was published; a public share link shows its token.

        Raises
        ------
        AutomindError
            Nothing in the clone says where `source` is.
        """
        split = urlsplit(source)
        if split.scheme in ("http", "https"):
            return [_Web(source, self._client)]
        if split.scheme != "remote":
            rule = f"comes from {redacted(source)}, which cannot be fetched from"
            raise AutomindError(what, rule, "import the release again")
        remote, path = split.netloc, split.path.lstrip("/")
        if remote == FIGSHARE:
            return self._figshare(path, address)
        said = option(self._root, f'remote "{remote}"', "url")
        if said is None:
            step = f"dvc remote modify --local {remote} url FOLDER-OR-ADDRESS"
            raise AutomindError(what, f"comes from the remote {remote}, which has no url", step)
        url, base = said
        scheme = urlsplit(url).scheme
        if scheme in ("http", "https"):
            return [_Web(f"{url.rstrip('/')}/{quote(path)}", self._client)]
        if "://" in url:
            system, top = self._system(remote, what)
            return [_Storage(f"{redacted(url).rstrip('/')}/{path}", f"{top}/{path}", system)]
        return [_Local((base / Path(url).expanduser() / path).resolve())]

    def _figshare(self, number: str, address: str) -> list[Way]:
        public = f"{download_base()}/{number}"
        secret = token(self._root, address)
        if secret:
            return [_Web(f"{public}?private_link={quote(secret, safe='')}", self._client)]
        api = f"{api_base()}/file/download/{number}"
        return [_Web(api, self._client), _Web(public, self._client)]

    def _system(self, remote: str, what: str) -> tuple[Any, str]:
        """Return DVC's file system of a remote, and the path of the remote in it."""
        from dvc.exceptions import DvcException
        from dvc.fs import get_cloud_fs
        from dvc.repo import Repo

        with self._lock:
            if remote not in self._systems:
                try:
                    with Repo(str(self._root)) as repo:
                        kind, settings, top = get_cloud_fs(repo.config, name=remote)
                    system = kind(**settings)
                    if system.protocol == "s3":
                        _prepare_s3(system.fs_args, self._client.patience)
                    self._systems[remote] = (system, str(top).rstrip("/"))
                except DvcException as error:
                    rule = f"comes from the remote {remote}: {' '.join(str(error).split())}"
                    raise AutomindError(what, rule, "look at `dvc remote list`") from None
            return self._systems[remote]


def _prepare_s3(arguments: dict[str, Any], patience: Patience) -> None:
    """Leave trying again to us, and checksums: those of some servers are not of a range."""
    settings = arguments.setdefault("config_kwargs", {})
    for timeout in ("connect_timeout", "read_timeout"):
        settings.setdefault(timeout, patience.timeout)
    settings |= {"retries": {"max_attempts": 0}, "response_checksum_validation": "when_required"}


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _require_size(name: str, what: str, total: int, size: int | None) -> None:
    if size is not None and total != size:
        rule = f"{name} has {total} bytes where {size} are pinned"
        raise Fault(what, "wrong length", rule)
