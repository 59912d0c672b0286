"""What an inert pickle tree is made of, and how much of it there may be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.pickles.limits import LIMITS

__all__ = ["NEXT_STEP", "Call", "Config", "Name", "Refusal", "key", "measure", "refused", "shown"]

NEXT_STEP = "do not use this file; get it again from the release"
LONGEST_SENTENCE = 300
MOST_IN_KEY = 64
TEXT_IN_VALUE = 64


@dataclass(frozen=True)
class Name:
    """A global that the pickle mentions; it stands for itself and is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False, slots=True)
class Call:
    """A call or an object that the pickle describes: what was called, with what, its state."""

    name: Name
    args: tuple[Any, ...]
    state: Any = None
    items: list[Any] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The full dotted name of what was called."""
        return str(self.name)

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class Config(Call):
    """A container or a value of omegaconf; `plain` is what it holds."""

    __slots__ = ()

    def plain(self) -> Any:
        """Return what it holds: a dict, a list or a single value."""
        state = self.state
        if not isinstance(state, dict) or not {"_content", "_val"} & state.keys():
            raise Refusal("holds a configuration without content")
        return state["_content"] if "_content" in state else state["_val"]


class Refusal(Exception):
    """A pickle asks for something that it may not have; the text says what."""


def shown(text: str) -> str:
    """Return text of a stranger as one short line that a terminal can show.

    >>> shown("a" + chr(10) + "b" + chr(27))
    'a\\\\nb\\\\x1b'
    """
    cut = text[:LONGEST_SENTENCE]
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return plain if len(text) <= LONGEST_SENTENCE else f"{plain}…"


def refused(file: str, rule: str) -> AutomindError:
    """Make the error that says which rule a pickle breaks."""
    return AutomindError(file, shown(rule), NEXT_STEP)


def key(value: Any) -> Any:
    """Return a value that may stand as a key of a dictionary or in a set.

    Raises
    ------
    Refusal
        It is not plain, or too large to be compared quickly.
    """
    waiting, seen = [value], 0
    while waiting:
        part = waiting.pop()
        seen += 1
        if isinstance(part, tuple) and seen <= MOST_IN_KEY >= len(part):
            waiting.extend(part)
        elif seen > MOST_IN_KEY or not isinstance(part, str | bytes | int | float | Name | None):
            raise Refusal("uses a key that is not plain")
    return value


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return [*value]
    return []


def _inside(call: Call) -> tuple[Any, ...]:
    return (call.args, call.state, call.items)


def measure(root: Any) -> None:
    """Refuse a tree that is nested too deeply, holds itself, or is too large written out.

    What is shared counts each time it is reached. An object counts as one value where
    it stands; what it holds is a tree of its own, so objects may point to each other.
    """
    sizes: dict[int, tuple[int, int]] = {}
    calls: set[int] = set()
    roots = [root]
    while roots:
        roots.extend(_measure(roots.pop(), sizes, calls))


def _measure(root: Any, sizes: dict[int, tuple[int, int]], calls: set[int]) -> list[Any]:
    found: list[Any] = []
    opened: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        value, closing = waiting.pop()
        place = id(value)
        if isinstance(value, Call):
            if place not in calls:
                calls.add(place)
                found.extend(part for part in _inside(value) if part)
            continue
        parts = _children(value)
        if not parts or (place in sizes and not closing):
            continue
        if closing:
            opened.discard(place)
            sizes[place] = _sum(parts, sizes)
        elif place in opened:
            raise Refusal("holds itself")
        else:
            opened.add(place)
            waiting.append((value, True))
            waiting.extend((part, False) for part in parts)
    return found


def _sum(parts: list[Any], sizes: dict[int, tuple[int, int]]) -> tuple[int, int]:
    total, depth = 1, 0
    for part in parts:
        if isinstance(part, str):
            size, below = 1 + len(part) // TEXT_IN_VALUE, 0
        else:
            size, below = sizes.get(id(part), (1, 0))
        total += size
        depth = max(depth, below)
    if depth >= LIMITS.max_depth:
        raise Refusal(f"is nested more than {LIMITS.max_depth} deep")
    if total > LIMITS.max_values:
        raise Refusal(f"holds more than {LIMITS.max_values} values when it is written out")
    return total, depth + 1
