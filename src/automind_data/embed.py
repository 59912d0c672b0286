"""Keep `.dvc-sample/`, the DVC remote in git, to what the sample commits reach.

`python -m automind_data.embed` looks at HEAD and at the commits that
`datasets/RELEASES.md` names. Whatever `dvc.lock` and the `.dvc` files of those of
them pin whose pushes go to `embedded` is copied in from the DVC cache; everything
else is dropped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.pinning.commits import commit_of, dvc_files, reader_of_commit
from automind_data.pinning.config import OBJECTS, cache_objects, options
from automind_data.pinning.importer import EMBEDDED, EMBEDDED_SOURCE
from automind_data.pinning.objects import Objects, members_of
from automind_data.pinning.tracked import Reader, read_outputs, reader_of_folder

__all__ = ["MAX_BYTES", "Report", "embed", "main", "named_commits", "reached"]

MAX_BYTES = 60_000_000
"""The most that the remote in git may hold."""

RELEASES = "datasets/RELEASES.md"
READ_ONLY = 0o444
_COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b")


@dataclass(frozen=True)
class Report:
    """What `embed` did; `size` in bytes of all `objects`, which were or are now there."""

    objects: int
    size: int
    added: tuple[str, ...]
    dropped: tuple[str, ...]


class _Out(msgspec.Struct):
    md5: str = ""
    cache: bool = True


class _Dep(msgspec.Struct):
    path: str = ""


class _Pins(msgspec.Struct):
    outs: list[_Out] = []
    deps: list[_Dep] = []


def named_commits(text: str) -> list[str]:
    """Return the commits that a table of releases names, in its order.

    Parameters
    ----------
    text
        Markdown with a table `release | commit | date | what changed`.

    Raises
    ------
    AutomindError
        A row names no commit, or several.

    Examples
    --------
    >>> named_commits("| release | commit | date |\\n|---|---|---|\\n| 2026.1 | `0a1b2c3d` | x |")
    ['0a1b2c3d']
    """
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if "|" in line]
    cells = [[cell.strip() for cell in row] for row in rows]
    if not cells or "commit" not in [cell.lower() for cell in cells[0]]:
        raise AutomindError(RELEASES, "has no table with a column `commit`", "add it back")
    column = [cell.lower() for cell in cells[0]].index("commit")
    named = []
    for row in cells[1:]:
        if not "".join(row).strip(":- "):
            continue
        found = _COMMIT.findall(row[column]) if column < len(row) else []
        if len(set(found)) != 1:
            rule = f"names {len(set(found))} commits for release {row[0]!r}"
            raise AutomindError(RELEASES, rule, "give each release one commit")
        named.append(found[0])
    return named


def reached(read: Reader, names: Iterable[str]) -> set[str]:
    """Return the md5 of every object that a tree needs from the remote in git.

    Parameters
    ----------
    read
        Gives the files of the tree.
    names
        The paths of its `.dvc` files.

    Returns
    -------
    set of str
        Sources `remote://embedded/…` of imports, and, if the tree's pushes go to
        `embedded`, the outputs of `dvc.lock` and of the `.dvc` files. Folders are
        not expanded.
    """
    import msgspec.yaml

    config = options((read(".dvc/config") or b"").decode())
    ours = config.get(("core", "remote")) == "embedded"
    found = {output.md5 for output in read_outputs(read) if output.stored} if ours else set()
    for name in names:
        try:
            pins = msgspec.yaml.decode(read(name) or b"{}", type=_Pins)
        except msgspec.DecodeError as error:
            rule = f"cannot be read: {' '.join(str(error).split())}"
            raise AutomindError(name, rule, f"git checkout {name}") from None
        if ours:
            found |= {out.md5 for out in pins.outs if out.md5 and out.cache}
        sources = [dep.path for dep in pins.deps if dep.path.startswith(EMBEDDED_SOURCE)]
        found |= {source.removeprefix(EMBEDDED_SOURCE).replace("/", "") for source in sources}
    return found


def embed(root: str | os.PathLike[str] = ".", *, working_tree: bool = False) -> Report:
    """Make `.dvc-sample/` hold what the sample commits reach, and nothing else.

    Parameters
    ----------
    root
        The top folder of the clone.
    working_tree
        Count what the working tree pins as well.

    Raises
    ------
    AutomindError
        A commit is not known, an object is whole neither in `.dvc-sample/` nor in
        the cache, or all together are more than `MAX_BYTES`. Nothing has been
        changed then.
    """
    root = Path(root).resolve()
    cache = Objects(cache_objects(root))
    store = Objects(root / EMBEDDED / OBJECTS)
    needed = set()
    for commit in _commits(root):
        needed |= reached(reader_of_commit(root, commit), dvc_files(root, commit))
    if working_tree:
        needed |= reached(reader_of_folder(root), dvc_files(root, None))
    needed |= {
        member
        for folder in needed
        if folder.endswith(".dir")
        for _, member in members_of(_place(store, cache, folder))
    }
    places = {md5: _place(store, cache, md5) for md5 in sorted(needed)}
    size = sum(path.stat().st_size for path in places.values())
    if size > MAX_BYTES:
        rule = f"would hold {size} bytes, more than the limit of {MAX_BYTES}"
        raise AutomindError(EMBEDDED, rule, "make the sample release or its outputs smaller")
    added = tuple(md5 for md5, path in places.items() if path != store.path(md5))
    dropped = tuple(md5 for md5 in store if md5 not in needed)
    if added:
        with store.staging("embed") as staging:
            for md5 in added:
                store.add(places[md5], md5, staging)
    for md5 in dropped:
        store.path(md5).unlink()
    for md5 in needed:
        store.path(md5).chmod(READ_ONLY)
    for folder in store.folder.glob("*"):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return Report(len(needed), size, added, dropped)


def _commits(root: Path) -> list[str]:
    """Return HEAD, if there is one yet, and the named commits; refuse those that are not here."""
    path = root / RELEASES
    named = named_commits(path.read_text(encoding="utf-8")) if path.exists() else []
    here = [commit for commit in ("HEAD", *named) if commit_of(root, commit)]
    if lost := [commit for commit in named if commit not in here]:
        rule = f"names the commit {lost[0]}, which is not in this clone"
        raise AutomindError(RELEASES, rule, "git fetch --unshallow, or correct the table")
    return here


def _place(store: Objects, cache: Objects, md5: str) -> Path:
    """Return where an object is, with the right bytes."""
    for path in (store.path(md5), cache.path(md5)):
        if path.is_file() and md5_of(path) == md5.removesuffix(".dir"):
            return path
    step = "run `dvc repro` or `dvc fetch` at the commit that pins it"
    raise AutomindError(md5, f"is pinned, but is neither in {EMBEDDED}/ nor in the cache", step)


@click.command
@click.option("--working-tree", is_flag=True, help="Count what the working tree pins as well.")
@click.option("--root", type=click.Path(path_type=Path, file_okay=False), default=Path())
def main(working_tree: bool, root: Path) -> None:
    """Make .dvc-sample/ hold what HEAD and the commits in datasets/RELEASES.md reach.

    \b
    Example: python -m automind_data.embed --working-tree
    """
    done = embed(root, working_tree=working_tree)
    click.echo(
        f"{EMBEDDED}: {done.objects} objects, {done.size / 1e6:.1f} MB;"
        f" {len(done.added)} added, {len(done.dropped)} dropped"
    )


if __name__ == "__main__":
    try:
        main()
    except AutomindError as error:
        raise SystemExit(f"embed: {error}") from None
