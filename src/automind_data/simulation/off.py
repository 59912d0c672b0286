"""What stands in place of runs where nothing is simulated."""

from __future__ import annotations

import shutil
from pathlib import Path

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_json

__all__ = ["RECORD", "switched_off"]

RECORD = "simulate.json"


def switched_off(out: str | Path) -> None:
    """Write a folder that says that nothing is simulated; a run folder becomes one.

    Raises
    ------
    AutomindError
        The folder holds something else.
    """
    path = Path(out)
    if (path / RECORD).exists():
        shutil.rmtree(path)
    elif path.exists() and any(path.iterdir()):
        raise AutomindError(path, "holds something else", "choose another folder")
    write_json(path / RECORD, {"status": "off"})
