"""What a figshare share link shows: nothing lists it, so a person says which file is which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from automind_data.common.errors import AutomindError
from automind_data.common.layout import FILES
from automind_data.origins import Offer

__all__ = ["ORIGIN", "ShareLinkOrigin", "file_map_template", "read_file_map"]

TEMPLATE_STEP = (
    "automind-data import --print-template > files.yaml, fill it in, add --files files.yaml"
)
TEMPLATE = """\
# The files behind a figshare share link: published path, then figshare's id of the file.
#
# Nothing lists these ids, so look them up once: open the link in a browser, hover over
# the download button of a file (or copy its link). The address ends in
#     /files/12345678
# and that number is the id. Write it behind the path; leave a file that is not there
# empty and add --partial.

"""
_LINK = re.compile(
    r"(?P<site>https?://(?:[a-z0-9-]+\.)*figshare\.com)/s(?:/(?P<token>[A-Za-z0-9_-]*))?/?",
    re.IGNORECASE,
)
_OURS = re.compile(r"https?://(?:[a-z0-9-]+\.)*figshare\.com/s(?:[/?#]|\Z)", re.IGNORECASE)


class ShareLinkOrigin:
    """A share link and the files behind it.

    Parameters
    ----------
    source
        `https://figshare.com/s/TOKEN`; without the token where that is in the
        environment.
    files
        Published path → file id.
    public_token
        The link is public, so that the address may show its token.

    Raises
    ------
    AutomindError
        The source is not a share link, or has no token that could be public.
    """

    kind: ClassVar[str] = "share link"
    accepts: ClassVar[str] = "a share link https://figshare.com/s/TOKEN"

    def __init__(
        self, source: str, files: Mapping[str, int] | None = None, public_token: bool = False
    ) -> None:
        found = _LINK.fullmatch(re.split(r"[?#]", source.strip(), maxsplit=1)[0])
        if found is None:
            step = "copy it from figshare: https://figshare.com/s/ and a token"
            raise AutomindError(str(self), "is not complete", step)
        self.token: str | None = found["token"] or None
        if public_token and not self.token:
            step = "give the whole link, or leave --public-token out"
            raise AutomindError(str(self), "has no token that could be public", step)
        self.files: dict[str, int] = dict(files or {})
        self.release = "figshare-share-link"
        site = re.sub("^http:", "https:", found["site"].lower())
        self.address = f"{site}/s/{self.token}" if public_token else site

    def __str__(self) -> str:
        return "the share link"

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source` is an address of figshare's share links."""
        return _OURS.match(source.strip()) is not None

    def offers(self) -> list[Offer]:
        """Refuse: neither sizes nor md5 are known before the files have come.

        Raises
        ------
        AutomindError
            It says how to name the files.
        """
        raise AutomindError(str(self), "does not say which files it shows", TEMPLATE_STEP)

    def base_url(self, prefix: str) -> None:
        """Return None: DVC finds these files by their ids."""


def file_map_template() -> str:
    """Return a file map without ids, and how to find them."""
    return TEMPLATE + "".join(f"{file.path}:\n" for file in FILES)


def read_file_map(path: Path) -> dict[str, int]:
    """Read a file map: published path → file id. Paths without an id are left out.

    Raises
    ------
    AutomindError
        It is no map, names something twice or something unknown, or an id is not a
        positive integer.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import YAMLError

    step = f"mend it; {TEMPLATE_STEP}"
    try:
        said: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except DuplicateKeyError as error:
        twice = str(error.problem or "a path").split(" with value")[0]
        raise AutomindError(path, f"says something twice: {twice}", step) from None
    except (YAMLError, ValueError, RecursionError):
        raise AutomindError(path, "is not YAML", step) from None
    if not isinstance(said, dict):
        raise AutomindError(path, "is not a map of published paths to file ids", step)
    known = {file.path for file in FILES}
    filled = {key: number for key, number in said.items() if number is not None}
    problems = [f"{_short(key)} is no published path" for key in said if key not in known]
    problems += [
        f"{key} has the id {_short(number)}, which is not a positive integer"
        for key, number in filled.items()
        if key in known and (type(number) is not int or number < 1)
    ]
    if not problems:
        problems = [
            f"the id {number} stands at several paths ({', '.join(paths)})"
            for number in dict.fromkeys(filled.values())
            if len(paths := [path for path in filled if filled[path] == number]) > 1
        ]
    if problems:
        raise AutomindError(path, "; ".join(problems), step)
    return filled


def _short(value: Any) -> str:
    return repr(value)[:60]


ORIGIN = ShareLinkOrigin
