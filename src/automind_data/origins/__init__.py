"""The places that a release can be imported from: one module each, asked in turn.

A module in this package that defines `ORIGIN`, a class with the methods of
`Origin`, is one more place; nothing else has to change.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol

from automind_data.common.errors import AutomindError

__all__ = [
    "FIGSHARE_SOURCE",
    "NOT_STATED",
    "PUBLISHED_ADDRESS",
    "Offer",
    "Origin",
    "Stated",
    "find_origin",
    "origin_types",
    "shown",
    "stated_by",
]

PUBLISHED_ADDRESS = "https://figshare.com/s/3f1467f8fb0f328aed16"
"""The one address that the release's README gives."""

FIGSHARE_SOURCE = "remote://figshare/"
"""What stands before a figshare file id in a DVC address."""

NOT_STATED = "not stated"
"""Stands where a place does not say something."""

_TOKEN = re.compile(r"(?<=figshare\.com/s/)[^/?#]+", re.IGNORECASE)


@dataclass(frozen=True)
class Offer:
    """One file at an origin.

    `name` is its `/`-separated path there, `size` in bytes. `open` gives its
    bytes; None where they come later, and then `md5` must be known. `local` is
    its path where it is a file on this machine; `given` means that this file is
    moved into the cache, not copied. `source` is its DVC address where that is not
    `remote://release/<published path>`. `flaw` says why it cannot be pinned, as
    the end of a sentence.
    """

    name: str
    size: int
    open: Callable[[], AbstractContextManager[BinaryIO]] | None = None
    md5: str | None = None
    local: Path | None = None
    source: str | None = None
    given: bool = False
    flaw: str | None = None


@dataclass(frozen=True)
class Stated:
    """What a place says about a release, for `meta.origin`; None: it has no such thing."""

    licence: str = NOT_STATED
    article: int | None = None
    version: int | None = None
    doi: str | None = None
    title: str | None = None
    date: str | None = None


class Origin(Protocol):
    """One place with one release.

    One that states something about it has a property `stated` as well, a `Stated`.
    What it has is read after `offers`.
    """

    kind: ClassVar[str]
    accepts: ClassVar[str]

    @property
    def address(self) -> str:
        """The public address of the release."""
        ...

    @property
    def release(self) -> str:
        """The release's name, where the user gives none."""
        ...

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
    raise AutomindError(shown(source), f"is not {accepted}", "look at the path")


def stated_by(origin: Origin) -> Stated:
    """Return what an origin says about its release."""
    found: Stated = getattr(origin, "stated", Stated())
    return found


def shown(source: str) -> str:
    """Return a source as messages may show it: without query and share token.

    >>> shown("https://figshare.com/s/0123abcd?file=1")
    'https://figshare.com/s/…'
    """
    source = _TOKEN.sub("…", source)
    return re.split(r"[?#]", source, maxsplit=1)[0] if "://" in source else source
