"""Features of raw spikes, beside a straightforward implementation one cell at a time.

    python benchmarks/features.py [--json FILE] [--repeats N] [--recordings N]

Ten recordings of 200 s and 2,000 cells are made from a rate model: a common rate with
bursts, gamma-spread over cells, Poisson spikes. ISI, bursts and spectrum are compared
with numpy and SciPy used cell by cell, whose numbers must be the same; the PCA with the
covariance of the smoothed rates and its eigenvalues alone, on one thread and on two.
Runs alternate; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.features import Recording, Settings, compute_features
from automind_data.features.pca import pca_features
from automind_data.features.rates import gaussian, number_of_bins

SECONDS, CELLS, MEAN_RATE = 200.0, 2000, 4.0
SETTINGS = Settings()
FAMILIES = ("isi", "burst", "psd")
PEAK = """
import re, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from features import SETTINGS, FAMILIES, made
from automind_data.features import compute_features
for number in range(int(sys.argv[2])):
    compute_features(made(number), SETTINGS, families=[*FAMILIES, "pca"])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def made(seed: int, seconds: float = SECONDS, cells: int = CELLS) -> Recording:
    """Make one recording from a rate model with bursts every few seconds."""
    random = np.random.default_rng(seed)
    at = np.arange(0, seconds, 0.001)
    rate = np.full(len(at), 0.5)
    start = 1.0
    while start < seconds:
        rate += 40 * np.exp(-np.maximum(at - start, 0) / 0.3) * (at >= start)
        start += random.uniform(3, 7)
    cumulated = np.cumsum(rate)
    gains = random.gamma(4.0, 0.25, cells)
    spikes = []
    for gain in gains:
        number = random.poisson(MEAN_RATE * seconds * gain)
        chosen = np.sort(random.uniform(0, cumulated[-1], number))
        times = np.interp(chosen, cumulated, at)
        spikes.append(np.round(times, 4))
    return Recording.from_arrays(spikes, seconds, f"made {seed}")


def plain(cells: list[NDArray[np.float64]], t_end: float) -> dict[str, float]:
    """Compute ISI, bursts and spectrum by the definition, one cell at a time."""
    return isi_one_by_one(cells) | rate_features(cells, t_end)


def isi_one_by_one(cells: list[NDArray[np.float64]]) -> dict[str, float]:
    rows = []
    for times in cells:
        seen = times[times >= SETTINGS.analysis_window[0]]
        if len(seen) < SETTINGS.min_num_spikes:
            rows.append([len(seen)] + [np.nan] * 6)
            continue
        steps = np.diff(seen)
        quartiles = np.percentile(steps, [25, 50, 75])
        rows.append([len(seen), steps.mean(), steps.std(), *quartiles, steps.std() / steps.mean()])
    table = np.array(rows)
    names = ("numspks", "mean", "std", "25q", "50q", "75q", "cv")
    made = {f"isi_{name}_mu": each for name, each in zip(names, np.nanmean(table, 0), strict=True)}
    sigma = np.nanstd(table, axis=0, ddof=1)
    return made | {f"isi_{name}_sigma": each for name, each in zip(names, sigma, strict=True)}


