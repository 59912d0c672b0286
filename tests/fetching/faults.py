"""Every fault alone, what a user reads of it, and whether the file comes all the same."""

from __future__ import annotations

from dataclasses import dataclass

from tests.figshare_server import Fault

__all__ = ["CASES", "OPTIONS", "Case"]

OPTIONS = ("--no-checkout", "--tries", "2", "--pause", "0.02", "--timeout", "0.4")
"""What keeps `fetch` quick; the pause between two requests to the API comes on top."""


@dataclass(frozen=True)
class Case:
    """One fault: `says` is a part of the sentence; None: the file comes.

    `left`: the share of the file that an earlier fetch has left behind.
    """

    name: str
    fault: str
    says: str | None
    first: int | None = None
    door: str | None = None
    retry_after: str = "0"
    left: float = 0.0

    def make(self) -> Fault:
        """What the server has to do."""
        return Fault(self.fault, self.first, door=self.door, retry_after=self.retry_after)


CASES = (
    Case("bot wall: 202 with x-amzn-waf-action", "challenge", "shows a bot wall (202)"),
    Case("bot wall at the API only", "challenge", None, door="api"),
    Case("web page with 200", "html", "shows a web page instead of what was asked for"),
    Case(
        "web page of the right length",
        "html-right-length",
        "shows a web page instead of what was asked for",
    ),
    Case("web page at the API only", "html", None, door="api"),
    Case("empty body", "empty", "answers with an empty body"),
    Case("empty body, once", "empty", None, first=1),
    Case("403 for good", "403", "forbids it (403)"),
    Case("403 for the first request", "403", None, first=1),
    Case("403 at the API only", "403", None, door="api"),
    Case("signature always expired", "expired", "forbids it (403)"),
    Case("signature expired, once", "expired", None, first=1),
    Case("404", "404", "has no such thing (404)"),
    Case("404 at the API only", "404", None, door="api"),
    Case("429 for good", "429", "gets too many requests (429)"),
    Case("429 with Retry-After: 1, once", "429", None, first=1, retry_after="1"),
    Case(
        "429 with Retry-After: 7200",
        "429",
        "gets too many requests (429) and asks to wait for 7200 s",
        retry_after="7200",
    ),
    Case("500 for good", "500", "answers with an error (500)"),
    Case("503 with Retry-After, once", "503", None, first=1),
    Case("connection closed without an answer", "gone", "the connection was closed"),
    Case("connection closed, once", "gone", None, first=1),
    Case("cut in the middle, always", "cut", "bytes"),
    Case("cut in the middle, once", "cut", None, first=1),
    Case("cut in the middle, no length stated", "chunked-cut", None, first=1),
    Case("no length stated", "chunked", None),
    Case("wrong bytes of the right length", "corrupt", "sends other bytes than are pinned (md5 "),
    Case("last byte wrong", "corrupt-tail", "sends other bytes than are pinned (md5 "),
    Case("wrong bytes at the API only", "corrupt", None, door="api"),
    Case("wrong bytes left by an earlier fetch", "no-etag", None, left=-0.5),
    Case("one byte less than pinned", "short-length", "offers 199999 bytes where 200000 are"),
    Case("one byte more than pinned", "long-length", "offers 200001 bytes where 200000 are"),
    Case("wrong size in the listing", "wrong-size", "offers 200000 bytes where 200001 are"),
    Case("wrong md5 in the listing", "wrong-md5", "sends other bytes than are pinned (md5 "),
    Case("compressed body", "gzip", "sends the file compressed"),
    Case("redirect to ftp://", "redirect-scheme", "redirects to ftp://"),
    Case("redirect to file://", "redirect-file", "redirects to file:///etc/hostname, which is"),
    Case("redirect to http:// elsewhere", "redirect-http", "redirects to http://storage.invalid/"),
    Case("redirect to itself", "redirect-loop", "redirects more than 5 times"),
    Case("slow trickle", "trickle", "sends less than 1000 bytes a second"),
    Case("silence in the middle", "silence", "sends nothing for 0.4 s", left=0.999),
    Case("silence in the middle, once", "silence", None, first=1),
    Case("HEAD 403", "head-403", None),
    Case("HEAD 405", "head-405", None),
    Case("no ETag", "no-etag", None),
    Case("Range not honoured", "no-range", None, left=0.5),
    Case("another range than asked for", "wrong-range", None, left=0.5),
    Case("206 without Content-Range", "no-content-range", None, left=0.5),
    Case("416 to every Range", "416", None, left=0.5),
)
"""A `left` below 0 means wrong bytes."""
