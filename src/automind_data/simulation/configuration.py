"""A configuration: the 28 free parameters of one run, and its seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETERS
from automind_data.simulation.settings import Settings

__all__ = ["Configuration", "applied", "require_inside"]

SI = {"1": 1.0, "pF": 1e-12, "nS": 1e-9, "mV": 1e-3, "ms": 1e-3, "pA": 1e-12, "Hz": 1.0}
SECTIONS = {"params_net": "net", "params_Epop": "exc", "params_Ipop": "inh"}


@dataclass(frozen=True)
class Configuration:
    """What one run is of.

    Attributes
    ----------
    values
        The 28 free parameters in the units of the tables, in their order.
    random_seed
        Of everything random in the run.
    about
        Further columns of its row, such as `x_o`.
    """

    values: tuple[float, ...]
    random_seed: int
    about: Mapping[str, Any] = field(default_factory=dict)


def applied(configuration: Configuration, settings: Settings) -> Settings:
    """Put a configuration's parameters in the place of those of the settings."""
    changed: dict[str, dict[str, float]] = {part: {} for part in SECTIONS.values()}
    for parameter, value in zip(PARAMETERS, configuration.values, strict=True):
        section, _, name = parameter.name.partition(".")
        changed[SECTIONS[section]][name] = value * SI[parameter.unit]
    return replace(
        settings,
        net=replace(settings.net, **changed["net"]),  # type: ignore[arg-type]  # names are fields
        exc=replace(settings.exc, **changed["exc"]),  # type: ignore[arg-type]  # the same
        inh=replace(settings.inh, **changed["inh"]),  # type: ignore[arg-type]  # the same
    )


def require_inside(
    name: str, values: Mapping[str, Any], prior: Mapping[str, tuple[float, float]] | None
) -> tuple[float, ...]:
    """Check the free parameters of a configuration.

    Parameters
    ----------
    name
        What an error names.
    values
        Column → value.
    prior
        Bounds; None: anything finite goes.

    Raises
    ------
    AutomindError
        One is missing, no finite number, or outside the prior.
    """
    checked = []
    for parameter in PARAMETERS:
        value = values.get(parameter.name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            rule = f"has {'no' if value is None else repr(value) + ' as'} {parameter.name}"
            raise AutomindError(name, rule, "give all 28 parameters")
        if prior is not None:
            low, high = prior[parameter.name]
            slack = 1e-6 * (high - low)
            if not low - slack <= value <= high + slack:
                rule = (
                    f"has {value:g} {parameter.unit} as {parameter.name}, outside the prior"
                    f" ({low:g} to {high:g})"
                )
                raise AutomindError(name, rule, "correct it, or add --outside-prior")
        checked.append(float(value))
    return tuple(checked)