def rate_features(cells: list[NDArray[np.float64]], t_end: float) -> dict[str, float]:
    from scipy import signal, stats

    step, chosen = SETTINGS.dt_poprate, SETTINGS
    frequency = 1 / step
    edges = np.arange(0, t_end + step, step) - step / 2
    counts, _ = np.histogram(np.concatenate(cells), edges)
    rate = counts / step / len(cells)
    window = signal.windows.gaussian(
        int(7 * chosen.smooth_std / step), int(chosen.smooth_std / step)
    )
    smooth = np.convolve(rate, window / window.sum(), "same")
    noise = np.random.RandomState(0)
    noisy = smooth + noise.normal(0, 1e-7, len(smooth))
    least = chosen.min_burst_height_ratio * smooth[int(1.1 * frequency) :].max()
    peaks, said = signal.find_peaks(
        noisy,
        distance=chosen.min_burst_distance * frequency,
        prominence=least,
        wlen=int(chosen.burst_wlen * frequency),
    )
    found = (said["prominences"], said["left_bases"], said["right_bases"])
    _, _, left, right = signal.peak_widths(noisy, peaks, chosen.burst_rel_height, found)
    at, heights = peaks / frequency, smooth[peaks]
    start, end, interval = left / frequency, right / frequency, np.diff(at)
    low, high = (int(each * frequency) for each in chosen.burst_win)
    kernels = [
        smooth[p + low : p + high] for p in peaks if p + low >= 0 and p + high <= len(smooth)
    ]
    pairs = np.corrcoef(kernels)[np.triu_indices(len(kernels), 1)]
    further, level = [], []
    for first, last, height in zip(start, end, heights, strict=True):
        piece = smooth[int(first * frequency) : int(last * frequency)]
        piece = piece + noise.normal(0, 1e-7, len(piece))
        inside, _ = signal.find_peaks(
            piece,
            prominence=(chosen.min_subpeak_prom_ratio or 0) * piece.max(),
            distance=frequency * chosen.min_subpeak_distance,
        )
        further.append(len(inside) - 1)
        level.append(piece.mean() / height)
    made = {"burst_num": float(len(peaks))}
    both = {
        "burst_interval": interval,
        "burst_peak_fr": heights,
        "burst_width": end - start,
        "burst_onset_time": at - start,
        "burst_offset_time": end - at,
        "burst_corr": pairs,
        "burst_numsubpeaks": np.array(further),
        "burst_mean_fr": np.array(level),
    }
    for name, values in both.items():
        made |= {f"{name}_mean": values.mean(), f"{name}_std": values.std()}
    made["burst_interval_cv"] = made["burst_interval_std"] / made["burst_interval_mean"]
    for name, beside in (("next", heights[1:]), ("prev", heights[:-1])):
        made[f"burst_corr_interval2{name}peak"] = stats.spearmanr(interval, beside).statistic
    length = int(frequency * chosen.nperseg_ratio)
    seen = rate[int(chosen.analysis_window[0] * frequency) :]
    overlap = int(length * chosen.noverlap_ratio)
    at_hz, power = signal.welch(seen, frequency, nperseg=length, noverlap=overlap)
    return made | {f"psd_{float(f)}": p for f, p in zip(at_hz, power, strict=True)}


