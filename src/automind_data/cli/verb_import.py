"""The verb `import`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

SHOWN = 10


@click.command
@click.argument("source")
@click.option("--release", help="The release's name; else that of the folder or the bundle.")
@click.option("--partial", is_flag=True, help="Import what is there when files are missing.")
@click.option("--embed", is_flag=True, help="For maintainers: a sample release, its bytes in git.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The clone; the one around the current folder if not given.",
)
def command(source: str, release: str | None, partial: bool, embed: bool, root: Path) -> None:
    """Pin a release: a folder in the published layout, or the single download as a zip.

    Every published file is found by its name, read, checked and copied into the DVC
    cache; then its .dvc file is written and the file appears in datasets/. Files
    that are pinned like this already change nothing that git tracks. Other files
    are listed and left alone.

    \b
    Example: automind-data import ~/Downloads/automind-release.zip --release 2026.3
    """
    from automind_data.common.progress import draw
    from automind_data.pinning.config import find_root
    from automind_data.pinning.importer import ReleaseImport

    with ReleaseImport(
        source, find_root(root), release=release, partial=partial, embed=embed
    ) as work:
        draw(work.read(), "import")
        report = work.pin()
    click.echo(f"release {report.release} ({report.kind})")
    for state, paths in (
        ("pinned", report.changed),
        ("same", report.same),
        ("missing", report.missing),
        ("skipped", report.extra[:SHOWN]),
    ):
        for path in paths:
            click.echo(f"  {state:8} {path}")
    if len(report.extra) > SHOWN:
        click.echo(f"  skipped  {len(report.extra) - SHOWN} more")
    if not report.written:
        click.echo("nothing that git tracks has changed")
    else:
        where = ".dvc-sample/" if embed else ".dvc/config"
        click.echo(f"next: dvc repro, then commit datasets/, dvc.lock and {where}")
