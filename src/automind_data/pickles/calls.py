"""What the few calls give whose outcome is known: plain values, made by us."""

from __future__ import annotations

from typing import Any

from automind_data.pickles.names import ATTRIBUTES, CONFIGS, NEVER_CALLED
from automind_data.pickles.tree import Call, Config, Name, Refusal, key

__all__ = ["effort", "guarded", "outcome", "weight"]

LATIN = ("latin1", "latin-1")
ONE_VALUE = 48
ONE_PLACE = 8
ONE_ENTRY = 100
"""Bytes that a value takes beside its content, a place in a list, and one in a dictionary."""

OBJECT = Name("builtins", "object")


def weight(value: Any) -> int:
    """Return about how many bytes a value takes that was made just now."""
    match value:
        case str():
            return ONE_VALUE + 4 * len(value)
        case bytes():
            return ONE_VALUE + len(value)
        case list() | tuple():
            return ONE_VALUE + ONE_PLACE * len(value)
        case dict() | set() | frozenset():
            return ONE_VALUE + ONE_ENTRY * len(value)
    return ONE_VALUE


def effort(value: Any) -> int:
    """Return about what going through an argument costs, counted as bytes."""
    return ONE_ENTRY * len(value) if isinstance(value, list | tuple) else 0


def guarded(what: Name, args: Any) -> str | None:
    """Say what is wrong with a call, as the end of a sentence; None where nothing is."""
    if (what.module, what.name) in NEVER_CALLED:
        return f"calls {what}"
    if what == Name("builtins", "getattr"):
        match args:
            case (Name() as owner, str() as attribute):
                allowed = (str(owner), attribute) in ATTRIBUTES
                return None if allowed else f"asks for {owner}.{attribute}"
        return "asks for an attribute"
    return None


def outcome(what: Name, args: tuple[Any, ...]) -> Any:
    """Return what a call stands for: a plain value where it is known, else a `Call`.

    Raises
    ------
    Refusal
        A call whose outcome must be known was given something else than expected.
    """
    match str(what), args:
        case "builtins.getattr", (Name(), str() as attribute):
            return Name("torch", attribute)
        case "collections.OrderedDict", ():
            return {}
        case "collections.OrderedDict", (list() as pairs,):
            return {key(name): value for name, value in pairs}
        case "collections.defaultdict", () | (Name(),):
            return {}
        case "torch.Size", (tuple() as size,):
            return size
        case "torch.device", (str() as device,):
            return device
        case "builtins.set", () | (list() | tuple(),):
            return {key(value) for part in args for value in part}
        case "builtins.frozenset", () | (list() | tuple(),):
            return frozenset(key(value) for part in args for value in part)
        case (("builtins.bytes" | "builtins.bytearray"), ()):
            return b""
        case "builtins.bytearray", (bytes() as content,):
            return content
        case (("builtins.bytearray" | "_codecs.encode"), (str() as text, str() as code)):
            if code in LATIN:
                return text.encode("latin-1")
        case "copyreg._reconstructor", (Name() as kind, base, None) if base == OBJECT:
            return made(kind, ())
        case "copyreg.__newobj__", (Name() as kind, *rest):
            return made(kind, tuple(rest))
    if what.module in ("builtins", "_codecs", "copyreg", "collections"):
        raise Refusal(f"calls {what} in a way that no published file needs")
    return made(what, args)


def made(kind: Name, args: tuple[Any, ...]) -> Call:
    """Return the inert stand-in of an object."""
    return (Config if (kind.module, kind.name) in CONFIGS else Call)(kind, args)
