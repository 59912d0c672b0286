"""A fetch that is killed at any moment leaves the cache right and goes on where it stopped."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from tests.fetching.clones import PATH, big_release, cached, part_of, partials, pinned_clone, typed
from tests.figshare_server import FigshareServer

KILLS = 20
SIZE = 4_000_000
RATE = 600_000
IN_FLIGHT = 64_000
"""The most that can be on its way to a process when it is killed."""


def test_twenty_kills_then_one_clean_run(tmp_path: Path) -> None:
    moments = random.Random(3)
    with FigshareServer([big_release(tmp_path / "release", SIZE)], rate=RATE) as server:
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        part = part_of(clone, file.md5)
        options = ("--no-checkout", "--interval", "0", "--timeout", "5")
        finished = 0
        resumed_at = []
        for _ in range(KILLS):
            before = len(server.requests("storage"))
            process = typed(clone, server, *options)
            until = time.monotonic() + 10
            if moments.random() < 0.8:
                while len(server.requests("storage")) == before and time.monotonic() < until:
                    time.sleep(0.005)
            time.sleep(moments.uniform(0.0, 0.25))
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert cached(clone) == set()
            for request in server.requests("storage")[before:]:
                assert request.start == finished
                resumed_at.append(request.start)
            kept = part.stat().st_size if part.exists() else 0
            assert kept >= finished
            finished = kept
        assert len(set(resumed_at)) > 8
        assert SIZE // 8 < finished < SIZE
        server.rate = None
        last = typed(clone, server, *options)
        said, wrong = last.communicate(timeout=60)
        assert (last.returncode, said, wrong) == (0, f"  fetched  {PATH}\n", "")
        server.settle()
        (request,) = server.requests("storage")[len(resumed_at) :]
        assert (request.start, request.sent) == (finished, SIZE - finished)
        starts = [request.start for request in server.requests("storage")]
        assert starts == sorted(starts)
        again = server.data_bytes() - SIZE
        assert again < len(resumed_at) * IN_FLIGHT
    assert cached(clone) == {file.md5}
    assert not partials(clone).exists()
