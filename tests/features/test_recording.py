"""Reading recordings: what is published, what users have, and what is refused."""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automind_data.common.errors import AutomindError
from automind_data.features import Recording, read_recording
from tests.features.recordings import bursting, write_npz


def refusal(path: Path, **given: Any) -> str:
    with pytest.raises(AutomindError) as caught:
        read_recording(path, **given)
    said = str(caught.value)
    assert said.startswith(f"{path}:") and "; next: " in said and "\n" not in said
    return said


def test_as_published(tmp_path: Path) -> None:
    spikes = [np.array([12500.0, 25000]), None, np.array([]), np.array([6250], np.int64)]
    made = read_recording(write_npz(tmp_path / "a.npz", spikes))
    assert (made.name, made.t_end, made.absent) == ("mine.mat", 60.0, 1)
    assert made.cells == ("0", "2", "3")
    assert made.times.tolist() == [1.0, 2.0, 0.5] and made.offsets.tolist() == [0, 2, 2, 3]


@pytest.mark.parametrize("protocol", [3, 4])
def test_the_pickle_protocols_of_numpy(tmp_path: Path, protocol: int) -> None:
    array = np.empty(4, dtype=object)
    array[:] = [*bursting(cells=3), None]
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (4,), }".ljust(117) + b"\n"
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
    np.savez(tmp_path / "a.npz", t_end=60.0, fs=12500)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("spikes.npy", head + text + pickle.dumps(array, protocol))
    made = read_recording(tmp_path / "a.npz")
    wanted = Recording.from_arrays(list(array), 60.0, fs=12500)
    assert made.absent == 1 and made.times.tolist() == wanted.times.tolist()


def test_flat_arrays_and_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", spikes=[1.0, 2, 3], offsets=[0, 1, 3], t_end=5.0, fs=1)
    made = read_recording(tmp_path / "a.npz")
    assert (made.name, made.offsets.tolist()) == ("a", [0, 1, 3])
    np.savez(tmp_path / "b.npz", spikes=[[1.0, 2], [3, 4]], t_end=5.0, fs=1)
    assert read_recording(tmp_path / "b.npz").offsets.tolist() == [0, 2, 4]
    np.savez(tmp_path / "c.npz", spikes=[1.0, 2], t_end=5.0, fs=1)
    assert "without saying whose they are" in refusal(tmp_path / "c.npz")
    for offsets in ([0, 3], [1, 2], [0, 2, 1, 2], [0.0, 2.0], []):
        np.savez(tmp_path / "d.npz", spikes=[1.0, 2], offsets=offsets, t_end=5.0, fs=1)
        assert "offsets that do not fit" in refusal(tmp_path / "d.npz")


def test_end_and_sampling_rate_can_be_given(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "a.npz", [np.array([100.0, 200.0])], t_end=None, fs=None)
    made = read_recording(path, t_end=4.0, fs=100.0)
    assert (made.t_end, made.times.tolist()) == (4.0, [1.0, 2.0])


TWO = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("spikes", "others", "said"),
    [
        ([], {}, "holds no spike, features need more"),
        ([np.array([]), None], {}, "holds no spike, features need more"),
        ([np.array([5.0])], {}, "holds one spike, features need more"),
        ([TWO, np.array([3.0, 2.0])], {}, "has spike times of cell 1 that are not sorted"),
        ([TWO, np.array([-3.0, 2.0])], {}, "has a negative spike time in cell 1"),
        ([TWO, np.array([3.0, np.nan])], {}, "has a spike time that is not finite in cell 1"),
        ([TWO, np.array([3.0, np.inf])], {}, "has a spike time that is not finite in cell 1"),
        ([TWO, np.array([]), TWO * 1e6], {}, "has a spike at 80 s in cell 2, past its end at 60 s"),
        ([TWO, np.array(["early"])], {}, "holds no plain list of numbers for cell 1"),
        ([TWO, "early"], {}, "holds no plain list of numbers for cell 1"),
        ([TWO, np.ones((2, 2))], {}, "holds no plain list of numbers for cell 1"),
        ([TWO, np.array([True, True])], {}, "holds no plain list of numbers for cell 1"),
        ([TWO], {"fs": None}, "has no sampling rate (fs); next: add it, or give"),
        ([TWO], {"t_end": None}, "has no end time (t_end); next: add it, or give"),
        ([TWO], {"fs": 0}, "has 0 as its sampling rate (fs)"),
        ([TWO], {"fs": "fast"}, "has a sampling rate (fs) that is no number"),
        ([TWO], {"fs": np.nan}, "has nan as its sampling rate (fs)"),
        ([TWO], {"t_end": -1.0}, "has -1 as its end time (t_end)"),
        ([TWO], {"t_end": [1.0, 2.0]}, "has a end time (t_end) that is no number"),
    ],
)
def test_a_bad_recording_is_refused_in_a_sentence(
    tmp_path: Path, spikes: list[Any], others: dict[str, Any], said: str
) -> None:
    assert said in refusal(write_npz(tmp_path / "bad.npz", spikes, **others))


