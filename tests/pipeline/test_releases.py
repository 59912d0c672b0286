"""The releases in this repository's history are what `datasets/RELEASES.md` says."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest

from automind_data.common.layout import FILES
from tests.conftest import ROOT, run

TABLE = (ROOT / "datasets" / "RELEASES.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.splitlines()
    if re.match(r"\| \d", line)
]
if run("git", "rev-parse", "--is-shallow-repository", cwd=ROOT).stdout.strip() == "true":
    pytest.skip("the history of this clone is cut off", allow_module_level=True)


def commit(row: list[str]) -> str:
    return row[1].strip("`")


def pins(revision: str) -> dict[str, str]:
    said = run("git", "show", f"{revision}:datasets/release.json", cwd=ROOT).stdout
    return {file["path"]: file["md5"] for file in json.loads(said)["files"]}


@pytest.mark.parametrize("row", ROWS, ids=commit)
def test_a_release_is_a_commit_that_tracks_it(row: list[str]) -> None:
    run("git", "merge-base", "--is-ancestor", commit(row), "HEAD", cwd=ROOT)
    listed = run("git", "ls-tree", "-r", "--name-only", commit(row), cwd=ROOT).stdout.split()
    assert {f"datasets/{file.path}.dvc" for file in FILES} | {"dvc.lock"} <= set(listed)
    said = json.loads(run("git", "show", f"{commit(row)}:datasets/release.json", cwd=ROOT).stdout)
    assert row[0].split()[0] == said["release"]
    assert ("sample data" in row[0]) == said["sample"]


def test_newest_first_and_the_working_tree_is_the_newest() -> None:
    names = [row[0] for row in ROWS]
    assert names == sorted(names, reverse=True) and len(names) >= 2
    said = json.loads((ROOT / "datasets" / "release.json").read_text(encoding="utf-8"))
    if said["kind"] == "sample release":
        assert pins(commit(ROWS[0])) == pins("HEAD")


@pytest.mark.parametrize(("new", "old"), list(pairwise(ROWS)))
def test_what_changed_names_every_changed_file(new: list[str], old: list[str]) -> None:
    after, before = pins(commit(new)), pins(commit(old))
    changed = {path.split("/")[-1] for path in after if after[path] != before[path]}
    names = {file.path.split("/")[-1] for file in FILES}
    leading = re.findall(r"(?:^|\. )`([^`]+)`: ", new[3])
    assert set(leading) == changed <= names
