"""The team's storage in S3: real DVC commands, a real server."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from automind_data.common.files import md5_of
from automind_data.fetching.run import Fetch
from automind_data.pinning.config import cache_objects
from automind_data.pinning.dvcfile import dvc_path, parse_import
from automind_data.web import Patience
from tests.conftest import ROOT
from tests.figshare_server import FigshareServer
from tests.s3.conftest import NOWHERE
from tests.s3.server import STORE, S3Server
from tests.scratch import (
    BIN,
    PATHS,
    changes,
    commit,
    content,
    dvc,
    git,
    make_clone,
    make_release,
    run_import,
    snapshot,
)

Point = Callable[..., Path]
HELDOUT = "training_prior_samples/heldout.zip"
TABLE = "derived/tables/heldout.parquet"
HEADS = 2_000
"""More bytes than the head of one response has."""

BIG = 40
"""Files of 250,000 bytes in the clone `heavy`."""


@dataclass(frozen=True)
class Ended:
    """How a DVC command ended."""

    code: int
    said: str
    seconds: float


def ended(clone: Path, *arguments: str, within: int = 60) -> Ended:
    """Run DVC; `timeout` ends it after so many seconds, with exit code 124."""
    began = time.monotonic()
    done = subprocess.run(
        ["timeout", str(within), "dvc", *arguments],
        cwd=clone,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr, time.monotonic() - began)


def objects(folder: Path) -> dict[str, bytes]:
    """The whole objects below a folder: md5 → bytes."""
    found = {}
    for path in folder.rglob("*"):
        md5 = f"{path.parent.name}{path.name}"
        if path.is_file() and re.fullmatch(r"[0-9a-f]{32}(\.dir)?", md5):
            found[md5] = path.read_bytes()
    return found


def uploads(s3: S3Server) -> list[str]:
    return [request.path for request in s3.relay.requests if request.method == "PUT"]


def downloads(s3: S3Server) -> list[str]:
    """The objects that were asked for, by md5."""
    asked = [r.path for r in s3.relay.requests if r.method == "GET" and f"/{STORE}/" in r.path]
    return ["".join(path.split("/")[-2:]) for path in asked if "?" not in path]


@pytest.fixture
def imported(tmp_path: Path, point: Point) -> Path:
    """A clone with an imported release, committed, nothing pushed; the origin is gone."""
    clone = make_clone(tmp_path / "clone")
    release = make_release(tmp_path / "2030.1")
    run_import(clone, release)
    release.rename(tmp_path / "gone")
    commit(clone, "2030.1")
    return point(clone)


@pytest.fixture
def heavy(tmp_path: Path, point: Point) -> Path:
    """A clone with a tracked folder of 10 MB, committed, nothing pushed."""
    clone = make_clone(tmp_path / "heavy")
    (clone / "data").mkdir()
    for number in range(BIG):
        (clone / "data" / f"{number:02}").write_bytes(random.Random(number).randbytes(250_000))
    dvc(clone, "add", "-q", "data")
    dvc(clone, "config", "core.remote", "storage")
    commit(clone, "data")
    return point(clone)


def test_a_release_is_mirrored_and_needs_no_origin(
    imported: Path, colleague: Point, s3: S3Server, store: Path
) -> None:
    assert "12 files pushed" in dvc(imported, "push")
    assert objects(store) == objects(cache_objects(imported))
    s3.relay.forget()
    assert "Everything is up to date" in dvc(imported, "push")
    assert uploads(s3) == []
    clone = colleague(imported)

    dvc(clone, "pull", "-R", "datasets/dgms")
    one_folder = [path for path in PATHS if path.startswith("dgms/")]
    md5s = {path: md5_of(imported / "datasets" / path) for path in PATHS}
    assert sorted(downloads(s3)) == sorted(md5s[path] for path in one_folder)
    assert [path for path in PATHS if (clone / "datasets" / path).exists()] == one_folder

    dvc(clone, "pull")
    assert sorted(downloads(s3)) == sorted(md5s.values())
    for path in PATHS:
        assert (clone / "datasets" / path).read_bytes() == content(path, "first")
    assert changes(clone) == []


def test_a_release_from_figshare_is_mirrored(
    tmp_path: Path, point: Point, colleague: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imported, fetched, pushed; then pulled by a clone with no way to figshare."""
    clone = point(make_clone(tmp_path / "clone"))
    with FigshareServer([make_release(tmp_path / "2030.1")]) as figshare:
        for name, value in figshare.environment.items():
            monkeypatch.setenv(name, value)
        run_import(clone, f"figshare:{figshare.article}/1", release="2030.1")
        fetch = Fetch(clone, patience=Patience(interval=0))
        for _ in fetch.download():
            pass
        assert fetch.finish().failed == {}
    commit(clone, "2030.1")
    dvc(clone, "push", "-q")
    other = colleague(clone)
    dvc(other, "pull", "-q")
    for path in PATHS:
        assert (other / "datasets" / path).read_bytes() == content(path, "first")
    assert changes(other) == []


