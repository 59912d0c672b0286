"""Running the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from automind_data.common.command import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def automind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """`automind("unpack", zip, folder)` → exit code, stdout, stderr."""

    def run(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["automind-data", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        else:
            code = 0
        return Done(code, *capsys.readouterr())

    return run
