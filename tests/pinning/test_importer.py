"""Importing a release into a clone, with real git and DVC."""

from __future__ import annotations

import datetime
import json
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.origins import Offer
from automind_data.pinning import importer
from automind_data.pinning.config import cache_objects, options
from automind_data.pinning.dvcfile import dvc_path, parse_import
from automind_data.pinning.objects import Objects
from tests.scratch import (
    PATHS,
    changes,
    commit,
    content,
    dvc,
    git,
    make_bundle,
    make_clone,
    make_release,
    run_import,
    snapshot,
)

CSV = "observations/organoid_summary.csv"
PICKLE = "dgms/psd_posterior.pickle"
ZIP = "training_prior_samples/training.zip"


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed clone whose twelve files are a sample release in git."""
    folder = tmp_path_factory.mktemp("sample")
    clone = make_clone(folder / "clone")
    run_import(clone, make_release(folder / "2030.1"), embed=True)
    commit(clone, "2030.1")
    return clone


@pytest.fixture
def clone(sample: Path, tmp_path: Path) -> Path:
    """A fresh clone of it, nothing pulled."""
    git(tmp_path, "clone", "-q", sample.as_uri(), "clone")
    return tmp_path / "clone"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A clone with nothing imported."""
    return make_clone(tmp_path / "clone")


def pinned(clone: Path, path: str) -> Any:
    return parse_import(path, (clone / dvc_path(path)).read_bytes())


def push_remote(clone: Path) -> str:
    return options((clone / ".dvc" / "config").read_text())["core", "remote"]


