"""`datasets/release.json`: which release the pinned files are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from automind_data.pinning.dvcfile import DATASETS, FileOrigin, Import

__all__ = ["RELEASE_FILE", "SAMPLE", "read_release", "release_record"]

RELEASE_FILE = f"{DATASETS}/release.json"
SAMPLE = "sample release"
"""The kind of an origin whose files are sample data."""


def release_record(
    origin: FileOrigin, files: Iterable[Import], kept: Mapping[str, str]
) -> dict[str, Any]:
    """Return what `release.json` says.

    Parameters
    ----------
    origin
        The import that came last.
    files
        Every pinned file, in the order of the layout. With one sample file among
        them the release counts as sample data.
    kept
        Path → release of the files that this import did not offer; all others belong
        to the release of this import, also where their bytes are as before.
    """
    files = list(files)
    return {
        "format": 1,
        "release": origin.release,
        "sample": any(file.origin.kind == SAMPLE for file in files),
        "kind": origin.kind,
        "address": origin.address,
        "licence": origin.licence,
        "retrieved": origin.retrieved,
        "files": [
            {
                "path": file.path,
                "md5": file.md5,
                "size": file.size,
                "release": kept.get(file.path, origin.release),
            }
            for file in files
        ],
    }


def read_release(root: Path) -> dict[str, Any] | None:
    """Return what a clone's `release.json` says; None where there is none that can be read."""
    try:
        said = json.loads((root / RELEASE_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return said if isinstance(said, dict) else None
