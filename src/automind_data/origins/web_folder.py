"""A folder on a web server with a checksum file: `https://host/path/`."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar
from urllib.parse import quote, unquote, urlsplit

from automind_data.common.errors import AutomindError
from automind_data.origins import Offer, shown
from automind_data.origins.checksums import CHECKSUM_FILE, MAX_BYTES, parse_md5sums
from automind_data.web import Client, Fault, redacted
from automind_data.web.addresses import is_safe

__all__ = ["ORIGIN", "WebFolderOrigin"]

AT_ONCE = 4
_WEB = re.compile(r"https?://", re.IGNORECASE)


class WebFolderOrigin:
    """A web folder; its `MD5SUMS` says which files it has.

    Parameters
    ----------
    source
        The address of the folder.
    client
        What asks; None: one with the usual patience.

    Raises
    ------
    AutomindError
        The address has a query, a fragment, a user or a space, or is not https (http
        does on this machine).
    """

    kind: ClassVar[str] = "web folder"
    accepts: ClassVar[str] = f"a web folder https://… with a file {CHECKSUM_FILE}"

    def __init__(self, source: str, client: Client | None = None) -> None:
        source = source.strip()
        split = urlsplit(source)
        step = "give the plain address of the folder, https://host/path/"
        if re.search(r"[?#\s]", source) or "@" in split.netloc:
            rule = "has a query, a fragment, a user or a space, which a pinned address cannot have"
            raise AutomindError(redacted(shown(source)), rule, step)
        if not is_safe(source):
            raise AutomindError(source, "is not https, so anybody in between could change it", step)
        self.address = split.geturl().rstrip("/")
        self._client = client or Client()
        segments = [unquote(each) for each in split.path.split("/") if each]
        self.release = segments[-1] if segments else split.netloc

    @classmethod
    def matches(cls, source: str) -> bool:
        """Say whether `source` is a web address."""
        return _WEB.match(source.strip()) is not None

    def offers(self) -> list[Offer]:
        """List what the checksum file lists, with the sizes that the server states.

        Raises
        ------
        AutomindError
            There is no checksum file, it cannot be read, or a file that it lists is
            not there.
        """
        where = f"{self.address}/{CHECKSUM_FILE}"
        try:
            text = self._client.get_text(where, limit=MAX_BYTES)
        except Fault as fault:
            if fault.kind != "not found":
                raise
            step = f"make one there: md5sum */* > {CHECKSUM_FILE}"
            raise AutomindError(where, "is not there", step) from None
        listed = parse_md5sums(text, where)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            sizes = list(threads.map(self._size, listed))
        return [
            Offer(path, size, md5=md5)
            for (path, md5), size in zip(listed.items(), sizes, strict=True)
        ]

    def base_url(self, prefix: str) -> str:
        """Return the folder, or the one in it that everything lies in."""
        return f"{self.address}/{quote(prefix)}".rstrip("/")

    def _size(self, path: str) -> int:
        try:
            return self._client.size(f"{self.address}/{quote(path)}")
        except Fault as fault:
            if fault.kind != "not found":
                raise
            rule = f"lists {path}, which is not there"
            step = "put the file there, or write the checksum file again"
            raise AutomindError(f"{self.address}/{CHECKSUM_FILE}", rule, step) from None


ORIGIN = WebFolderOrigin
