"""A real S3 server on loopback, behind a relay that counts bytes and can go silent."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import botocore.session

__all__ = ["KEY", "SECRET", "STORE", "Request", "S3Server"]

HOST = "127.0.0.1"
KEY, SECRET = "TESTKEY", "test-secret-key"
RCLONE = Path(sys.executable).with_name("rclone")
BLOCK = 1 << 16
START_WITHIN = 20.0
STORE = "team/files/md5"
"""Where a DVC remote `s3://BUCKET/team` keeps its objects."""

_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass
class Request:
    """One request as the relay saw it; `sent` to the server and `received` in bytes, with heads."""

    method: str
    path: str
    sent: int = 0
    received: int = 0
    status: int = 0


class Relay:
    """Listens on one port and passes bytes on to another; a new server can stand behind it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.silent = False
        self.sent = 0
        self._watch: tuple[int, Callable[[], None]] | None = None
        self._target = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0

    def listen(self, target: int) -> None:
        """Take connections and pass them on to the port `target`."""
        self._target = target
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def hang_up(self) -> None:
        """Refuse new connections and cut those that are open."""
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            ended, self._open = self._open, set()
        for end in ended:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def forget(self) -> None:
        """Start counting anew; nothing happens any longer when a count is reached."""
        self.requests, self.sent, self._watch = [], 0, None

    def when_sent(self, count: int, act: Callable[[], None]) -> None:
        """Call `act` once, as soon as clients have sent that many bytes more than now."""
        self._watch = (self.sent + count, act)

    @property
    def received(self) -> int:
        """Bytes that clients have received, heads of responses included."""
        return sum(request.received for request in self.requests)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self.silent:
                with self._lock:
                    self._open.add(client)
                continue
            try:
                server = socket.create_connection((HOST, self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            current: list[Request] = []
            for pump, ends in ((self._up, (client, server)), (self._down, (server, client))):
                threading.Thread(target=pump, args=(*ends, current), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, current: list[Request]) -> None:
        with contextlib.suppress(OSError):
            while block := client.recv(BLOCK):
                if head := _REQUEST.match(block):
                    current[:] = [Request(head[1].decode(), head[2].decode())]
                    self.requests.append(current[0])
                elif not current:
                    break
                current[0].sent += len(block)
                with self._lock:
                    self.sent += len(block)
                    due = self._watch if self._watch and self.sent >= self._watch[0] else None
                    self._watch = None if due else self._watch
                if due:
                    due[1]()
                if not self.silent:
                    server.sendall(block)
        self._close(client, server)

    def _down(self, server: socket.socket, client: socket.socket, current: list[Request]) -> None:
        with contextlib.suppress(OSError):
            while block := server.recv(BLOCK):
                if head := _STATUS.match(block):
                    current[0].status = int(head[1])
                current[0].received += len(block)
                if not self.silent:
                    client.sendall(block)
        self._close(client, server)

    def _close(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class S3Server:
    """`rclone serve s3` over a folder: a bucket is a sub-folder, an object a file in it.

    Requests are signed and checked. The address stays the same when the server is
    killed and started again. It keeps its listings of folders, so objects come through
    S3, but the bytes of one can be changed on disk. rclone 1.75 fails when several
    objects arrive in a new folder at once (and hangs when it reads listings anew), so a
    bucket has the folders of a DVC remote from the start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relay = Relay()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.relay.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = free.getsockname()[1]
        command = [
            *(RCLONE, "serve", "s3", "--addr", f"{HOST}:{port}", "--auth-key", f"{KEY},{SECRET}"),
            *("--vfs-cache-mode", "off", "--dir-cache-time", "24h", "--config", "", self.folder),
        ]
        log = self.folder.with_name(f"{self.folder.name}.log")
        with log.open("ab") as to:
            self._process = subprocess.Popen(command, stdout=to, stderr=to, start_new_session=True)
        end = time.monotonic() + START_WITHIN
        while not _answers(port):
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"the S3 server did not start:\n{log.read_text()}")
            time.sleep(0.02)
        self.relay.silent = False
        self.relay.listen(port)

    def kill(self) -> None:
        """End the server with SIGKILL; connections break, new ones are refused."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None
        self.relay.hang_up()

    def bucket(self, name: str) -> Path:
        """Make a bucket without objects; return its folder."""
        client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=name)
        client.close()
        for number in range(256):
            (self.folder / name / STORE / f"{number:02x}").mkdir(parents=True)
        return self.folder / name


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as end:
            end.settimeout(2)
            end.sendall(
                f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()
            )
            return _STATUS.match(end.recv(64)) is not None
    except OSError:
        return False
