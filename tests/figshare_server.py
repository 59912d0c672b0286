"""A figshare on loopback that follows its OpenAPI document and misbehaves on command.

    python -m tests.figshare_server FOLDER [FOLDER…] [--fault NAME[:COUNT][@DOOR] …]

Each folder is one version of the article. What is served where:

- `/v2/articles/…` the API's lists (the door `json`),
- `/v2/file/download/ID` and `/files/ID` the two ways to a file (the doors `api` and
  `download`); both redirect to `/storage/…`, whose signature works once and expires.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

from automind_data.common.files import md5_of
from automind_data.common.layout import FILES

__all__ = ["FAULTS", "Fault", "FigshareServer", "Request", "ServedFile"]

ARTICLE = 1000001
FIRST_FILE = 50000001
LISTED = 10
LARGEST_PAGE = 1000
BLOCK = 1 << 16
PAGE = b"<!DOCTYPE html>\n<html><body><h1>Something went wrong</h1></body></html>\n"
ORDER = [file.path for file in FILES]

FAULTS = {
    "challenge": "the bot wall: 202, no body, x-amzn-waf-action",
    "html": "a web page with 200",
    "html-right-length": "a web page, padded to the length of the file",
    "empty": "200 without a body",
    "403": "forbidden",
    "404": "not found",
    "429": "too many requests, with Retry-After",
    "500": "a fault of the server",
    "503": "not available, with Retry-After",
    "gone": "the connection is closed without an answer",
    "redirect-scheme": "a redirect to ftp://",
    "redirect-file": "a redirect to file://",
    "redirect-http": "a redirect to plain http:// elsewhere",
    "redirect-loop": "a redirect to itself",
    "expired": "the signature has expired when it is used",
    "head-403": "HEAD is forbidden",
    "head-405": "HEAD is not allowed",
    "cut": "the connection ends after half of the bytes",
    "chunked-cut": "the same, without a length",
    "chunked": "all bytes, without a length, whatever the Range",
    "corrupt": "wrong bytes of the right length",
    "corrupt-tail": "the last byte is wrong",
    "short-length": "one byte less, and the length says so",
    "long-length": "one byte more, and the length says so",
    "trickle": "a few bytes a second",
    "silence": "half of the bytes, then nothing",
    "gzip": "a compressed body",
    "no-etag": "no ETag",
    "no-range": "Range is not honoured: 200 and everything",
    "wrong-range": "206 with another range than was asked for",
    "no-content-range": "206 that does not say which range",
    "416": "every Range is refused",
    "wrong-size": "the lists say another size",
    "wrong-md5": "the lists say another md5",
    "no-md5": "the lists say no md5",
}
"""Name → what the server then does."""

IN_LISTS = {"wrong-size", "wrong-md5", "no-md5"}
AT_A_DOOR = {
    "challenge", "html", "empty", "403", "404", "429", "500", "503", "gone",
    "redirect-scheme", "redirect-file", "redirect-http", "redirect-loop",
    "head-403", "head-405",
}  # fmt: skip


@dataclass
class Fault:
    """One misbehaviour.

    `first`: it stops after so many requests (None: never); `file`: only this file id;
    `door`: `json`, `api` or `download` (None: both ways to a file, or the lists for
    what concerns the lists); `retry_after`: what the header says, in seconds or as a date.
    """

    name: str
    first: int | None = None
    file: int | None = None
    door: str | None = None
    retry_after: str = "1"
    used: int = 0

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"{self.name} is none of {', '.join(FAULTS)}")

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read NAME[:COUNT][@DOOR]."""
        head, _, door = text.partition("@")
        name, _, count = head.partition(":")
        return cls(name, int(count) if count else None, door=door or None)

    def concerns(self, door: str, file: int | None) -> bool:
        if self.first is not None and self.used >= self.first:
            return False
        if self.file is not None and self.file != file:
            return False
        doors = {"json"} if self.name in IN_LISTS else {"api", "download"}
        return door in ({self.door} if self.door else doors)


