"""Compiled and numpy networks against plain Brian2, and what can become of a run."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automind_data.simulation import Run, Settings, engines, simulate_one
from automind_data.simulation.configuration import applied
from automind_data.simulation.exchange import mixed
from automind_data.simulation.network import Network, build_network
from automind_data.simulation.run import EXPLODED, SILENT
from tests.conftest import ROOT
from tests.simulation.small import PLACES, SETTINGS, configuration, settings

SECONDS = 0.4
PLAIN = """
dv/dt = (-g_L*(v - v_rest) + g_L*delta_T*exp((v - v_thresh)/delta_T) - w + I)/C
    : volt (unless refractory)
dw/dt = (-w + a*(v - v_rest))/tau_w : amp
dg_e/dt = -g_e/tau_ge : siemens
dg_i/dt = -g_i/tau_gi : siemens
I = I_bias + g_e*(E_ge - v) + g_i*(E_gi - v) : amp
"""
UNITS = {
    "C": "farad", "g_L": "siemens", "v_rest": "volt", "v_thresh": "volt", "delta_T": "volt",
    "a": "siemens", "tau_w": "second", "b": "amp", "v_reset": "volt", "t_refrac": "second",
    "v_cut": "volt", "E_ge": "volt", "E_gi": "volt", "tau_ge": "second", "tau_gi": "second",
    "I_bias": "amp",
}  # fmt: skip


def delayed(full: Settings) -> Settings:
    exc = replace(full.exc, tdelay2e=0.002, tdelay2i=0.001)
    return replace(full, exc=exc, inh=replace(full.inh, tdelay2e=0.0, tdelay2i=0.003))


def plain_brian(full: Settings, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Two groups, Brian2's own synapses and refractoriness; the input as a table of events."""
    plan, sizes = network.plan, (network.excitatory, network.inhibitory)
    dt, steps = full.dt, plan.steps
    import brian2  # changes how pytest collects: not before that is done
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    clock = brian2.Clock(dt=dt * brian2.second)
    events = np.zeros((steps, PLACES))
    for drive in plan.inputs:
        cells = np.arange(drive.first, drive.last, dtype=np.uint64)
        for step in range(steps):
            drawn = mixed(plan.key, np.uint64(step * PLACES) + cells) >> np.uint64(1)
            number = np.searchsorted(drive.limits, drawn.astype(np.int64), side="right")
            events[step, drive.first : drive.last] = number * drive.weight
    groups, firsts = [], (0, network.excitatory)
    for population, first, number in zip((full.exc, full.inh), firsts, sizes, strict=True):
        said = "".join(f"{name} : {unit} (constant)\n" for name, unit in UNITS.items())
        group = brian2.NeuronGroup(
            number, PLAIN + said, threshold="v > v_cut", reset="v = v_reset; w += b",
            refractory="t_refrac", method="euler", clock=clock, codeobj_class=NumpyCodeObject,
        )  # fmt: skip
        part = slice(first, first + number)
        for name in UNITS:
            group.variables[name].get_value()[:] = getattr(population, name)
        group.variables["v"].get_value()[:] = network.v[part]
        table = brian2.TimedArray(events[:, part] * brian2.siemens, dt=dt * brian2.second)
        group.namespace["table"] = table
        group.run_regularly(
            "g_e += table(t, i)",
            when="synapses",
            order=1,
            clock=clock,
            codeobj_class=NumpyCodeObject,
        )
        groups.append(group)
    synapses = []
    for each in plan.projections:
        source = int(each.first > 0)
        pre = np.repeat(np.arange(sizes[source]), np.diff(each.starts))
        target = int(each.targets.min() >= network.excitatory)
        variable = "g_e" if each.excitatory else "g_i"
        made = brian2.Synapses(
            groups[source], groups[target], on_pre=f"{variable}_post += {each.weight!r}*siemens",
            delay=each.delay * dt * brian2.second, clock=clock, codeobj_class=NumpyCodeObject,
        )  # fmt: skip
        made.connect(i=pre, j=each.targets - firsts[target])
        synapses.append(made)
    monitors = [brian2.SpikeMonitor(each, codeobj_class=NumpyCodeObject) for each in groups]
    whole = brian2.Network(*groups, *synapses, *monitors)
    whole.run(steps * dt * brian2.second, namespace={"siemens": brian2.siemens})
    cells = np.concatenate(
        [np.asarray(m.i) + first for m, first in zip(monitors, firsts, strict=True)]
    )
    times = np.concatenate([np.asarray(monitor.t / brian2.second) for monitor in monitors])
    at = np.rint(times / dt).astype(int)
    order = np.lexsort((cells, at))
    return at[order], cells[order]


@pytest.mark.parametrize("with_delays", [False, True])
def test_spikes_are_those_of_plain_brian(with_delays: bool) -> None:
    full = applied(configuration(), settings(sim_time=SECONDS, t_early_stop=None))
    full = delayed(full) if with_delays else full
    network = build_network(full, 5)
    wanted = plain_brian(full, network)
    assert len(wanted[0]) > 500
    compiled = engines.engine(PLACES, full.dt)
    assert compiled.kind == engines.COMPILED, compiled.reason
    for chosen in (compiled, engines.Engine(engines.NUMPY)):
        raw = engines.run_network(network, full.dt, chosen)
        assert raw.finite and not raw.stopped_early
        np.testing.assert_array_equal(raw.steps, wanted[0])
        np.testing.assert_array_equal(raw.cells, wanted[1])


