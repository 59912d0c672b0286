"""The places that a release can be imported from: one module each, asked in turn.

A module in this package that defines `ORIGIN`, a class with the methods of
`Origin`, is one more place; nothing else has to change.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from automind_data.common.errors import AutomindError

__all__ = ["PUBLISHED_ADDRESS", "Offer", "Origin", "find_origin", "origin_types"]

PUBLISHED_ADDRESS = "https://figshare.com/s/3f1467f8fb0f328aed16"
"""The one address that the release's README gives."""


@dataclass(frozen=True)
class Offer:
    """One file at an origin.

    `name` is its `/`-separated path there, `size` in bytes. `open` gives its
    bytes; None where they come later, and then `md5` must be known. `local` is
    its path where it is a file on this machine, `source` its DVC address where
    that is not `remote://release/<published path>`.
    """

    name: str
    size: int
    open: Callable[[], AbstractContextManager[BinaryIO]] | None = None
    md5: str | None = None
    local: Path | None = None
    source: str | None = None


class Origin(Protocol):
    """One place with one release."""

    kind: ClassVar[str]
    accepts: ClassVar[str]
    address: str
    release: str

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source`, as the user typed it, is such a place."""
        ...

    def __init__(self, source: str) -> None: ...

    def offers(self) -> list[Offer]:
        """List the files that are there."""
        ...

    def base_url(self, prefix: str) -> str | None:
        """Return where DVC finds `<published path>`, if what is there begins with `prefix`."""
        ...


def origin_types() -> Iterator[type[Origin]]:
    """Give the class of every origin, in the order in which they are asked."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        found = getattr(importlib.import_module(f"{__name__}.{module.name}"), "ORIGIN", None)
        if found is not None:
            yield found


def find_origin(source: str) -> Origin:
    """Return the origin that `source` stands for.

    Raises
    ------
    AutomindError
        No origin knows it.
    """
    types = list(origin_types())
    for origin in types:
        if origin.matches(source):
            return origin(source)
    accepted = " or ".join(origin.accepts for origin in types)
    raise AutomindError(source, f"is not {accepted}", "look at the path")