@dataclass(frozen=True)
class ServedFile:
    """One file of one version."""

    id: int
    path: str
    local: Path
    size: int
    md5: str


@dataclass
class Request:
    """One request.

    `sent` counts the bytes of the body that left so far, `start` is where they start in
    the file; `when` and `until` are seconds of one clock.
    """

    method: str
    path: str
    query: str
    range: str | None
    agent: str
    when: float
    status: int = 0
    sent: int = 0
    start: int = 0
    until: float = math.inf

    @property
    def door(self) -> str:
        """Which part of the server was asked."""
        for door, prefix in (
            ("api", "/v2/file/download/"),
            ("json", "/v2/"),
            ("download", "/files/"),
            ("storage", "/storage/"),
        ):
            if self.path.startswith(prefix):
                return door
        return "other"

    @property
    def file(self) -> int | None:
        """The file that was asked for."""
        found = re.match(r"/(?:v2/file/download|files|storage)/(\d+)", self.path)
        return int(found[1]) if found else None

    def __str__(self) -> str:
        query = re.sub(r"(?<==)[^&]+", "…", self.query)
        asked = f"{self.path}{'?' if query else ''}{query}"
        return f"{self.method} {asked} {self.range or '-'} → {self.status}, {self.sent} bytes"


@dataclass
class _Signed:
    file: ServedFile
    door: str
    until: float
    used: bool = False


