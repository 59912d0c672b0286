"""Share links: the token kept out of git, the files awaited, and pinned when they have come."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.origins import find_origin
from automind_data.origins.share_link import ShareLinkOrigin, file_map_template, read_file_map
from automind_data.pinning.config import cache_objects, options
from automind_data.pinning.dvcfile import dvc_path, parse_import
from automind_data.pinning.importer import Report
from automind_data.pinning.objects import Objects
from automind_data.pinning.pending import (
    PENDING_FILE,
    PendingFile,
    ShareLinkImport,
    pin_pending,
    read_pending,
    write,
)
from automind_data.pinning.release import RELEASE_FILE
from automind_data.web.figshare import token
from tests.origins.test_schemas import hold_to_schemas, validator
from tests.scratch import (
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
    tracked_text,
)

CSV = "observations/organoid_summary.csv"
PICKLE = "dgms/psd_posterior.pickle"
TOKEN = "5ec2e70123456789abcd"
LINK = f"https://figshare.com/s/{TOKEN}"
IDS = {path: 7001 + number for number, path in enumerate(PATHS)}


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOMIND_FIGSHARE_TOKEN", raising=False)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed clone that pins one release and awaits nothing."""
    folder = tmp_path_factory.mktemp("started")
    clone = make_clone(folder / "clone")
    run_import(clone, make_release(folder / "2030.1"))
    commit(clone, "2030.1")
    return clone


@pytest.fixture
def clone(started: Path, tmp_path: Path) -> Path:
    """A fresh clone of it."""
    git(tmp_path, "clone", "-q", started.as_uri(), "clone")
    return tmp_path / "clone"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return make_clone(tmp_path / "clone")


def announce(
    clone: Path, link: str = LINK, ids: dict[str, int] = IDS, public: bool = False, **options: Any
) -> Report:
    return ShareLinkImport(ShareLinkOrigin(link, ids, public), clone, **options).pin()


def download(clone: Path, *paths: str, mark: str = "second") -> dict[str, Path]:
    """Files as `fetch` would have them, on the disk of the cache."""
    folder = clone / ".dvc" / "tmp" / "arrived"
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for path in paths:
        files[path] = folder / str(IDS[path])
        files[path].write_bytes(content(path, mark))
    return files


