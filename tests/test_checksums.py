"""Checksum files: what md5sum writes is read, everything else is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.files import md5_of
from automind_data.origins.checksums import parse_md5sums

A, B = "a" * 32, "b" * 32


def test_what_md5sum_itself_writes(tmp_path: Path) -> None:
    for name in ("dgms/a.pickle", "tables/b c.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    for options in ("", "--binary"):
        command = f"md5sum {options} */* > MD5SUMS"
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        found = parse_md5sums((tmp_path / "MD5SUMS").read_text(), "MD5SUMS")
        assert found == {name: md5_of(tmp_path / name) for name in found}
        assert set(found) == {"dgms/a.pickle", "tables/b c.csv"}


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  x/a\n{B}  b\n",
        f"{A} *x/a\n{B} *b\n",
        f"{A}  ./x/a\r\n{B}  ././b\r\n",
        f"{A.upper()}  x/a\n\n{B}  b",
        f"\ufeff{A}  x/a\n{B}  b\n{A}  x/a\n{B}  MD5SUMS\n",
    ],
)
def test_the_same_two_files(text: str) -> None:
    assert parse_md5sums(text, "MD5SUMS") == {"x/a": A, "b": B}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lists no file"),
        (f"{A}  MD5SUMS\n", "lists no file"),
        (f"{A}  x\n<html>\n", "line 2 is not a line of md5sum"),
        (f"{A} x\n", "line 1 is not a line of md5sum"),
        (f"{A[:-1]}  x\n", "line 1 is not"),
        (f"{A}a  x\n", "line 1 is not"),
        (f"MD5 (x) = {A}\n", "line 1 is not"),
        (f"\\{A}  a\\nb\n", "line 1 is not"),
        (f"{A}  x\n{B}  ./x\n", "lists x with two checksums"),
        (f"{A}  ../x\n", r"names '\.\./x', which is no path in the folder"),
        (f"{A}  a/../../x\n", "no path in the folder"),
        (f"{A}  /etc/passwd\n", "no path in the folder"),
        (f"{A}  a//x\n", "no path in the folder"),
        (f"{A}  a\\..\\x\n", "no path in the folder"),
        (f"{A}  a\x1bx\n", "no path in the folder"),
        (f"{A}  .\n", "no path in the folder"),
        (f"{A}  a/\n", "no path in the folder"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(AutomindError, match=said) as refused:
        parse_md5sums(text, "here/MD5SUMS")
    assert str(refused.value).startswith("here/MD5SUMS: ")
    assert "md5sum */* > MD5SUMS" in refused.value.next_step
