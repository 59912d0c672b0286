"""The equations of the network, for Brian2.

They are those of the adaptive exponential integrate-and-fire cell. Divisions by parameters are
multiplications by `per_…`, `exponential` is ours, and refractoriness counts whole steps: a third
of the time that Brian2's own take, and the same spikes.
"""

from __future__ import annotations

from typing import Any

from automind_data.simulation.exponential import EXPONENTIAL, exponential

__all__ = ["EQUATIONS", "PARAMETERS", "STATE", "make_cells"]

STATE = ("v", "w", "g_e", "g_i")

PARAMETERS = {
    "g_L": "siemens",
    "v_rest": "volt",
    "v_thresh": "volt",
    "v_reset": "volt",
    "v_cut": "volt",
    "slope": "amp",
    "a": "siemens",
    "b": "amp",
    "E_ge": "volt",
    "E_gi": "volt",
    "I_bias": "amp",
    "per_C": "1/farad",
    "per_delta_T": "1/volt",
    "per_tau_w": "1/second",
    "per_tau_ge": "1/second",
    "per_tau_gi": "1/second",
    "rests": "integer",
}
"""Parameters of each cell → unit. `slope` is `g_L * delta_T`, or 0 for a cell without
exponential term; `rests` is the refractory time in whole steps.
"""

EQUATIONS = """
dv/dt = (g_L*(v_rest - v) + slope*exponential((v - v_thresh)*per_delta_T) - w + I)*per_C
    : volt (unless refractory)
dw/dt = (a*(v - v_rest) - w)*per_tau_w : amp
dg_e/dt = -g_e*per_tau_ge : siemens
dg_i/dt = -g_i*per_tau_gi : siemens
I = I_bias + g_e*(E_ge - v) + g_i*(E_gi - v) : amp
goes_on : integer
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
    import brian2

    def _exponential(x: Any) -> Any:
        return exponential(x)

    checked = brian2.check_units(x=1, result=1)(_exponential)
    known = brian2.implementation("cpp", EXPONENTIAL)(checked)
    said = "".join(f"{name} : {unit} (constant)\n" for name, unit in PARAMETERS.items())
    return brian2.NeuronGroup(
        number,
        EQUATIONS + said + more,
        threshold="v > v_cut",
        reset="v = v_reset; w += b; goes_on = t_in_timesteps + rests",
        refractory="t_in_timesteps < goes_on",
        method="euler",
        clock=clock,
        name="cells",
        namespace={"exponential": known},
        **options,
    )
