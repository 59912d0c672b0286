"""How features are computed: the analysis parameters of a release, as one frozen object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError

__all__ = ["POPULATION", "Settings", "read_settings"]

POPULATION = "exc"
"""The population whose spikes the features of a release describe."""

Window = tuple[float, float | None]


@dataclass(frozen=True)
class Settings:
    """Analysis parameters, by their published names; times in s, rates in Hz.

    The defaults are those that the sample release was made with.

    Attributes
    ----------
    analysis_window
        Start and end (None: the recording's) of what ISI and spectrum look at.
    min_num_spikes
        Cells with fewer spikes have no ISI statistics.
    dt_poprate, dt
        Bin of the population rate, and the finer bin that the pipeline `notebook` starts from.
    smooth_std
        Standard deviation of the Gaussian that smooths the rate for burst detection.
    use_burst_prominence
        Hold the prominence of a peak to the threshold, not its height.
    min_burst_height, min_burst_height_ratio
        Least maximum of a rate that has bursts, and the threshold as a share of it.
    min_burst_distance
        Least time between two bursts.
    burst_win
        Start and end, relative to the peak, of the piece of rate that stands for a burst.
    burst_wlen
        Width of the window in which the prominence of a peak is measured.
    burst_rel_height
        Share of the prominence below the peak at which its width is measured.
    burst_max_window
        Where the maximum that sets the threshold is looked for.
    min_subpeak_prom_ratio, min_subpeak_distance
        Least prominence, as a share of the burst's maximum, and distance of sub-peaks;
        without a ratio there are no sub-peak features.
    nperseg_ratio
        Length of a segment of the spectrum in s (the published name is wrong).
    noverlap_ratio
        Share of a segment that the next one overlaps.
    n_pcs, pca_bin_width, pca_smooth_std
        Number of components, bin and smoothing of the PCA.
    corrected
        Compute without the published faults, which `docs/recordings.md` lists.
    seed
        Of the noise of 1e-7 Hz by which the burst detector chooses among equal samples.
    """

    analysis_window: Window = (0.1, None)
    min_num_spikes: int = 3
    dt_poprate: float = 0.001
    dt: float = 0.001
    smooth_std: float = 0.02
    use_burst_prominence: bool = True
    min_burst_height: float = 1.0
    min_burst_height_ratio: float = 0.5
    min_burst_distance: float = 0.5
    burst_win: tuple[float, float] = (-0.25, 0.75)
    burst_wlen: float = 10.0
    burst_rel_height: float = 0.95
    burst_max_window: Window = (1.1, None)
    min_subpeak_prom_ratio: float | None = 0.05
    min_subpeak_distance: float = 0.05
    nperseg_ratio: float = 2.0
    noverlap_ratio: float = 0.75
    n_pcs: int = 20
    pca_bin_width: float = 0.01
    pca_smooth_std: float = 0.05
    corrected: bool = False
    seed: int = 0

    def described(self) -> dict[str, Any]:
        """Give the settings as plain values for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


_OWN = ("dt", "corrected", "seed")
_TEXT = {"None": None, "inf": None, "-inf": None}
_PAIRS = ("analysis_window", "burst_win", "burst_max_window")
_FLAGS = ("use_burst_prominence", "corrected")
_COUNTS = ("min_num_spikes", "n_pcs", "seed")
_POSITIVE = (
    "dt_poprate",
    "dt",
    "smooth_std",
    "min_burst_distance",
    "burst_wlen",
    "nperseg_ratio",
    "n_pcs",
    "pca_bin_width",
    "pca_smooth_std",
)


def read_settings(path: str | Path, corrected: bool = False, seed: int = 0) -> Settings:
    """Read the settings that a release was made with.

    Parameters
    ----------
    path
        The converted parameters of an archive, such as `derived/params/training.json`,
        or of one analysis pickle (`parameters.json` of `automind-data convert`).
    corrected, seed
        As in `Settings`; a release does not state them.

    Raises
    ------
    AutomindError
        The file is not there, is no such JSON, or asks for something that is not supported.
    """
    again = "give a file like derived/params/training.json"
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AutomindError(path, "is not there", again) from None
    except (ValueError, UnicodeDecodeError):
        raise AutomindError(path, "is no JSON", again) from None
    named = tree if isinstance(tree, dict) else {}
    analysis = named.get("analysis") or named.get("parameters")
    if not isinstance(analysis, dict) or not isinstance(analysis.get("params_analysis"), dict):
        raise AutomindError(path, "states no analysis parameters", again)
    said = _plain(analysis["params_analysis"])
    population = said.get("pop_sampler", {POPULATION: None})
    if population not in ({POPULATION: None}, {POPULATION: "all"}):
        rule = f"takes its features from {population}, not from all cells of {POPULATION}"
        raise AutomindError(path, rule, again)
    step = _plain(analysis.get("params_settings") or {}).get("dt", said.get("dt_poprate"))
    known = {each.name for each in fields(Settings)} - set(_OWN)
    given = {name: value for name, value in said.items() if name in known}
    given.setdefault("min_subpeak_prom_ratio", None)
    given.setdefault("burst_max_window", (0.0, None))
    return _checked(path, {**given, "dt": step, "corrected": corrected, "seed": seed})


def _plain(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: entry["value"] if isinstance(entry, dict) and "value" in entry else entry
        for name, entry in described.items()
    }


def _checked(path: str | Path, given: Mapping[str, Any]) -> Settings:
    made: dict[str, Any] = {}
    for name, value in given.items():
        try:
            made[name] = _typed(name, value)
        except (TypeError, ValueError):
            rule = f"has {value!r} as {name}, which is not of its kind"
            raise AutomindError(path, rule, "correct the value") from None
    return Settings(**made)


def _typed(name: str, value: Any) -> Any:
    if name in _FLAGS:
        return bool(value)
    if name in _COUNTS:
        number: float | None = int(value)
    elif name in _PAIRS:
        if value is None:
            return (0.0, None)
        first, second = (_TEXT.get(part, part) if isinstance(part, str) else part for part in value)
        return (float(first or 0), None if second is None else float(second))
    else:
        number = None if value is None and name == "min_subpeak_prom_ratio" else float(value)
    if number is not None and (not math.isfinite(number) or (name in _POSITIVE and number <= 0)):
        raise ValueError
    if name == "noverlap_ratio" and not 0 <= float(value) < 1:
        raise ValueError
    return number