def test_one_table_moves_its_own_bytes_only(
    tmp_path: Path, point: Point, s3: S3Server, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("author", "colleague"):
        git(tmp_path, "clone", "-q", str(ROOT), name)
    author, clone = point(tmp_path / "author"), point(tmp_path / "colleague")
    outs = YAML(typ="safe", pure=True).load(author / "dvc.lock")["stages"]["tabulate@heldout"]
    tables = [out["path"] for out in outs["outs"]] + [f"datasets/{HELDOUT}.dvc", "derived/dgms/psd"]
    dvc(author, "fetch", "-q", "-r", "embedded", *tables)
    dvc(author, "push", "-q", "-r", "storage", *tables)
    stored = objects(store)
    dvc(clone, "remote", "default", "--local", "storage")
    s3.relay.forget()
    dvc(clone, "pull", TABLE)
    md5, size = md5_of(clone / TABLE), (clone / TABLE).stat().st_size
    assert downloads(s3) == [md5]
    assert set(objects(cache_objects(clone))) == {md5}
    others = len(s3.relay.requests) - 1
    assert size < s3.relay.received < size + HEADS * (1 + others)
    assert md5 in stored and len(stored) > 2
    with capsys.disabled():
        stated = f"{size:,} bytes of {sum(map(len, stored.values())):,} in the bucket"
        print(f"\ndvc pull {TABLE}: {s3.relay.received:,} bytes came, the file has {stated}")


@pytest.mark.parametrize(
    ("options", "push_says", "pull_says"),
    [
        ({"secret_access_key": "wrong"}, "signature we calculated does not match", "Forbidden"),
        ({"access_key_id": "WRONG"}, "Access Key Id you provided does not exist", "Forbidden"),
        (
            {"access_key_id": None, "secret_access_key": None},
            "Unable to locate credentials",
            "Unable to locate credentials",
        ),
        (
            {"url": "s3://no-such-bucket/team"},
            "The specified bucket does not exist",
            "The specified bucket does not exist",
        ),
    ],
    ids=["secret", "key", "none", "bucket"],
)
def test_a_refusal_says_why_and_loses_nothing(
    tmp_path: Path,
    point: Point,
    store: Path,
    options: dict[str, str | None],
    push_says: str,
    pull_says: str,
) -> None:
    clone = make_clone(tmp_path / "clone")
    run_import(clone, make_release(tmp_path / "2030.1"))
    point(clone, **options)
    before = snapshot(clone)
    pushed = ended(clone, "push")
    assert pushed.code not in (0, 124) and push_says in pushed.said
    assert snapshot(clone) == before
    for path in PATHS:
        (clone / "datasets" / path).unlink()
    (clone / ".dvc" / "cache").rename(tmp_path / "cache")
    before = snapshot(clone)
    pulled = ended(clone, "pull")
    assert pulled.code not in (0, 124) and pull_says in pulled.said
    assert snapshot(clone) == before
    assert objects(store) == {}


def test_a_server_killed_in_mid_push(
    heavy: Path, colleague: Point, s3: S3Server, store: Path
) -> None:
    s3.relay.when_sent(5_000_000, s3.kill)
    pushed = ended(heavy, "push")
    assert pushed.code == 1 and "Could not connect to the endpoint URL" in pushed.said
    assert pushed.seconds < 30
    kept, whole = objects(store), objects(cache_objects(heavy))
    assert kept.items() < whole.items()
    s3.start()
    s3.relay.forget()
    missing = {path for path in whole if path not in kept}
    assert f"{len(missing)} files pushed" in dvc(heavy, "push")
    assert {"".join(path.split("/")[-2:]) for path in uploads(s3)} == missing
    assert objects(store) == whole
    clone = colleague(heavy)
    dvc(clone, "pull")
    for path in (heavy / "data").iterdir():
        assert (clone / "data" / path.name).read_bytes() == path.read_bytes()


def test_a_silent_server_ends_a_pull_in_time(
    imported: Path, colleague: Point, s3: S3Server
) -> None:
    clone = colleague(imported, connect_timeout=1, read_timeout=1)
    before = snapshot(clone)
    s3.relay.silent = True
    try:
        pulled = ended(clone, "pull")
    finally:
        s3.relay.silent = False
    assert pulled.code == 1 and "Read timeout on endpoint URL" in pulled.said
    assert pulled.seconds < 20
    assert snapshot(clone) == before


def test_a_push_that_had_to_be_stopped_goes_on_later(
    heavy: Path, s3: S3Server, store: Path, point: Point
) -> None:
    def silence() -> None:
        s3.relay.silent = True

    s3.relay.when_sent(5_000_000, silence)
    try:
        assert ended(heavy, "push", within=6).code == 124
    finally:
        s3.relay.silent = False
    kept, whole = objects(store), objects(cache_objects(heavy))
    assert kept.items() < whole.items()
    s3.relay.forget()
    dvc(heavy, "push")
    assert len(uploads(s3)) == len(whole) - len(kept)
    assert objects(store) == whole


def test_a_corrupted_object_is_refused(
    imported: Path, colleague: Point, s3: S3Server, store: Path
) -> None:
    dvc(imported, "push")
    path = PATHS[0]
    pinned = parse_import(path, (imported / dvc_path(path)).read_bytes())
    assert pinned is not None
    damaged = store / pinned.md5[:2] / pinned.md5[2:]
    damaged.write_bytes(b"X" + damaged.read_bytes()[1:])
    clone = colleague(imported)
    s3.relay.forget()
    pulled = ended(clone, "pull")
    assert pulled.code == 1 and f"datasets/{path}" in pulled.said
    assert pinned.md5 in downloads(s3)
    assert not (clone / "datasets" / path).exists()
    assert set(objects(cache_objects(clone))) == set(objects(store)) - {pinned.md5}
    for other in PATHS[1:]:
        assert (clone / "datasets" / other).read_bytes() == content(other, "first")


def test_a_sample_commit_pulls_without_the_server(
    tmp_path: Path, colleague: Point, s3: S3Server
) -> None:
    clone = make_clone(tmp_path / "clone")
    run_import(clone, make_release(tmp_path / "2030.1", "sample"), embed=True)
    sample = commit(clone, "2030.1")
    run_import(clone, make_release(tmp_path / "2031.1", "second"))
    commit(clone, "2031.1")
    away = colleague(clone, endpointurl=NOWHERE)
    assert ended(away, "pull").code == 1
    git(away, "checkout", "-q", sample)
    dvc(away, "pull")
    for path in PATHS:
        assert (away / "datasets" / path).read_bytes() == content(path, "sample")
    assert s3.relay.requests == []
