"""Small networks for the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from automind_data.common.layout import PARAMETER_NAMES
from automind_data.features import Settings as FeatureSettings
from automind_data.simulation import Configuration, Settings
from automind_data.simulation.settings import Net

MIDDLE = {
    "params_net.exc_prop": 0.8, "params_net.p_e2e": 0.05, "params_net.p_e2i": 0.05,
    "params_net.p_i2e": 0.1, "params_net.p_i2i": 0.1, "params_net.R_pe2e": 3.0,
    "params_net.R_Qe2e": 1.5, "params_Epop.p_igniters": 0.6, "params_net.n_clusters": 5.5,
    "params_Epop.C": 200.0, "params_Epop.g_L": 20.0, "params_Epop.v_rest": -65.0,
    "params_Epop.v_thresh": -50.0, "params_Epop.v_reset": -65.0, "params_Epop.t_refrac": 3.0,
    "params_Epop.delta_T": 2.0, "params_Epop.a": 2.0, "params_Epop.b": 30.0,
    "params_Epop.tau_w": 500.0, "params_Epop.E_gi": -75.0, "params_Epop.Q_ge": 3.0,
    "params_Epop.Q_gi": 8.0, "params_Epop.tau_ge": 8.0, "params_Epop.tau_gi": 8.0,
    "params_Epop.poisson_rate": 4.0, "params_Ipop.Q_ge": 3.0, "params_Ipop.Q_gi": 8.0,
    "params_Ipop.poisson_rate": 3.0,
}  # fmt: skip

PLACES = 100
"""Cells of the test networks; all tests share one compiled network of this size."""

SETTINGS = Settings(
    net=Net(N_pop=PLACES),
    sim_time=2.6,
    dt=0.001,
    t_early_stop=0.6,
    early_stop_window=(0.1, 0.6),
    saved_exc=40,
    saved_inh=5,
    batch_seed=3,
)
FEATURES = FeatureSettings(nperseg_ratio=1.0, n_pcs=5, burst_max_window=(0.1, None))
PRIOR = {name: (value - 1, value + 1) for name, value in MIDDLE.items()}


def values(changed: Mapping[str, float] | None = None) -> dict[str, float]:
    """The configuration in the middle, some values changed."""
    return {**MIDDLE, **(changed or {})}


def configuration(
    changed: Mapping[str, float] | None = None, seed: int = 1, **about: object
) -> Configuration:
    given = values(changed)
    return Configuration(tuple(given[name] for name in PARAMETER_NAMES), seed, about)


def settings(**changed: object) -> Settings:
    return replace(SETTINGS, **changed)  # type: ignore[arg-type]  # names are fields
