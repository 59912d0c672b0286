"""`automind-data unpack`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.builders import write_archive, write_zip

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_it_says_what_it_wrote_and_what_it_left_out(
    tmp_path: Path, automind: Callable[..., Any]
) -> None:
    held = {"a/x": b"12", "a/.DS_Store": b"1", "b/y": b"3"}
    path = write_zip(tmp_path / "z.zip", held)
    done = automind("unpack", path, tmp_path / "out")
    assert done.code == 0
    assert done.out == f"{tmp_path / 'out'}: 2 files, 3 bytes\nleft out: a/.DS_Store (1 in all)\n"
    assert done.err == ""
    assert (tmp_path / "out" / "a" / "x").read_bytes() == b"12"


def test_an_archive_that_leaves_its_folder_is_one_sentence(
    tmp_path: Path, automind: Callable[..., Any]
) -> None:
    path = write_zip(tmp_path / "z.zip", {"a/x": b"1", "a/../../evil": b"1"})
    done = automind("unpack", path, tmp_path / "out")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert done.err.startswith(f"automind-data: {path}: is refused: 'a/../../evil' leaves")
    assert "next: " in done.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["z.zip"]


@pytest.mark.parametrize("option", ["--max-members", "--max-bytes"])
def test_limits_can_be_given(tmp_path: Path, automind: Callable[..., Any], option: str) -> None:
    path = write_zip(tmp_path / "z.zip", {"a": b"1", "b": b"2"})
    assert automind("unpack", path, tmp_path / "out", option, "2").code == 0
    done = automind("unpack", path, tmp_path / "out", option, "1")
    assert done.code == 1
    assert "more than the limit of 1" in done.err


def test_limits_can_come_from_params(tmp_path: Path, automind: Callable[..., Any]) -> None:
    path = write_archive(tmp_path / "training.zip", batch_seed=3, n_pcs=1, rows=2)
    params = tmp_path / "params.yaml"
    params.write_text(PARAMS.read_text())
    assert automind("unpack", path, tmp_path / "out", "--params", params).code == 0
    lines = PARAMS.read_text().splitlines()
    small = ["  max_members: 2" if "max_members:" in line else line for line in lines]
    params.write_text("\n".join(small))
    done = automind("unpack", path, tmp_path / "out", "--params", params)
    assert done.code == 1
    assert "more than the limit of 2" in done.err


def test_params_and_limits_together_are_a_usage_error(
    tmp_path: Path, automind: Callable[..., Any]
) -> None:
    path = write_zip(tmp_path / "z.zip", {"a": b"1"})
    done = automind("unpack", path, tmp_path / "out", "--params", PARAMS, "--max-bytes", "5")
    assert done.code == 2
    assert not (tmp_path / "out").exists()
