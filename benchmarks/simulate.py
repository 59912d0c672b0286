"""Simulating the reference network, beside a plain Brian2 script that rebuilds it for each run.

    python benchmarks/simulate.py [--json FILE] [--short S] [--long S] [--runs N]

The network has 2,000 cells and a step of 0.2 ms, as that of the release. The plain script makes
groups, synapses, input and monitors anew for each run, as the original does, with Brian2's own
tools: once with Cython, whose compiled code Brian2 keeps from the first run on (the later runs
are counted), and once as C++ standalone, which is compiled for each run. CPU seconds are
counted, those of compilers and programs started included, so that other work on the machine
matters little. Runs of two lengths say what a run costs by itself and what a simulated second
costs (C++ standalone says it itself). All on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.common.layout import PARAMETER_NAMES
from automind_data.simulation import Configuration, Settings, simulate_one

SECONDS = 200.1
VALUES = {
    "params_net.exc_prop": 0.8, "params_net.p_e2e": 0.05, "params_net.p_e2i": 0.05,
    "params_net.p_i2e": 0.1, "params_net.p_i2i": 0.1, "params_net.R_pe2e": 2.0,
    "params_net.R_Qe2e": 1.3, "params_Epop.p_igniters": 1.0, "params_net.n_clusters": 5.0,
    "params_Epop.C": 200.0, "params_Epop.g_L": 10.0, "params_Epop.v_rest": -65.0,
    "params_Epop.v_thresh": -50.0, "params_Epop.v_reset": -65.0, "params_Epop.t_refrac": 5.0,
    "params_Epop.delta_T": 2.0, "params_Epop.a": 4.0, "params_Epop.b": 20.0,
    "params_Epop.tau_w": 500.0, "params_Epop.E_gi": -80.0, "params_Epop.Q_ge": 0.5,
    "params_Epop.Q_gi": 5.0, "params_Epop.tau_ge": 5.0, "params_Epop.tau_gi": 5.0,
    "params_Epop.poisson_rate": 3.0, "params_Ipop.Q_ge": 1.0, "params_Ipop.Q_gi": 5.0,
    "params_Ipop.poisson_rate": 3.0,
}  # fmt: skip
REFERENCE = tuple(VALUES[name] for name in PARAMETER_NAMES)


def cpu() -> float:
    """Give the CPU seconds of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def plain(seconds: float, seed: int, folder: str | None) -> tuple[float, float]:
    """Build and run the network with Brian2's own tools; return the rates of E and I, Hz.

    Everything has a name of its own, so that Brian2 finds the code that it compiled before.
    """
    import brian2 as b2
    from brian2 import Hz, ms, mV, nS, pA, pF, second

    b2.seed(seed)
    np.random.seed(seed)
    b2.defaultclock.dt = 0.2 * ms
    equations = """
    dv/dt = (-g_L*(v - v_rest) + g_L*delta_T*exp((v - v_thresh)/delta_T) - w + I)/C
        : volt (unless refractory)
    dw/dt = (-w + a*(v - v_rest))/tau_w : amp
    dg_e/dt = -g_e/tau_ge : siemens
    dg_i/dt = -g_i/tau_gi : siemens
    I = I_bias + g_e*(E_ge - v) + g_i*(E_gi - v) : amp
    """
    cell = {
        "C": 200 * pF, "g_L": 10 * nS, "v_rest": -65 * mV, "v_thresh": -50 * mV,
        "v_reset": -65 * mV, "v_cut": -40 * mV, "t_refrac": 5 * ms, "delta_T": 2 * mV,
        "a": 4 * nS, "b": 20 * pA, "tau_w": 500 * ms, "E_ge": 0 * mV, "E_gi": -80 * mV,
        "tau_ge": 5 * ms, "tau_gi": 5 * ms, "I_bias": 0 * pA,
    }  # fmt: skip
    groups = []
    for name, number in (("exc", 1600), ("inh", 399)):
        group = b2.NeuronGroup(
            number,
            equations,
            threshold="v > v_cut",
            reset="v = v_reset; w += b",
            refractory="t_refrac",
            method="euler",
            namespace=cell,
            name=name,
        )
        group.v = cell["v_rest"] + 4 * mV * np.random.randn(number)
        groups.append(group)
    exc, inh = groups
    members = np.random.randint(5, size=(1600, 2))
    same = (members[:, None, :] == members[None, :, :]).any(axis=2)
    apart = np.argwhere(~same)
    np.fill_diagonal(same, False)
    synapses: list[Any] = []
    for pairs, share, weight in ((np.argwhere(same), 0.1, 0.65), (apart, 0.05, 0.5)):
        chosen = pairs[np.random.choice(len(pairs), int(np.ceil(share * len(pairs))), False)]
        made = b2.Synapses(exc, exc, on_pre=f"g_e_post += {weight}*nS", name=f"e{len(synapses)}")
        made.connect(i=chosen[:, 0], j=chosen[:, 1])
        synapses.append(made)
    for source, target, effect, share in (
        (exc, inh, "g_e_post += 1*nS", 0.05),
        (inh, exc, "g_i_post += 5*nS", 0.1),
        (inh, inh, "g_i_post += 5*nS", 0.1),
    ):
        made = b2.Synapses(source, target, on_pre=effect, name=f"s{len(synapses)}")
        made.connect(condition="i != j", p=share)
        synapses.append(made)
    inputs = [
        b2.PoissonInput(group, "g_e", 500, 3 * Hz, weight=1 * nS, when="synapses")
        for group in groups
    ]
    monitors = [b2.SpikeMonitor(group, name=f"of_{group.name}") for group in groups]
    network = b2.Network(*groups, *synapses, *inputs, *monitors)
    network.run(seconds * second, namespace={})
    if folder is not None:
        b2.device.build(directory=folder, with_output=False)
    first, second_ = (each.num_spikes / len(each.source) / seconds for each in monitors)
    return first, second_


