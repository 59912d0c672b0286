"""A folder that holds the release, in the published layout or flat."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar

from automind_data.origins import PUBLISHED_ADDRESS, Offer

__all__ = ["ORIGIN", "FolderOrigin"]


class FolderOrigin:
    """A folder on this machine."""

    kind: ClassVar[str] = "folder"
    accepts: ClassVar[str] = "a folder"

    def __init__(self, source: str) -> None:
        self.folder = Path(source).resolve()
        self.address = PUBLISHED_ADDRESS
        self.release = self.folder.name

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source` is a folder."""
        return Path(source).is_dir()

    def offers(self) -> list[Offer]:
        """List every file in the folder; links to folders are not followed."""
        found = []
        for top, folders, names in os.walk(self.folder):
            folders.sort()
            for path in (Path(top, name) for name in sorted(names)):
                if path.is_file():
                    name = path.relative_to(self.folder).as_posix()
                    size = path.stat().st_size
                    found.append(Offer(name, size, partial(_open, path), local=path))
        return found

    def base_url(self, prefix: str) -> str:
        """Return the folder, or the one in it that everything lies in."""
        return str(self.folder / prefix)


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


ORIGIN = FolderOrigin
