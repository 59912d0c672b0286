"""The verb `info`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from automind_data.inventory import Entry, Inventory

__all__ = ["command"]


@click.command
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The clone; the one around the current folder if not given.",
)
def command(as_json: bool, root: Path) -> None:
    """Say which release this is, what is here, what is only remote, and how big it is.

    Sizes and places are looked up, no data are read: whether the working files
    still have the pinned bytes is what `dvc status` says.

    \b
    Example: automind-data info --json
    """
    import json

    from automind_data.inventory import take_inventory
    from automind_data.pinning.config import find_root

    found = take_inventory(find_root(root))
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1, ensure_ascii=False))
    else:
        click.echo("\n".join(_page(found)))


def _page(found: Inventory) -> Iterable[str]:
    yield f"release    {found.release or 'not stated'}" + (" (SAMPLE DATA)" if found.sample else "")
    yield f"origin     {found.kind or 'not stated'}, retrieved {found.retrieved or 'not stated'}"
    yield f"published  {found.address or 'not stated'}"
    yield f"licence    {found.licence or 'not stated'}"
    yield f"pushes go  to the remote {found.push_remote or '(none)'}"
    yield f"cache      {found.cache}"
    yield ""
    yield from _table(f"{len(found.files)} published files", found.files)
    yield from (f"  not pinned   datasets/{path}" for path in found.unpinned)
    if found.awaited:
        yield f"{len(found.awaited)} files that `automind-data fetch` will pin"
        yield from (f"  awaited      datasets/{path}" for path in found.awaited)
    stored = [entry for entry in found.derived if entry.stored]
    made = [entry for entry in found.derived if not entry.stored]
    yield ""
    yield from _table(f"{len(stored)} derived outputs", stored)
    if made:
        yield ""
        yield from _table(f"{len(made)} unpacked folders (made by dvc repro, never stored)", made)
    yield ""
    yield (
        f"stored in all {_size(found.size)}; a full pull downloads {_size(found.to_fetch)}"
        f" and needs {_size(found.disk)} of disk (free: {_size(found.disk_free)})"
    )


def _table(title: str, entries: Iterable[Entry]) -> Iterable[str]:
    entries = list(entries)
    yield f"{title}, {_size(sum(entry.size for entry in entries))}"
    width = max((len(entry.path) for entry in entries), default=0)
    for entry in entries:
        yield f"  {entry.path:{width}}  {_size(entry.size):>9}  {entry.md5:36}  {_places(entry)}"


def _places(entry: Entry) -> str:
    here = [
        place
        for place, there in (("workspace", entry.in_workspace), ("cache", entry.in_cache))
        if there
    ]
    return " and ".join(here) or entry.where


def _size(count: int) -> str:
    """Return a number of bytes as people read it.

    >>> _size(999), _size(2_009_631), _size(20_000_000_000)
    ('999 B', '2.0 MB', '20.0 GB')
    """
    if count < 1000:
        return f"{count} B"
    size, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if size < 999.95:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}"
