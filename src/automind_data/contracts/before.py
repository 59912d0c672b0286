"""The release before: its profiles, tracked in git below `datasets/baseline/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from automind_data.common.files import atomic_folder, write_json, write_text
from automind_data.common.layout import ARCHIVES, OBSERVATION_TABLES
from automind_data.contracts.inputs import read_input

__all__ = ["FOLDER", "Baseline", "profile_path", "read_baseline", "rounded", "write_baseline"]

FOLDER = "datasets/baseline"
DIGITS = 5
KEPT = ("type", "nulls", "min", "max", "mean", "sd")


class Baseline(msgspec.Struct, frozen=True):
    """Which release the profiles of `datasets/baseline/` are of."""

    release: str
    sample: bool


class BaselineProfile(msgspec.Struct, frozen=True):
    """One profile of a baseline: of each column what `KEPT` names, in its order."""

    rows: Annotated[int, msgspec.Meta(ge=1)]
    columns: dict[str, list[str | float | bool | None]]


def profile_path(name: str) -> str:
    """Return where the profile of a table is, from the top of a clone."""
    folder = "tables" if name in ARCHIVES else "observations"
    return f"derived/{folder}/{name}.profile.json"


def rounded(column: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a baseline keeps of a column's profile: five digits of each number."""
    return {key: _rounded(column[key]) for key in KEPT if key in column}


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def write_baseline(folder: Path, release: Baseline, profiles: Mapping[str, dict[str, Any]]) -> None:
    """Write the profiles of a release as the baseline; an older one is replaced.

    Parameters
    ----------
    folder
        `datasets/baseline` of a clone.
    release
        Whose profiles they are.
    profiles
        Table name → profile, as `tables.profile.read_profile` gives it.
    """
    with atomic_folder(folder) as part:
        write_json(part / "release.json", msgspec.to_builtins(release))
        for name, profile in profiles.items():
            columns = ",\n".join(
                f"  {json.dumps(column)}: {json.dumps(list(rounded(said).values()))}"
                for column, said in profile["columns"].items()
            )
            head = f' "rows": {profile["rows"]},\n "columns": {{\n'
            write_text(part / f"{name}.profile.json", f"{{\n{head}{columns}\n }}\n}}\n")


def read_baseline(folder: Path) -> tuple[Baseline, dict[str, dict[str, Any]]] | None:
    """Read what `write_baseline` wrote; None where there is none.

    Raises
    ------
    AutomindError
        A file of it does not have the agreed form.
    """
    if not (folder / "release.json").is_file():
        return None
    profiles = {}
    for name in (*ARCHIVES, *OBSERVATION_TABLES):
        path = folder / f"{name}.profile.json"
        if path.is_file():
            said = read_input(path, BaselineProfile)
            columns = {
                column: dict(zip(KEPT, values, strict=False))
                for column, values in said.columns.items()
            }
            profiles[name] = {"rows": said.rows, "columns": columns}
    return read_input(folder / "release.json", Baseline), profiles