class FigshareServer:
    """The server; a context manager.

    Parameters
    ----------
    versions
        One folder per version of the article, version 1 first. Hidden files, `.dvc`, `.json`
        and `.md` files are not served.
    article
        The article's id.
    tokens
        Share token → article. They open the door `download` of an article that is
        not public.
    public
        Whether the API knows the article.
    folders
        Whether `folder_structure` is filled.
    expires
        How many seconds a signature is valid.
    rate
        Bytes per second of each body; None: as fast as it goes.
    licence
        What the API calls the licence.
    """

    def __init__(
        self,
        versions: Sequence[Path] = (),
        article: int = ARTICLE,
        tokens: Mapping[str, int] | None = None,
        *,
        public: bool = True,
        folders: bool = True,
        expires: float = 10.0,
        rate: float | None = None,
        licence: str = "CC BY 4.0",
        port: int = 0,
    ) -> None:
        self.article = article
        self.tokens = {"secret": article} if tokens is None else dict(tokens)
        self.public = public
        self.folders = folders
        self.expires = expires
        self.rate = rate
        self.licence = licence
        self.echo = False
        self.log: list[Request] = []
        self.faults: list[Fault] = []
        self.versions: list[list[ServedFile]] = []
        self._by_id: dict[int, ServedFile] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._signed: dict[str, _Signed] = {}
        self._lock = threading.Lock()
        for folder in versions:
            self.add_version(folder)
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._http = _Server(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.api = f"{self.address}/v2"
        self.download = f"{self.address}/files"
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What to set so that this server stands in for figshare."""
        return {"AUTOMIND_FIGSHARE_API": self.api, "AUTOMIND_FIGSHARE_DOWNLOAD": self.download}

    def stop(self) -> None:
        """Close the port and every connection."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.close_connections()

    def add_version(self, folder: Path) -> None:
        """Serve one more version. A file with the same path and bytes keeps its id."""
        files = []
        for path in sorted(folder.rglob("*"), key=lambda path: _rank(path, folder)):
            if (
                not path.is_file()
                or path.name.startswith(".")
                or path.suffix in {".dvc", ".md", ".json"}
            ):
                continue
            name, md5 = path.relative_to(folder).as_posix(), md5_of(path)
            number = self._ids.setdefault((name, md5), FIRST_FILE + len(self._ids))
            file = ServedFile(number, name, path, path.stat().st_size, md5)
            files.append(file)
            self._by_id[number] = file
        self.versions.append(files)

    def file_id(self, path: str, version: int | None = None) -> int:
        """Return the id of a file by its path in the version's folder; the newest version."""
        files = self.versions[(version or len(self.versions)) - 1]
        return next(file.id for file in files if file.path == path)

    def requests(self, *doors: str) -> list[Request]:
        """Return the log of some doors (`json`, `api`, `download`, `storage`)."""
        return [request for request in list(self.log) if request.door in doors]

    def settle(self, seconds: float = 2.0) -> None:
        """Wait until every request is answered, so that the log is complete."""
        until = time.monotonic() + seconds
        while any(request.until == math.inf for request in list(self.log)):
            if time.monotonic() > until:
                return
            time.sleep(0.005)

    def data_bytes(self) -> int:
        """Return how many bytes of files were sent so far."""
        self.settle()
        return sum(request.sent for request in self.requests("storage") if request.status < 300)

    def fault(self, names: set[str], door: str, file: int | None) -> Fault | None:
        """Return the fault to act out now, if one of these concerns the request."""
        with self._lock:
            for fault in self.faults:
                if fault.name in names and fault.concerns(door, file):
                    fault.used += 1
                    return fault
        return None

    def sign(self, file: ServedFile, door: str) -> str:
        """Return the address of the bytes, for one use."""
        signature = secrets.token_hex(16)
        with self._lock:
            self._signed[signature] = _Signed(file, door, time.monotonic() + self.expires)
        name = quote(PurePosixPath(file.path).name)
        return (
            f"{self.address}/storage/{file.id}/{name}"
            f"?X-Amz-Expires={math.ceil(self.expires)}&X-Amz-Signature={signature}"
        )

    def redeem(self, file_id: int, signature: str) -> _Signed | None:
        """Return what a signature stands for, once, while it is valid."""
        with self._lock:
            signed = self._signed.get(signature)
            if signed is None or signed.used or signed.file.id != file_id:
                return None
            signed.used = True
        return signed if time.monotonic() <= signed.until else None

    def served(self, file_id: int) -> ServedFile | None:
        """Return a file of any version."""
        return self._by_id.get(file_id)

    def listed(self, file: ServedFile) -> dict[str, Any]:
        """Return a file as the API shows it."""
        size, md5 = file.size, file.md5
        if self.fault({"wrong-size"}, "json", file.id):
            size += 1
        if self.fault({"wrong-md5"}, "json", file.id):
            md5 = md5[::-1]
        if self.fault({"no-md5"}, "json", file.id):
            md5 = ""
        return {
            "id": file.id,
            "name": PurePosixPath(file.path).name,
            "size": size,
            "is_link_only": False,
            "download_url": f"{self.download}/{file.id}",
            "supplied_md5": md5,
            "computed_md5": md5,
            "mimetype": "application/octet-stream",
        }

    def described(self, version: int) -> dict[str, Any]:
        """Return the article as the API shows it."""
        files, api = self.versions[version - 1], self.api
        page = f"https://figshare.com/articles/dataset/Test_release/{self.article}/{version}"
        folders = {str(file.id): str(PurePosixPath(file.path).parent) for file in files}
        when = f"2026-0{min(version, 9)}-01T12:00:00Z"
        return {
            "id": self.article,
            "title": "Test release",
            "doi": f"10.6084/m9.figshare.{self.article}.v{version}",
            "handle": "",
            "url": f"{api}/articles/{self.article}",
            "url_public_html": page,
            "url_public_api": f"{api}/articles/{self.article}",
            "url_private_html": "",
            "url_private_api": "",
            "timeline": {"firstOnline": when},
            "thumb": "",
            "defined_type": 3,
            "defined_type_name": "dataset",
            "resource_doi": "",
            "resource_title": "",
            "created_date": when,
            "published_date": when,
            "modified_date": when,
            "citation": "",
            "confidential_reason": "",
            "is_confidential": False,
            "size": sum(file.size for file in files),
            "funding": "",
            "funding_list": [],
            "tags": [],
            "keywords": [],
            "version": version,
            "is_metadata_record": False,
            "metadata_reason": "",
            "status": "public",
            "description": "A release that a test made.",
            "is_embargoed": False,
            "is_public": True,
            "has_linked_file": False,
            "categories": [],
            "license": {"value": 1, "name": self.licence, "url": "https://example.org/licence"},
            "embargo_title": "",
            "embargo_reason": "",
            "embargo_options": [],
            "references": [],
            "figshare_url": page,
            "download_disabled": False,
            "files": [self.listed(file) for file in files[:LISTED]],
            "folder_structure": {
                number: folder for number, folder in folders.items() if folder != "."
            }
            if self.folders
            else {},
            "authors": [],
            "custom_fields": [],
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class _Refused(Exception):
    """An answer other than the wanted one."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_of: FigshareServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        split = urlsplit(self.path)
        self.asked = Request(
            self.command,
            split.path,
            split.query,
            self.headers.get("Range"),
            self.headers.get("User-Agent", ""),
            time.monotonic(),
        )
        self.server_of.log.append(self.asked)
        self.query = {key: values[-1] for key, values in parse_qs(split.query).items()}
        try:
            self.route(split.path)
        except _Refused as refused:
            message = {"code": refused.status, "message": refused.message}
            self.reply(refused.status, json.dumps(message).encode(), "application/json")
        except OSError:
            self.close_connection = True
        finally:
            self.asked.until = time.monotonic()
            if self.server_of.echo:
                print(self.asked, flush=True)

    def route(self, path: str) -> None:
        if found := re.fullmatch(r"/v2/file/download/(\d+)", path):
            self.door("api", int(found[1]))
        elif found := re.fullmatch(r"/files/(\d+)", path):
            self.door("download", int(found[1]))
        elif found := re.fullmatch(r"/storage/(\d+)/[^/]+", path):
            self.storage(int(found[1]))
        elif found := re.fullmatch(r"/v2/articles/(\d+)(/.*)?", path):
            if not self.misbehaved("json", None):
                self.article(int(found[1]), (found[2] or "").rstrip("/"))
        else:
            raise _Refused(404, "Not found")

    def article(self, number: int, rest: str) -> None:
        server = self.server_of
        if number != server.article or not server.public or not server.versions:
            raise _Refused(404, "Entity not found: ArticleResource")
        if rest == "/versions":
            listed = [
                {"version": n + 1, "url": f"{server.api}/articles/{number}/versions/{n + 1}"}
                for n in range(len(server.versions))
            ]
            return self.json(listed)
        version = len(server.versions)
        if found := re.match(r"/versions/(\d+)(?=/|\Z)", rest):
            version, rest = int(found[1]), rest[found.end() :]
        if not 1 <= version <= len(server.versions):
            raise _Refused(404, "Entity not found: ArticleVersion")
        files = server.versions[version - 1]
        if rest == "":
            return self.json(server.described(version))
        if rest == "/files":
            return self.json([server.listed(file) for file in self.page(files)])
        if found := re.fullmatch(r"/files/(\d+)", rest):
            for file in files:
                if file.id == int(found[1]):
                    return self.json(server.listed(file))
        raise _Refused(404, "Entity not found")

    def page(self, files: list[ServedFile]) -> list[ServedFile]:
        try:
            numbers = {key: int(value) for key, value in self.query.items()}
        except ValueError:
            raise _Refused(400, "Bad Request") from None
        if {"limit", "offset"} & set(numbers):
            size, start = numbers.get("limit", LISTED), numbers.get("offset", 0)
        else:
            size = numbers.get("page_size", LISTED)
            start = (numbers.get("page", 1) - 1) * size
        if not 1 <= size <= LARGEST_PAGE or start < 0:
            raise _Refused(400, "Bad Request")
        return files[start : start + size]

    def door(self, door: str, number: int) -> None:
        server = self.server_of
        if self.misbehaved(door, number):
            return
        file = server.served(number)
        if file is None:
            raise _Refused(404, "File not found")
        token = self.query.get("private_link")
        opened = door == "download" and server.tokens.get(token or "") == server.article
        if not server.public and not opened:
            raise _Refused(403 if door == "download" else 404, "Forbidden")
        self.redirect(server.sign(file, door))

    def redirect(self, address: str) -> None:
        self.reply(302, b"", "text/plain", {"Location": address})

    def misbehaved(self, door: str, number: int | None) -> bool:
        """Act out a fault of a door; say whether the request is answered."""
        fault = self.server_of.fault(self.heard(AT_A_DOOR), door, number)
        if fault is None:
            return False
        wait = {"Retry-After": fault.retry_after}
        match fault.name:
            case "challenge":
                self.reply(202, b"", "text/html", {"x-amzn-waf-action": "challenge"})
            case "html":
                self.reply(200, PAGE, "text/html; charset=utf-8")
            case "empty":
                self.reply(200, b"", "application/octet-stream")
            case "403" | "head-403":
                self.reply(403, PAGE, "text/html")
            case "404":
                self.reply(404, b'{"message": "File not found"}', "application/json")
            case "head-405":
                self.reply(405, b"", "text/plain")
            case "429":
                self.reply(429, b"", "text/plain", wait)
            case "500":
                self.reply(500, PAGE, "text/html")
            case "503":
                self.reply(503, PAGE, "text/html", wait)
            case "redirect-scheme":
                self.redirect(f"ftp://127.0.0.1/{number}")
            case "redirect-file":
                self.redirect("file:///etc/hostname")
            case "redirect-http":
                self.redirect(f"http://storage.invalid/{number}")
            case "redirect-loop":
                self.redirect(f"{self.server_of.address}{self.path}")
            case "gone":
                self.hang_up()
        return True

    def heard(self, names: set[str]) -> set[str]:
        """Leave out the faults that only HEAD meets."""
        if self.command == "HEAD":
            return names
        return names - {"head-403", "head-405"}

    def storage(self, number: int) -> None:
        server = self.server_of
        signed = server.redeem(number, self.query.get("X-Amz-Signature", ""))
        if signed is not None and server.fault({"expired"}, signed.door, number):
            signed = None
        if signed is None:
            text = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"
            return self.reply(403, text, "application/xml")
        fault = server.fault(set(FAULTS) - AT_A_DOOR - IN_LISTS, signed.door, number)
        self.body(signed.file, fault.name if fault else "")

    def body(self, file: ServedFile, fault: str) -> None:
        size = file.size + {"short-length": -1, "long-length": 1}.get(fault, 0)
        start, status, headers = 0, 200, {"Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        end = size
        if wanted and fault not in ("no-range", "html-right-length", "chunked"):
            start = int(wanted[1])
            if fault == "416" or start >= size:
                where = {"Content-Range": f"bytes */{size}"}
                return self.reply(416, b"", "application/xml", where)
            if wanted[2]:
                end = min(size, int(wanted[2]) + 1)
            if fault == "wrong-range":
                start = start // 2
            status = 206
            if fault != "no-content-range":
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if fault != "no-etag":
            headers["ETag"] = f'"{file.md5}"'
        if fault == "gzip":
            headers["Content-Encoding"] = "gzip"
        chunked = fault.startswith("chunked")
        headers |= {"Transfer-Encoding": "chunked"} if chunked else {}
        headers |= {} if chunked else {"Content-Length": str(end - start)}
        self.asked.status, self.asked.start = status, start
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        stop = start + (end - start) // 2 if fault in ("cut", "chunked-cut", "silence") else end
        if not fault and not self.server_of.rate:
            return self.send_quickly(file, start, end)
        self.send_slowly(self.blocks(file, start, stop, fault), fault, chunked)

    def blocks(self, file: ServedFile, start: int, stop: int, fault: str) -> Iterator[bytes]:
        """Give the bytes that a fault makes of a file."""
        with file.local.open("rb") as source:
            source.seek(start)
            while start < stop:
                block = source.read(min(BLOCK, stop - start))
                if fault == "html-right-length":
                    block = (PAGE + b" " * len(block))[: len(block)] if not start else b" " * BLOCK
                    block = block[: stop - start]
                elif fault == "corrupt":
                    block = bytes(255 - byte for byte in block)
                elif fault == "corrupt-tail" and start + len(block) >= file.size:
                    block = block[:-1] + bytes([255 - block[-1]])
                block = block or b"+" * (stop - start)
                yield block
                start += len(block)

    def send_quickly(self, file: ServedFile, start: int, end: int) -> None:
        self.wfile.flush()
        with file.local.open("rb") as source:
            while start < end:
                sent = os.sendfile(
                    self.connection.fileno(), source.fileno(), start, min(end - start, 1 << 22)
                )
                if not sent:
                    break
                start += sent
                self.asked.sent += sent

    def send_slowly(self, blocks: Iterator[bytes], fault: str, chunked: bool) -> None:
        rate = 20.0 if fault == "trickle" else self.server_of.rate
        if rate:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)
        began = time.monotonic()
        for block in blocks:
            step = max(1, min(len(block), int(rate / 50))) if rate else len(block)
            for at in range(0, len(block), step):
                piece = block[at : at + step]
                framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
                self.connection.sendall(framed)
                self.asked.sent += len(piece)
                if rate:
                    ahead = began + self.asked.sent / rate - time.monotonic()
                    if ahead > 0 and self.server_of.stopping.wait(ahead):
                        return self.hang_up()
        if fault == "silence":
            self.wait_for_end()
        if fault in ("cut", "chunked-cut", "silence"):
            self.hang_up()
        elif chunked:
            self.connection.sendall(b"0\r\n\r\n")

    def wait_for_end(self) -> None:
        """Say nothing until the client or the server goes."""
        self.connection.settimeout(0.05)
        while not self.server_of.stopping.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def json(self, value: Any) -> None:
        self.reply(200, json.dumps(value).encode(), "application/json; charset=UTF-8")

    def reply(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.asked.status = status
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.asked.sent = len(body)


def _rank(path: Path, folder: Path) -> tuple[int, str]:
    """Put files in the order of the layout, others last."""
    name = path.relative_to(folder).as_posix()
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve folders until Ctrl-C."""
    listed = "\n".join(f"  {name:18} {said}" for name, said in FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.figshare_server",
        description="A figshare on this machine; each FOLDER is one version of the article.",
        epilog=f"faults, as NAME[:COUNT][@DOOR] with door json, api or download:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", metavar="FOLDER", nargs="+", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--article", type=int, default=ARTICLE)
    parser.add_argument("--token", default="secret", help="a share token")
    parser.add_argument("--private", action="store_true", help="only the token opens the files")
    parser.add_argument("--flat", action="store_true", help="no folder_structure")
    parser.add_argument("--rate", type=float, help="bytes per second of each download")
    parser.add_argument("--fault", action="append", default=[], type=Fault.parse)
    args = parser.parse_args(arguments)
    server = FigshareServer(
        args.folders,
        args.article,
        {args.token: args.article},
        public=not args.private,
        folders=not args.flat,
        rate=args.rate,
        port=args.port,
    )
    server.faults = args.fault
    server.echo = True
    with server:
        for name, value in server.environment.items():
            print(f"export {name}={value}")
        files = len(server.versions[-1])
        print(f"# article {args.article}, {len(args.folders)} versions, {files} files; Ctrl-C ends")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
