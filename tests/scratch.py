"""Small clones of this repository and small made-up releases, for tests that change them."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.common.layout import FILES
from automind_data.origins import Origin
from automind_data.origins.figshare import FigshareOrigin
from automind_data.pinning.importer import ReleaseImport, Report
from automind_data.web import Client, Patience

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
TRACKED = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitattributes", ".gitignore")
PATHS = tuple(file.path for file in FILES)


def content(path: str, mark: str) -> bytes:
    """Bytes of the right kind for a published path; `mark` makes them differ."""
    buffer = io.BytesIO()
    suffix = Path(path).suffix
    if suffix == ".zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            member = zipfile.ZipInfo(f"{Path(path).stem}/table.csv", (2026, 1, 1, 0, 0, 0))
            archive.writestr(member, f"a,b\n{mark},{path}\n")
    elif suffix == ".pickle":
        pickle.dump({"mark": mark, "path": path}, buffer)
    elif suffix == ".npz":
        np.savez(buffer, mark=np.frombuffer(mark.encode(), dtype=np.uint8))
    else:
        end = "\r\n" if "allenvc" in path else "\n"
        buffer.write(f"a,b{end}{mark},{path}{end}".encode())
    return buffer.getvalue()


def make_release(folder: Path, mark: str = "first", flat: bool = False) -> Path:
    """Write the twelve published files into a new folder."""
    for path in PATHS:
        target = folder / (Path(path).name if flat else path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content(path, mark))
    return folder


def make_bundle(file: Path, top: str = "", mark: str = "first") -> Path:
    """Write the twelve published files into a zip, below `top`."""
    with zipfile.ZipFile(file, "w") as archive:
        for path in PATHS:
            archive.writestr(f"{top}{path}", content(path, mark))
    return file


def make_clone(folder: Path) -> Path:
    """Make a git repository with this one's DVC settings and nothing imported."""
    ignored = [path.relative_to(ROOT) for path in sorted((ROOT / "datasets").rglob(".gitignore"))]
    for name in (*TRACKED, *ignored):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    config = (
        (folder / ".dvc" / "config").read_text().replace("remote = storage", "remote = embedded")
    )
    (folder / ".dvc" / "config").write_text(config)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "start")
    return folder


def sh(folder: Path, *command: str, check: bool = True) -> str:
    """Run a command in a folder and return what it prints; stderr comes last."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, whatever the machine's own settings are."""
    return sh(folder, "git", "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments)


def dvc(folder: Path, *arguments: str, check: bool = True) -> str:
    """Run DVC."""
    return sh(folder, "dvc", *arguments, check=check)


def commit(folder: Path, message: str) -> str:
    """Commit everything; return the commit."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD").strip()


def changes(folder: Path) -> list[str]:
    """What `git status` lists, without its marks."""
    listed = git(folder, "status", "--porcelain", "--untracked-files=all").splitlines()
    return sorted(line[3:] for line in listed)


def run_import(clone: Path, source: Path | str | Origin, **options: Any) -> Report:
    """Import, all steps."""
    source = str(source) if isinstance(source, Path) else source
    with ReleaseImport(source, clone, **options) as work:
        for _ in work.read():
            pass
        return work.pin()


def quick_figshare(source: str) -> FigshareOrigin:
    """An article that is asked without pauses; the environment says where figshare is."""
    return FigshareOrigin(source, Client(Patience(interval=0, tries=1)))


def tracked_text(folder: Path) -> dict[str, str]:
    """What git would keep below `datasets/` and `.dvc/`: path → text."""
    listed = git(
        folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "datasets", ".dvc"
    )
    names = [name for name in listed.split("\0") if name]
    return {name: (folder / name).read_text() for name in names if (folder / name).exists()}


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a clone but git's and DVC's own records."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".git", "tmp"} & set(path.relative_to(folder).parts)
    }