def typed(clone: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automind_data", "import", *map(str, arguments)],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def file_map(folder: Path, ids: dict[str, int] = IDS) -> Path:
    file = folder / "files.yaml"
    file.write_text("".join(f"{path}: {number}\n" for path, number in ids.items()))
    return file


def test_the_template_lists_every_file_and_can_be_filled_in(tmp_path: Path) -> None:
    done = typed(tmp_path, "--print-template")
    assert (done.returncode, done.stdout) == (0, file_map_template())
    assert "/files/" in done.stdout
    assert list(YAML(typ="safe").load(done.stdout)) == list(PATHS)
    file = tmp_path / "files.yaml"
    filled = done.stdout
    for path, number in IDS.items():
        filled = filled.replace(f"{path}:\n", f"{path}: {number}\n")
    file.write_text(filled)
    assert read_file_map(file) == IDS
    file.write_text(done.stdout)
    assert read_file_map(file) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{CSV}: 0\n", "not a positive integer"),
        (f"{CSV}: -7\n", "not a positive integer"),
        (f"{CSV}: abc\n", "not a positive integer"),
        (f"{CSV}: '7'\n", "not a positive integer"),
        (f"{CSV}: 7.0\n", "not a positive integer"),
        (f"{CSV}: true\n", "not a positive integer"),
        (f"{CSV}: [7]\n", "not a positive integer"),
        (f"{CSV}: 7\n{PICKLE}: 7\n", "the id 7 stands at several paths"),
        (f"{CSV}: 7\n{CSV}: 8\n", "says something twice"),
        ("organoid_summary.csv: 7\n", "is no published path"),
        ("../../etc/passwd: 7\n", "is no published path"),
        ("7: 7\n", "is no published path"),
        (f"- {CSV}\n", "is not a map"),
        ("7\n", "is not a map"),
        ("", "is not a map"),
        ("a: [\n", "is not YAML"),
        ("!!python/object/apply:os.system [ls]\n", "is not YAML"),
        ("a: \x00\n", "is not YAML"),
    ],
)
def test_a_file_map_is_checked(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "files.yaml"
    file.write_text(text)
    with pytest.raises(AutomindError) as caught:
        read_file_map(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "--print-template" in str(caught.value)


def test_a_file_map_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "files.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(AutomindError, match="is not YAML"):
        read_file_map(tmp_path / "files.yaml")


@pytest.mark.parametrize(
    ("source", "site", "secret"),
    [
        (LINK, "https://figshare.com", TOKEN),
        (f"{LINK}/?file=3#x", "https://figshare.com", TOKEN),
        (f"http://uni-x.Figshare.com/s/{TOKEN}", "https://uni-x.figshare.com", TOKEN),
        ("https://figshare.com/s/", "https://figshare.com", None),
        ("https://figshare.com/s", "https://figshare.com", None),
    ],
)
def test_a_share_link_and_its_address(source: str, site: str, secret: str | None) -> None:
    origin = find_origin(source)
    assert isinstance(origin, ShareLinkOrigin)
    assert (origin.address, origin.token) == (site, secret)
    assert TOKEN not in str(origin)


@pytest.mark.parametrize("arguments", [[], ["--public-token"]])
def test_a_link_alone_is_refused_with_the_way_on(empty: Path, arguments: list[str]) -> None:
    done = typed(empty, LINK, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "automind-data import --print-template > files.yaml" in done.stderr
    assert TOKEN not in done.stderr
    assert changes(empty) == []
    assert not (empty / ".dvc" / "config.local").exists()


@pytest.mark.parametrize("link", [f"https://figshare.com/s/{TOKEN}/x", f"{LINK}%2F"])
def test_a_broken_link_is_not_repeated(empty: Path, link: str) -> None:
    with pytest.raises(AutomindError, match="is not complete") as caught:
        find_origin(link)
    assert TOKEN not in str(caught.value)


def test_what_is_awaited(empty: Path, tmp_path: Path) -> None:
    done = typed(empty, LINK, "--files", file_map(tmp_path), "--release", "2031.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("release 2031.1 (share link)\n")
    assert done.stdout.count("  awaited  ") == len(PATHS)
    assert "next: automind-data fetch, then dvc repro" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert changes(empty) == [PENDING_FILE]
    said = json.loads((empty / PENDING_FILE).read_text())
    validator("pending.schema.json").validate(said)
    assert said["address"] == "https://figshare.com"
    assert [(file["path"], file["file_id"]) for file in said["files"]] == list(IDS.items())
    pending = read_pending(empty)
    assert pending is not None
    assert (pending.release, pending.kind, pending.licence) == (
        "2031.1",
        "share link",
        "not stated",
    )
    local = empty / ".dvc" / "config.local"
    assert options(local.read_text()) == {('remote "figshare"', "password"): TOKEN}
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    assert token(empty) == TOKEN
    for name, text in tracked_text(empty).items():
        assert TOKEN not in text and "?" not in text, name
    before = snapshot(empty)
    again = typed(empty, LINK, "--files", file_map(tmp_path), "--release", "2031.1")
    assert "nothing that git tracks has changed" in again.stdout
    assert snapshot(empty) == before


def test_a_later_day_changes_nothing(empty: Path) -> None:
    import datetime

    announce(empty, today=datetime.date(2030, 1, 1))
    before = snapshot(empty)
    assert announce(empty, today=datetime.date(2030, 1, 2)).written == ()
    assert snapshot(empty) == before


def test_a_public_token_is_the_address(empty: Path, tmp_path: Path) -> None:
    done = typed(empty, f"{LINK}?file=1", "--files", file_map(tmp_path), "--public-token")
    assert done.returncode == 0, done.stderr
    pending = read_pending(empty)
    assert pending is not None and pending.address == LINK
    validator("pending.schema.json").validate(json.loads((empty / PENDING_FILE).read_text()))
    pin_pending(empty, download(empty, *PATHS))
    pinned = parse_import(CSV, (empty / dvc_path(CSV)).read_bytes())
    assert pinned is not None and pinned.origin.address == LINK
    assert [name for name, text in tracked_text(empty).items() if "?" in text] == []


def test_the_token_may_stay_in_the_environment(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AutomindError, match="has no token"):
        announce(empty, "https://figshare.com/s/")
    monkeypatch.setenv("AUTOMIND_FIGSHARE_TOKEN", TOKEN)
    for link in ("https://figshare.com/s/", LINK):
        announce(empty, link)
        assert not (empty / ".dvc" / "config.local").exists()
    with pytest.raises(AutomindError, match="has another token") as caught:
        announce(empty, "https://figshare.com/s/another")
    assert TOKEN not in str(caught.value) and "/another" not in str(caught.value)
    with pytest.raises(AutomindError, match="no token that could be public"):
        announce(empty, "https://figshare.com/s/", public=True)


def test_the_token_of_this_clone_is_known(empty: Path) -> None:
    announce(empty)
    ids = {**IDS, CSV: 8001}
    assert announce(empty, "https://figshare.com/s/", ids).written == (PENDING_FILE,)
    assert token(empty) == TOKEN


def test_files_without_an_id(empty: Path) -> None:
    ids = {path: number for path, number in IDS.items() if path != CSV}
    with pytest.raises(AutomindError, match=f"1 of 12 files are missing .{CSV}"):
        announce(empty, ids=ids)
    with pytest.raises(AutomindError, match="12 of 12 files are missing"):
        announce(empty, ids={}, partial=True)
    assert not (empty / ".dvc" / "config.local").exists()
    assert changes(empty) == []
    assert announce(empty, ids=ids, partial=True).missing == (CSV,)


def test_options_of_a_share_link_belong_to_one(empty: Path, tmp_path: Path) -> None:
    for arguments in (
        [tmp_path, "--files", file_map(tmp_path)],
        ["figshare:1", "--public-token"],
        [LINK, "--files", file_map(tmp_path), "--embed"],
        [LINK, "--files", tmp_path / "nowhere.yaml"],
    ):
        done = typed(empty, *arguments)
        assert done.returncode == 2
        assert TOKEN not in done.stderr
    assert changes(empty) == []


def test_replacing_a_release_needs_a_yes(clone: Path, tmp_path: Path) -> None:
    before = snapshot(clone)
    asked = typed(clone, LINK, "--files", file_map(tmp_path), "--release", "2031.1")
    assert asked.returncode == 1
    assert asked.stdout.startswith("release 2030.1 → 2031.1\n")
    assert asked.stdout.count("→ size not known yet\n") == len(PATHS)
    assert "12 pinned files" in asked.stderr and asked.stderr.count("\n") == 1
    assert snapshot(clone) == before
    done = typed(clone, LINK, "--files", file_map(tmp_path), "--release", "2031.1", "--yes")
    assert done.returncode == 0, done.stderr
    assert changes(clone) == [PENDING_FILE]


def test_dvc_works_with_the_token_in_the_clones_own_config(clone: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    run_import(clone, release)
    announce(clone, release="2031.1")
    pin_pending(clone, download(clone, CSV))
    commit(clone, "part")
    assert dvc(clone, "status", "-q") == ""
    dvc(clone, "push", "-q")
    (clone / "datasets" / PICKLE).unlink()
    Objects(cache_objects(clone)).path(md5_of(release / PICKLE)).unlink()
    dvc(clone, "pull", "-q", f"datasets/{PICKLE}")
    assert (clone / "datasets" / PICKLE).read_bytes() == content(PICKLE, "first")
    assert TOKEN not in dvc(clone, "remote", "list")


def test_files_are_pinned_as_they_come(clone: Path) -> None:
    announce(clone, release="2031.1")
    first = download(clone, CSV, PICKLE)
    md5s = {path: md5_of(file) for path, file in first.items()}
    report = pin_pending(clone, first)
    assert (set(report.changed), report.release, report.kind) == (
        set(first),
        "2031.1",
        "share link",
    )
    assert not any(file.exists() for file in first.values())
    for path, md5 in md5s.items():
        pinned = parse_import(path, (clone / dvc_path(path)).read_bytes())
        assert pinned is not None
        assert (pinned.md5, pinned.source) == (md5, f"remote://figshare/{IDS[path]}")
        assert pinned.origin.licence == "not stated"
        assert (clone / "datasets" / path).read_bytes() == content(path, "second")
        assert Objects(cache_objects(clone)).path(md5).stat().st_mode & 0o777 == 0o444
    pending = read_pending(clone)
    assert pending is not None
    assert {file.path for file in pending.files} == set(PATHS) - set(first)
    record = json.loads((clone / RELEASE_FILE).read_text())
    releases = {file["path"]: file["release"] for file in record["files"]}
    assert releases == {**dict.fromkeys(PATHS, "2030.1"), CSV: "2031.1", PICKLE: "2031.1"}
    pin_pending(clone, download(clone, *(set(PATHS) - set(first))))
    assert read_pending(clone) is None
    assert not (clone / PENDING_FILE).exists()
    hold_to_schemas(clone)
    assert dvc(clone, "status", "-q") == ""
    for name, text in tracked_text(clone).items():
        assert TOKEN not in text and "?" not in text, name
    commit(clone, "2031.1")
    assert announce(clone, release="2031.1").same == PATHS
    assert changes(clone) == []


@pytest.mark.parametrize("broken", [b"", b"<!DOCTYPE html><html>", b"a,b\n1,"])
def test_a_file_that_did_not_come_whole_is_refused(clone: Path, broken: bytes) -> None:
    announce(clone, release="2031.1")
    arrived = download(clone, PICKLE, CSV)
    arrived[CSV].write_bytes(broken)
    before = snapshot(clone)
    with pytest.raises(AutomindError, match=CSV):
        pin_pending(clone, arrived)
    assert snapshot(clone) == before
    assert all(file.exists() for file in arrived.values())


def test_only_awaited_files_are_pinned(clone: Path) -> None:
    with pytest.raises(AutomindError, match="is not awaited"):
        pin_pending(clone, download(clone, CSV))
    announce(clone, ids={CSV: 1}, partial=True)
    with pytest.raises(AutomindError, match="is not awaited"):
        pin_pending(clone, download(clone, CSV, PICKLE))
    with pytest.raises(AutomindError, match="awaits nothing that has come"):
        pin_pending(clone, {})


def test_another_import_takes_files_off_the_list(clone: Path, tmp_path: Path) -> None:
    announce(clone, release="2031.1")
    commit(clone, "awaited")
    part = tmp_path / "part"
    (part / CSV).parent.mkdir(parents=True)
    (part / CSV).write_bytes(content(CSV, "third"))
    report = run_import(clone, part, partial=True)
    assert PENDING_FILE in report.written
    pending = read_pending(clone)
    assert pending is not None
    assert {file.path for file in pending.files} == set(PATHS) - {CSV}
    report = run_import(clone, make_release(tmp_path / "whole"))
    assert PENDING_FILE in report.written
    assert not (clone / PENDING_FILE).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"more": 1},
        {"retrieved": "yesterday"},
        {"files": [{"path": "../../etc/passwd", "file_id": 1}]},
        {"files": [{"path": CSV, "file_id": 0}]},
        {"files": [{"path": CSV, "file_id": 1}, {"path": CSV, "file_id": 2}]},
        {"files": [{"path": CSV, "file_id": "1"}]},
    ],
)
def test_a_list_that_somebody_changed_is_refused(
    clone: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    announce(clone, release="2031.1")
    said = json.loads((clone / PENDING_FILE).read_text())
    (clone / PENDING_FILE).write_text(json.dumps({**said, **change}))
    before = snapshot(clone)
    with pytest.raises(AutomindError, match=PENDING_FILE):
        read_pending(clone)
    with pytest.raises(AutomindError, match=PENDING_FILE):
        run_import(clone, make_release(tmp_path / "2032.1", "third"))
    assert snapshot(clone) == before


def test_the_schema_refuses_what_must_not_be_in_git(empty: Path) -> None:
    announce(empty)
    said = json.loads((empty / PENDING_FILE).read_text())
    schema = validator("pending.schema.json")
    assert schema.is_valid(said)
    for change in ({"address": f"{LINK}?a=b"}, {"token": TOKEN}, {"release": "a?b"}, {"files": []}):
        assert not schema.is_valid({**said, **change})


def test_the_list_is_in_the_order_of_the_layout(empty: Path) -> None:
    announce(empty, ids=dict(reversed(IDS.items())))
    pending = read_pending(empty)
    assert pending is not None
    assert tuple(file.path for file in pending.files) == PATHS
    assert not write(empty, replace(pending, files=pending.files[::-1]))
    assert write(empty, replace(pending, files=(PendingFile(CSV, 1),)))


KILLED = """
import json, os, signal, sys
from pathlib import Path
from automind_data.pinning import importer, pending
left, arrived = int(sys.argv[2]), json.loads(sys.argv[3])
def counted(real):
    def write(*arguments):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        real(*arguments)
    return write
importer.write_text = counted(importer.write_text)
importer.write_json = counted(importer.write_json)
pending.write_json = counted(pending.write_json)
pending.pin_pending(sys.argv[1], {path: Path(file) for path, file in arrived.items()})
"""


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_a_kill_is_mended_by_the_next_fetch(clone: Path, writes: int) -> None:
    """Killed before the first `.dvc` file, the second, `release.json`, the list."""
    announce(clone, release="2031.1")
    arrived = {path: str(file) for path, file in download(clone, CSV, PICKLE).items()}
    command = [sys.executable, "-c", KILLED, str(clone), str(writes), json.dumps(arrived)]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pending = read_pending(clone)
    assert pending is not None and len(pending.files) == len(PATHS)
    pin_pending(clone, download(clone, CSV, PICKLE))
    expected = [PENDING_FILE, RELEASE_FILE, dvc_path(CSV), dvc_path(PICKLE)]
    assert changes(clone) == sorted(expected)
    after = read_pending(clone)
    assert after is not None and len(after.files) == len(PATHS) - 2
    for path in (CSV, PICKLE):
        assert (clone / "datasets" / path).read_bytes() == content(path, "second")
