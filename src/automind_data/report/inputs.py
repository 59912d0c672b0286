"""The files that the report reads, as typed values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from automind_data.common.typed import ReleaseFile, decode

__all__ = [
    "Bound",
    "Conditioning",
    "Estimator",
    "Finding",
    "Gate",
    "Release",
    "ReleaseFile",
    "SampledObservation",
    "Samples",
    "Severity",
    "Source",
    "Standardize",
    "Summary",
    "read_findings",
]

Severity = Literal["error", "warning", "hint", "info"]


class Release(msgspec.Struct, frozen=True):
    """`datasets/release.json`."""

    release: str
    sample: bool
    kind: str
    address: str
    licence: str
    retrieved: str
    files: tuple[ReleaseFile, ...]


class Summary(msgspec.Struct, frozen=True):
    """`derived/validation/summary.json`."""

    valid: int
    errors: int
    warnings: int
    hints: int
    infos: int
    rows: dict[str, int]
    usable: dict[str, dict[str, int]] = {}


class Finding(msgspec.Struct, frozen=True):
    """One line of `derived/validation/findings.jsonl`."""

    id: str
    severity: Severity
    file: str
    message: str
    count: int
    dataset: str | None = None
    examples: tuple[Any, ...] = ()
    rule: str = ""


class Gate(msgspec.Struct, frozen=True):
    """`derived/validation/gate/<dataset>.json`."""

    verdict: Literal["open", "closed"]
    errors: tuple[str, ...] = ()


class SampledObservation(msgspec.Struct, frozen=True):
    """What sampling did for one observation."""

    x_o: str
    status: Literal["sampled", "skipped", "failed"]
    reason: str | None = None
    draws: int | None = None
    accepted: int | None = None
    acceptance: float | None = None
    acceptance_se: float | None = None


class Samples(msgspec.Struct, frozen=True):
    """`derived/samples/<dataset>.json`."""

    dataset: str
    dgm: str
    seed: int
    n_samples: int
    oversample: int
    observations: tuple[SampledObservation, ...]


class Bound(msgspec.Struct, frozen=True):
    """One parameter of a prior: physical bounds."""

    name: str
    unit: str
    low: float
    high: float


class Standardize(msgspec.Struct, frozen=True):
    """How features are standardised, as far as the report needs it."""

    kind: str


class Conditioning(msgspec.Struct, frozen=True):
    """What a density estimator is conditioned on."""

    kind: Literal["psd", "burst"]
    columns: tuple[str, ...]
    standardize: Standardize


class Source(msgspec.Struct, frozen=True):
    """The pickle that something was converted from."""

    md5: str


class Estimator(msgspec.Struct, frozen=True):
    """`derived/dgms/<name>/dgm.json`, as far as the report needs it."""

    parameters: tuple[Bound, ...]
    conditioning: Conditioning
    source: Source


def read_findings(path: Path) -> tuple[Finding, ...] | None:
    """Read `findings.jsonl`; None when there is no such file.

    Raises
    ------
    AutomindError
        A line is not a finding.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return None
    return tuple(decode(path, line, Finding) for line in lines if line.strip())
