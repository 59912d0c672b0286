"""A pickle as an inert tree: read opcode by opcode, nothing imported, nothing called.

The standard library's unpickler imports and calls what the file asks for. This
reader only records it: a name becomes a `Name`, a call becomes a `Call`.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from automind_data.common.errors import AutomindError
from automind_data.pickles.names import ALLOWED, ATTRIBUTES

__all__ = ["Call", "Mention", "Name", "Refusal", "mentions", "read_pickle", "read_value"]

NEXT_STEP = "do not use this file; get it again from the release"
MAX_BYTES = 1 << 30
Names = Set[tuple[str, str]]


@dataclass(frozen=True)
class Name:
    """A global that the pickle mentions; it stands for itself and is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
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


@dataclass(frozen=True)
class Mention:
    """One name in a pickle, where it stands, and whether it may stand there."""

    module: str
    name: str
    offset: int
    allowed: bool


class _Mark:
    pass


class Refusal(Exception):
    """A pickle asks for something that it may not have; the text says what."""


class _Reader:
    def __init__(
        self, names: Names = ALLOWED, strict: bool = True, persistent: bool = False
    ) -> None:
        self.names = names
        self.strict = strict
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.mentions: list[Mention] = []
        self.offset = 0

    def read(self, stream: BinaryIO) -> Any:
        for opcode, arg, position in pickletools.genops(stream):
            self.offset = position or 0
            if opcode.name == "STOP":
                return self.stack[-1]
            if opcode.name in _PUSH:
                self.stack.append(arg)
            else:
                step = _STEPS.get(opcode.name)
                if step is None:
                    raise Refusal(f"uses the opcode {opcode.name}, which no published file needs")
                step(self, arg)
        raise Refusal("has no end")

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                taken = self.stack[index + 1 :]
                del self.stack[index:]
                return taken
        raise Refusal("closes a group that was never opened")

    def mention(self, module: Any, name: Any) -> Name:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Refusal("builds a name from something that is not text")
        allowed = (module, name) in self.names
        self.mentions.append(Mention(module, name, self.offset, allowed))
        if self.strict and not allowed:
            raise Refusal(f"mentions {module}.{name} at byte {self.offset}, which is not allowed")
        return Name(module, name)

    def call(self, what: Any, args: Any) -> Any:
        if not isinstance(what, Name) or not isinstance(args, tuple):
            raise Refusal("calls something that is not a name")
        match str(what), args:
            case "collections.OrderedDict", ():
                return {}
            case "collections.OrderedDict", (list() as pairs,):
                return {_hashable(key): value for key, value in pairs}
            case "torch.Size", (tuple() as size,):
                return size
            case "builtins.getattr", (Name() as owner, str() as attribute):
                if self.strict and (str(owner), attribute) not in ATTRIBUTES:
                    raise Refusal(f"asks for {owner}.{attribute} at byte {self.offset}")
                return Name("torch", attribute)
            case "builtins.getattr", _ if self.strict:
                raise Refusal(f"asks for an attribute at byte {self.offset}")
        return Call(what, args)


_Step = Callable[[_Reader, Any], Any]
_Fill = Callable[[Any, list[Any]], None]


def _hashable(key: Any) -> Any:
    if isinstance(key, (str, bytes, int, float, type(None), Name)):
        return key
    if isinstance(key, tuple):
        return tuple(_hashable(part) for part in key)
    raise Refusal("uses a key that is not plain")


def _set_items(target: Any, flat: list[Any]) -> None:
    if len(flat) % 2:
        raise Refusal("sets a key without a value")
    pairs = zip(flat[::2], flat[1::2], strict=True)
    if isinstance(target, dict):
        target.update((_hashable(key), value) for key, value in pairs)
    elif isinstance(target, Call):
        target.items.extend(pairs)
    else:
        raise Refusal("sets items of something that has none")


def _append(target: Any, values: list[Any]) -> None:
    if isinstance(target, list):
        target.extend(values)
    elif isinstance(target, Call):
        target.items.extend(values)
    else:
        raise Refusal("appends to something that is no list")


def _add(target: Any, values: list[Any]) -> None:
    if not isinstance(target, set):
        raise Refusal("adds to something that is no set")
    target.update(_hashable(value) for value in values)


def _build(reader: _Reader, _: Any) -> None:
    state = reader.stack.pop()
    target = reader.stack[-1]
    if isinstance(target, Call) and target.state is None:
        target.state = state
    elif not (isinstance(target, dict) and isinstance(state, dict)):
        raise Refusal("gives a state to something that takes none")


def _global(reader: _Reader, arg: str) -> None:
    module, _, name = arg.partition(" ")
    reader.stack.append(reader.mention(module, name))


def _stack_global(reader: _Reader, _: Any) -> None:
    name, module = reader.stack.pop(), reader.stack.pop()
    reader.stack.append(reader.mention(module, name))


def _call(reader: _Reader, _: Any) -> None:
    args, what = reader.stack.pop(), reader.stack.pop()
    reader.stack.append(reader.call(what, args))


def _persistent(reader: _Reader, _: Any) -> None:
    said = reader.stack.pop()
    if not reader.persistent or not isinstance(said, tuple):
        raise Refusal("refers to something outside of itself (BINPERSID)")
    reader.stack.append(Call(Name("pickle", "persistent_load"), said))