def digest(run: Run) -> str:
    both = (run.exc, run.inh)
    return hashlib.sha256(
        b"".join(each.times.tobytes() + each.offsets.tobytes() for each in both)
    ).hexdigest()


ELSEWHERE = """
import sys
from tests.simulation.test_engines import digest
from tests.simulation.small import SETTINGS, configuration
from automind_data.simulation import simulate_one
print(digest(simulate_one(configuration(seed=int(sys.argv[1])), SETTINGS)))
"""


def test_one_seed_gives_the_same_spikes_in_any_process_and_order() -> None:
    first, other = (simulate_one(configuration(seed=seed), SETTINGS) for seed in (7, 8))
    again = simulate_one(configuration(seed=7), SETTINGS)
    assert digest(first) == digest(again) != digest(other)
    command = [sys.executable, "-c", ELSEWHERE, "7"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == digest(first)
    copied: Run = pickle.loads(pickle.dumps(first))
    assert digest(copied) == digest(first)


def test_a_run_records_what_was_asked_for() -> None:
    run = simulate_one(configuration(seed=2), SETTINGS)
    assert run.failure is None and not run.early_stopped and run.sim_time == 2.6
    assert (
        len(run.exc.cells) == 40 and run.exc.cells.max() < 80 and (np.diff(run.exc.cells) > 0).all()
    )
    assert run.inh.cells.tolist() == [0, 1, 2, 3, 4]
    assert 1 < len(run.exc.times) / 40 / 2.6 < 300
    np.testing.assert_array_equal(run.exc.times, np.round(run.exc.times, 4))
    for begin, end in zip(run.exc.offsets[:-1], run.exc.offsets[1:], strict=True):
        assert (np.diff(run.exc.times[begin:end]) > 0.0029).all()


def test_too_few_and_too_many_spikes_stop_a_run() -> None:
    quiet = configuration({"params_Epop.poisson_rate": 0.01, "params_Epop.Q_ge": 0.01})
    wild = configuration({"params_Epop.poisson_rate": 400.0, "params_Epop.tau_ge": 20.0,
                          "params_Epop.b": 0.0})  # fmt: skip
    for given in (quiet, wild):
        run = simulate_one(given, SETTINGS)
        assert run.early_stopped and run.sim_time == 0.6 and run.failure is None
        assert run.exc.times.max(initial=0) <= 0.6
    never = simulate_one(quiet, settings(t_early_stop=None))
    assert not never.early_stopped and never.failure == SILENT


def test_a_network_that_explodes_says_so() -> None:
    given = configuration({"params_Epop.tau_ge": 0.2})
    run = simulate_one(given, settings(t_early_stop=None))
    assert run.failure == EXPLODED and not run.early_stopped


def test_a_network_that_cannot_be_is_a_failed_run() -> None:
    run = simulate_one(configuration({"params_Epop.p_igniters": 0.0}), SETTINGS)
    assert run.failure == "the configuration gives input to no excitatory cell"


def test_without_a_compiler_numpy_runs_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    engines.engine.cache_clear()
    chosen = engines.engine(PLACES, 0.001)
    assert chosen.kind == engines.NUMPY and chosen.reason == "there is no C++ compiler with make"
    monkeypatch.setenv("CXX", "false")
    engines.engine.cache_clear()
    assert engines.engine(PLACES, 0.001).kind == engines.NUMPY
    monkeypatch.undo()
    engines.engine.cache_clear()


def test_a_cut_off_result_is_a_full_disk(tmp_path: Path) -> None:
    network = build_network(applied(configuration(), settings(sim_time=0.1, t_early_stop=None)), 1)
    program = engines.engine(PLACES, 0.001).program
    assert program is not None
    small = tmp_path / "main"
    small.write_text(f'#!/bin/sh\nulimit -f 0\nexec {program} "$@"\n')
    small.chmod(0o755)
    with pytest.raises(engines.AutomindError, match="the disk is full"):
        engines.run_network(network, 0.001, engines.Engine(engines.COMPILED, small))


LONG = """
from tests.simulation.small import configuration, settings
from automind_data.simulation import simulate_one
print("ready", flush=True)
simulate_one(configuration(seed=3), settings(sim_time=1e6, t_early_stop=None))
"""


def working_in(folder: Path) -> list[int]:
    """Processes whose working folder lies below this one."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(folder):
                    found.append(int(process.name))
    return found


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_killed_process_takes_its_network_with_it(compiled_networks: Path) -> None:
    assert engines.engine(PLACES, 0.001).kind == engines.COMPILED
    work = compiled_networks / "work"
    with subprocess.Popen([sys.executable, "-c", LONG], stdout=subprocess.PIPE, cwd=ROOT) as child:
        until(lambda: bool(working_in(work)))
        child.kill()
    until(lambda: not working_in(work))
    assert any(work.glob(".run.*"))
    simulate_one(configuration(seed=3), SETTINGS)
    assert not any(work.glob(".run.*"))
