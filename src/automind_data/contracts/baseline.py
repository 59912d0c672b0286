"""Making a release the one that the next is compared with.

`python -m automind_data.contracts.baseline COMMIT` (or `make baseline REV=COMMIT`)
writes `datasets/baseline/` from a commit, branch or tag of this repository.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from automind_data.common.layout import ARCHIVES, OBSERVATION_TABLES
from automind_data.contracts.before import FOLDER, Baseline, profile_path, write_baseline

__all__ = ["main"]


@click.command
@click.argument("revision")
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="Top of the clone.")
def main(revision: str, root: Path) -> None:
    """Make the release of a commit, branch or tag the one that the next is compared with."""
    from automind_data.release import open_release
    from automind_data.tables.profile import profile_of_parquet, read_profile

    release = open_release(root, revision).revision
    said = json.loads(release.read("datasets/release.json") or b"{}")
    profiles = {}
    for name in (*ARCHIVES, *OBSERVATION_TABLES):
        path = profile_path(name)
        if release.pins(path):
            profiles[name] = read_profile(release.require(path))
        else:
            table = path.replace(".profile.json", ".parquet")
            profiles[name] = profile_of_parquet(release.require(table))
    write_baseline(root / FOLDER, Baseline(said["release"], said["sample"]), profiles)
    click.echo(f"{FOLDER}: {said['release']}")


if __name__ == "__main__":
    main()
