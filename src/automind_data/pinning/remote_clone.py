"""Clones of git URLs, kept in the cache folder of an account.

DVC resolves the path of a remote that lies in git against `/` when it reads a
repository by URL. In a clone of our own the path is set absolutely.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder, write_text
from automind_data.pinning.config import with_option
from automind_data.pinning.importer import EMBEDDED

__all__ = ["clone_of", "is_url"]

ADDRESS = re.compile(r"(https|ssh|git|file)://[^\s-]|[\w.]+@[\w.-]+:[^\s]")


def is_url(text: str) -> bool:
    """Say whether a text is a git URL and no path.

    >>> is_url("https://example.org/a.git"), is_url("git@example.org:a.git"), is_url("../clone")
    (True, True, False)
    >>> is_url("ext::sh -c true")
    False
    """
    return ADDRESS.match(text) is not None


def clone_of(url: str) -> Path:
    """Return the clone of a git URL, made or brought up to date now.

    Raises
    ------
    AutomindError
        git cannot clone it, or cannot reach it any more.
    """
    import platformdirs

    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    folder = Path(platformdirs.user_cache_dir("automind-data")) / "clones" / name
    if folder.is_dir():
        _git(url, "-C", str(folder), "fetch", "--quiet", "--tags", "--prune", "origin")
        _git(url, "-C", str(folder), "remote", "set-head", "origin", "--auto")
        return folder
    with atomic_folder(folder) as part:
        _git(url, "clone", "--quiet", "--", url, str(part))
        local = with_option("", 'remote "embedded"', "url", str(folder / EMBEDDED))
        write_text(part / ".dvc" / "config.local", local)
    return folder


def _git(url: str, *arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["git says nothing"])[-1]
        rule = f"cannot be cloned or brought up to date: {reason.removeprefix('fatal: ')}"
        raise AutomindError(_without_user(url), rule, "try `git clone` with it")


def _without_user(url: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", url)
