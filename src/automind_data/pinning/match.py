"""Finding the published files among the names that an origin has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from automind_data.common.archive.plan import is_junk

__all__ = ["Match", "match_names"]

OUR_OWN = {".gitignore", ".dvc"}
"""Names and suffixes of what this repository keeps beside the published files."""


@dataclass(frozen=True)
class Match:
    """Which name each published file has at the origin.

    `found` maps published paths to names, `ambiguous` those with several names to
    all of them; `extra` are names that belong to no published file.
    """

    found: dict[str, str]
    missing: tuple[str, ...]
    ambiguous: dict[str, tuple[str, ...]]
    extra: tuple[str, ...]

    @property
    def prefix(self) -> str | None:
        """What every name has before its published path; None if the layout is another."""
        prefixes = {
            name[: -len(path)] if f"/{name}".endswith(f"/{path}") else None
            for path, name in self.found.items()
        }
        return prefixes.pop() if len(prefixes) == 1 else None


def match_names(published: Iterable[str], names: Iterable[str]) -> Match:
    """Find each published file by its file name, in whatever folder it lies.

    A file name at two places is ambiguous wherever they are: nothing says which
    one is meant.

    Parameters
    ----------
    published
        The published paths, as in `layout.FILES`; their file names differ.
    names
        `/`-separated paths at the origin.

    Examples
    --------
    >>> match = match_names(["dgms/a.pickle", "b.csv"], ["top/dgms/a.pickle", "notes.txt"])
    >>> match.found, match.missing, match.extra
    ({'dgms/a.pickle': 'top/dgms/a.pickle'}, ('b.csv',), ('notes.txt',))
    """
    published = tuple(published)
    wanted = {PurePosixPath(path).name for path in published}
    places: dict[str, list[str]] = defaultdict(list)
    extra = []
    for name in names:
        path = PurePosixPath(name)
        if is_junk(name) or {path.name, path.suffix} & OUR_OWN:
            continue
        if path.name in wanted:
            places[path.name].append(name)
        else:
            extra.append(name)
    by_path = {path: places[PurePosixPath(path).name] for path in published}
    return Match(
        found={path: names[0] for path, names in by_path.items() if len(names) == 1},
        missing=tuple(path for path, names in by_path.items() if not names),
        ambiguous={path: tuple(names) for path, names in by_path.items() if len(names) > 1},
        extra=tuple(sorted(extra)),
    )
