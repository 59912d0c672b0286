"""What git keeps: revisions, and the tracked files of one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from automind_data.common.errors import AutomindError
from automind_data.pinning.tracked import Reader

__all__ = ["commit_of", "dvc_files", "git", "reader_of_commit", "require_commit"]


def git(root: str | os.PathLike[str], *arguments: str) -> bytes | None:
    """Return what a git command prints; None when it fails."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def commit_of(root: str | os.PathLike[str], revision: str) -> str | None:
    """Return the full name of the commit that a revision is; None when there is none."""
    said = git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    return said.decode().strip() if said else None


def require_commit(root: str | os.PathLike[str], revision: str) -> str:
    """Return the full name of the commit that a revision is.

    Raises
    ------
    AutomindError
        The clone has no such commit, branch or tag.
    """
    found = commit_of(root, revision)
    if found is None:
        step = "git fetch --tags, or choose one of `git log --oneline`"
        raise AutomindError(
            revision, f"is no commit, branch or tag of {Path(root).resolve()}", step
        )
    return found


def reader_of_commit(root: str | os.PathLike[str], commit: str) -> Reader:
    """Return the reader of a commit's tree."""
    return lambda path: git(root, "show", f"{commit}:{path}")


def dvc_files(root: str | os.PathLike[str], commit: str | None) -> list[str]:
    """Return the paths of the `.dvc` files of a commit; None: of the working tree."""
    if commit:
        listed = git(root, "ls-tree", "-r", "-z", "--name-only", commit)
    else:
        listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = (listed or b"").decode().split("\0")
    return [name for name in names if name.endswith(".dvc")]
