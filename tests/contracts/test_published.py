"""Contracts about the published files and the archives."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from automind_data.common.archive import MEMBER_KINDS
from automind_data.common.errors import AutomindError
from automind_data.common.layout import FILES
from automind_data.contracts import Finding, check
from automind_data.contracts.inputs import Release, read_input
from automind_data.contracts.run import WITHOUT_POSTERIOR
from automind_data.contracts.subjects import ArchiveFile, NotDerived, Published, Refused
from tests.builders import LAYOUTS, write_archive, write_json, write_release_json, write_zip

PATHS = [file.path for file in FILES]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in PATHS:
        target = tmp_path / "datasets" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.encode())
    write_release_json(tmp_path, "made-up")
    return tmp_path


def held(root: Path) -> list[Finding]:
    release = read_input(root / "datasets" / "release.json", Release)
    return check(Published(file="release.json", folder=root / "datasets", release=release))


def ids(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.id, finding.file) for finding in findings]


def edit(root: Path, *files: dict[str, object]) -> None:
    write_json(root / "datasets" / "release.json", {"release": "made-up", "files": files})


def stated(root: Path) -> list[dict[str, object]]:
    release = read_input(root / "datasets" / "release.json", Release)
    return [msgspec.to_builtins(file) for file in release.files]


def test_a_whole_release_has_no_findings(root: Path) -> None:
    assert held(root) == []


def test_a_file_that_is_gone_is_an_error(root: Path) -> None:
    (root / "datasets" / PATHS[4]).unlink()
    (finding,) = held(root)
    assert (finding.id, finding.severity, finding.file) == ("file-missing", "error", PATHS[4])


def test_a_file_that_is_not_listed_is_an_error(root: Path) -> None:
    edit(root, *stated(root)[1:])
    assert ids(held(root)) == [("file-missing", PATHS[0])]


def test_a_file_that_is_listed_twice_is_an_error(root: Path) -> None:
    files = stated(root)
    edit(root, *files, files[2])
    (finding,) = held(root)
    assert (finding.id, finding.severity, finding.file) == ("file-twice", "error", PATHS[2])
    assert finding.count == 2


def test_a_file_outside_the_layout_is_a_hint(root: Path) -> None:
    files = stated(root)
    edit(root, *files, {**files[0], "path": "extra/notes.txt"})
    (finding,) = held(root)
    assert (finding.id, finding.severity) == ("file-unknown", "hint")
    assert finding.file == "extra/notes.txt"


@pytest.mark.parametrize(("data", "said"), [(b"other", "has 5 bytes where"), (None, "has md5")])
def test_a_file_that_is_not_as_stated_is_an_error(
    root: Path, data: bytes | None, said: str
) -> None:
    path = root / "datasets" / PATHS[7]
    path.write_bytes(path.read_bytes().swapcase() if data is None else data)
    (finding,) = held(root)
    assert (finding.id, finding.severity, finding.file) == ("file-changed", "error", PATHS[7])
    assert said in finding.message


def test_files_of_another_release_are_a_warning(root: Path) -> None:
    files = stated(root)
    for place in (1, 3):
        files[place]["release"] = "older"
    edit(root, *files)
    (finding,) = held(root)
    assert (finding.id, finding.severity, finding.count) == ("mixed-releases", "warning", 2)
    assert finding.message == "2 of 12 files are of older, not of made-up"
    assert [example["file"] for example in finding.examples] == [PATHS[1], PATHS[3]]


def test_a_release_file_of_another_form_is_refused(root: Path) -> None:
    write_json(root / "datasets" / "release.json", {"release": "x", "files": [{"path": 3}]})
    with pytest.raises(AutomindError, match="agreed form"):
        held(root)


def archive(path: Path, needs: tuple[str, ...] = tuple(MEMBER_KINDS)) -> list[Finding]:
    return check(ArchiveFile(file=path.name, path=path, needs=needs))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_archive_in_any_layout_holds_what_it_should(tmp_path: Path, layout: str) -> None:
    path = write_archive(tmp_path / "synthetic.zip", batch_seed=3, n_pcs=2, layout=layout)
    left_out = [] if layout != "macos" else ["members-left-out"]
    assert [finding.id for finding in archive(path)] == left_out


@pytest.mark.parametrize("kind", MEMBER_KINDS)
def test_a_kind_of_member_that_is_missing_is_an_error(tmp_path: Path, kind: str) -> None:
    names = {MEMBER_KINDS[other].replace("*", "1") for other in MEMBER_KINDS if other != kind}
    path = write_zip(tmp_path / "synthetic.zip", dict.fromkeys(sorted(names), b"x"))
    (finding,) = archive(path)
    assert (finding.id, finding.severity) == ("member-missing", "error")
    assert MEMBER_KINDS[kind] in finding.message


def test_training_needs_no_posterior(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=2)
    assert archive(path, WITHOUT_POSTERIOR) == []


@pytest.mark.parametrize(
    ("kind", "id_", "severity"),
    [
        ("table", "several-batches", "info"),
        ("prior", "several-batches", "info"),
        ("posterior", "posterior-twice", "error"),
        ("default params", "several-batches", "info"),
        ("analysis params", "several-batches", "info"),
    ],
)
def test_several_members_of_a_kind(tmp_path: Path, kind: str, id_: str, severity: str) -> None:
    names = [pattern.replace("*", "1") for pattern in MEMBER_KINDS.values()]
    names.append(MEMBER_KINDS[kind].replace("*", "sub/2"))
    path = write_zip(tmp_path / "synthetic.zip", dict.fromkeys(names, b"x"))
    (finding,) = archive(path)
    assert (finding.id, finding.severity, finding.count) == (id_, severity, 2)
    assert [Path(str(example["member"])).name[0] for example in finding.examples] == ["1", "2"]


def test_an_archive_that_is_refused_is_one_error(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "synthetic.zip", {"../x": b"", "/y": b"", "z": b""})
    (finding,) = archive(path)
    assert (finding.id, finding.severity, finding.count) == ("archive-refused", "error", 2)
    assert "leaves its folder" in finding.message
    assert len(finding.examples) == 2


def test_what_could_not_be_checked_is_an_error() -> None:
    (finding,) = check(NotDerived(file="a.zip", output="derived/tables/a.parquet"))
    assert (finding.id, finding.severity) == ("not-derived", "error")
    assert "derived/tables/a.parquet is not there" in finding.message
    (finding,) = check(Refused(file="a.zip", sentence="is odd"))
    assert (finding.id, finding.severity, finding.message) == ("refused", "error", "is odd")
