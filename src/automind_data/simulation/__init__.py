"""Simulations of the network: from parameter configurations to spikes and summary features.

`settings` and `configuration` say what is simulated; `network`, `connectivity`, `exchange` and
`equations` make it; `build` and `engines` run it with Brian2; `run` is one run. `selection`
chooses configurations, `folder` keeps runs, `rows` makes features of them and `merged` the
published files.
"""

from automind_data.simulation.configuration import Configuration
from automind_data.simulation.run import Run, Spikes, simulate_one
from automind_data.simulation.settings import Quirks, Settings, read_prior, read_settings

__all__ = [
    "Configuration",
    "Quirks",
    "Run",
    "Settings",
    "Spikes",
    "read_prior",
    "read_settings",
    "simulate_one",
]
