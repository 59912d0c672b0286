"""The verb `diff`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command
@click.argument("old")
@click.argument("new", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print everything, as JSON.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write one HTML page.",
)
@click.option("--pull", is_flag=True, help="Bring what is needed and not on this disk.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The clone; the one around the current folder if not given.",
)
def command(
    old: str, new: str | None, as_json: bool, page: Path | None, pull: bool, root: Path
) -> None:
    """Say what changed between two revisions, in a scientist's terms.

    OLD and NEW are commits, branches or tags; NEW is the working tree if not given.
    Compared are published files, the rows and columns of every table, priors and
    settings, density estimators, validation findings and metrics. `dvc diff` says
    which files changed, this says what is different in them.

    \b
    Example: automind-data diff HEAD~1 HEAD --html changes.html
    """
    import json

    from automind_data.common.progress import draw
    from automind_data.diff import Comparison
    from automind_data.pinning.config import find_root
    from automind_data.revisions import Revision

    clone = find_root(root)
    work = Comparison(Revision(clone, old), Revision(clone, new), pull)
    draw(work, "diff", unit=" steps")
    if page:
        from automind_data.common.files import write_text
        from automind_data.diff.page import render

        write_text(page, render(work.difference))
    if as_json:
        from automind_data.diff.record import record

        text = json.dumps(record(work.difference), indent=1, ensure_ascii=False, allow_nan=False)
        click.echo(text)
    else:
        from automind_data.diff.markdown import markdown

        click.echo(markdown(work.difference), nl=False)
