"""Zips written field by field, so that a test can make any of them say something else."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STORED, DEFLATED, DEFLATED64 = 0, 8, 9
DESCRIBED = 0x8
UTF8 = 0x800
MAX32 = 0xFFFFFFFF
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")


def pack(data: bytes, method: int) -> bytes:
    """Compress with the method of a zip."""
    if method == DEFLATED64:
        from inflate64 import Deflater

        stream = Deflater()
        return stream.deflate(data) + stream.flush()
    if method == DEFLATED:
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        return deflate.compress(data) + deflate.flush()
    return data


@dataclass
class Part:
    """One member. `central` and `local` replace fields of its two records.

    `wide`: sizes and place stand in Zip64 extra fields. `descriptor`: a format of
    `struct` for what stands behind the bytes, with or without signature. `before` are
    bytes of nobody.
    """

    name: str | bytes
    data: bytes = b"x"
    method: int = STORED
    mode: int = 0
    flags: int = 0
    wide: bool = False
    descriptor: str = ""
    before: bytes = b""
    packed: bytes | None = None
    central: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Any] = field(default_factory=dict)


def write(path: Path, parts: list[Part], **options: Any) -> Path:
    """Write a zip; its options are those of `build`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build(parts, **options))
    return path


def build(
    parts: list[Part],
    *,
    before: bytes = b"",
    between: bytes = b"",
    comment: bytes = b"",
    behind: bytes = b"",
    wide: bool = False,
    wrap: int = 0,
    end: Mapping[str, int] | None = None,
    locator: Callable[[bytes], bytes] = lambda record: record,
) -> bytes:
    """Return the bytes of a zip.

    Parameters
    ----------
    parts
        Its members.
    before, between, behind
        Bytes at the start that places do not count, before the list of members, and
        after the end.
    comment
        Of the end record.
    wide
        With Zip64 end records.
    wrap
        Sizes and places are said modulo this.
    end
        Fields of the end record to replace: `disk`, `stated`, `here`, `length`, `offset`.
    locator
        Changes the Zip64 end records.
    """
    body, listed = bytearray(before), bytearray()
    for part in parts:
        body += part.before
        place = len(body) - len(before)
        local, central, behind_bytes = _records(part, place, wrap)
        packed = pack(part.data, part.method) if part.packed is None else part.packed
        body += local + packed + behind_bytes
        listed += central
    body += between
    at = len(body) - len(before)
    fields = {"disk": 0, "here": len(parts), "stated": len(parts), "length": len(listed)}
    fields |= {"offset": at % wrap if wrap else at} | dict(end or {})
    body += listed
    if wide:
        record = struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(parts), len(parts), len(listed), at
        )
        place = len(body) - len(before)
        body += locator(record + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1))
        fields |= {"here": 0xFFFF, "stated": 0xFFFF, "length": MAX32, "offset": MAX32}
        fields |= dict(end or {})
    body += END.pack(
        b"PK\5\6",
        fields["disk"],
        fields["disk"],
        fields["here"] % 0x10000,
        fields["stated"] % 0x10000,
        fields["length"],
        fields["offset"],
        len(comment),
    )
    return bytes(body + comment + behind)


def _records(part: Part, place: int, wrap: int) -> tuple[bytes, bytes, bytes]:
    name = part.name.encode() if isinstance(part.name, str) else part.name
    packed = pack(part.data, part.method) if part.packed is None else part.packed
    crc, sizes = zlib.crc32(part.data), (len(part.data), len(packed))
    said = tuple(size % wrap if wrap else size for size in sizes)
    flags = part.flags | (DESCRIBED if part.descriptor else 0)
    descriptor = b""
    if part.descriptor:
        signed = part.descriptor.startswith("<4s")
        values = (crc, said[1], said[0])
        descriptor = struct.pack(part.descriptor, *((b"PK\7\x08",) if signed else ()), *values)
    common: dict[str, Any] = {
        "flags": flags,
        "method": part.method,
        "crc": crc,
        "size": said[0],
        "packed": said[1],
        "name": name,
        "extra": b"",
    }
    local, central = dict(common), {**common, "offset": place % wrap if wrap else place}
    if part.descriptor:
        local |= {"crc": 0, "size": 0, "packed": 0}
    if part.wide:
        wide = struct.pack("<HHQQ", 1, 16, local["size"], local["packed"])
        local |= {"size": MAX32, "packed": MAX32, "extra": wide}
        wide = struct.pack("<HHQQQ", 1, 24, *sizes, place)
        central |= {"size": MAX32, "packed": MAX32, "offset": MAX32, "extra": wide}
    local |= part.local
    central |= part.central
    return _local(local), _central(central, part.mode), descriptor


def _local(said: Mapping[str, Any]) -> bytes:
    record = LOCAL.pack(
        b"PK\3\4",
        20,
        said["flags"],
        said["method"],
        0,
        0x21,
        said["crc"],
        said["packed"],
        said["size"],
        len(said["name"]),
        len(said["extra"]),
    )
    return record + said["name"] + said["extra"]


def _central(said: Mapping[str, Any], mode: int) -> bytes:
    record = CENTRAL.pack(
        b"PK\1\2",
        0x031E,
        20,
        said["flags"],
        said["method"],
        0,
        0x21,
        said["crc"],
        said["packed"],
        said["size"],
        len(said["name"]),
        len(said["extra"]),
        0,
        0,
        0,
        mode << 16,
        said["offset"],
    )
    return record + said["name"] + said["extra"]
