"""The machine that a pickle is written for, with every effect taken out.

`pickletools` splits the bytes into opcodes; none of them imports or calls anything
here. Frames, marks and the memo are held to what the format says.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any, BinaryIO

from automind_data.pickles.calls import effort, guarded, outcome, weight
from automind_data.pickles.limits import LIMITS, Limits
from automind_data.pickles.names import ALLOWED, MODERN
from automind_data.pickles.tree import Call, Config, Name, Refusal, key

__all__ = ["Event", "Machine"]

Names = Set[tuple[str, str]]
HIGHEST = 5
FRAME_HEAD = 9
NO_FRAME = -1
MOST_EVENTS = 200_000


@dataclass(frozen=True)
class Event:
    """One thing that a pickle would do, where it says so, and what speaks against it."""

    offset: int
    what: str
    module: str
    name: str
    refused: str | None

    @property
    def allowed(self) -> bool:
        """Whether it may stand in a published pickle."""
        return self.refused is None


class _Mark:
    pass


class Machine:
    """Reads one pickle of a stream into a tree.

    Parameters
    ----------
    names
        The (module, name) pairs that may stand in it.
    strict
        Whether the first thing that is not allowed is a `Refusal`; else everything
        is written to `events`.
    persistent
        Whether it may refer to something outside of itself.
    """

    def __init__(
        self,
        names: Names = ALLOWED,
        strict: bool = True,
        persistent: bool = False,
        limits: Limits = LIMITS,
    ) -> None:
        self.names = names
        self.strict = strict
        self.persistent = persistent
        self.limits = limits
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.events: list[Event] = []
        self.offset = 0
        self.spent = 0

    def read(self, stream: BinaryIO) -> Any:
        """Read up to the end of the pickle; leave the stream behind it."""
        try:
            return self._read(stream)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            what = f"is not a whole pickle (byte {self.offset}: {type(error).__name__})"
            raise Refusal(what) from None

    def _read(self, stream: BinaryIO) -> Any:
        start = stream.tell()
        size = stream.seek(0, io.SEEK_END)
        stream.seek(start)
        frame = NO_FRAME
        for count, (opcode, arg, at) in enumerate(pickletools.genops(stream)):
            self.offset = position = int(at or 0)
            if count >= self.limits.max_opcodes:
                raise Refusal(f"has more than {self.limits.max_opcodes} steps")
            if frame != NO_FRAME and position >= frame:
                if position > frame:
                    raise Refusal(f"has a frame that ends inside a step, before byte {position}")
                frame = NO_FRAME
            match opcode.name:
                case "STOP":
                    if frame not in (NO_FRAME, position + 1):
                        raise Refusal("has a frame that reaches past its end")
                    (last,) = self.pop(1)
                    return last
                case "PROTO":
                    if count or int(arg or 0) > HIGHEST:
                        raise Refusal(f"says protocol {arg} at byte {position}; 0 to {HIGHEST} go")
                case "FRAME":
                    if frame != NO_FRAME:
                        raise Refusal(f"has a frame inside a frame at byte {position}")
                    frame = position + FRAME_HEAD + int(arg or 0)
                    if frame > size:
                        raise Refusal(f"has a frame that reaches past its end at byte {position}")
                case name if name in _PUSH:
                    if name in _OLD_TEXT and not str(arg).isascii():
                        raise Refusal(f"holds a string that is not ASCII at byte {position}")
                    self.push(_checked(arg, self.limits))
                case name:
                    _STEPS[name](self, arg)
        raise Refusal("has no end")

    def note(self, what: str, name: Name, refused: str | None = None) -> None:
        """Write down what the pickle would do, or refuse it where nothing is written down."""
        if refused is not None and self.strict:
            raise Refusal(f"{refused} at byte {self.offset}, which is not allowed")
        if not self.strict:
            if len(self.events) >= MOST_EVENTS:
                raise Refusal(f"does more than {MOST_EVENTS} things")
            self.events.append(Event(self.offset, what, name.module, name.name, refused))

    def spend(self, cost: int) -> None:
        """Count bytes that were made."""
        self.spent += cost
        if self.spent > self.limits.max_made:
            raise Refusal(f"makes more than {self.limits.max_made} bytes of values")

    def push(self, value: Any) -> None:
        """Put a value that was made just now on the stack."""
        self.spend(weight(value))
        self.stack.append(value)

    def pop(self, count: int) -> list[Any]:
        """Take the uppermost values off the stack."""
        if count > len(self.stack):
            raise IndexError
        taken = self.stack[-count:]
        del self.stack[-count:]
        return [_settled(value) for value in taken]

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the uppermost mark, and the mark."""
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                taken = self.stack[index + 1 :]
                del self.stack[index:]
                return [_settled(value) for value in taken]
        raise Refusal("closes a group that was never opened")

    @property
    def top(self) -> Any:
        """The uppermost value."""
        if isinstance(self.stack[-1], _Mark):
            raise Refusal("uses a mark as a value")
        return self.stack[-1]

    def mention(self, module: Any, name: Any) -> Name:
        """Return the name that stands for a global."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise Refusal("builds a name from something that is not text")
        found = (module, name)
        wrong = None if found in self.names else f"mentions {module}.{name}"
        self.note("import", Name(module, name), wrong)
        return Name(*MODERN.get(found, found))

    def call(self, what: Any, args: Any) -> Any:
        """Return what stands for a call."""
        if not isinstance(args, tuple):
            raise Refusal("calls something without a tuple of arguments")
        if not isinstance(what, Name):
            if self.strict:
                raise Refusal("calls something that is not a name")
            self.note("call", _named(what), "calls something that is not a name")
            return Call(_named(what), args)
        self.spend(sum(map(effort, args)))
        known = self.strict or (what.module, what.name) in self.names
        wrong = guarded(what, args) if known else f"calls {what}"
        self.note("call", what, wrong)
        return Call(what, args) if wrong else outcome(what, args)


_Step = Callable[[Machine, Any], Any]
_Fill = Callable[[Any, list[Any]], None]


def _named(value: Any) -> Name:
    if isinstance(value, Name):
        return value
    if isinstance(value, Call):
        return Name(value.name.module, f"{value.name.name}()")
    return Name("builtins", type(value).__name__)


def _settled(value: Any) -> Any:
    if isinstance(value, _Mark):
        raise Refusal("uses a mark as a value")
    return value.plain() if isinstance(value, Config) and value.state is not None else value


def _checked(value: Any, limits: Limits) -> Any:
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int) and value.bit_length() > 8 * limits.max_number:
        raise Refusal(f"holds a number of more than {limits.max_number} bytes")
    elif isinstance(value, bytearray):
        return bytes(value)
    return value


def _set_items(target: Any, flat: list[Any]) -> None:
    if len(flat) % 2:
        raise Refusal("sets a key without a value")
    pairs = zip(flat[::2], flat[1::2], strict=True)
    if isinstance(target, dict):
        target.update((key(name), value) for name, value in pairs)
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
    target.update(key(value) for value in values)


def _build(machine: Machine, _: Any) -> None:
    (state,) = machine.pop(1)
    target = machine.top
    plain = isinstance(target, dict) and isinstance(state, dict)
    fresh = isinstance(target, Call) and target.state is None
    wrong = None if plain or fresh else "gives a state to something that takes none"
    machine.note("state", _named(target), wrong)
    if fresh:
        target.state = state


def _global(machine: Machine, arg: str) -> None:
    module, _, name = arg.partition(" ")
    machine.push(machine.mention(module, name))


def _stack_global(machine: Machine, _: Any) -> None:
    module, name = machine.pop(2)
    machine.push(machine.mention(module, name))


def _call(machine: Machine, _: Any) -> None:
    what, args = machine.pop(2)
    machine.push(machine.call(what, args))


def _persistent(machine: Machine, _: Any) -> None:
    (said,) = machine.pop(1)
    wrong = "refers to something outside of itself (BINPERSID)"
    name = Name("pickle", "persistent_load")
    machine.note("outside", name, None if machine.persistent else wrong)
    machine.push(Call(name, said if isinstance(said, tuple) else (said,)))


def _unneeded(opcode: str) -> _Step:
    """Step of an opcode that no published file needs: what it would do is still followed."""

    def step(machine: Machine, arg: Any) -> None:
        wrong = f"uses the opcode {opcode}, which no published file needs,"
        machine.note("opcode", Name("pickle", opcode), wrong)
        match opcode:
            case "INST":
                args = tuple(machine.pop_to_mark())
                _global(machine, arg)
                machine.push(machine.call(machine.stack.pop(), args))
            case "OBJ":
                what, *rest = machine.pop_to_mark()
                machine.push(machine.call(what, tuple(rest)))
            case "NEWOBJ_EX":
                what, given, named = machine.pop(3)
                machine.push(machine.call(what, (*given, *named.values())))
            case "READONLY_BUFFER":
                pass
            case _:
                machine.push(Call(Name("pickle", opcode), (arg,)))

    return step


def _memoize(machine: Machine, _: Any) -> None:
    _put(machine, len(machine.memo))


def _put(machine: Machine, index: int) -> None:
    if not 0 <= index < machine.limits.max_memo:
        raise Refusal(f"numbers a remembered value {index} at byte {machine.offset}")
    machine.memo[index] = machine.top


def _get(machine: Machine, index: int) -> None:
    machine.stack.append(machine.memo[index])


def _pop(machine: Machine, _: Any) -> None:
    machine.stack.pop()


def _duplicate(machine: Machine, _: Any) -> None:
    machine.stack.append(machine.top)


def _tuple_of(count: int) -> _Step:
    def step(machine: Machine, _: Any) -> None:
        if count > len(machine.stack):
            raise Refusal("takes more than there is")
        machine.push(tuple(machine.pop(count)))

    return step


def _grouped(make: Callable[[list[Any]], Any]) -> _Step:
    return lambda machine, _: machine.push(make(machine.pop_to_mark()))


def _filled(fill: _Fill) -> _Step:
    def step(machine: Machine, _: Any) -> None:
        values = machine.pop_to_mark()
        fill(machine.top, values)

    return step


def _filled_by(count: int, fill: _Fill) -> _Step:
    def step(machine: Machine, _: Any) -> None:
        values = machine.pop(count)
        fill(machine.top, values)

    return step


def _fresh(make: Callable[[], Any]) -> _Step:
    return lambda machine, _: machine.push(make())


def _dict_of(flat: list[Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    _set_items(made, flat)
    return made


_PUSH = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE BINUNICODE"
    " SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 STRING"
    " BINSTRING SHORT_BINSTRING".split()
)

_OLD_TEXT = frozenset("STRING BINSTRING SHORT_BINSTRING".split())

_STEPS: dict[str, _Step] = {
    "NONE": _fresh(lambda: None),
    "NEWTRUE": _fresh(lambda: True),
    "NEWFALSE": _fresh(lambda: False),
    "MARK": _fresh(_Mark),
    "POP": _pop,
    "POP_MARK": lambda machine, _: machine.pop_to_mark(),
    "DUP": _duplicate,
    "EMPTY_LIST": _fresh(list),
    "EMPTY_TUPLE": _fresh(tuple),
    "EMPTY_DICT": _fresh(dict),
    "EMPTY_SET": _fresh(set),
    "LIST": _grouped(list),
    "TUPLE": _grouped(tuple),
    "DICT": _grouped(_dict_of),
    "FROZENSET": _grouped(lambda values: frozenset(key(value) for value in values)),
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
    **{
        name: _unneeded(name)
        for name in "EXT1 EXT2 EXT4 INST OBJ NEWOBJ_EX NEXT_BUFFER PERSID READONLY_BUFFER".split()
    },
}