def test_a_folder_is_pinned_cached_and_placed(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    report = run_import(empty, release, today=datetime.date(2030, 1, 2))
    assert (report.changed, report.same) == (PATHS, ())
    cache = Objects(cache_objects(empty))
    for path in PATHS:
        md5 = md5_of(release / path)
        file = pinned(empty, path)
        assert (file.md5, file.size) == (md5, (release / path).stat().st_size)
        assert file.source == f"remote://release/{path}"
        assert (file.origin.release, file.origin.kind) == ("2030.1", "folder")
        assert file.origin.retrieved == "2030-01-02"
        assert cache.path(md5).stat().st_mode & 0o777 == 0o444
        assert md5_of(cache.path(md5)) == md5
        assert (empty / "datasets" / path).read_bytes() == (release / path).read_bytes()
    expected = [".dvc/config", "datasets/release.json", *(dvc_path(path) for path in PATHS)]
    assert changes(empty) == sorted(expected) == sorted(report.written)
    assert push_remote(empty) == "storage"
    local = (empty / ".dvc" / "config.local").read_text()
    assert options(local)['remote "release"', "url"] == str(release)
    said = dvc(empty, "status", "-q")
    assert said == ""


def test_dvc_takes_the_files_for_its_own(empty: Path, tmp_path: Path) -> None:
    """DVC computes the same stage md5 and writes the same file."""
    from dvc.dvcfile import load_file
    from dvc.repo import Repo

    run_import(empty, make_release(tmp_path / "2030.1"))
    for path in PATHS:
        file = empty / dvc_path(path)
        text = file.read_text()
        stage = load_file(Repo(str(empty)), str(file)).stage
        assert stage.md5 == stage.compute_md5()
        stage.dump(update_lock=False)
        assert file.read_text() == text


@pytest.mark.parametrize("top", ["", "datasets/"])
def test_a_bundle_gives_the_same_pins_as_its_folder(empty: Path, tmp_path: Path, top: str) -> None:
    report = run_import(empty, make_bundle(tmp_path / "2030.1.zip", top))
    assert (report.kind, report.changed) == ("bundle", PATHS)
    for path in PATHS:
        assert (empty / "datasets" / path).read_bytes() == content(path, "first")
    assert not (empty / ".dvc" / "config.local").exists()


def test_a_bundle_forgets_where_the_release_before_was(empty: Path, tmp_path: Path) -> None:
    """Else `dvc update` would bring the older release back."""
    run_import(empty, make_release(tmp_path / "2030.1"))
    with (empty / ".dvc" / "config.local").open("a") as file:
        file.write("[core]\n    autostage = false\n")
    run_import(empty, make_bundle(tmp_path / "2030.2.zip", mark="second"))
    said = options((empty / ".dvc" / "config.local").read_text())
    assert said == {("core", "autostage"): "false"}


def test_a_flat_folder(empty: Path, tmp_path: Path) -> None:
    report = run_import(empty, make_release(tmp_path / "2030.1", flat=True))
    assert report.changed == PATHS
    assert not (empty / ".dvc" / "config.local").exists()


def test_the_release_unzipped_in_place(empty: Path, tmp_path: Path) -> None:
    make_release(empty / "datasets")
    with pytest.raises(AutomindError, match="--release"):
        run_import(empty, empty / "datasets")
    report = run_import(empty, empty / "datasets", release="2030.1")
    assert (report.changed, report.extra) == (PATHS, ())
    assert not (empty / ".dvc" / "config.local").exists()
    assert dvc(empty, "status", "-q") == ""


def test_the_same_bytes_change_nothing_tracked(clone: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "downloaded")
    before = snapshot(clone)
    report = run_import(clone, release)
    assert (report.changed, report.same, report.written) == ((), PATHS, ())
    assert changes(clone) == []
    assert push_remote(clone) == "embedded"
    after = snapshot(clone)
    assert {name: after[name] for name in before} == before
    added = set(after) - set(before)
    assert all(name.startswith((".dvc/cache/files/md5/", "datasets/")) for name in added)
    for path in PATHS:
        assert (clone / "datasets" / path).read_bytes() == content(path, "first")
    assert dvc(clone, "status", "-q") == ""


def test_a_push_after_another_release_leaves_git_clean(clone: Path, tmp_path: Path) -> None:
    dvc(clone, "pull", "-q")
    in_git = snapshot(clone / ".dvc-sample")
    release = make_release(tmp_path / "2031.1")
    (release / CSV).write_bytes(content(CSV, "other"))
    report = run_import(clone, release)
    assert report.changed == (CSV,)
    assert changes(clone) == sorted([".dvc/config", dvc_path(CSV), "datasets/release.json"])
    config = (clone / ".dvc" / "config").read_text()
    assert git(clone, "show", "HEAD:.dvc/config").replace("= embedded", "= storage") == config
    commit(clone, "2031.1")
    dvc(clone, "push", "-q")
    assert changes(clone) == []
    assert snapshot(clone / ".dvc-sample") == in_git
    stored = Objects(clone / ".dvc-storage" / "files" / "md5")
    assert stored.has(md5_of(release / CSV))
    record = json.loads((clone / "datasets" / "release.json").read_text())
    assert (record["release"], record["kind"], record["sample"]) == ("2031.1", "folder", True)
    releases = {file["path"]: file["release"] for file in record["files"]}
    assert releases == dict.fromkeys(PATHS, "2031.1")


def test_a_partial_import_says_which_release_each_file_is_of(clone: Path, tmp_path: Path) -> None:
    part = tmp_path / "2031.1"
    (part / CSV).parent.mkdir(parents=True)
    (part / CSV).write_bytes(content(CSV, "other"))
    run_import(clone, part, partial=True)
    record = json.loads((clone / "datasets" / "release.json").read_text())
    releases = {file["path"]: file["release"] for file in record["files"]}
    assert releases == {**dict.fromkeys(PATHS, "2030.1"), CSV: "2031.1"}


def test_a_remote_of_the_teams_own_stays(clone: Path, tmp_path: Path) -> None:
    dvc(clone, "remote", "add", "--default", "lab", str(tmp_path / "lab"))
    run_import(clone, make_release(tmp_path / "2031.1", "second"))
    assert push_remote(clone) == "lab"


def test_only_a_whole_sample_release_turns_pushes_back_to_git(clone: Path, tmp_path: Path) -> None:
    run_import(clone, make_release(tmp_path / "2031.1", "second"))
    part = tmp_path / "part"
    (part / CSV).parent.mkdir(parents=True)
    (part / CSV).write_bytes(content(CSV, "first"))
    run_import(clone, part, embed=True, partial=True)
    assert push_remote(clone) == "storage"
    run_import(clone, make_release(tmp_path / "2030.1"), embed=True)
    assert push_remote(clone) == "embedded"
    record = json.loads((clone / "datasets" / "release.json").read_text())
    assert record["sample"] is True


def test_a_sample_release_pulls_and_updates_without_network(clone: Path) -> None:
    assert all(
        pinned(clone, path).source.startswith("remote://embedded/files/md5/") for path in PATHS
    )
    url = str(clone / ".dvc-sample")
    assert options((clone / ".dvc" / "config").read_text())['remote "embedded"', "url"]
    dvc(clone, "pull", "-q")
    for path in PATHS:
        assert (clone / "datasets" / path).read_bytes() == content(path, "first")
    assert dvc(clone, "status", "-q") == ""
    said = dvc(clone, "update", "-R", "datasets")
    assert said.count("didn't change") == len(PATHS)
    assert changes(clone) == []
    assert url in dvc(clone, "config", "--list")


def test_a_clone_that_converts_line_ends_pulls_right_bytes(sample: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", sample.as_uri(), "crlf")
    dvc(tmp_path / "crlf", "pull", "-q")
    for path in PATHS:
        assert (tmp_path / "crlf" / "datasets" / path).read_bytes() == content(path, "first")


@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_a_damaged_object_in_git_is_not_checked_out(clone: Path, mode: int) -> None:
    md5 = pinned(clone, CSV).md5
    damaged = Objects(clone / ".dvc-sample" / "files" / "md5").path(md5)
    damaged.write_bytes(damaged.read_bytes().replace(b"first", b"worst"))
    damaged.chmod(mode)
    said = dvc(clone, "pull", check=False)
    assert "ERROR" in said
    assert not (clone / "datasets" / CSV).exists()


class Counter(BaseHTTPRequestHandler):
    """A server that has the same few bytes at every address and counts who asks."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.send_header("ETag", '"x"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"a\nb\n")

    do_HEAD = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (Counter,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", handler.asked
        running.shutdown()


def test_status_and_repro_ask_the_origin_for_nothing(
    empty: Path, tmp_path: Path, server: tuple[str, list[str]]
) -> None:
    url, asked = server
    run_import(empty, make_release(tmp_path / "2030.1"))
    dvc(empty, "remote", "modify", "--local", "release", "url", url)
    stage = {
        "cmd": f"cp datasets/{CSV} copy.csv",
        "deps": [f"datasets/{CSV}"],
        "outs": ["copy.csv"],
    }
    (empty / "dvc.yaml").write_text(json.dumps({"stages": {"copy": stage}}))
    dvc(empty, "repro")
    assert dvc(empty, "status", "-q") == ""
    assert asked == []
    dvc(empty, "update", dvc_path(CSV))
    assert any(CSV in path for path in asked)


def test_update_brings_what_the_folder_has_now(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    run_import(empty, release)
    (release / CSV).write_bytes(content(CSV, "newer"))
    dvc(empty, "update", dvc_path(CSV))
    file = pinned(empty, CSV)
    assert file.md5 == md5_of(release / CSV)
    assert file.origin.release == "2030.1"


def test_a_clone_without_any_url_of_the_release_still_works(empty: Path, tmp_path: Path) -> None:
    """DVC cannot even list a clone in which a `.dvc` file names an unknown remote."""
    run_import(empty, make_release(tmp_path / "2030.1"))
    first = commit(empty, "2030.1")
    dvc(empty, "push", "-q")
    git(tmp_path, "clone", "-q", empty.as_uri(), "other")
    other = tmp_path / "other"
    shutil.copytree(empty / ".dvc-storage", other / ".dvc-storage")
    dvc(other, "pull", "-q")
    assert dvc(other, "status", "-q") == ""
    assert "added" in dvc(other, "diff", f"{first}~1", first).lower()
    said = dvc(other, "update", dvc_path(CSV), check=False)
    assert "does not exist" in said
    config = other / ".dvc" / "config"
    config.write_text(config.read_text().partition("['remote \"release\"']")[0])
    assert "doesn't exist" in dvc(other, "status", check=False)


def refusal(clone: Path, source: Path, **options: Any) -> str:
    """Import, be refused, and find that nothing has changed at all."""
    before = snapshot(clone)
    with pytest.raises(AutomindError) as caught:
        run_import(clone, source, **options)
    assert snapshot(clone) == before
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(source))
    return said


def test_missing_files_are_refused_unless_partial(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    (release / CSV).unlink()
    (release / PICKLE).unlink()
    said = refusal(empty, release)
    assert "2 of 12" in said
    assert CSV in said
    assert PICKLE in said
    assert "--partial" in said
    report = run_import(empty, release, partial=True)
    assert set(report.missing) == {CSV, PICKLE}
    assert len(report.changed) == len(PATHS) - 2
    assert not (empty / dvc_path(CSV)).exists()
    record = json.loads((empty / "datasets" / "release.json").read_text())
    assert {file["path"] for file in record["files"]} == set(PATHS) - {CSV, PICKLE}


def test_a_partial_import_leaves_the_other_pins(clone: Path, tmp_path: Path) -> None:
    before = {path: (clone / dvc_path(path)).read_text() for path in PATHS if path != CSV}
    part = tmp_path / "part"
    (part / CSV).parent.mkdir(parents=True)
    (part / CSV).write_bytes(content(CSV, "second"))
    report = run_import(clone, part, partial=True)
    assert report.changed == (CSV,)
    assert {path: (clone / dvc_path(path)).read_text() for path in before} == before
    record = json.loads((clone / "datasets" / "release.json").read_text())
    assert len(record["files"]) == len(PATHS)


def test_a_folder_with_none_of_the_files_is_refused(empty: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("hello\n")
    assert "none of the 12" in refusal(empty, tmp_path / "other", partial=True)


@pytest.mark.parametrize("path", [CSV, PICKLE, ZIP, "observations/example_raw_data.npz"])
@pytest.mark.parametrize("partial", [False, True])
def test_a_cut_off_file_is_refused(empty: Path, tmp_path: Path, path: str, partial: bool) -> None:
    release = make_release(tmp_path / "2030.1")
    whole = (release / path).read_bytes()
    for length in (0, len(whole) // 2):
        (release / path).write_bytes(whole[:length])
        assert path in refusal(empty, release, partial=partial)


def test_a_cut_off_file_in_a_bundle_is_refused(empty: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        for path in PATHS:
            whole = content(path, "first")
            archive.writestr(path, whole[:-3] if path == PICKLE else whole)
    assert PICKLE in refusal(empty, bundle)


def test_a_bundle_with_a_wrong_byte_is_refused(empty: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle.zip")
    damaged = bundle.read_bytes().replace(b"a,b\nfirst", b"a,b\nworst", 1)
    bundle.write_bytes(damaged)
    assert "checksum" in refusal(empty, bundle)


def test_a_cut_off_bundle_is_refused(empty: Path, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle.zip")
    whole = bundle.read_bytes()
    for length in range(0, len(whole), 997):
        bundle.write_bytes(whole[:length])
        refusal(empty, bundle)


def test_a_name_at_two_places_is_refused(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    shutil.copytree(release / "dgms", release / "old")
    said = refusal(empty, release)
    assert "dgms/psd_posterior.pickle" in said
    assert "old/psd_posterior.pickle" in said


class Listed:
    """A place that lists files and gives their bytes later."""

    kind, accepts, release, address = "listed", "", "2030.1", "https://example.org"

    def __init__(self, size: int) -> None:
        self.size = size

    def offers(self) -> list[Offer]:
        return [Offer(path, self.size, md5="0" * 32) for path in PATHS]

    def base_url(self, prefix: str) -> str:
        return f"https://example.org/{prefix}"


def test_a_listed_file_without_bytes_is_refused(empty: Path) -> None:
    with pytest.raises(AutomindError, match=f"{CSV} is empty"):
        run_import(empty, Listed(0))
    assert changes(empty) == []
    assert run_import(empty, Listed(1)).to_fetch == PATHS


def test_extra_files_are_listed_and_left(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    (release / "notes.txt").write_text("hello\n")
    (release / "assets").mkdir()
    (release / "assets" / "picture.png").write_bytes(b"png")
    report = run_import(empty, release)
    assert report.extra == ("assets/picture.png", "notes.txt")
    assert report.changed == PATHS
    assert not (empty / "datasets" / "notes.txt").exists()


def test_a_release_needs_a_name(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    for name in ("", "  ", "a\nb"):
        with pytest.raises(AutomindError, match="name"):
            run_import(empty, release, release=name)
    assert run_import(empty, release, release="v 3").release == "v 3"


def test_a_working_file_that_nothing_else_has_is_not_replaced(clone: Path, tmp_path: Path) -> None:
    dvc(clone, "pull", "-q")
    (clone / "datasets" / CSV).unlink()
    (clone / "datasets" / CSV).write_bytes(b"my own\nnumbers\n")
    before = snapshot(clone)
    with pytest.raises(AutomindError, match="nothing else has its bytes"):
        run_import(clone, make_release(tmp_path / "2031.1", "second"))
    assert snapshot(clone) == before


def test_a_working_file_that_the_cache_has_is_replaced(clone: Path, tmp_path: Path) -> None:
    dvc(clone, "pull", "-q")
    run_import(clone, make_release(tmp_path / "2031.1", "second"))
    assert (clone / "datasets" / CSV).read_bytes() == content(CSV, "second")


def test_a_cache_elsewhere_is_used(empty: Path, tmp_path: Path) -> None:
    dvc(empty, "config", "--local", "cache.dir", str(tmp_path / "big"))
    run_import(empty, make_release(tmp_path / "2030.1"))
    cache = Objects(tmp_path / "big" / "files" / "md5")
    assert len(list(cache)) == len(PATHS)
    assert not (empty / ".dvc" / "cache").exists()
    assert dvc(empty, "status", "-q") == ""


def test_a_damaged_object_in_the_cache_is_replaced(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    run_import(empty, release)
    cached = Objects(cache_objects(empty)).path(md5_of(release / CSV))
    cached.chmod(0o644)
    cached.write_bytes(b"short")
    run_import(empty, release)
    assert md5_of(cached) == md5_of(release / CSV)


def test_a_full_disk_is_said_before_anything_is_copied(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = make_release(tmp_path / "2030.1")
    usage = shutil.disk_usage(empty)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(AutomindError, match="has 100 bytes free"):
        run_import(empty, release)
    assert changes(empty) == []


def test_a_file_that_changes_while_it_is_read_is_refused(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    with importer.ReleaseImport(str(release), empty) as work:
        (release / CSV).write_bytes(content(CSV, "longer than before"))
        with pytest.raises(AutomindError, match="changed while it was read"):
            list(work.read())
    assert changes(empty) == []


def test_another_dvc_command_is_not_disturbed(empty: Path, tmp_path: Path) -> None:
    from dvc.repo import Repo

    release = make_release(tmp_path / "2030.1")
    with Repo(str(empty)).lock:
        said = refusal_of_lock(empty, release)
    assert "another DVC command" in said
    assert run_import(empty, release).changed == PATHS


def refusal_of_lock(clone: Path, release: Path) -> str:
    with pytest.raises(AutomindError) as caught:
        run_import(clone, release)
    return str(caught.value)


def test_progress_counts_all_bytes(empty: Path, tmp_path: Path) -> None:
    release = make_release(tmp_path / "2030.1")
    total = sum((release / path).stat().st_size for path in PATHS)
    with importer.ReleaseImport(str(release), empty) as work:
        events = list(work.read())
    assert [event["done"] for event in events] == sorted(event["done"] for event in events)
    assert events[-1]["done"] == total == events[-1]["total"]
    assert {event["path"] for event in events} == set(PATHS)


KILLED = """
import os, signal, sys
from automind_data.pinning import importer, local
real, left = importer.write_text, int(sys.argv[3])
def die():
    os.kill(os.getpid(), signal.SIGKILL)
def write_text(*arguments):
    global left
    if left == 0:
        die()
    left -= 1
    real(*arguments)
importer.write_text = local.write_text = write_text
with importer.ReleaseImport(sys.argv[1], sys.argv[2]) as work:
    for event in work.read():
        if left < 0 and event["path"] == importer.FILES[5].path:
            die()
    work.pin()
"""


@pytest.mark.parametrize("writes", [-1, 1, 2, 7])
def test_a_kill_is_mended_by_the_same_import(
    clone: Path, sample: Path, tmp_path: Path, writes: int
) -> None:
    """Killed while reading (-1), or at a write: config.local, config, twelve `.dvc` files."""
    release = make_release(tmp_path / "2031.1", "second")
    command = [sys.executable, "-c", KILLED, str(release), str(clone), str(writes)]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    new = [path for path in PATHS if pinned(clone, path).origin.release == "2031.1"]
    assert len(new) == max(0, writes - 2)
    assert push_remote(clone) == ("storage" if writes > 1 else "embedded")
    cache = Objects(cache_objects(clone))
    assert len(list(cache)) == (0 if writes < 0 else len(PATHS))
    assert len(list(cache.folder.parent.glob(".staging-*"))) == 1
    run_import(clone, release)
    git(tmp_path, "clone", "-q", sample.as_uri(), "whole")
    run_import(tmp_path / "whole", release)
    assert changes(clone) == changes(tmp_path / "whole")
    for name in changes(clone):
        assert (clone / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert list(cache.folder.parent.glob(".staging-*")) == []
    for path in PATHS:
        assert (clone / "datasets" / path).read_bytes() == content(path, "second")
