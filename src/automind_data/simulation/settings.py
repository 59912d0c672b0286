"""What the network is made of besides the free parameters, as one frozen object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError

__all__ = ["Net", "Population", "Quirks", "Settings", "read_prior", "read_settings"]

AGAIN = "give a file like derived/params/training.json"
MILLI, NANO, PICO = 1e-3, 1e-9, 1e-12


@dataclass(frozen=True)
class Quirks:
    """Where the published simulator does something unexpected; `docs/simulate.md` lists them.

    Attributes
    ----------
    equal_numbers_unconnected
        Cells of equal number in different populations are never connected. Published, and
        kept: it costs a few edges, and every published run has it.
    e_decides_exponential
        With a `delta_T` of exactly 0 in the E population, the I population loses its
        exponential term as well. Published; here each population is asked for its own.
    analysis_window_stops
        Early stopping counts spikes in `analysis_window`, still divided by the length of
        `early_stop_window`, as before July 2025. Same result where the first starts with
        the second and has no end.
    """

    equal_numbers_unconnected: bool = True
    e_decides_exponential: bool = False
    analysis_window_stops: bool = False

    @classmethod
    def published(cls) -> Quirks:
        """Give all of them as the published simulator has them."""
        return cls(e_decides_exponential=True, analysis_window_stops=True)


@dataclass(frozen=True)
class Net:
    """Parameters of the whole network, by their published names."""

    N_pop: int = 2000
    exc_prop: float = 0.8
    p_e2e: float = 0.05
    p_e2i: float = 0.05
    p_i2e: float = 0.05
    p_i2i: float = 0.05
    n_clusters: float = 1.0
    clusters_per_neuron: int = 2
    R_pe2e: float = 1.0
    R_Qe2e: float = 1.0
    order_clusters: bool = False


@dataclass(frozen=True)
class Population:
    """Parameters of one population, by their published names, in SI units.

    `v_cut` is a parameter of its own: it does not follow `v_thresh` and `delta_T`.
    """

    C: float = 200 * PICO
    g_L: float = 10 * NANO
    v_rest: float = -65 * MILLI
    v_thresh: float = -50 * MILLI
    delta_T: float = 2 * MILLI
    a: float = 4 * NANO
    tau_w: float = 500 * MILLI
    b: float = 20 * PICO
    v_reset: float = -65 * MILLI
    t_refrac: float = 5 * MILLI
    v_cut: float = -40 * MILLI
    v_0_offset: tuple[float, float] = (0.0, 4 * MILLI)
    E_ge: float = 0.0
    E_gi: float = -80 * MILLI
    Q_ge: float = 1 * NANO
    Q_gi: float = 5 * NANO
    tau_ge: float = 5 * MILLI
    tau_gi: float = 5 * MILLI
    tdelay2e: float = 0.0
    tdelay2i: float = 0.0
    N_poisson: int = 500
    Q_poisson: float = 1 * NANO
    poisson_rate: float = 1.0
    I_bias: float = 0.0
    p_igniters: float = 1.0


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on besides its configuration; times in s.

    Attributes
    ----------
    net, exc, inh
        The network and its populations; free parameters of a configuration replace theirs.
    sim_time, dt
        Length and step.
    t_early_stop
        When it is decided whether the run goes on; None: it does.
    early_stop_window, analysis_window
        Where spikes are counted for that; see `Quirks.analysis_window_stops`.
    stop_fr_norm
        The run stops with a share of the highest possible rate as low as the first, or as
        high as the second.
    saved_exc, saved_inh
        How many cells are recorded.
    t_sigdigs
        Decimals of a spike time.
    batch_seed
        Names the batch, and is a part of every seed.
    quirks
        See there.
    """

    net: Net = field(default_factory=Net)
    exc: Population = field(default_factory=Population)
    inh: Population = field(default_factory=Population)
    sim_time: float = 200.1
    dt: float = 0.0002
    t_early_stop: float | None = 10.1
    early_stop_window: tuple[float, float] = (0.1, 10.1)
    analysis_window: tuple[float, float | None] = (0.1, None)
    stop_fr_norm: tuple[float, float] = (1e-4, 0.99)
    saved_exc: int = 150
    saved_inh: int = 12
    t_sigdigs: int = 4
    batch_seed: int = 0
    quirks: Quirks = field(default_factory=Quirks)

    def described(self) -> dict[str, Any]:
        """Give the settings as plain values for JSON."""
        described: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return described


