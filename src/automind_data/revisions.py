"""The release at one git revision: what it pins, and the way to the bytes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.pinning.commits import git, reader_of_commit, require_commit
from automind_data.pinning.config import OBJECTS, cache_objects
from automind_data.pinning.dvcfile import DATASETS, Import
from automind_data.pinning.importer import EMBEDDED
from automind_data.pinning.objects import Objects, members_of
from automind_data.pinning.tracked import Output, read_imports, read_outputs, reader_of_folder

__all__ = ["WORKING_TREE", "Revision"]

WORKING_TREE = "working tree"


class Revision:
    """A commit of a clone, or its working tree.

    Parameters
    ----------
    root
        The top folder of the clone.
    name
        A commit, branch or tag; None: the working tree, whose files are as they
        stand, and as pinned where they are not there.

    Raises
    ------
    AutomindError
        There is no such revision.
    """

    def __init__(self, root: str | os.PathLike[str], name: str | None = None) -> None:
        self.root = Path(root).resolve()
        self.name = WORKING_TREE if name is None else name
        self.commit = None if name is None else require_commit(self.root, name)
        self.read = (
            reader_of_folder(self.root)
            if self.commit is None
            else reader_of_commit(self.root, self.commit)
        )
        self._cache = Objects(cache_objects(self.root))
        self._embedded = Objects(self.root / EMBEDDED / OBJECTS)
        self._right: set[Path] = set()

    @cached_property
    def imports(self) -> dict[str, Import]:
        """Published path → what its `.dvc` file pins, in the order of the layout."""
        return read_imports(self.read)

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """Path from the top of the clone → what `dvc.lock` pins."""
        return {output.path: output for output in read_outputs(self.read)}

    def md5(self, path: str) -> str | None:
        """Return the md5 that is pinned for a file; None where nothing is.

        Parameters
        ----------
        path
            From the top of the clone: a published file, an output, or a file inside
            an output that is a folder (then its list of files must be on this disk).
        """
        if path.startswith(f"{DATASETS}/") and path.removeprefix(f"{DATASETS}/") in self.imports:
            return self.imports[path.removeprefix(f"{DATASETS}/")].md5
        if path in self.outputs:
            return self.outputs[path].md5
        folder = next((out for out in self.outputs if path.startswith(f"{out}/")), None)
        if folder is None:
            return None
        listed = self._object(self.outputs[folder].md5)
        members = dict(members_of(listed)) if listed else {}
        return members.get(path.removeprefix(f"{folder}/"))

    def pins(self, path: str) -> bool:
        """Say whether a file, or the folder that it would be in, is pinned."""
        if self.commit is None and (self.root / path).is_file():
            return True
        inside = any(path == out or path.startswith(f"{out}/") for out in self.outputs)
        return inside or path.removeprefix(f"{DATASETS}/") in self.imports

    def find(self, path: str) -> Path | None:
        """Return where the bytes of a file are on this disk; None where they are not.

        No network is used. Bytes that lie in git are checked against their md5.
        """
        if self.commit is None and (self.root / path).is_file():
            return self.root / path
        md5 = self.md5(path)
        return self._object(md5) if md5 else None

    def require(self, path: str) -> Path:
        """Return where the bytes of a file are, after a pull where they are not here.

        Raises
        ------
        AutomindError
            The revision does not have the file, or no remote has its bytes.
        """
        if found := self.find(path):
            return found
        if not self.pins(path):
            rule = f"is not in {self.name}"
            raise AutomindError(path, rule, "choose a revision that has it, or run `dvc repro`")
        self.pull([path])
        if found := self.find(path):
            return found
        rule = f"of {self.name} is neither in the cache nor in a remote that can be reached"
        where = "dvc pull" if self.commit is None else f"git checkout {self.name} && dvc pull"
        raise AutomindError(path, rule, f"{where} {path}, or `dvc repro` there")

    def pull(self, paths: Iterable[str]) -> None:
        """Bring files of this revision from its DVC remote into the cache, where it can."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        with Repo(str(self.root)) as repo, contextlib.suppress(DvcException):
            if self.commit is None:
                repo.fetch([str(self.root / path) for path in paths])
            else:
                # The top of a clone is `/` to DVC when it reads a commit.
                repo.fetch([f"/{path}" for path in paths], revs=[self.commit], workspace=False)

    def _object(self, md5: str) -> Path | None:
        if self._cache.has(md5):
            return self._cache.path(md5)
        in_git = self._embedded.path(md5)
        if in_git in self._right:
            return in_git
        if in_git.is_file() and md5_of(in_git) == md5.removesuffix(".dir"):
            self._right.add(in_git)
            return in_git
        return self._from_history(md5)

    def _from_history(self, md5: str) -> Path | None:
        """Copy an object that lies in git at this revision only into the cache."""
        if self.commit is None:
            return None
        name = f"{EMBEDDED}/{OBJECTS.as_posix()}/{md5[:2]}/{md5[2:]}"
        data = git(self.root, "show", f"{self.commit}:{name}")
        if data is None:
            return None
        with self._cache.staging(f"history-{os.getpid()}") as staging:
            part = staging / "from-git"
            part.write_bytes(data)
            if md5_of(part) != md5.removesuffix(".dir"):
                return None
            self._cache.put(part, md5)
        return self._cache.path(md5)
