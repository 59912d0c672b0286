"""Tasks on a real scheduler and its workers, which are killed on the way."""

from __future__ import annotations

import contextlib
import http.client
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.scaling import Cluster, run_in_order, run_many
from tests.scaling.jobs import noted, odd, slow_square, slower_first, square
from tests.scaling.servers import scheduler, worker


def test_a_worker_killed_in_mid_run_changes_nothing(tmp_path: Path) -> None:
    """Two workers, each task 0.2 s; one dies at work as soon as both have worked."""
    notes = tmp_path / "notes"
    notes.mkdir()
    with contextlib.ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(tmp_path))
        victim, other = (stack.enter_context(worker(address, tmp_path)) for _ in range(2))

        def busy(process: subprocess.Popen[bytes]) -> bool:
            """Whether a process has begun a task of which nothing has come yet."""
            begun = {each.name.split("-")[0] for each in notes.glob(f"*-{process.pid}-*")}
            return bool(begun - {each.key for each in found})

        def worked(process: subprocess.Popen[bytes]) -> bool:
            return any(notes.glob(f"*-{process.pid}-*"))

        asked: list[int] = []

        def tasks() -> Iterator[tuple[str, tuple[str, int, float]]]:
            for number in range(40):
                asked.append(number)
                yield str(number), (str(notes), number, 0.2)

        found = []
        for outcome in run_many(noted, tasks(), Cluster(address=address)):
            found.append(outcome)
            assert len(asked) - len(found) <= 3
            if victim.poll() is None and busy(victim) and worked(other):
                victim.send_signal(signal.SIGKILL)
                victim.wait()
        assert sorted(int(each.key) for each in found) == list(range(40))
        assert all(each.value == int(each.key) ** 2 for each in found)
        assert all(each.failure is None for each in found)
        started = [int(each.name.split("-")[0]) for each in notes.iterdir()]
        assert victim.poll() == -signal.SIGKILL
        assert set(started) == set(range(40)) and len(started) > 40


def test_a_scheduler_that_goes_away_is_one_sentence(tmp_path: Path) -> None:
    with scheduler(tmp_path) as (address, process), worker(address, tmp_path):
        running = run_many(
            slow_square, ((str(n), n) for n in range(1000)), Cluster(address=address)
        )
        assert next(running).failure is None
        process.send_signal(signal.SIGKILL)
        said = re.escape(f"scheduler {address}: went away before all tasks were finished; next: ")
        with pytest.raises(AutomindError, match=said):
            list(running)


def test_no_workers_are_waited_for_so_long_only(tmp_path: Path) -> None:
    with scheduler(tmp_path) as (address, _):
        start = time.monotonic()
        with pytest.raises(AutomindError, match="has had no worker for 2 s; next: start workers"):
            list(run_many(square, [("a", 1)], Cluster(address=address, patience=2)))
        assert 2 <= time.monotonic() - start < 60


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://a", "tcp://127.0.0.1:none"])
def test_no_scheduler_is_one_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automind_data.scaling.schedulers.CONNECT", 1.0)
    said = re.escape(f"scheduler {address}: does not answer as a Dask scheduler (")
    with pytest.raises(AutomindError, match=said):
        list(run_many(square, [("a", 1)], Cluster(address=address)))


def test_workers_of_this_machine(tmp_path: Path) -> None:
    """Failures of each kind beside tasks that work; nobody else can join; nothing is left."""
    cluster = Cluster(workers=2, timeout=4, retries=1)
    others = listening()
    found = {}
    for outcome in run_many(odd, [(str(n), n) for n in (4, 0, 1, 2, 3, 5)], cluster):
        if not found:
            ports = listening() - others
            assert ports
            for address, port in ports:
                assert address == "127.0.0.1"
                assert tells_nothing(port)
        found[outcome.key] = outcome
    assert found["4"].value == 4 and found["5"].value == 5
    assert found["0"].failure == "failed 2 times, at last it took more than 4 s"
    assert found["1"].failure == "failed 2 times, at last it raised ValueError: one"
    assert found["2"].failure == "failed 2 times, at last it ended its process by signal 9"
    assert "cannot be sent back" in str(found["3"].failure)
    assert not listening() - others and len(found) == 6


def test_order_is_that_of_the_arguments() -> None:
    found = list(run_in_order(slower_first, range(5), Cluster(workers=2)))
    assert [(each.key, each.value) for each in found] == [(str(n), n) for n in range(5)]


def test_at_most_two_tasks_for_each_worker_are_held() -> None:
    asked: list[int] = []

    def tasks() -> Iterator[tuple[str, int]]:
        for number in range(12):
            asked.append(number)
            yield str(number), number

    held = []
    for done, _ in enumerate(run_many(slow_square, tasks(), Cluster(workers=2)), start=1):
        held.append(len(asked) - done)
    assert max(held) == 3 and len(held) == 12


def tells_nothing(port: int) -> bool:
    """Say whether a port asks for a certificate that strangers lack, or has no page to show."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 2) as plain:
        try:
            with anyone.wrap_socket(plain) as stranger:
                if stranger.recv(1):
                    return False
        except ssl.SSLError as error:
            if "CERTIFICATE_REQUIRED" in str(error).replace(" ", "_").upper():
                return True
        except (TimeoutError, ConnectionError):
            pass
    pages = ("health", "metrics", "json/identity.json", "info/main/workers.html")
    return all(status(port, page) in (404, None) for page in pages)


def status(port: int, page: str) -> int | None:
    """Ask for a page; None where no web server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", f"/{page}")
        return connection.getresponse().status
    except (ConnectionError, http.client.HTTPException):
        return None


def listening() -> set[tuple[str, int]]:
    """Addresses that this process and its children listen on."""
    import psutil

    mine = psutil.Process()
    found: set[tuple[str, int]] = set()
    for process in [mine, *mine.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            found |= {
                (each.laddr.ip, each.laddr.port)
                for each in process.net_connections("tcp")
                if each.status == psutil.CONN_LISTEN
            }
    return found
