"""Checksum files in the format of `md5sum`."""

from __future__ import annotations

import re

from automind_data.common.errors import AutomindError

__all__ = ["CHECKSUM_FILE", "MAX_BYTES", "parse_md5sums"]

CHECKSUM_FILE = "MD5SUMS"
"""The name of the file that lists a release's checksums, beside its folders."""

MAX_BYTES = 1 << 20
"""A longer checksum file is not one."""

_LINE = re.compile(r"(?P<md5>[0-9a-fA-F]{32}) [ *](?P<path>.+)")
_NEXT = f"write it again, in the folder of the release: md5sum */* > {CHECKSUM_FILE}"


def parse_md5sums(text: str, where: str) -> dict[str, str]:
    """Read a checksum file.

    Parameters
    ----------
    text
        What the file holds. Both marks (text and binary) and both line ends do.
    where
        What messages call the file.

    Returns
    -------
    dict
        `/`-separated path, without a leading `./` → md5. The line of the checksum file
        itself is left out.

    Raises
    ------
    AutomindError
        A line is not md5sum's, a path leaves the folder or is listed with two
        checksums, or nothing is listed.

    Examples
    --------
    >>> parse_md5sums("d41d8cd98f00b204e9800998ecf8427e *./dgms/a.pickle\\r\\n", "MD5SUMS")
    {'dgms/a.pickle': 'd41d8cd98f00b204e9800998ecf8427e'}
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise AutomindError(where, f"line {number} is not a line of md5sum", _NEXT)
        parts = match["path"].split("/")
        while len(parts) > 1 and parts[0] == ".":
            parts = parts[1:]
        path, md5 = "/".join(parts), match["md5"].lower()
        if {"", ".", ".."} & set(parts) or "\\" in path or not path.isprintable():
            rule = f"line {number} names {match['path']!r}, which is no path in the folder"
            raise AutomindError(where, rule, _NEXT)
        if found.setdefault(path, md5) != md5:
            raise AutomindError(where, f"lists {path} with two checksums", _NEXT)
    found.pop(CHECKSUM_FILE, None)
    if not found:
        raise AutomindError(where, "lists no file", _NEXT)
    return found
