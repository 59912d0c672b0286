"""One revision as the comparison reads it: where its files are, and what to say if not here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.diff.changes import Gap
from automind_data.revisions import Revision

__all__ = ["Place", "Unread", "same_bytes"]

T = TypeVar("T")


class Unread(Exception):
    """A file could not be read; `gap` says it to the user."""

    def __init__(self, gap: Gap) -> None:
        self.gap = gap
        super().__init__(gap.sentence)


class Place:
    """The files of one revision.

    Parameters
    ----------
    revision
        A commit or the working tree.
    pull
        Bring what is needed and not on this disk from the revision's DVC remote.
    """

    def __init__(self, revision: Revision, pull: bool = False) -> None:
        self.revision = revision
        self.name = revision.name
        self._pull = pull
        self._asked: set[str] = set()
        self._md5s: dict[str, str] = {}

    def there(self, path: str) -> bool:
        """Say whether the revision has a file, or may have: its folder's list is not here."""
        if self._working(path) or self.revision.md5(path) is not None:
            return True
        folder = self._folder(path)
        return folder is not None and self.revision.find(folder) is None

    def find(self, path: str) -> Path | None:
        """Return where a file is on this disk, after a pull where one is wanted."""
        self.fetch([path])
        return self.revision.find(path)

    def fetch(self, paths: Iterable[str]) -> None:
        """Pull, where that is wanted, those of some files that are there but not on this disk."""
        if not self._pull:
            return
        wanted = [
            path
            for path in dict.fromkeys(paths)
            if path not in self._asked and self.there(path) and self.revision.find(path) is None
        ]
        self._asked.update(wanted)
        if wanted:
            self.revision.pull(wanted)

    def require(self, path: str, unknown: str) -> Path:
        """Return where a file is on this disk.

        Raises
        ------
        Unread
            It is not; the gap says that `unknown` is therefore not known.
        """
        found = self.find(path)
        if found is None:
            raise Unread(self._missing(path, unknown))
        return found

    def read(self, path: str, unknown: str, how: Callable[[Path], T]) -> T:
        """Read a file that must be on this disk.

        Raises
        ------
        Unread
            It is not there, or `how` refuses it.
        """
        found = self.require(path, unknown)
        try:
            return how(found)
        except AutomindError as error:
            raise Unread(self.damaged(path, unknown, error.rule)) from None

    def damaged(self, path: str, unknown: str, rule: str) -> Gap:
        """Return what is said of a file that is there but cannot be used."""
        step = f"make it again with `dvc repro` at {self.name}"
        if self.revision.commit is not None:
            step = "delete it from the DVC cache and add --pull, or compare another revision"
        rule = f"of {self.name} {rule}, so {unknown} is not known"
        return Gap(self.name, path, False, str(AutomindError(path, rule, step)))

    def md5(self, path: str) -> str | None:
        """Return the md5 of a file as it stands; None where there is none or it is not known."""
        working = self._working(path)
        if working is None:
            return self.revision.md5(path)
        if path not in self._md5s:
            self._md5s[path] = md5_of(working)
        return self._md5s[path]

    def size(self, path: str) -> int | None:
        """Return the size of a file in bytes; None where it is not known without the file."""
        working = self._working(path)
        if working is not None:
            return working.stat().st_size
        pinned = self.revision.outputs.get(path)
        return pinned.size if pinned and pinned.size else None

    def folder_md5(self, path: str) -> str | None:
        """Return the pinned md5 of the folder that a file is in, if the file is as pinned."""
        folder = None if self._working(path) else self._folder(path)
        return self.revision.outputs[folder].md5 if folder else None

    def as_pinned(self, path: str) -> bool:
        """Say whether a file has the bytes that are pinned: what lies beside it then fits it."""
        if self._working(path) is None:
            return True
        pinned = self.revision.outputs.get(path)
        if pinned and pinned.size and pinned.size != self.size(path):
            return False
        md5 = self.revision.md5(path)
        return md5 is not None and md5 == self.md5(path)

    def _folder(self, path: str) -> str | None:
        return next((out for out in self.revision.outputs if path.startswith(f"{out}/")), None)

    def _working(self, path: str) -> Path | None:
        file = self.revision.root / path
        return file if self.revision.commit is None and file.is_file() else None

    def _missing(self, path: str, unknown: str) -> Gap:
        where, step = "is not on this disk", "add --pull"
        if self._pull:
            where = "is neither on this disk nor in a remote that can be reached"
            step = f"check `dvc remote list`, or run `dvc repro` at {self.name}"
        rule = f"of {self.name} {where}, so {unknown} is not known"
        return Gap(self.name, path, True, str(AutomindError(path, rule, step)))


def same_bytes(old: Place, new: Place, path: str) -> bool:
    """Say whether a file has the same bytes in both, reading as little as possible."""
    folder = old.folder_md5(path)
    if folder is not None and folder == new.folder_md5(path):
        return True
    sizes = {old.size(path), new.size(path)} - {None}
    if len(sizes) > 1:
        return False
    md5 = old.md5(path)
    return md5 is not None and md5 == new.md5(path)
