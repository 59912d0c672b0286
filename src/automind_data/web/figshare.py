"""Where figshare is, and the token of a share link."""

from __future__ import annotations

import os
import re
from pathlib import Path

from automind_data.pinning.config import option

__all__ = ["api_base", "download_base", "token"]

API = "https://api.figshare.com/v2"
DOWNLOAD = "https://ndownloader.figshare.com/files"
SECTION = 'remote "figshare"'
_LINK = re.compile(r"https://(?:[a-z0-9-]+\.)*figshare\.com/s/([A-Za-z0-9_-]+)")


def api_base() -> str:
    """Return the base address of the API: `AUTOMIND_FIGSHARE_API`, else figshare's own."""
    return (os.environ.get("AUTOMIND_FIGSHARE_API") or API).rstrip("/")


def download_base() -> str:
    """Return the base address of files: `AUTOMIND_FIGSHARE_DOWNLOAD`, else figshare's own."""
    return (os.environ.get("AUTOMIND_FIGSHARE_DOWNLOAD") or DOWNLOAD).rstrip("/")


def token(root: str | os.PathLike[str], address: str = "") -> str | None:
    """Return the token of a share link; None where there is none.

    The environment (`AUTOMIND_FIGSHARE_TOKEN`) goes before the `password` of the
    remote `figshare`, which belongs into `.dvc/config.local`. Last comes `address`,
    where a file came from: a share link that is itself public.
    """
    said = os.environ.get("AUTOMIND_FIGSHARE_TOKEN")
    if said:
        return said
    found = option(Path(root), SECTION, "password")
    if found:
        return found[0]
    public = _LINK.fullmatch(address)
    return public[1] if public else None
