"""Raw recordings: spike times of each channel, read from files that nobody has to trust."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from automind_data.common.errors import AutomindError

__all__ = ["Recording", "read_recording"]

NEXT = "correct the recording; docs/recordings.md says what it holds"
KEYS = ("spikes", "t_end", "fs")


@dataclass(frozen=True)
class Recording:
    """Spike times of the cells (or channels) of one population.

    Make one with `from_arrays` or `read_recording`, which check it.

    Attributes
    ----------
    name
        What it is called; the key `x_o` of its observation.
    t_end
        Its end, s.
    times, offsets
        Sorted spike times of cell i are `times[offsets[i]:offsets[i + 1]]`, s.
    cells
        What each cell is called.
    absent
        How many channels were recorded from but left out, as `None` in the published file.
    """

    name: str
    t_end: float
    times: NDArray[np.float64]
    offsets: NDArray[np.int64]
    cells: tuple[str, ...]
    absent: int = 0

    @classmethod
    def from_arrays(
        cls,
        spikes: Mapping[Any, ArrayLike | None] | Sequence[ArrayLike | None],
        t_end: float,
        name: str = "recording",
        fs: float = 1.0,
        file: str | Path | None = None,
    ) -> Recording:
        """Make a recording of plain arrays.

        Parameters
        ----------
        spikes
            For each cell its sorted spike times, as a sequence or by name. None: no such
            cell; it is left out, where an empty one counts as silent.
        t_end
            End of the recording, s.
        name
            What to call it.
        fs
            Spike times are divided by this: 1 for seconds, the sampling rate in Hz for
            sample indices.
        file
            What an error names, if not `name`.

        Raises
        ------
        AutomindError
            Times are no finite numbers, negative, not sorted, or past the end; there are
            fewer than two spikes; `t_end` or `fs` is not positive.

        Examples
        --------
        >>> recording = Recording.from_arrays([[0.5, 1.25], [], None], t_end=2.0)
        >>> recording.cells, recording.times
        (('0', '1'), array([0.5 , 1.25]))
        """
        said = file if file is not None else name
        end, rate = _positive(said, "t_end", t_end), _positive(said, "fs", fs)
        named = spikes.items() if isinstance(spikes, Mapping) else enumerate(spikes)
        kept: dict[str, NDArray[np.float64]] = {}
        absent = 0
        for cell, values in named:
            if values is None:
                absent += 1
            else:
                kept[str(cell)] = _times(said, str(cell), values) / rate
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in kept.values()])])
        times = np.concatenate([*kept.values(), np.zeros(0)])
        made = cls(name, end, times, offsets.astype(np.int64), tuple(kept), absent)
        made._check(said)
        return made

    @property
    def spikes(self) -> int:
        """How many spikes there are."""
        return len(self.times)

    def _check(self, said: str | Path) -> None:
        if self.spikes < 2:
            found = "one spike" if self.spikes else "no spike"
            raise AutomindError(said, f"holds {found}, features need more", NEXT)
        late = np.flatnonzero(self.times > self.t_end)
        if late.size:
            cell = self.cells[int(np.searchsorted(self.offsets, late[0], side="right")) - 1]
            rule = (
                f"has a spike at {self.times[late[0]]:g} s in cell {cell}, past its end at"
                f" {self.t_end:g} s"
            )
            raise AutomindError(said, rule, NEXT)


def _positive(said: str | Path, key: str, value: Any) -> float:
    what = {"t_end": "end time", "fs": "sampling rate"}[key]
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiu":
        rule = f"has a {what} ({key}) that is no number"
        raise AutomindError(said, rule, NEXT)
    number = float(array.reshape(-1)[0])
    if not (np.isfinite(number) and number > 0):
        raise AutomindError(said, f"has {number:g} as its {what} ({key})", NEXT)
    return number


def _times(said: str | Path, cell: str, values: Any) -> NDArray[np.float64]:
    try:
        array = np.atleast_1d(np.asarray(values))
    except ValueError:
        array = np.empty(0, dtype=object)
    if not array.size and array.dtype.kind != "O":
        return np.zeros(0)
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        raise AutomindError(said, f"holds no plain list of numbers for cell {cell}", NEXT)
    times = array.astype(np.float64)
    if not np.isfinite(times).all():
        raise AutomindError(said, f"has a spike time that is not finite in cell {cell}", NEXT)
    if times.min() < 0:
        raise AutomindError(said, f"has a negative spike time in cell {cell}", NEXT)
    if (np.diff(times) < 0).any():
        raise AutomindError(said, f"has spike times of cell {cell} that are not sorted", NEXT)
    return times


def read_recording(
    path: str | Path, t_end: float | None = None, fs: float | None = None
) -> Recording:
    """Read a recording from a file; nothing in it is executed.

    Parameters
    ----------
    path
        An `.npz` with `spikes` (for each channel sample indices, or None; or a flat array
        with `offsets`), `fs` (Hz), `t_end` (s) and perhaps `recording_name`; or an `.nwb`
        with a units table, which needs the extra `nwb`.
    t_end, fs
        In place of what the file states, or where it states none.

    Raises
    ------
    AutomindError
        The file is not there, is refused, lacks something, or breaks a rule of
        `Recording.from_arrays`.
    """
    path = Path(path)
    if not path.is_file():
        raise AutomindError(path, "is not there", "check the path")
    match path.suffix.lower():
        case ".npz":
            return _from_npz(path, t_end, fs)
        case ".nwb":
            return _from_nwb(path, t_end)
        case other:
            rule = f"is a {other or 'nameless'} file, recordings are .npz or .nwb"
            raise AutomindError(path, rule, "convert it first; docs/recordings.md shows how")


def _from_npz(path: Path, t_end: float | None, fs: float | None) -> Recording:
    from automind_data.pickles.confined import read_npz

    try:
        held = read_npz(path)
    except AutomindError as error:
        step = "save it with numpy.savez; docs/recordings.md says what it holds"
        raise AutomindError(error.file, error.rule, step) from None
    stated = {"t_end": t_end, "fs": fs}
    held |= {key: np.asarray(value) for key, value in stated.items() if value is not None}
    for key in KEYS:
        if key not in held:
            what = {"fs": "sampling rate (fs)", "t_end": "end time (t_end)"}.get(key, key)
            option = f"--{key.replace('_', '-')}"
            step = NEXT if key == "spikes" else f"add it, or give `automind-data features` {option}"
            raise AutomindError(path, f"has no {what}", step)
    spikes: Any = held["spikes"]
    if "offsets" in held:
        spikes = _split(path, spikes, held["offsets"])
    elif isinstance(spikes, np.ndarray) and spikes.ndim != 2:
        rule = "has spikes as one flat array without saying whose they are"
        raise AutomindError(path, rule, "add offsets, or save one array for each channel")
    name = held.get("recording_name")
    text = str(name.reshape(-1)[0]) if isinstance(name, np.ndarray) and name.size == 1 else ""
    return Recording.from_arrays(
        list(spikes), float(_positive(path, "t_end", held["t_end"])), text or path.stem,
        _positive(path, "fs", held["fs"]), path,
    )  # fmt: skip


def _split(path: Path, spikes: Any, offsets: Any) -> Iterable[Any]:
    flat, at = np.asarray(spikes), np.asarray(offsets)
    plain = flat.ndim == 1 and at.ndim == 1 and at.dtype.kind in "iu" and at.size > 0
    if not plain or at[0] != 0 or at[-1] != len(flat) or (np.diff(at.astype(np.int64)) < 0).any():
        raise AutomindError(path, "has offsets that do not fit its spikes", NEXT)
    return [flat[begin:end] for begin, end in pairwise(at.tolist())]


def _from_nwb(path: Path, t_end: float | None) -> Recording:
    try:
        from pynwb import NWBHDF5IO
    except ImportError:
        step = "pip install 'automind-data[nwb]'"
        raise AutomindError(path, "needs the package pynwb to be read", step) from None
    try:
        io_ = NWBHDF5IO(str(path), "r")
    except OSError:
        raise AutomindError(path, "is no NWB file", "check the file") from None
    with io_:
        try:
            file = io_.read()
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise AutomindError(path, f"cannot be read as NWB ({reason})", "check it") from None
        units = file.units
        if units is None or "spike_times" not in units.colnames:
            raise AutomindError(path, "has no units table with spike_times", NEXT)
        if t_end is None:
            t_end = _nwb_end(path, units)
        spikes = {
            str(cell): np.asarray(units["spike_times"][row]) for row, cell in enumerate(units.id[:])
        }
        return Recording.from_arrays(spikes, t_end, str(file.identifier), file=path)


def _nwb_end(path: Path, units: Any) -> float:
    """Take the end of the recording from the units' observation intervals; never guess it."""
    if "obs_intervals" not in units.colnames:
        rule = "does not state when the recording ended (no obs_intervals in its units)"
        raise AutomindError(path, rule, "give `automind-data features` --t-end in s")
    ends = [float(np.asarray(part)[:, 1].max()) for part in units["obs_intervals"][:] if len(part)]
    if not ends:
        raise AutomindError(
            path, "has empty obs_intervals", "give `automind-data features` --t-end in s"
        )
    return max(ends)
