"""Names of members: what is wrong with them, where they belong, what is junk."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import takewhile
from pathlib import PurePosixPath

__all__ = [
    "LONGEST_PATH",
    "MANIFEST",
    "collisions",
    "is_junk",
    "matches",
    "name_rules",
    "published_places",
    "shown",
]

MANIFEST = ".manifest.json"
"""Written beside what was unpacked; one that an archive brings is left out."""

RUN_FOLDERS = {"data", ".hydra"}
JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini"}
LONGEST_PART, LONGEST_PATH = 255, 1024
SHOWN = 80
NO_TEXT = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def name_rules(name: str) -> Iterator[str]:
    """Say which rules a member's name breaks, as ends of a sentence.

    >>> list(name_rules("../a"))
    ['leaves its folder (..)']
    """
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or name[1:2] == ":":
        yield "has an absolute path"
    elif ".." in parts:
        yield "leaves its folder (..)"
    elif any(part in ("", ".") for part in parts):
        yield "has an empty part in its path"
    if "\\" in name:
        yield "has a backslash in its path"
    if name.isascii() and name.isprintable():
        longest, whole = max(map(len, parts)), len(name)
    else:
        yield from _letter_rules(name)
        longest = max(len(part.encode("utf-8", "surrogateescape")) for part in parts)
        whole = len(name.encode("utf-8", "surrogateescape"))
    if longest > LONGEST_PART:
        yield f"has {longest} bytes in one part of its path, more than {LONGEST_PART}"
    elif whole > LONGEST_PATH:
        yield f"has a path of more than {LONGEST_PATH} bytes"


def shown(name: str) -> str:
    """Return a name as a sentence may show it: quoted, short, without control characters."""
    name = repr(name)
    return name if len(name) <= SHOWN else f"{name[: SHOWN - 3]}…'"


def _letter_rules(name: str) -> Iterator[str]:
    if any("\udc80" <= letter <= "\udcff" for letter in name):
        yield "has a name that is not UTF-8 although it says so"
    elif any(unicodedata.category(letter) in NO_TEXT for letter in name):
        yield "has a control character in its path"


def published_places(archive: str, names: Sequence[str]) -> list[str]:
    """Return `<archive>/<path>` of each name, without a folder wrapped around them all.

    A name that ends in `/` is a folder; the wrapping one itself gives the archive's name.
    """
    shared: list[str] | None = None
    for name in names:
        if not name.endswith("/"):
            above = _parts(name)[:-1]
            shared = above if shared is None else _common(shared, above)
    if shared and archive in shared:
        wrapped = shared.index(archive)
    else:
        wrapped = 1 if shared and shared[0] not in RUN_FOLDERS else 0
    places = []
    for name in names:
        parts = _parts(name)[wrapped:]
        nested = len(parts) > 1 or name.endswith("/")
        inside = parts[1:] if nested and parts[:1] == [archive] else parts
        places.append("/".join((archive, *inside)))
    return places


def _common(one: list[str], other: list[str]) -> list[str]:
    pairs = zip(one, other, strict=False)
    return [first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def collisions(files: Iterable[str], folders: Iterable[str], most: int) -> Iterator[str]:
    """Say which paths would land on one another, also where case and accents do not count.

    More than `most` folders are a sentence of their own, and nothing is looked for below.
    """
    counted = Counter(files)
    for path, times in counted.items():
        if times > 1:
            yield f"{shown(path)} is there {times} times"
    above: set[str] = set()
    for path in (*(_parent(path) for path in counted), *folders):
        while path and path not in above:
            above.add(path)
            path = _parent(path)
        if len(above) > most:
            yield f"it has more folders than the limit of {most}"
            return
    spelled: dict[str, str] = {}
    clashes: dict[tuple[str, str], None] = {}
    for path in (*counted, *sorted(above - counted.keys())):
        first = spelled.setdefault(_folded(path), path)
        if first != path:
            clashes[first, path] = None
    for first, second in clashes:
        pair = f"{shown(first)} and {shown(second)}"
        yield f"{pair} are one name where case or accents do not count"
    for path in counted:
        if path in above:
            yield f"{shown(path)} is both a file and a folder"


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def matches(path: str, pattern: str) -> bool:
    """Say whether the last part of a member's path matches, as `a/b_prior.pickle` `*_prior.pickle`.

    >>> matches("training/data/1_prior.pickle", "*_prior.pickle")
    True
    """
    return fnmatchcase(PurePosixPath(path).name, pattern)


def is_junk(name: str) -> bool:
    """Say whether an operating system left this file behind, as `.DS_Store`."""
    parts = name.rstrip("/").split("/")
    last = parts[-1]
    return "__MACOSX" in parts or last.casefold() in JUNK_NAMES or last.startswith("._")
