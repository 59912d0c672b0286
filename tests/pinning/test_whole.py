"""Cheap signs that a file is not whole."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from automind_data.pinning.whole import what_is_missing
from tests.scratch import PATHS, content

BY_SUFFIX = {Path(path).suffix: path for path in PATHS}


@pytest.mark.parametrize("path", PATHS)
def test_whole_files_pass(tmp_path: Path, path: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content(path, "mark"))
    assert what_is_missing(file, path) is None


@pytest.mark.parametrize("suffix", sorted(BY_SUFFIX))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off_files_do_not(tmp_path: Path, suffix: str, share: float) -> None:
    whole = content(BY_SUFFIX[suffix], "mark")
    file = tmp_path / "file"
    file.write_bytes(whole[: int(len(whole) * share)])
    assert what_is_missing(file, BY_SUFFIX[suffix])


@pytest.mark.parametrize("suffix", sorted(BY_SUFFIX))
def test_nothing_and_web_pages_do_not(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert what_is_missing(file, BY_SUFFIX[suffix]) == "is empty"
    file.write_bytes(b"\n<!DOCTYPE html><title>Sign in</title>\n")
    assert what_is_missing(file, BY_SUFFIX[suffix]) == "is a web page"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    whole = pickle.dumps({"a": [1.5, "x" * 300, b"." * 300]}, protocol)
    file = tmp_path / "a.pickle"
    for length in range(1, len(whole)):
        file.write_bytes(whole[:length])
        assert what_is_missing(file, file.name), length
    file.write_bytes(whole)
    assert what_is_missing(file, file.name) is None


def test_an_npz_with_a_wrong_byte(tmp_path: Path) -> None:
    whole = bytearray(content(BY_SUFFIX[".npz"], "mark"))
    whole[whole.index(b"mark", whole.index(b"\x93NUMPY"))] ^= 1
    file = tmp_path / "a.npz"
    file.write_bytes(whole)
    assert "checksum" in str(what_is_missing(file, file.name))
