"""This clone's own settings: `.dvc/config.local`, which git never sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from automind_data.common.files import write_text

__all__ = ["edit_local"]

ONLY_MINE = 0o600


def edit_local(root: Path, change: Callable[[str], str]) -> None:
    """Change the text of `.dvc/config.local`; nobody else may read it then."""
    path = root / ".dvc" / "config.local"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = change(old)
    if new != old:
        write_text(path, new)
        path.chmod(ONLY_MINE)