def test_a_file_that_is_no_recording(tmp_path: Path) -> None:
    assert "is not there" in refusal(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_text("spikes")
    refusal(tmp_path / "a.npz")
    (tmp_path / "a.mat").write_text("spikes")
    assert "is a .mat file, recordings are .npz or .nwb" in refusal(tmp_path / "a.mat")
    np.savez(tmp_path / "b.npz", t_end=5.0, fs=1)
    assert "has no spikes" in refusal(tmp_path / "b.npz")
    whole = write_npz(tmp_path / "c.npz", bursting()).read_bytes()
    for size in (10, len(whole) // 2, len(whole) - 30):
        (tmp_path / "cut.npz").write_bytes(whole[:size])
        refusal(tmp_path / "cut.npz")
    with zipfile.ZipFile(tmp_path / "d.npz", "w") as file:
        file.writestr("spikes.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': 'x'}  ")
    assert "has a header that describes no array" in refusal(tmp_path / "d.npz")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


def test_nothing_in_a_recording_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_npz(tmp_path / "evil.npz", [TWO, Evil()])
    assert ".system at byte" in refusal(path)
    assert not (tmp_path / "owned").exists()


def test_arrays_in_memory() -> None:
    made = Recording.from_arrays({"a": [0.5, 1.5], "b": None, "c": []}, 2.0, "mine")
    assert (made.name, made.cells, made.absent, made.spikes) == ("mine", ("a", "c"), 1, 2)
    with pytest.raises(AutomindError, match=r"mine: has a spike at 1\.5 s in cell a, past"):
        Recording.from_arrays({"a": [0.5, 1.5]}, 1.0, "mine")
    with pytest.raises(AutomindError, match="holds no plain list of numbers for cell 0"):
        Recording.from_arrays([[[1.0], [2.0, 3.0]]], 5.0)


def write_nwb(path: Path, spikes: list[Any] | None, interval: list[float] | None) -> Path:
    from pynwb import NWBHDF5IO, NWBFile

    file = NWBFile("a recording", "session_7", datetime(2026, 1, 1, tzinfo=UTC))
    for times in spikes or []:
        more = {} if interval is None else {"obs_intervals": [interval]}
        file.add_unit(spike_times=times, **more)
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return path


def test_an_nwb_units_table(tmp_path: Path) -> None:
    cells = [each / 12500 for each in bursting(cells=4)]
    path = write_nwb(tmp_path / "a.nwb", [*cells, np.array([])], [0.0, 60.0])
    made, wanted = read_recording(path), Recording.from_arrays([*cells, []], 60.0)
    assert (made.name, made.t_end, made.cells) == ("session_7", 60.0, wanted.cells)
    assert made.times.tolist() == wanted.times.tolist()
    assert made.offsets.tolist() == wanted.offsets.tolist()


def test_an_nwb_file_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nwb(tmp_path / "a.nwb", [[1.0, 2.0]], None)
    assert "does not state when the recording ended" in refusal(path)
    assert read_recording(path, t_end=3.0).t_end == 3.0
    assert "has no units table" in refusal(write_nwb(tmp_path / "b.nwb", None, None))
    (tmp_path / "c.nwb").write_text("spikes")
    assert "is no NWB file" in refusal(tmp_path / "c.nwb")
    monkeypatch.setitem(sys.modules, "pynwb", None)
    assert "pip install 'automind-data[nwb]'" in refusal(path)
