"""The verb `import`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from automind_data.origins.share_link import ShareLinkOrigin
    from automind_data.pinning.importer import Report
    from automind_data.pinning.plan import Plan

__all__ = ["command"]

SHOWN = 10


@click.command
@click.argument("source", required=False)
@click.option("--release", help="The release's name; else the one that the source gives.")
@click.option("--partial", is_flag=True, help="Import what is there when files are missing.")
@click.option("--yes", is_flag=True, help="Replace pinned files without asking.")
@click.option(
    "--files",
    "file_map",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="For a share link: YAML, published path to figshare file id.",
)
@click.option("--print-template", is_flag=True, help="Print such a YAML to fill in.")
@click.option(
    "--public-token",
    is_flag=True,
    help="The share link is published, so its token may stand in git.",
)
@click.option("--embed", is_flag=True, help="For maintainers: a sample release, its bytes in git.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The clone; the one around the current folder if not given.",
)
def command(
    source: str | None,
    release: str | None,
    partial: bool,
    yes: bool,
    file_map: Path | None,
    print_template: bool,
    public_token: bool,
    embed: bool,
    root: Path,
) -> None:
    """Pin a release; SOURCE is one of

    \b
      FOLDER                       in the published layout, or flat
      BUNDLE.zip                   the single download
      figshare:ARTICLE[/VERSION]   or the article's address, or its DOI
      https://figshare.com/s/TOKEN a share link, with --files
      https://HOST/PATH/           a web folder with MD5SUMS
      s3://BUCKET/PREFIX           the same in S3

    Every published file is found by its name and gets a .dvc file in datasets/. Files
    on this machine are read, checked and copied into the DVC cache; for others only
    md5 and size are pinned, `automind-data fetch` brings the bytes. What is pinned
    like this already stays as it is. Before pinned files are replaced, the changes
    are shown and you are asked. Other files are listed and left alone.

    \b
    Example: automind-data import figshare:1000001/2 --release 2026.3
    """
    from automind_data.origins.share_link import ShareLinkOrigin, file_map_template, read_file_map
    from automind_data.pinning.config import find_root

    if print_template:
        click.echo(file_map_template(), nl=False)
        return
    if source is None:
        raise click.UsageError("Missing argument 'SOURCE'.")
    is_link = ShareLinkOrigin.matches(source)
    if (file_map or public_token) and not is_link:
        raise click.UsageError("--files and --public-token belong to a share link.")
    if is_link and embed:
        raise click.UsageError("--embed needs the files themselves, not a share link.")
    if is_link and file_map:
        origin = ShareLinkOrigin(source, read_file_map(file_map), public_token)
        report = _await(origin, find_root(root), release, partial, yes)
    else:
        report = _pin(source, find_root(root), release, partial, embed, yes)
    click.echo("\n".join(_told(report, embed)))


def _pin(
    source: str, root: Path, release: str | None, partial: bool, embed: bool, yes: bool
) -> Report:
    from automind_data.common.progress import draw
    from automind_data.pinning.importer import ReleaseImport

    with ReleaseImport(source, root, release=release, partial=partial, embed=embed) as work:
        draw(work.read(), "import")
        _agree(work.plan(), yes)
        return work.pin()


def _await(
    origin: ShareLinkOrigin, root: Path, release: str | None, partial: bool, yes: bool
) -> Report:
    from automind_data.pinning.pending import ShareLinkImport

    work = ShareLinkImport(origin, root, release=release, partial=partial)
    _agree(work.plan(), yes)
    return work.pin()


def _agree(plan: Plan, yes: bool) -> None:
    """Show what would be replaced and have somebody agree to it.

    Raises
    ------
    AutomindError
        Nobody did.
    """
    import sys

    from automind_data.common.errors import AutomindError
    from automind_data.pinning.plan import must_ask

    if not must_ask(plan):
        return
    click.echo("\n".join(_planned(plan)))
    if yes:
        return
    count = plan.count("replaced")
    files = f"{count} pinned file{'s' if count > 1 else ''}"
    if not sys.stdin.isatty():
        step = "read the list and add --yes"
        raise AutomindError(
            f"release {plan.release}", f"replaces {files}, so somebody has to agree", step
        )
    if not click.confirm(f"Replace {files}?"):
        step = "run it again when you want them"
        raise AutomindError(f"release {plan.release}", "is not imported, nothing has changed", step)


def _planned(plan: Plan) -> Iterable[str]:
    yield f"release {plan.before or 'not stated'} → {plan.release}"
    width = max(len(change.path) for change in plan.changes)
    for change in plan.changes:
        before, after = _bytes(change.before), _bytes(change.after)
        match change.state:
            case "new":
                said = after
            case "replaced" if before == after:
                said = f"{before}, other bytes"
            case "replaced":
                said = f"{before} → {after}"
            case "same":
                said = before
            case "no longer there":
                said = f"{before}, stays pinned as it is"
        yield f"  {change.state:15}  {change.path:{width}}  {said}"


def _bytes(size: int | None) -> str:
    """Return a size for the list of changes.

    >>> _bytes(2_009_631), _bytes(None)
    ('2,009,631 bytes', 'size not known yet')
    """
    return "size not known yet" if size is None else f"{size:,} bytes"


def _told(report: Report, embed: bool) -> Iterable[str]:
    yield f"release {report.release} ({report.kind})"
    for state, paths in (
        ("pinned", report.changed),
        ("awaited", report.awaited),
        ("same", report.same),
        ("missing", report.missing),
        ("skipped", report.extra[:SHOWN]),
    ):
        yield from (f"  {state:8} {path}" for path in paths)
    if len(report.extra) > SHOWN:
        yield f"  skipped  {len(report.extra) - SHOWN} more"
    if not report.written:
        yield "nothing that git tracks has changed"
    steps = ["automind-data fetch"] if report.to_fetch else []
    if report.written:
        where = ".dvc-sample/" if embed else ".dvc/config"
        steps += ["dvc repro", f"commit datasets/, dvc.lock and {where}"]
    if steps:
        yield f"next: {', then '.join(steps)}"
