"""What a release holds: files, archives, data sets, parameters and column families.

Said here once and used everywhere, but for parameters and columns: those come
from the contract file `contracts/release.yaml` by way of `columns`. The
published layout is described in `datasets/README.md`. Prior bounds are not
here: they always come from the release's own prior.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from automind_data.common import columns

__all__ = [
    "ARCHIVES",
    "DATASETS",
    "DGMS",
    "FILES",
    "OBSERVATION_TABLES",
    "PARAMETERS",
    "PARAMETER_NAMES",
    "PSD_COLUMNS",
    "RUN_MARKERS",
    "Archive",
    "Dataset",
    "ObservationTable",
    "Parameter",
    "PublishedFile",
    "column_family",
    "psd_frequency",
]


@dataclass(frozen=True)
class PublishedFile:
    """One file of the release: its path below `datasets/` and what it is."""

    path: str
    description: str


FILES: tuple[PublishedFile, ...] = (
    PublishedFile(
        "training_prior_samples/training.zip",
        "parameter configurations drawn from the prior and summary features of their"
        " simulations, used to train the deep generative models",
    ),
    PublishedFile(
        "training_prior_samples/heldout.zip",
        "further simulations from the prior, not used for training; some are the synthetic"
        " observations",
    ),
    PublishedFile(
        "discovered_posterior_samples/organoids.zip",
        "discovered model configurations for bursts of human brain organoid networks",
    ),
    PublishedFile(
        "discovered_posterior_samples/mouse-vis.zip",
        "discovered model configurations for firing rate spectra of mouse visual areas",
    ),
    PublishedFile(
        "discovered_posterior_samples/mouse-hc.zip",
        "discovered model configurations for firing rate spectra of mouse hippocampal areas",
    ),
    PublishedFile(
        "discovered_posterior_samples/synthetic.zip",
        "discovered model configurations for firing rate spectra of held-out simulations",
    ),
    PublishedFile(
        "dgms/burst_posterior.pickle",
        "trained density estimator of the posterior, conditioned on network burst features",
    ),
    PublishedFile(
        "dgms/psd_posterior.pickle",
        "trained density estimator of the posterior, conditioned on firing rate power spectra",
    ),
    PublishedFile(
        "observations/allenvc_summary.csv",
        "power spectra of population firing rates, Neuropixels recordings of mice",
    ),
    PublishedFile(
        "observations/synthetic_summary.csv",
        "summary features of the synthetic observations, which are held-out simulations",
    ),
    PublishedFile(
        "observations/organoid_summary.csv",
        "burst statistics of organoid multi-electrode array recordings",
    ),
    PublishedFile(
        "observations/example_raw_data.npz",
        "raw spike trains of one organoid recording",
    ),
)


@dataclass(frozen=True)
class ObservationTable:
    """A table of observations and the columns whose texts, joined by `_`, are the key `x_o`.

    `drawn_from` names the archive whose runs the observations are, where they are runs.
    """

    name: str
    key_columns: tuple[str, ...]
    drawn_from: str | None = None

    @property
    def path(self) -> str:
        """The published path."""
        return f"observations/{self.name}.csv"


OBSERVATION_TABLES: dict[str, ObservationTable] = {
    table.name: table
    for table in (
        ObservationTable("allenvc_summary", ("mouse", "area")),
        ObservationTable("organoid_summary", ("date", "well")),
        ObservationTable(
            "synthetic_summary",
            ("params_settings.batch_seed", "params_settings.random_seed"),
            drawn_from="heldout",
        ),
    )
}

DGMS: dict[str, str] = {
    "psd": "dgms/psd_posterior.pickle",
    "burst": "dgms/burst_posterior.pickle",
}


@dataclass(frozen=True)
class Archive:
    """One zip of the release."""

    name: str
    folder: str

    @property
    def path(self) -> str:
        """The published path."""
        return f"{self.folder}/{self.name}.zip"


ARCHIVES: dict[str, Archive] = {
    archive.name: archive
    for archive in (
        Archive("training", "training_prior_samples"),
        Archive("heldout", "training_prior_samples"),
        Archive("organoids", "discovered_posterior_samples"),
        Archive("mouse-vis", "discovered_posterior_samples"),
        Archive("mouse-hc", "discovered_posterior_samples"),
        Archive("synthetic", "discovered_posterior_samples"),
    )
}


@dataclass(frozen=True)
class Dataset:
    """A discovered archive with the DGM and the observations that belong to it.

    `areas` is a pattern that the `area` of an observation must match from its
    start (the published labels may carry a condition, as in `CA1-spont`).
    """

    name: str
    title: str
    dgm: str
    observations: str
    areas: str | None = None

    def has_area(self, area: str) -> bool:
        """Say whether a row of the observation table with this `area` belongs to the set."""
        return self.areas is None or re.match(self.areas, area) is not None


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset("organoids", "Human brain organoids", "burst", "organoid_summary"),
        Dataset(
            "mouse-vis",
            "Mouse visual areas",
            "psd",
            "allenvc_summary",
            r"(VIS[a-z]*|LP|LGd)(?![A-Za-z0-9])",
        ),
        Dataset(
            "mouse-hc",
            "Mouse hippocampal areas",
            "psd",
            "allenvc_summary",
            r"(CA[123]|DG|ProS|SUB|POST|PRE|HPF)(?![A-Za-z0-9])",
        ),
        Dataset("synthetic", "Synthetic observations", "psd", "synthetic_summary"),
    )
}


@dataclass(frozen=True)
class Parameter:
    """One free parameter: column name, symbol as in the paper (TeX), unit, meaning."""

    name: str
    symbol: str
    unit: str
    meaning: str


PARAMETERS: tuple[Parameter, ...] = tuple(Parameter(*each) for each in columns.PARAMETERS)

PARAMETER_NAMES: tuple[str, ...] = tuple(parameter.name for parameter in PARAMETERS)

PSD_COLUMNS: tuple[str, ...] = tuple(f"psd_{half / 2}" for half in range(1001))
"""The PSD axis of the release: 0 to 500 Hz by 0.5 Hz."""

RUN_MARKERS: tuple[str, ...] = ("isi_numspks_mu", "pca_total", "psd_10.0", "psd_250.0")
"""A row has features if one of these is filled; they are never empty in a run that has them."""

_NAMES = {name: (family, kind) for family, kind, name in columns.NAMES}
_NAMES |= dict.fromkeys(PARAMETER_NAMES, ("parameter", "float64"))
_PATTERNS = tuple((family, kind, re.compile(pattern)) for family, kind, pattern in columns.PATTERNS)


def column_family(name: str) -> tuple[str, str]:
    """Classify one column of a table of the release.

    Parameters
    ----------
    name
        The column name as published.

    Returns
    -------
    (family, type)
        Family: `key`, `parameter`, `meta`, `isi`, `burst`, `pca`, `psd` or `unknown`.
        Type: `int64`, `float64`, `bool` or `text`; unknown columns are text, so
        that no digit is lost.

    Examples
    --------
    >>> column_family("psd_0.5"), column_family("date"), column_family("mood")
    (('psd', 'float64'), ('key', 'text'), ('unknown', 'text'))
    """
    if name in _NAMES:
        return _NAMES[name]
    for family, kind, pattern in _PATTERNS:
        if pattern.fullmatch(name):
            return family, kind
    return "unknown", "text"


def psd_frequency(name: str) -> float | None:
    """Return the frequency in Hz that a `psd_<f>` column stands for, or None for other columns.

    >>> psd_frequency("psd_12.5"), psd_frequency("psd_peak")
    (12.5, None)
    """
    return float(name.removeprefix("psd_")) if column_family(name)[0] == "psd" else None
