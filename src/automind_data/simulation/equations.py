"""The equations of the network, for Brian2."""

from __future__ import annotations

from typing import Any

__all__ = ["EQUATIONS", "PARAMETERS", "STATE", "make_cells"]

STATE = ("v", "w", "g_e", "g_i")

PARAMETERS = {
    "C": "farad",
    "g_L": "siemens",
    "v_rest": "volt",
    "v_thresh": "volt",
    "v_reset": "volt",
    "v_cut": "volt",
    "t_refrac": "second",
    "delta_T": "volt",
    "g_T": "siemens",
    "a": "siemens",
    "b": "amp",
    "tau_w": "second",
    "E_ge": "volt",
    "E_gi": "volt",
    "tau_ge": "second",
    "tau_gi": "second",
    "I_bias": "amp",
}
"""Parameters of each cell → unit. `g_T` is `g_L`, or 0 for a cell without exponential term."""

EQUATIONS = """
dv/dt = (g_L*(v_rest - v) + g_T*delta_T*exp((v - v_thresh)/delta_T) - w + I)/C
    : volt (unless refractory)
dw/dt = (a*(v - v_rest) - w)/tau_w : amp
dg_e/dt = -g_e/tau_ge : siemens
dg_i/dt = -g_i/tau_gi : siemens
I = I_bias + g_e*(E_ge - v) + g_i*(E_gi - v) : amp
"""


def make_cells(number: int, clock: Any, more: str = "", **options: Any) -> Any:
    """Make the group of all cells, without synapses and input.

    Parameters
    ----------
    number
        Places for cells.
    clock
        Of Brian2; its step is that of the network.
    more
        Further equations.
    **options
        Of `brian2.NeuronGroup`.
    """
    from brian2 import NeuronGroup

    said = "".join(f"{name} : {unit} (constant)\n" for name, unit in PARAMETERS.items())
    return NeuronGroup(
        number,
        EQUATIONS + said + more,
        threshold="v > v_cut",
        reset="v = v_reset; w += b",
        refractory="t_refrac",
        method="euler",
        clock=clock,
        name="cells",
        **options,
    )
