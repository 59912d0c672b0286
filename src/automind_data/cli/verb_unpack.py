"""The verb `unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from automind_data.common.archive import Plan

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
@click.option(
    "--max-ratio",
    type=click.IntRange(min=1),
    help="Refuse more than so many unpacked bytes for a packed one.",
)
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done; write nothing.")
def command(
    zip_path: Path,
    folder: Path,
    params_path: Path | None,
    max_members: int | None,
    max_bytes: int | None,
    max_ratio: int | None,
    only_plan: bool,
) -> None:
    """Unpack an archive of the release into a folder, all of it or nothing.

    What the published layout has below the archive's name lands in FOLDER, also
    when the zip has an extra top folder or none. A zip with a member that would
    leave the folder, a link, or another oddity is refused as a whole.

    \b
    Example: automind-data unpack training.zip training
    Example: automind-data unpack --plan stranger.zip anywhere
    """
    from automind_data.common.archive import (
        DEFAULT_LIMITS,
        Limits,
        read_manifest,
        read_plan,
        unpack,
    )
    from automind_data.common.progress import draw
    from automind_data.params import read_params

    if params_path and (max_members or max_bytes):
        raise click.UsageError("give --params or limits, not both")
    if params_path:
        said = read_params(params_path).unpack
        max_members, max_bytes = said.max_members, said.max_bytes
    limits = Limits(
        max_members or DEFAULT_LIMITS.max_members,
        max_bytes or DEFAULT_LIMITS.max_bytes,
        max_ratio or DEFAULT_LIMITS.max_ratio,
    )
    if only_plan:
        _say(read_plan(zip_path, limits))
        return
    draw(unpack(zip_path, folder, limits), f"unpack {zip_path.name}")
    manifest = read_manifest(folder)
    size = sum(file["size"] for file in manifest["files"])
    click.echo(f"{folder}: {len(manifest['files'])} files, {size} bytes")
    left_out = manifest["left_out"]
    if left_out:
        click.echo(f"left out: {', '.join(left_out[:10])} ({len(left_out)} in all)")
    for warning in manifest["warnings"]:
        click.echo(f"warning: {warning}")


def _say(plan: Plan) -> None:
    """Print a plan line by line; refuse the archive at the end if it must be."""
    for member in plan.members:
        click.echo(f"{member.size:>14}  {member.path}")
    for name in plan.dropped:
        click.echo(f"left out: {name!r}")
    for warning in plan.warnings:
        click.echo(f"warning: {warning}")
    for violation in plan.violations:
        click.echo(f"refused: {violation}")
    click.echo(f"{plan.file}: {len(plan.members)} files, {plan.total} bytes")
    plan.require()
