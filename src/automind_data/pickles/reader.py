"""A pickle as an inert tree: read opcode by opcode, nothing imported, nothing called.

The standard library's unpickler imports and calls what the file asks for. This
reader only records it: a name becomes a `Name`, a call becomes a `Call`.
"""

from __future__ import annotations

import io
from collections.abc import Set
from typing import Any, BinaryIO

from automind_data.pickles.limits import LIMITS
from automind_data.pickles.machine import Event, Machine
from automind_data.pickles.tree import NEXT_STEP, Call, Name, Refusal, measure, refused

__all__ = ["NEXT_STEP", "Call", "Name", "Refusal", "mentions", "read_pickle", "read_value"]


def read_value(stream: BinaryIO, names: Set[tuple[str, str]], persistent: bool = False) -> Any:
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
    value = Machine(names, persistent=persistent).read(stream)
    measure(value)
    return value


def read_pickle(data: bytes, file: str) -> Any:
    """Read a pickle into a tree of plain values, `Name` and `Call`, within `LIMITS`.

    This runs in the process that asks. For a file use `pickles.confined`, which does
    the same in a process of its own that has little memory and time.

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
    try:
        value = read_whole(data, Machine())
        measure(value)
    except Refusal as error:
        raise refused(file, str(error)) from None
    return value


def read_whole(data: bytes, machine: Machine) -> Any:
    """Let a machine read bytes that must be one pickle and nothing else.

    Raises
    ------
    Refusal
        They are not, or hold what the machine does not allow.
    """
    if len(data) > LIMITS.max_bytes:
        raise Refusal(f"is larger than {LIMITS.max_bytes} bytes for a pickle")
    stream = io.BytesIO(data)
    value = machine.read(stream)
    if stream.read(1):
        raise Refusal("holds more bytes after its end")
    return value


def mentions(data: bytes, file: str) -> list[Event]:
    """List every name that a pickle mentions, allowed or not, in file order.

    Parameters and errors as in `read_pickle`; an unknown name is no error here.
    """
    machine = Machine(strict=False)
    try:
        read_whole(data, machine)
    except Refusal as error:
        raise refused(file, str(error)) from None
    return [event for event in machine.events if event.what == "import"]
