"""From what a user types to published paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from pathlib import Path, PurePosixPath

from automind_data.common.errors import AutomindError
from automind_data.common.layout import FILES
from automind_data.pinning.dvcfile import DATASETS

__all__ = ["choose_paths"]


def choose_paths(root: Path, typed: Iterable[str], known: Set[str], base: Path) -> tuple[str, ...]:
    """Return the published paths that a user means, in the order of the layout.

    Parameters
    ----------
    root
        The top folder of the clone.
    typed
        Files or folders: as published paths, as paths from `base`, or as `.dvc`
        files. None at all: everything.
    known
        The published paths that something is pinned or awaited for.
    base
        The folder that relative paths start from.

    Raises
    ------
    AutomindError
        One is no file or folder of the release, or nothing is known of it.

    Examples
    --------
    >>> known = {"dgms/burst_posterior.pickle", "dgms/psd_posterior.pickle"}
    >>> choose_paths(Path("/clone"), ["datasets/dgms"], known, Path("/clone"))
    ('dgms/burst_posterior.pickle', 'dgms/psd_posterior.pickle')
    """
    published = [file.path for file in FILES]
    typed = list(typed)
    if not typed:
        return tuple(path for path in published if path in known)
    chosen: set[str] = set()
    for each in typed:
        names = _names(root, each, base)
        meant = {path for path in published if any(_covers(name, path) for name in names)}
        if not meant:
            rule = "is no file or folder of the release"
            raise AutomindError(each, rule, "automind-data info lists them")
        if not meant & known:
            rule = "is not pinned in this clone"
            raise AutomindError(each, rule, "automind-data import pins a release")
        chosen |= meant & known
    return tuple(path for path in published if path in chosen)


def _names(root: Path, typed: str, base: Path) -> set[PurePosixPath]:
    """Return the published paths that a typed path can stand for."""
    bare = typed.removesuffix(".dvc")
    names = {PurePosixPath(os.path.normpath(bare))}
    for start in (base, root):
        absolute = Path(os.path.normpath(start.resolve() / bare))
        if absolute.is_relative_to(root / DATASETS):
            names.add(PurePosixPath(absolute.relative_to(root / DATASETS).as_posix()))
        elif absolute == root:
            names.add(PurePosixPath())
    return {name for name in names if name.parts or typed}


def _covers(name: PurePosixPath, path: str) -> bool:
    return PurePosixPath(path).is_relative_to(name)
