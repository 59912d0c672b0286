"""The verb `tabulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from automind_data.common.errors import AutomindError

__all__ = ["command"]


@click.command
@click.argument("source", metavar="ZIP-OR-CSV", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT.parquet", type=click.Path(path_type=Path))
@click.option(
    "--observations-list",
    type=click.Path(path_type=Path),
    help="Also write the observation keys in the table, as JSON.",
)
@click.option(
    "--profile", type=click.Path(path_type=Path), help="Also sum up every column, as JSON."
)
@click.option(
    "--digests", type=click.Path(path_type=Path), help="Also write a digest of every row."
)
@click.option(
    "--metrics", type=click.Path(path_type=Path), help="Also write the profile in a dozen numbers."
)
@click.option(
    "--release-record",
    metavar="RELEASE.json",
    type=click.Path(path_type=Path),
    help="Put the release that this record names into the table's metadata.",
)
def command(
    source: Path,
    out: Path,
    observations_list: Path | None,
    profile: Path | None,
    digests: Path | None,
    metrics: Path | None,
    release_record: Path | None,
) -> None:
    """Turn a CSV table, or the summary table in an archive, into typed Parquet.

    Numbers keep every bit and keys every letter; rows and columns stay in the
    file's order. The table is streamed: a big archive needs little memory and
    no room for its CSV.

    \b
    Example: automind-data tabulate training.zip training.parquet
    """
    from pyarrow.parquet import read_metadata

    from automind_data.common.progress import draw
    from automind_data.tables import tabulate

    work = tabulate(
        source,
        out,
        observations_list,
        profile=profile,
        digests=digests,
        metrics=metrics,
        release=_release_in(release_record) if release_record else None,
    )
    draw(work, f"tabulate {source.name}")
    written = read_metadata(out)
    click.echo(f"{out}: {written.num_rows} rows, {written.num_columns} columns")


def _release_in(record: Path) -> str:
    import msgspec

    try:
        said = msgspec.json.decode(record.read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        raise AutomindError(record, "is not there", "leave out --release-record") from None
    except msgspec.DecodeError:
        said = {}
    release = said.get("release")
    if not isinstance(release, str) or not release:
        raise AutomindError(record, "names no release", "make it with `automind-data import`")
    return release
