"""What an import would change, before it changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from automind_data.common.layout import FILES
from automind_data.pinning.dvcfile import Import

__all__ = ["Change", "Plan", "compare", "must_ask"]

State = Literal["new", "replaced", "same", "no longer there"]


@dataclass(frozen=True)
class Change:
    """What becomes of one published file.

    `before` and `after` are sizes in bytes; None where there is no such file, or where
    the size is not known yet. A file that is `no longer there` stays pinned as it is.
    """

    path: str
    state: State
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Plan:
    """What becomes of every published file, in the order of the layout.

    `before` is the name of the release that is pinned now.
    """

    release: str
    before: str | None
    changes: tuple[Change, ...]

    def count(self, state: State) -> int:
        """Return how many files come to this."""
        return sum(change.state == state for change in self.changes)


def compare(
    release: str,
    before: str | None,
    pinned: Mapping[str, Import],
    arriving: Mapping[str, tuple[str | None, int | None]],
    same: Iterable[str] = (),
) -> Plan:
    """Compare what is pinned with what arrives.

    Parameters
    ----------
    release, before
        The names of the arriving release and of the pinned one.
    pinned
        What is pinned, by published path.
    arriving
        Published path → md5 and size in bytes; None where they are not known yet.
    same
        Paths that are known to stay as they are although their md5 is not given.
    """
    same = set(same)
    changes = []
    for path in (file.path for file in FILES):
        old, new = pinned.get(path), arriving.get(path)
        if new is None and old is None:
            continue
        size = old.size if old else None
        if new is None:
            changes.append(Change(path, "no longer there", size, None))
        elif old is None:
            changes.append(Change(path, "new", None, new[1]))
        elif path in same or (old.md5, old.size) == new:
            changes.append(Change(path, "same", size, size))
        else:
            changes.append(Change(path, "replaced", size, new[1]))
    return Plan(release, before, tuple(changes))


def must_ask(plan: Plan) -> bool:
    """Say whether somebody has to agree: a pinned file would get other bytes."""
    return plan.count("replaced") > 0
