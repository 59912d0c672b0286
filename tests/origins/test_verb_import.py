"""`automind-data import` as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from automind_data.cli.verb_import import command
from tests.scratch import PATHS, changes, make_clone, make_release


def typed(clone: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "automind_data", "import", *map(str, arguments)],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_user_reads(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    release = make_release(tmp_path / "download")
    for number in range(12):
        (release / f"note{number:02}.txt").write_text("hello\n")
    done = typed(clone / "datasets", release, "--release", "2030.1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("release 2030.1 (folder)\n")
    for path in PATHS:
        assert f"  pinned   {path}\n" in done.stdout
    assert done.stdout.count("  skipped  note") == 10
    assert "  skipped  2 more\n" in done.stdout
    assert "next: dvc repro" in done.stdout
    again = CliRunner().invoke(command, [str(release), "--root", str(clone)])
    assert again.exit_code == 0
    assert again.stdout.count("  same     ") == len(PATHS)
    assert "nothing that git tracks has changed" in again.stdout


def test_a_refusal_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    clone = make_clone(tmp_path / "clone")
    release = make_release(tmp_path / "2030.1")
    (release / PATHS[0]).write_bytes(b"")
    for arguments in ([release], [tmp_path / "nowhere"], [release, "--root", tmp_path]):
        done = typed(clone, *arguments)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("automind-data: ")
        assert "; next: " in done.stderr
        assert done.stderr.count("\n") == 1
    assert changes(clone) == []


def test_wrong_use_is_exit_code_2(tmp_path: Path) -> None:
    assert typed(tmp_path).returncode == 2
    assert typed(tmp_path, "a", "--colour").returncode == 2
