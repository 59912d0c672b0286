"""The single download of a whole release: a zip in which relative paths are preserved."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from automind_data.common.archive import open_member, read_plan
from automind_data.common.errors import AutomindError
from automind_data.origins import PUBLISHED_ADDRESS, Offer
from automind_data.pinning.whole import what_is_missing

__all__ = ["ORIGIN", "BundleOrigin"]


class BundleOrigin:
    """A bundle zip on this machine. Nothing in it is unpacked under its own name."""

    kind: ClassVar[str] = "bundle"
    accepts: ClassVar[str] = "a bundle .zip"

    def __init__(self, source: str) -> None:
        self.path = Path(source).resolve()
        self.address = PUBLISHED_ADDRESS
        self.release = self.path.stem

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source` is a file called `.zip`."""
        path = Path(source)
        return path.is_file() and path.suffix.lower() == ".zip"

    def offers(self) -> list[Offer]:
        """List the members of the bundle.

        Raises
        ------
        AutomindError
            It is not a whole zip, or a member would leave its folder or is no
            plain file.
        """
        if said := what_is_missing(self.path, self.path.name.lower()):
            raise AutomindError(self.path, said, "download the bundle again")
        return [
            Offer(member.name, member.size, partial(open_member, self.path, member.path))
            for member in read_plan(self.path).require().members
        ]

    def base_url(self, prefix: str) -> None:
        """Return None: DVC cannot look into a zip."""


ORIGIN = BundleOrigin
