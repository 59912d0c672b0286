"""The verb `fetch`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command
@click.argument("paths", nargs=-1)
@click.option("--jobs", type=click.IntRange(min=1), default=4, help="Files at a time; 4.")
@click.option("--tries", type=click.IntRange(min=1), default=5, help="Tries per host; 5.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    help="Seconds of silence, or of a trickle, after which a host is given up; 30.",
)
@click.option(
    "--pause",
    type=click.FloatRange(min=0),
    default=1.0,
    help="Seconds before the second try, twice as long before each later one; 1.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0),
    default=1.0,
    help="Seconds between two requests to figshare's API; 1.",
)
@click.option("--no-checkout", is_flag=True, help="Fill the DVC cache only.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The clone; the one around the current folder if not given.",
)
def command(
    paths: tuple[str, ...],
    jobs: int,
    tries: int,
    timeout: float,
    pause: float,
    interval: float,
    no_checkout: bool,
    root: Path,
) -> None:
    """Bring pinned files from where they were published, verified, into datasets/.

    PATHS are files or folders of the release, or their .dvc files; all of them if
    none is given. What the DVC cache has already is not asked for. A download that
    stopped goes on where it stopped. Only files with the pinned size and md5 get
    into the cache; where no host gives one, the message says how to get it by hand.

    \b
    Example: automind-data fetch datasets/dgms
    """
    from automind_data.common.errors import AutomindError
    from automind_data.common.progress import draw
    from automind_data.fetching.run import Fetch
    from automind_data.pinning.config import find_root
    from automind_data.web import Patience

    patience = Patience(tries=tries, pause=pause, timeout=timeout, interval=interval)
    fetch = Fetch(find_root(root), paths, jobs=jobs, patience=patience)
    draw(fetch.download(), "fetch")
    report = fetch.finish(checkout=not no_checkout)
    for state, named in (
        ("fetched", report.fetched),
        ("pinned", report.pinned),
        ("cached", report.cached),
    ):
        for path in named:
            click.echo(f"  {state:8} {path}")
    for said in dict.fromkeys(map(str, report.failed.values())):
        click.echo(f"automind-data: {said}", err=True)
    if report.failed:
        wanted = {*report.fetched, *report.pinned, *report.cached, *report.failed}
        rule = f"{len(report.failed)} of {len(wanted)} files are missing"
        raise AutomindError("fetch", rule, "do what the lines above say and run it again")
