"""Each fault alone against the command: one sentence and an untouched cache, or the right bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from automind_data.common.command import main
from tests.fetching.clones import (
    ADDRESS,
    PATH,
    big_release,
    cached,
    leave_part,
    part_of,
    partials,
    pinned_clone,
)
from tests.fetching.faults import CASES, OPTIONS, Case
from tests.figshare_server import FAULTS, Fault, FigshareServer

SIZE = 200_000


def run(clone: Path, server: FigshareServer, monkeypatch, *arguments: str) -> int:
    """Run the command in this process."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(clone)
    monkeypatch.setattr(sys, "argv", ["automind-data", "fetch", "--interval", "0", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fault(case: Case, tmp_path: Path, monkeypatch, capsys) -> None:
    release = big_release(tmp_path / "release", SIZE)
    with FigshareServer([release]) as server:
        (file,) = server.versions[0]
        server.faults = [case.make()]
        clone = pinned_clone(tmp_path / "clone", server)
        if case.left:
            whole = file.local.read_bytes()
            part = whole[: int(abs(case.left) * SIZE)]
            leave_part(clone, file.md5, SIZE, part if case.left > 0 else bytes(len(part)))
        code = run(clone, server, monkeypatch, *OPTIONS)
    said = capsys.readouterr()
    if case.says is None:
        assert (code, said.err) == (0, "")
        assert said.out == f"  fetched  {PATH}\n"
        assert cached(clone) == {file.md5}
        assert not partials(clone).exists()
        return
    assert code == 1
    assert said.out == ""
    sentence, last = said.err.splitlines()
    assert sentence.startswith(f"automind-data: {PATH}: cannot be fetched: 127.0.0.1:")
    assert case.says in sentence
    assert sentence.endswith(
        f"; next: open {ADDRESS} in a browser, choose Download all, save the zip with"
        " training.zip in it as ~/Downloads/THE.zip and run"
        " automind-data import ~/Downloads/THE.zip."
    )
    assert last.startswith("automind-data: fetch: 1 of 1 files are missing; next: ")
    assert cached(clone) == set()


def test_every_fault_that_concerns_a_file_is_met() -> None:
    met = {case.fault for case in CASES}
    assert set(FAULTS) - met == {"no-md5"}


def test_a_server_that_is_gone(tmp_path: Path, monkeypatch, capsys) -> None:
    with FigshareServer([big_release(tmp_path / "release")]) as server:
        clone = pinned_clone(tmp_path / "clone", server)
    assert run(clone, server, monkeypatch, *OPTIONS) == 1
    assert "cannot be reached: it refuses the connection; next: open " in capsys.readouterr().err
    assert cached(clone) == set()


def test_wrong_bytes_in_a_resumed_file_cost_one_more_try_on_the_same_host(
    tmp_path: Path, monkeypatch
) -> None:
    with FigshareServer([big_release(tmp_path / "release", SIZE)]) as server:
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        leave_part(clone, file.md5, SIZE, bytes(SIZE // 2))
        assert run(clone, server, monkeypatch, *OPTIONS) == 0
        asked = [(request.door, request.range) for request in server.requests("api", "download")]
    assert asked == [("api", f"bytes={SIZE // 2}-"), ("api", None)]
    assert cached(clone) == {file.md5}


def test_wrong_bytes_are_dropped_and_the_next_host_starts_anew(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", SIZE)]) as server:
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        server.faults = [Fault("corrupt")]
        assert run(clone, server, monkeypatch, *OPTIONS) == 1
        asked = [(request.door, request.range) for request in server.requests("api", "download")]
        assert asked == [("api", None), ("download", None)]
        assert not part_of(clone, file.md5).exists()


def test_a_host_that_cannot_go_on_does_not_cost_the_bytes(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", SIZE)]) as server:
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        leave_part(clone, file.md5, SIZE, file.local.read_bytes()[: SIZE // 2])
        server.faults = [Fault("wrong-range", door="api")]
        assert run(clone, server, monkeypatch, *OPTIONS) == 0
        server.settle()
        right = [request for request in server.requests("storage") if request.start == SIZE // 2]
        assert [request.sent for request in right] == [SIZE // 2]
    assert cached(clone) == {file.md5}


def test_another_length_is_refused_before_the_bytes_come(tmp_path: Path, monkeypatch) -> None:
    with FigshareServer([big_release(tmp_path / "release", 20_000_000)]) as server:
        server.faults = [Fault("wrong-size")]
        clone = pinned_clone(tmp_path / "clone", server)
        server.rate = 1e6
        assert run(clone, server, monkeypatch, *OPTIONS) == 1
        assert server.data_bytes() < 1_000_000
    assert cached(clone) == set()


def test_a_failed_file_does_not_stop_the_others(tmp_path: Path, monkeypatch, capsys) -> None:
    release = big_release(tmp_path / "release")
    for path in ("dgms/psd_posterior.pickle", "observations/organoid_summary.csv"):
        big_release(release, 50_000, path)
    with FigshareServer([release]) as server:
        clone = pinned_clone(tmp_path / "clone", server)
        server.faults = [Fault("404", file=server.file_id("dgms/psd_posterior.pickle"))]
        assert run(clone, server, monkeypatch, *OPTIONS) == 1
        right = {file.md5 for file in server.versions[0] if "pickle" not in file.path}
    said = capsys.readouterr()
    assert said.out.count("  fetched  ") == 2
    assert said.err.splitlines()[-1].startswith("automind-data: fetch: 1 of 3 files are missing;")
    assert cached(clone) == right


def test_a_host_that_knows_no_range_begins_anew_in_the_same_answer(
    tmp_path: Path, monkeypatch
) -> None:
    with FigshareServer([big_release(tmp_path / "release", SIZE)]) as server:
        (file,) = server.versions[0]
        clone = pinned_clone(tmp_path / "clone", server)
        leave_part(clone, file.md5, SIZE, file.local.read_bytes()[: SIZE // 2])
        server.faults = [Fault("no-range")]
        assert run(clone, server, monkeypatch, *OPTIONS) == 0
        server.settle()
        (request,) = server.requests("storage")
        assert (request.status, request.start, request.sent) == (200, 0, SIZE)
    assert cached(clone) == {file.md5}
