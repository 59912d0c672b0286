"""A client that follows redirects by hand, names what goes wrong and tries again."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar

import requests
import urllib3

from automind_data.web.addresses import host_of, is_loopback, is_safe, next_address, redacted
from automind_data.web.faults import Fault
from automind_data.web.figshare import api_base
from automind_data.web.patience import Patience, seconds_of

__all__ = ["Body", "Client"]

REDIRECTS = 5
BLOCK = 1 << 18
LONGEST_JSON = 1 << 26
NOT_JSON = "answers with something that is not JSON"
PAGE = "shows a web page instead of what was asked for"
_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+|\*)\Z")
_PAGES = (b"<!doctype html", b"<html")

T = TypeVar("T")


@dataclass
class Body:
    """The bytes of one answer.

    `offset` is where they start in the file and `total` the size of the whole file,
    None where the host does not state it.
    """

    offset: int
    total: int | None
    read: Callable[[], Iterator[bytes]] = field(repr=False)

    def blocks(self) -> Iterator[bytes]:
        """Give the bytes as they come.

        Raises
        ------
        Fault
            They end early (`short`), stop (`stalled`), or the host is gone
            (`unreachable`).
        """
        return self.read()


class Client:
    """Asks web services over https, or http on this machine. Threads may share one.

    Parameters
    ----------
    patience
        How long to try; None: the defaults of `Patience`.
    sleep
        What waits.
    """

    def __init__(
        self, patience: Patience | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.patience = patience or Patience()
        self.sleep = sleep
        self._local = threading.local()
        self._turn = threading.Lock()
        self._next_turn = 0.0

    def get_json(
        self, url: str, params: Mapping[str, str | int] | None = None, what: str | None = None
    ) -> Any:
        """Return what an address answers, read as JSON.

        Parameters
        ----------
        url
            The address.
        params
            The query.
        what
            What messages call it; None: the address without its query.

        Raises
        ------
        Fault
            The last of all tries failed.
        """
        what = what or redacted(url)

        def attempt() -> Any:
            text = self._text(url, params, what, LONGEST_JSON)
            try:
                return json.loads(text)
            except ValueError:
                raise Fault(what, "not JSON", f"{host_of(url)} {NOT_JSON}", again=True) from None

        return self.again_and_again(attempt, what)

    def get_text(self, url: str, what: str | None = None, limit: int = 1 << 20) -> str:
        """Return what an address answers as text, of at most `limit` bytes.

        Raises
        ------
        Fault
            The last of all tries failed, or the text is too long or not UTF-8.
        """
        what = what or redacted(url)
        return self.again_and_again(lambda: self._text(url, None, what, limit), what)

    def size(self, url: str, what: str | None = None) -> int:
        """Return the size in bytes that a host states for a file, without the file.

        Raises
        ------
        Fault
            The last of all tries failed, or the host states no size.
        """
        what = what or redacted(url)

        def attempt() -> int:
            with contextlib.suppress(Fault), self._answer("HEAD", url, what) as answer:
                if stated := _body_of(answer, 0, what, url, None)[1]:
                    return stated
            with self._answer("GET", url, what, {"Range": "bytes=0-0"}) as answer:
                total = _body_of(answer, 0, what, url, None)[1]
            if total is None:
                raise Fault(what, "no length", f"{host_of(url)} does not state the size")
            return total

        return self.again_and_again(attempt, what)

    @contextlib.contextmanager
    def stream(
        self, url: str, offset: int = 0, *, what: str | None = None, expect: int | None = None
    ) -> Iterator[Body]:
        """Ask once for a file from a byte on.

        Parameters
        ----------
        url
            The first address; redirects are followed anew each time.
        offset
            The first byte that is wanted. The body may start at 0 all the same.
        what
            What messages call the file.
        expect
            The size that the file has to have; another stated one is refused before
            a byte is read.

        Yields
        ------
        Body

        Raises
        ------
        Fault
            The answer is not (the rest of) the file.
        """
        what = what or redacted(url)
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._answer("GET", url, what, headers) as answer:
            start, total = _body_of(answer, offset, what, url, expect)
            yield Body(start, total, lambda: self._blocks(answer, start, total, what, url))

    def again_and_again(self, attempt: Callable[[], T], what: str) -> T:
        """Return what `attempt` returns, with pauses between tries.

        Raises
        ------
        Fault
            The last try failed, a fault is not worth another, or the host asks to
            wait for longer than `longest_pause`.
        """
        tried = 0
        while True:
            try:
                return attempt()
            except Fault as fault:
                tried += 1
                self.pause_after(fault, tried)

    def pause_after(self, fault: Fault, tried: int) -> None:
        """Wait before the next try; raise the fault where there is none.

        Raises
        ------
        Fault
            See `again_and_again`.
        """
        if not fault.again or tried >= self.patience.tries:
            raise fault
        if fault.retry_after and fault.retry_after > self.patience.longest_pause:
            raise Fault(
                fault.file,
                fault.kind,
                f"{fault.rule} and asks to wait for {fault.retry_after:.0f} s",
                retry_after=fault.retry_after,
            )
        self.sleep(self.patience.wait(tried, fault.retry_after))

    def _text(self, url: str, params: Mapping[str, str | int] | None, what: str, limit: int) -> str:
        found = bytearray()
        with self._answer("GET", url, what, params=params) as answer:
            start, total = _body_of(answer, 0, what, url, None)
            for block in self._blocks(answer, start, total, what, url):
                found += block
                if len(found) > limit:
                    rule = f"{host_of(url)} answers with more than {limit} bytes"
                    raise Fault(what, "wrong length", rule, "look at the address")
        try:
            return found.decode("utf-8-sig")
        except UnicodeDecodeError:
            rule = f"{host_of(url)} answers with something that is not text"
            raise Fault(what, "not text", rule, "look at the address") from None

    @contextlib.contextmanager
    def _answer(
        self,
        method: str,
        url: str,
        what: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> Iterator[requests.Response]:
        """Follow redirects to the answer, and close it in the end."""
        if not is_safe(url):
            step = "use an address that begins with https://"
            raise Fault(what, "redirect", f"{redacted(url)} is not a safe address", step)
        first = host_of(url)
        for _ in range(REDIRECTS + 1):
            answer = self._ask(method, url, what, headers, params)
            with contextlib.closing(answer):
                location = answer.headers.get("Location")
                if not (answer.is_redirect and location):
                    yield answer
                    return
            target = next_address(url, location)
            if target is None:
                rule = f"{first} redirects to {redacted(location)}, which is not a safe address"
                raise Fault(what, "redirect", rule)
            url, params = target, None
        raise Fault(what, "redirect", f"{first} redirects more than {REDIRECTS} times")

    def _ask(
        self,
        method: str,
        url: str,
        what: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str | int] | None,
    ) -> requests.Response:
        self._wait_for_turn(url)
        try:
            return self._session().request(
                method,
                url,
                params=params,
                headers=headers,
                timeout=(self.patience.timeout, self.patience.timeout),
                allow_redirects=False,
                stream=True,
                proxies={"http": "", "https": ""} if is_loopback(url) else None,
            )
        except requests.RequestException as error:
            raise self._broken(error, what, url) from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            own = f"automind-data/{version('automind-data')}"
            session.headers["User-Agent"] = f"{own} (python-requests/{version('requests')})"
            session.headers["Accept-Encoding"] = "identity"
            self._local.session = session
        return session

    def _wait_for_turn(self, url: str) -> None:
        """Keep to one request per interval to figshare's API."""
        if not url.startswith(f"{api_base()}/"):
            return
        with self._turn:
            now = time.monotonic()
            wait = max(0.0, self._next_turn - now)
            self._next_turn = now + wait + self.patience.interval
        if wait:
            self.sleep(wait)

    def _blocks(
        self, answer: requests.Response, start: int, total: int | None, what: str, url: str
    ) -> Iterator[bytes]:
        """Give the bytes as they come; a body that is too slow, or too short, is a fault."""
        host = host_of(url)
        done, in_window, began = start, 0, time.monotonic()
        while True:
            try:
                block = answer.raw.read1(BLOCK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise self._broken(error, what, url, (done, total)) from None
            if not block:
                break
            if done == 0 and block.lstrip().lower().startswith(_PAGES):
                raise Fault(what, "bot wall", f"{host} {PAGE}")
            done += len(block)
            in_window += len(block)
            yield block
            elapsed = time.monotonic() - began
            if elapsed >= self.patience.timeout:
                if in_window < self.patience.slowest * elapsed and done != total:
                    rule = f"{host} sends less than {self.patience.slowest} bytes a second"
                    raise Fault(what, "stalled", rule, again=True)
                in_window, began = 0, time.monotonic()
        if total is not None and done < total:
            raise _short(what, host, done, total)

    def _broken(
        self,
        error: Exception,
        what: str,
        url: str,
        state: tuple[int, int | None] | None = None,
    ) -> Fault:
        """Return the fault that an exception of the network stands for."""
        host = host_of(url)
        causes = list(_causes(error))
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            step = "check the date of this machine and its proxy"
            return Fault(what, "unreachable", f"{host} shows no valid certificate", step)
        if state and any(isinstance(cause, urllib3.exceptions.IncompleteRead) for cause in causes):
            return _short(what, host, *state)
        slow = (TimeoutError, urllib3.exceptions.TimeoutError, requests.Timeout)
        if any(isinstance(cause, socket.gaierror) for cause in causes):
            reason = "its name is not known here"
        elif any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            reason = "it refuses the connection"
        elif any(isinstance(cause, slow) for cause in causes):
            kind = "stalled" if state else "unreachable"
            said = "sends nothing" if state else "does not answer"
            rule = f"{host} {said} for {self.patience.timeout:g} s"
            return Fault(what, kind, rule, again=True)
        elif state:
            return _short(what, host, *state)
        else:
            reason = "the connection was closed"
        step = "check the network and run it again"
        return Fault(what, "unreachable", f"{host} cannot be reached: {reason}", step, again=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and all that it wraps."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]


def _short(what: str, host: str, done: int, total: int | None) -> Fault:
    of = "" if total is None else f" of {total}"
    return Fault(what, "short", f"{host} stopped after {done}{of} bytes", again=True)


def _length(answer: requests.Response) -> int | None:
    stated = answer.headers.get("Content-Length", "")
    return int(stated) if stated.isdecimal() else None


def _body_of(
    answer: requests.Response, offset: int, what: str, url: str, expect: int | None
) -> tuple[int, int | None]:
    """Return (first byte, size of the whole file) of an answer that holds (a part of) it."""
    host = host_of(url)
    _refuse_status(answer, what, host, expect)
    is_page = answer.headers.get("Content-Type", "").lower().startswith("text/html")
    if is_page:
        raise Fault(what, "bot wall", f"{host} {PAGE}")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Fault(what, "compressed", f"{host} sends the file compressed")
    length = _length(answer)
    start, total = 0, length
    if answer.status_code == 206:
        found = _RANGE.match(answer.headers.get("Content-Range", ""))
        start = int(found["start"]) if found and found["start"] else -1
        total = int(found["total"]) if found and found["total"] != "*" else None
        if start != offset:
            rule = f"{host} sends another part of the file than was asked for"
            raise Fault(what, "wrong range", rule)
    if length == 0 and expect != 0:
        raise Fault(what, "empty", f"{host} answers with an empty body", again=True)
    if expect is not None and total is not None and total != expect:
        raise _wrong_length(what, host, total, expect)
    return start, total


def _wrong_length(what: str, host: str, total: int, expect: int) -> Fault:
    return Fault(what, "wrong length", f"{host} offers {total} bytes where {expect} are pinned")


def _refuse_status(answer: requests.Response, what: str, host: str, expect: int | None) -> None:
    """Raise the fault that an answer's status stands for."""
    status = answer.status_code
    pause = seconds_of(answer.headers.get("Retry-After"))
    if answer.headers.get("x-amzn-waf-action") or status == 202:
        raise Fault(what, "bot wall", f"{host} shows a bot wall ({status})")
    if status in (200, 206):
        return
    if status == 416:
        found = _RANGE.match(answer.headers.get("Content-Range", ""))
        if expect is not None and found and found["total"] not in ("*", str(expect)):
            raise _wrong_length(what, host, int(found["total"]), expect)
        raise Fault(what, "wrong range", f"{host} refuses to send a part of the file (416)")
    if status in (401, 403):
        rule = f"{host} forbids it ({status})"
        raise Fault(what, "forbidden", rule, again=status == 403, retry_after=pause)
    if status in (404, 410):
        raise Fault(what, "not found", f"{host} has no such thing ({status})")
    if status == 429:
        rule = f"{host} gets too many requests (429)"
        raise Fault(what, "too many requests", rule, again=True, retry_after=pause)
    again = status >= 500 or status == 408
    rule = f"{host} answers with an error ({status})"
    raise Fault(what, "server", rule, again=again, retry_after=pause)