def read_settings(path: str | Path, quirks: Quirks | None = None) -> Settings:
    """Read the fixed parameters that a release was simulated with.

    Parameters
    ----------
    path
        The converted parameters of an archive, such as `derived/params/training.json`.
    quirks
        Default: as `Quirks` says.

    Raises
    ------
    AutomindError
        The file is not there, lacks something, or asks for another kind of network.
    """
    tree = _tree(path).get("simulation")
    if not isinstance(tree, dict):
        raise AutomindError(path, "states no simulation parameters", AGAIN)
    said = {name: _plain(part) for name, part in tree.items() if isinstance(part, dict)}
    run, analysis = said.get("params_settings", {}), said.get("params_analysis", {})
    kind = run.get("network_type", "adex_clustered")
    if kind != "adex_clustered" or run.get("integ_method", "euler") != "euler":
        rule = f"asks for the network {kind} ({run.get('integ_method')}), not adex_clustered, euler"
        raise AutomindError(path, rule, AGAIN)
    records = run.get("record_defs") or {}
    try:
        settings = Settings(
            net=_made(Net, said["params_net"]),
            exc=_made(Population, said["params_Epop"]),
            inh=_made(Population, said["params_Ipop"]),
            sim_time=float(run["sim_time"]),
            dt=float(run["dt"]),
            t_early_stop=_optional(analysis.get("t_early_stop")),
            early_stop_window=_pair(analysis.get("early_stop_window", (0.1, 1.1))),
            analysis_window=_window(analysis.get("analysis_window", (0.1, None))),
            stop_fr_norm=_pair(analysis.get("stop_fr_norm", (1e-4, 0.99))),
            saved_exc=_cells(records.get("exc")),
            saved_inh=_cells(records.get("inh")),
            t_sigdigs=int(run.get("t_sigdigs", 4)),
            batch_seed=int(run.get("batch_seed", 0)),
            quirks=quirks or Quirks(),
        )
    except KeyError as error:
        raise AutomindError(path, f"states no {error.args[0]}", AGAIN) from None
    except (TypeError, ValueError) as error:
        rule = f"holds a simulation parameter that is not of its kind ({error})"
        raise AutomindError(path, rule, AGAIN) from None
    _require_sound(path, settings)
    return settings


def read_prior(path: str | Path) -> dict[str, tuple[float, float]]:
    """Read the bounds of the prior: column → lowest and highest value, in units of the tables."""
    prior = _tree(path).get("prior")
    try:
        return {
            str(each["name"]): (float(each["low"]), float(each["high"]))
            for each in prior  # type: ignore[union-attr]  # a wrong kind is caught below
        }
    except (KeyError, TypeError, ValueError):
        raise AutomindError(path, "states no prior", AGAIN) from None


def _tree(path: str | Path) -> dict[str, Any]:
    try:
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AutomindError(path, "is not there", AGAIN) from None
    except (ValueError, UnicodeDecodeError):
        raise AutomindError(path, "is no JSON", AGAIN) from None
    if not isinstance(tree, dict):
        raise AutomindError(path, "states no parameters", AGAIN)
    return tree


def _plain(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: entry["value"] if isinstance(entry, dict) and "value" in entry else entry
        for name, entry in described.items()
    }


def _made(kind: type[Any], said: Mapping[str, Any]) -> Any:
    """Make `Net` or `Population` of what is said; what is not said keeps its default."""
    made = kind()
    for each in fields(kind):
        if each.name in said:
            before, value = getattr(made, each.name), said[each.name]
            made = replace(made, **{each.name: _typed(each.name, before, value)})
    return made


def _typed(name: str, before: Any, value: Any) -> Any:
    if isinstance(before, tuple):
        return _pair(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value}")
    return type(before)(number)


def _pair(value: Any) -> tuple[float, float]:
    first, second = value
    return float(first), float(second)


def _window(value: Any) -> tuple[float, float | None]:
    first, second = value
    return float(first or 0), None if second is None else float(second)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _cells(said: Any) -> int:
    """Read how many cells are recorded: a number, or a list of cells."""
    spikes = said.get("spikes") if isinstance(said, dict) else None
    return len(spikes) if isinstance(spikes, list) else int(spikes or 0)


def _require_sound(path: str | Path, settings: Settings) -> None:
    stop = settings.t_early_stop
    if not (0 < settings.dt < settings.sim_time < math.inf) or settings.net.N_pop < 2:
        rule = f"asks for {settings.sim_time:g} s in steps of {settings.dt:g} s"
        raise AutomindError(path, f"{rule}, {settings.net.N_pop} cells", AGAIN)
    if stop is not None and not settings.dt <= stop <= settings.sim_time:
        rule = f"stops early at {stop:g} s of {settings.sim_time:g} s"
        raise AutomindError(path, rule, AGAIN)
    if settings.early_stop_window[1] <= settings.early_stop_window[0]:
        raise AutomindError(path, "has an early_stop_window without length", AGAIN)
