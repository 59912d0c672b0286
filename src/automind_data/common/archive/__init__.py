"""Reading zips that nobody has to trust.

A plan comes first (`archive.plan`): what is in the archive, where it would go,
and what speaks against it. Anything that does refuses the whole archive.
Members are known by their place in the published layout, `<archive>/<path>`,
whatever folder the zip was made from.
"""

from __future__ import annotations

import os

from automind_data.common.archive.names import MANIFEST
from automind_data.common.archive.plan import (
    BROKEN_ZIP,
    DEFAULT_LIMITS,
    FETCH_AGAIN,
    Limits,
    Member,
    Plan,
    is_junk,
    matches,
    read_plan,
)
from automind_data.common.archive.reading import open_member
from automind_data.common.archive.unpacking import read_manifest, unpack
from automind_data.common.errors import AutomindError

__all__ = [
    "BROKEN_ZIP",
    "DEFAULT_LIMITS",
    "MANIFEST",
    "MEMBER_KINDS",
    "Limits",
    "Member",
    "Plan",
    "find_member",
    "find_members",
    "is_junk",
    "matches",
    "members",
    "open_member",
    "read_manifest",
    "read_plan",
    "unpack",
]

MEMBER_KINDS: dict[str, str] = {
    "table": "*_summary_data_merged.csv",
    "prior": "*_prior.pickle",
    "posterior": "*_posterior.pickle",
    "default params": "*_params_dict_default.pickle",
    "analysis params": "*_params_dict_analysis_updated.pickle",
}
"""What an archive of the release holds, and the file names that say so, at any depth."""

SHOWN = 5


def members(zip_path: str | os.PathLike[str], limits: Limits = DEFAULT_LIMITS) -> list[str]:
    """Return where the members of an archive stand in the published layout.

    Parameters
    ----------
    zip_path, limits
        As for `read_plan`.

    Returns
    -------
    list of str
        `<archive>/<path>` of each file, in the order of the zip.

    Raises
    ------
    AutomindError
        The archive is not there or is refused.
    """
    return [member.path for member in read_plan(zip_path, limits).require().members]


def find_members(
    zip_path: str | os.PathLike[str], pattern: str, limits: Limits = DEFAULT_LIMITS
) -> list[str]:
    """Return the members, at any depth, whose file name matches, sorted by path.

    Parameters
    ----------
    zip_path, limits
        As for `read_plan`.
    pattern
        What the last part of the path must match, as in `*_prior.pickle`.

    Raises
    ------
    AutomindError
        The archive is not there or is refused.
    """
    return sorted(path for path in members(zip_path, limits) if matches(path, pattern))


def find_member(
    zip_path: str | os.PathLike[str], pattern: str, limits: Limits = DEFAULT_LIMITS
) -> str:
    """Return the one member, at any depth, whose file name matches.

    Parameters
    ----------
    zip_path, pattern, limits
        As for `find_members`.

    Raises
    ------
    AutomindError
        No member matches, or several do (they are named).
    """
    found = find_members(zip_path, pattern, limits)
    if len(found) == 1:
        return found[0]
    if not found:
        raise AutomindError(zip_path, f"holds no {pattern}", FETCH_AGAIN)
    rule = f"holds {len(found)} members {pattern} where one belongs ({_listed(found)})"
    raise AutomindError(zip_path, rule, "leave one of them in the archive")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
