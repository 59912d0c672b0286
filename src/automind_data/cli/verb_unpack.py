"""The verb `unpack`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command
@click.argument("zip_path", metavar="ZIP", type=click.Path(path_type=Path))
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--params",
    "params_path",
    type=click.Path(path_type=Path),
    help="Take the limits from this parameter file.",
)
@click.option("--max-members", type=click.IntRange(min=1), help="Refuse more members than this.")
@click.option("--max-bytes", type=click.IntRange(min=1), help="Refuse more unpacked bytes.")
def command(
    zip_path: Path,
    folder: Path,
    params_path: Path | None,
    max_members: int | None,
    max_bytes: int | None,
) -> None:
    """Unpack an archive of the release into a folder, all of it or nothing.

    What the published layout has below the archive's name lands in FOLDER, also
    when the zip has an extra top folder or none. A zip with a member that would
    leave the folder, a link, or another oddity is refused as a whole.

    \b
    Example: automind-data unpack training.zip training
    """
    from automind_data.common.archive import DEFAULT_LIMITS, Limits, read_plan, unpack
    from automind_data.common.progress import draw
    from automind_data.params import read_params

    if params_path and (max_members or max_bytes):
        raise click.UsageError("give --params or limits, not both")
    if params_path:
        said = read_params(params_path).unpack
        limits = Limits(said.max_members, said.max_bytes)
    else:
        limits = Limits(
            max_members or DEFAULT_LIMITS.max_members, max_bytes or DEFAULT_LIMITS.max_bytes
        )
    draw(unpack(zip_path, folder, limits), f"unpack {zip_path.name}")
    plan = read_plan(zip_path, limits)
    click.echo(f"{folder}: {len(plan.members)} files, {plan.total} bytes")
    if plan.dropped:
        click.echo(f"left out: {', '.join(plan.dropped[:10])} ({len(plan.dropped)} in all)")