def plain_process(target: str, seconds: float, runs: int) -> None:
    """Run the plain script several times in this process; print what each cost."""
    import brian2 as b2

    taken, loops, rates = [], [], (0.0, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        b2.prefs.codegen.runtime.cython.cache_dir = f"{folder}/cython"
        b2.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j1"]
        if target == "cython":
            b2.prefs.codegen.target = "cython"
        for number in range(runs):
            begin, place = cpu(), None
            if target == "standalone":
                place = f"{folder}/{number}"
                b2.device.reinit()
                b2.set_device("cpp_standalone", build_on_run=False)
            rates = plain(seconds, number, place)
            taken.append(cpu() - begin)
            if target == "standalone":
                loops.append(b2.device._last_run_time)
    print(json.dumps({"taken": taken, "loops": loops, "rates": rates}))


def measured_plain(target: str, seconds: float, runs: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--plain", target, str(seconds), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def measured_ours(seconds: float, runs: int) -> dict[str, Any]:
    """Run our simulation; the first one is left out where it compiled."""
    settings = replace(
        Settings(), sim_time=seconds, t_early_stop=None, saved_exc=1600, saved_inh=399
    )
    taken, run = [], None
    for seed in range(runs):
        begin = cpu()
        run = simulate_one(Configuration(REFERENCE, seed), settings)
        taken.append(cpu() - begin)
    assert run is not None
    rates = (len(run.exc.times) / 1600 / seconds, len(run.inh.times) / 399 / seconds)
    return {"taken": taken, "rates": rates}


def line(short: float, long: float, at: tuple[float, float]) -> tuple[float, float]:
    """Split the cost of a run into its own and that of a simulated second."""
    each = (long - short) / (at[1] - at[0])
    return max(short - each * at[0], 0.0), each


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--short", type=float, default=2.0)
    parser.add_argument("--long", type=float, default=10.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--plain", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.plain:
        plain_process(args.plain[0], float(args.plain[1]), int(args.plain[2]))
        return
    at = (args.short, args.long)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AUTOMIND_SIMULATION_CACHE"] = folder
        begin = cpu()
        from automind_data.simulation.engines import engine

        assert engine(2000, 0.0002).reason is None
        compiled = cpu() - begin
        ours = [measured_ours(seconds, args.runs) for seconds in at]
    short, long = (statistics.median(said["taken"]) for said in ours)
    own, each = line(short, long, at)
    records = [
        {
            "name": "compiling the network, once",
            "value": round(compiled, 2),
            "unit": "s",
            "baseline": f"spread over 20 runs of {args.long:g} s: {compiled / 20:.2f} s of"
            f" {compiled / 20 + own + each * args.long:.2f} s each",
            "ratio": round((own + each * args.long) / (compiled / 20 + own + each * args.long), 3),
            "threads": 1,
            "n": 1,
        }
    ]
    print(f"rates of E and I: ours {ours[1]['rates'][0]:.2f}, {ours[1]['rates'][1]:.2f} Hz")
    for target, title, runs, kept in (
        ("cython", "Cython, compiled before", args.runs, slice(1, None)),
        ("standalone", "C++ standalone, compiled each time", 1, slice(None)),
    ):
        long_run = measured_plain(target, args.long, runs)
        rates, whole = long_run["rates"], statistics.median(long_run["taken"][kept])
        if long_run["loops"]:
            loop = statistics.median(long_run["loops"])
            alone, slow = whole - loop, loop / args.long
        else:
            short_run = measured_plain(target, args.short, runs)
            alone, slow = line(statistics.median(short_run["taken"][kept]), whole, at)
        print(f"{title}: {rates[0]:.2f}, {rates[1]:.2f} Hz")
        for seconds in (args.long, SECONDS):
            value = seconds / (compiled / 20 + own + each * seconds)
            other = seconds / (alone + slow * seconds)
            records.append(
                {
                    "name": f"simulated seconds per core-second, runs of {seconds:g} s",
                    "value": round(value, 2),
                    "unit": "s/s",
                    "baseline": f"{title}: {other:.2f} s/s ({alone:.1f} s + {slow:.3f} s/s)",
                    "ratio": round(value / other, 2),
                    "threads": 1,
                    "n": args.runs,
                    "own": f"{own:.2f} s + {each:.3f} s/s, compiling spread over 20 runs",
                }
            )
    print(f"{'what':<50} {'value':>10}  {'compared with':<66} {'times better':>12}")
    for record in records:
        value_of = f"{record['value']} {record['unit']}"
        print(
            f"{record['name']:<50} {value_of:>10}  {record['baseline']:<66} {record['ratio']:>12}"
        )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
