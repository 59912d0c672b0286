"""Raw spikes to summary features, as in the published tables.

`recording` reads spikes, `isi`, `bursts`, `psd` and `pca` compute one family of
columns each, `pipelines` puts them together in the two published ways.
"""

from automind_data.features.pipelines import FAMILIES, PIPELINES, Features, compute_features
from automind_data.features.recording import Recording, read_recording
from automind_data.features.settings import Settings, read_settings

__all__ = [
    "FAMILIES",
    "PIPELINES",
    "Features",
    "Recording",
    "Settings",
    "compute_features",
    "read_recording",
    "read_settings",
]
