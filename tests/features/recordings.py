"""Recordings for the tests: written as published, and small ones with known features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.features import Recording


def write_npz(path: Path, spikes: Sequence[Any], **others: Any) -> Path:
    """Save a recording as the release does: object array, sample indices."""
    array = np.empty(len(spikes), dtype=object)
    array[:] = list(spikes)
    held = {"t_end": 60.0, "fs": 12500, "recording_name": "mine.mat", **others}
    held = {key: value for key, value in held.items() if value is not None}
    np.savez(path, spikes=array, **held)
    return path


def bursting(cells: int = 20, t_end: float = 60.0, seed: int = 0) -> list[Any]:
    """Sample indices at 12.5 kHz of cells that burst together every few seconds."""
    random = np.random.default_rng(seed)
    starts = np.arange(2.0, t_end - 3, 4.0) + random.uniform(0, 1, len(np.arange(2, t_end - 3, 4)))
    spikes = []
    for _ in range(cells):
        inside = [start + random.exponential(0.15, 15) for start in starts]
        times = np.concatenate([*inside, random.uniform(0, t_end, 30)])
        spikes.append(np.sort(np.round(times[times < t_end] * 12500)))
    return spikes


def written_down() -> Recording:
    """The recording that can be written down in three lines, 30.1 s of ten cells."""
    starts = (3.0, 8.5, 13.0, 19.25, 24.0, 27.75)
    cells = []
    for cell in range(8):
        times = [
            start + 0.03 * step + 0.004 * cell + 0.0001
            for number, start in enumerate(starts)
            for step in range(8 + (3 * number) % 5 + cell % 3)
        ]
        times += [0.5 + 6.1 * number + 0.37 * cell for number in range(5)]
        rounded = np.round(np.sort(times), 4)
        cells.append(rounded[rounded < 30.1])
    return Recording.from_arrays([*cells, [1.0, 2.0], []], 30.1)