def timed(task: Callable[[], Any]) -> float:
    """Return how many seconds a task took."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def cells_of(recording: Recording) -> list[NDArray[np.float64]]:
    return np.split(recording.times, recording.offsets[1:-1])


def agree(recording: Recording) -> float:
    """Return the largest relative difference between the two implementations."""
    ours = compute_features(recording, SETTINGS, families=FAMILIES).row
    theirs = plain(cells_of(recording), recording.t_end)
    assert set(ours) == set(theirs)
    return max(
        abs(ours[name] - value) / max(abs(value), 1e-300)
        for name, value in theirs.items()
        if ours[name] != value
    )


def row_features(recordings: int, repeats: int) -> list[dict[str, Any]]:
    """Time ISI, bursts and spectrum of all recordings, both ways in turn."""
    ours, theirs, largest = 0.0, 0.0, 0.0
    for number in range(recordings):
        recording = made(number)
        cells = cells_of(recording)
        times: tuple[list[float], list[float]] = ([], [])
        largest = max(largest, agree(recording))
        for _ in range(repeats):
            task = partial(compute_features, recording, SETTINGS, families=FAMILIES)
            times[0].append(timed(task))
            times[1].append(timed(partial(plain, cells, recording.t_end)))
        ours += statistics.median(times[0])
        theirs += statistics.median(times[1])
    return [
        {
            "name": f"ISI, bursts, spectrum of {recordings} recordings",
            "value": round(ours, 3),
            "unit": "s",
            "baseline": f"numpy and SciPy, cell by cell: {theirs:.2f} s",
            "ratio": round(theirs / ours, 2),
            "threads": 1,
            "n": repeats,
            "largest relative difference": float(f"{largest:.2g}"),
        }
    ]


def components(repeats: int) -> list[dict[str, Any]]:
    """Time the PCA beside the covariance and eigenvalues of rates that are there already.

    Each side on as many threads as the other.
    """
    from threadpoolctl import threadpool_limits

    recording, step, std = made(0), SETTINGS.pca_bin_width, SETTINGS.pca_smooth_std
    bins, window = number_of_bins(SECONDS, step), gaussian(std, step)
    edges = np.arange(0, SECONDS + step, step) - step / 2
    rates = np.empty((bins, CELLS))
    for column, times in enumerate(cells_of(recording)):
        rates[:, column] = np.convolve(np.histogram(times, edges)[0], window, "same") / step

    task = partial(pca_features, recording.times, recording.offsets, SECONDS, step, std, 100)

    def bare() -> None:
        np.linalg.eigvalsh(np.cov(rates, rowvar=False))

    taken: dict[str, list[float]] = {}
    for _ in range(repeats):
        for threads in (1, 2):
            with threadpool_limits(1, "blas"):
                ours = timed(partial(task, threads=threads))
            taken.setdefault(f"ours {threads}", []).append(ours)
            with threadpool_limits(threads, "blas"):
                taken.setdefault(f"bare {threads}", []).append(timed(bare))
    records = []
    for threads in (1, 2):
        value, other = (statistics.median(taken[f"{side} {threads}"]) for side in ("ours", "bare"))
        records.append(
            {
                "name": f"PCA of one recording, {threads} thread{'s' * (threads > 1)}",
                "value": round(value, 3),
                "unit": "s",
                "baseline": f"covariance and eigenvalues alone: {other:.2f} s",
                "ratio": round(other / value, 3),
                "threads": threads,
                "n": repeats,
            }
        )
    return records


def memory(recordings: int) -> list[dict[str, Any]]:
    """Compare the peak memory of a process that analyses many recordings with one of one."""
    peaks = []
    for number in (1, recordings):
        command = [sys.executable, "-c", PEAK, str(Path(__file__).parent), str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    return [
        {
            "name": f"peak memory of {recordings} recordings",
            "value": round(peaks[1], 1),
            "unit": "MB",
            "baseline": f"1 recording: {peaks[0]:.1f} MB",
            "ratio": round(peaks[0] / peaks[1], 3),
            "threads": 2,
            "n": 1,
        }
    ]


def cold(repeats: int) -> list[dict[str, Any]]:
    """Time one command on a recording of 60 channels."""
    with tempfile.TemporaryDirectory() as folder:
        recording = made(0, 250.0, 60)
        np.savez(
            Path(folder) / "a.npz",
            spikes=recording.times,
            offsets=recording.offsets,
            t_end=recording.t_end,
            fs=1,
        )
        command = [sys.executable, "-m", "automind_data", "features", "a.npz", "a.parquet"]
        times = [
            timed(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))
            for _ in range(repeats)
        ]
        empty = [
            timed(lambda: subprocess.run([sys.executable, "-c", ""], check=True))
            for _ in range(repeats)
        ]
    value, bare = statistics.median(times), statistics.median(empty)
    return [
        {
            "name": "automind-data features, 250 s, 60 channels",
            "value": round(value, 3),
            "unit": "s",
            "baseline": f"an empty Python program: {bare:.3f} s",
            "ratio": round(bare / value, 3),
            "threads": 2,
            "n": repeats,
        }
    ]


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--recordings", type=int, default=10)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print(f"{'what':<43} {'value':>10}  {'compared with':<54} {'times better':>12}")
    records = []
    for each in (
        each
        for measure in (
            partial(cold, args.repeats),
            partial(row_features, args.recordings, args.repeats),
            partial(components, args.repeats),
            partial(memory, args.recordings),
        )
        for each in measure()
    ):
        value = f"{each['value']} {each['unit']}"
        print(
            f"{each['name']:<43} {value:>10}  {each['baseline']:<54} {each['ratio']:>12}",
            flush=True,
        )
        records.append(each)
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