def _memoize(reader: _Reader, _: Any) -> None:
    reader.memo[len(reader.memo)] = reader.stack[-1]


def _put(reader: _Reader, index: int) -> None:
    reader.memo[index] = reader.stack[-1]


def _get(reader: _Reader, index: int) -> None:
    reader.stack.append(reader.memo[index])


def _tuple_of(count: int) -> _Step:
    def step(reader: _Reader, _: Any) -> None:
        if len(reader.stack) < count:
            raise Refusal("takes more than there is")
        taken = tuple(reader.stack[-count:])
        del reader.stack[-count:]
        reader.stack.append(taken)

    return step


def _grouped(make: Callable[[list[Any]], Any]) -> _Step:
    return lambda reader, _: reader.stack.append(make(reader.pop_to_mark()))


def _filled(fill: _Fill) -> _Step:
    def step(reader: _Reader, _: Any) -> None:
        values = reader.pop_to_mark()
        fill(reader.stack[-1], values)

    return step


def _filled_by(count: int, fill: _Fill) -> _Step:
    def step(reader: _Reader, _: Any) -> None:
        values = reader.stack[-count:]
        del reader.stack[-count:]
        fill(reader.stack[-1], values)

    return step


def _fresh(make: Callable[[], Any]) -> _Step:
    return lambda reader, _: reader.stack.append(make())


def _dict_of(flat: list[Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    _set_items(made, flat)
    return made


_PUSH = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE"
    " SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 STRING BINSTRING"
    " SHORT_BINSTRING".split()
)

_STEPS: dict[str, _Step] = {
    "PROTO": lambda reader, _: None,
    "FRAME": lambda reader, _: None,
    "NONE": _fresh(lambda: None),
    "NEWTRUE": _fresh(lambda: True),
    "NEWFALSE": _fresh(lambda: False),
    "MARK": _fresh(_Mark),
    "POP": lambda reader, _: reader.stack.pop(),
    "POP_MARK": lambda reader, _: reader.pop_to_mark(),
    "EMPTY_LIST": _fresh(list),
    "EMPTY_TUPLE": _fresh(tuple),
    "EMPTY_DICT": _fresh(dict),
    "EMPTY_SET": _fresh(set),
    "LIST": _grouped(list),
    "TUPLE": _grouped(tuple),
    "DICT": _grouped(_dict_of),
    "FROZENSET": _grouped(lambda values: frozenset(_hashable(value) for value in values)),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": _filled_by(1, _append),
    "APPENDS": _filled(_append),
    "SETITEM": _filled_by(2, _set_items),
    "SETITEMS": _filled(_set_items),
    "ADDITEMS": _filled(_add),
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _call,
    "NEWOBJ": _call,
    "BUILD": _build,
    "BINPERSID": _persistent,
}


def _read(reader: _Reader, stream: BinaryIO) -> Any:
    try:
        return reader.read(stream)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError) as error:
        what = f"is not a whole pickle (byte {reader.offset}: {type(error).__name__})"
        raise Refusal(what) from None


def _run(data: bytes, file: str, strict: bool) -> tuple[Any, list[Mention]]:
    if len(data) > MAX_BYTES:
        raise AutomindError(file, f"is larger than {MAX_BYTES} bytes for a pickle", NEXT_STEP)
    reader, stream = _Reader(strict=strict), io.BytesIO(data)
    try:
        value = _read(reader, stream)
        if stream.read(1):
            raise Refusal("holds more bytes after its end")
    except Refusal as error:
        raise AutomindError(file, str(error), NEXT_STEP) from None
    return value, reader.mentions


def read_value(stream: BinaryIO, names: Names, persistent: bool = False) -> Any:
    """Read one pickle of a stream that may hold more; leave the stream behind it.

    Parameters
    ----------
    stream
        Bytes that can be sought in.
    names
        The (module, name) pairs that may stand in it.
    persistent
        Whether it may refer to something outside of itself; such a reference becomes
        a `Call` with what it says.

    Raises
    ------
    Refusal
        As for `read_pickle`.
    """
    return _read(_Reader(names, persistent=persistent), stream)


def read_pickle(data: bytes, file: str) -> Any:
    """Read a pickle into a tree of plain values, `Name` and `Call`.

    Parameters
    ----------
    data
        The bytes of the pickle, protocol 0 to 5.
    file
        What to call the file in an error.

    Returns
    -------
    Any
        Plain Python values; everything else is a `Call` that nobody called.

    Raises
    ------
    AutomindError
        A name outside the table in `names`, an opcode that no published file
        needs, or bytes that are not one whole pickle.

    Examples
    --------
    >>> import pickle
    >>> read_pickle(pickle.dumps({"a": [1, 2.5]}), "a.pickle")
    {'a': [1, 2.5]}
    >>> read_pickle(b"cos\\nsystem\\n(S'true'\\ntR.", "b.pickle")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    automind_data.common.errors.AutomindError: b.pickle: mentions os.system at byte 0, ...
    """
    return _run(data, file, strict=True)[0]


def mentions(data: bytes, file: str) -> list[Mention]:
    """List every name that a pickle mentions, allowed or not, in file order.

    Parameters and errors as in `read_pickle`; an unknown name is no error here.
    """
    return _run(data, file, strict=False)[1]
