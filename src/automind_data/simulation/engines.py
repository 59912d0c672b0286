"""Running a network: compiled once and kept, or with numpy where there is no compiler."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder
from automind_data.common.leftovers import PART, claimed, clear
from automind_data.simulation.build import FLAGS
from automind_data.simulation.equations import EQUATIONS, PARAMETERS, STATE, make_cells
from automind_data.simulation.exchange import CODE, Exchange, plan_bytes
from automind_data.simulation.exponential import EXPONENTIAL
from automind_data.simulation.network import Network

__all__ = ["COMPILED", "NUMPY", "Engine", "Raw", "cache_folder", "engine", "run_network"]

COMPILED, NUMPY = "compiled", "numpy"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FULL = "cannot write the results of a run: the disk is full, or a limit is reached"


@dataclass(frozen=True)
class Engine:
    """What runs networks of one size and step.

    Attributes
    ----------
    kind
        `COMPILED` or `NUMPY`.
    program
        The compiled network.
    reason
        Why it is not compiled.
    """

    kind: str
    program: Path | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Raw:
    """What came out of a network.

    Attributes
    ----------
    cells, steps
        Cell and step of each spike, in the order of time, (n,).
    stopped_early
        Whether it was stopped.
    finite
        Whether the state of every cell is finite at the end.
    """

    cells: NDArray[np.int32] = field(repr=False)
    steps: NDArray[np.int64] = field(repr=False)
    stopped_early: bool
    finite: bool


def cache_folder() -> Path:
    """Give the folder of compiled networks; `AUTOMIND_SIMULATION_CACHE` names another one."""
    import platformdirs

    named = os.environ.get("AUTOMIND_SIMULATION_CACHE")
    return Path(named or Path(platformdirs.user_cache_dir("automind-data")) / "simulation")


@functools.cache
def engine(cells: int, dt: float) -> Engine:
    """Find or make the engine for networks of one size and step.

    Parameters
    ----------
    cells
        Places for cells.
    dt
        Step, s.

    Raises
    ------
    AutomindError
        Brian2 is not installed.
    """
    try:
        version = importlib.metadata.version("Brian2")
    except importlib.metadata.PackageNotFoundError:
        step = "pip install 'automind-data[simulate]'"
        raise AutomindError("simulate", "needs the package Brian2", step) from None
    compiler = _compiler()
    if compiler is None:
        return Engine(NUMPY, reason="there is no C++ compiler with make")
    code = (EQUATIONS, *PARAMETERS, EXPONENTIAL, CODE, *FLAGS)
    what = (version, compiler, _processor(), *code, cells, dt)
    name = hashlib.sha256(repr(what).encode()).hexdigest()[:24]
    target = cache_folder() / name
    if not (target / "main").is_file():
        reason = _build(cells, dt, target)
        if reason is not None:
            return Engine(NUMPY, reason=reason)
    return Engine(COMPILED, target / "main")


def _processor() -> str:
    """Describe what the machine code is for: machines that share a cache folder may differ."""
    flags = ""
    with contextlib.suppress(OSError):
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        flags = next((line for line in said.splitlines() if line.startswith("flags")), "")
    return f"{platform.machine()} {platform.processor()} {flags}"


def _compiler() -> str | None:
    """Describe the compiler, or say that there is none."""
    name = os.environ.get("CXX", "g++")
    if os.name == "nt" or shutil.which(name) is None or shutil.which("make") is None:
        return None
    done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    return f"{name} {done.stdout.partition(os.linesep)[0]}" if done.returncode == 0 else None


def _build(cells: int, dt: float, target: Path) -> str | None:
    """Compile into `target`, one process at a time; say why it did not go."""
    import filelock

    target.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(target.with_suffix(".lock")):
        if (target / "main").is_file():
            return None
        with tempfile.TemporaryDirectory() as scratch:
            module = "automind_data.simulation.build"
            command = [sys.executable, "-m", module, str(cells), repr(dt), f"{scratch}/project"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            made = Path(scratch) / "project" / "main"
            if done.returncode or not made.is_file():
                last = (done.stderr.strip() or "no message").splitlines()[-1]
                return f"the compiler failed ({last[:200]})"
            with atomic_folder(target) as part:
                shutil.copy(made, part / "main")
    return None


def run_network(network: Network, dt: float, chosen: Engine) -> Raw:
    """Run a network to its end, or until it is stopped.

    Raises
    ------
    AutomindError
        The disk is full, or the compiled network broke down.
    """
    if chosen.program is None:
        return _run_numpy(network, dt)
    try:
        return _run_compiled(network, chosen.program)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise AutomindError(cache_folder(), FULL, "free some space and run it again") from None


def _run_compiled(network: Network, program: Path) -> Raw:
    work = cache_folder() / "work" / "run"
    work.parent.mkdir(parents=True, exist_ok=True)
    clear(work)
    folder = Path(tempfile.mkdtemp(prefix=".run.", suffix=PART, dir=work.parent))
    with claimed(os.open(folder, os.O_RDONLY)):
        try:
            return _run_in(folder, network, program)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _run_in(folder: Path, network: Network, program: Path) -> Raw:
    (folder / "results").mkdir()
    (folder / "plan.bin").write_bytes(plan_bytes(network.plan))
    arguments = []
    for name, values in {**network.parameters, "v": network.v}.items():
        values.tofile(folder / name)
        arguments.append(f"cells.{name}=./{name}")
    command = [str(program), "--results_dir", "results/", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr.strip():
        if done.returncode == -25:  # SIGXFSZ, which not every system names
            raise AutomindError(folder.parent, FULL, "free some space and run it again")
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise AutomindError(program, f"broke down: {said[:200]}", "remove it and run this again")
    results = _Results(folder / "results")
    cells, times = results.read("dynamic_array_spikes_i", "i4"), results.read(
        "dynamic_array_spikes_t", "f8"
    )  # fmt: skip
    number, at = results.read("array_spikes_N", "i4"), results.read("array_defaultclock_dt", "f8")
    stopped = results.read("array_cells_stopped", "i4")
    state = [results.read(f"array_cells_{name}", "f8") for name in STATE]
    whole = number.size == at.size == stopped.size == 1
    if not whole or len(cells) != number[0] or len(times) != number[0] or not _full(state, network):
        raise AutomindError(folder.parent, FULL, "free some space and run it again")
    steps = np.rint(times / at[0]).astype(np.int64)
    return Raw(cells, steps, bool(stopped[0]), _finite(state, network))


class _Results:
    """The files that Brian2 writes: name, underscore, a number."""

    def __init__(self, folder: Path) -> None:
        self._files = {re.sub(r"_-?\d+$", "", file.name): file for file in folder.iterdir()}

    def read(self, name: str, kind: str) -> NDArray[Any]:
        file = self._files.get(f"_{name}")
        return np.zeros(0, kind) if file is None else np.fromfile(file, kind)


def _full(state: list[NDArray[np.float64]], network: Network) -> bool:
    return all(len(values) == network.plan.cells for values in state)


def _finite(state: list[NDArray[np.float64]], network: Network) -> bool:
    used = network.excitatory + network.inhibitory
    return all(bool(np.isfinite(values[:used]).all()) for values in state)


def _run_numpy(network: Network, dt: float) -> Raw:
    import brian2
    from brian2.codegen.runtime.numpy_rt import NumpyCodeObject

    clock = brian2.Clock(dt=dt * brian2.second, name="cells_clock")
    group = make_cells(network.plan.cells, clock, codeobj_class=NumpyCodeObject)
    for name, values in {**network.parameters, "v": network.v}.items():
        group.variables[name].get_value()[:] = values
    exchange = Exchange(network.plan, group)
    monitor = brian2.SpikeMonitor(group, name="spikes", codeobj_class=NumpyCodeObject)

    def step() -> None:
        exchange(int(clock.variables["timestep"].get_value()[0]))
        if exchange.over:
            run.stop()

    operation = brian2.NetworkOperation(step, clock=clock, when="synapses", name="exchange")
    run = brian2.Network(group, operation, monitor)
    with np.errstate(all="ignore"):
        run.run(network.plan.steps * dt * brian2.second, namespace={})
    state = [np.asarray(group.variables[name].get_value()) for name in STATE]
    cells = np.array(monitor.variables["i"].get_value(), np.int32)
    steps = np.rint(np.array(monitor.variables["t"].get_value()) / dt).astype(np.int64)
    return Raw(cells, steps, exchange.stopped_early, _finite(state, network))
