"""Compiling a network once, for all runs of its size and step: `python -m … CELLS DT FOLDER`."""

from __future__ import annotations

import sys

from automind_data.simulation.equations import make_cells
from automind_data.simulation.exchange import CODE

__all__ = ["FLAGS", "build"]

FLAGS = (
    *("-w", "-O3", "-march=native", "-std=c++11"),
    *("-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"),
    "--param=vect-max-version-for-alias-checks=1000",
)
"""No relaxed arithmetic, so every processor gets the same numbers, some of them faster."""

HEADERS = ("<cstdint>", "<cstdio>", "<cstdlib>", "<vector>")
HEADERS_OF_LINUX = ("<signal.h>", "<sys/prctl.h>")

FOREVER = 1e7
"""Longer than any run, s; `exchange` ends it."""


def _exchange(step: int) -> int:
    raise NotImplementedError("runs in C++ only")


def build(cells: int, dt: float, folder: str) -> None:
    """Write and compile the Brian2 project of a network; its program is `folder/main`."""
    import brian2

    brian2.prefs.codegen.cpp.extra_compile_args_gcc = list(FLAGS)
    more = HEADERS_OF_LINUX if sys.platform == "linux" else ()
    brian2.prefs.codegen.cpp.headers = [*HEADERS, *more]
    brian2.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
    brian2.set_device("cpp_standalone", build_on_run=False)
    brian2.defaultclock.dt = dt * brian2.second
    checked = brian2.check_units(step=1, result=1)(_exchange)
    exchange = brian2.implementation("cpp", CODE)(checked)
    exchange.stateless = False
    group = make_cells(cells, brian2.defaultclock, "stopped : integer (shared)\n")
    group.namespace["exchange"] = exchange
    group.run_regularly(
        "stopped = exchange(t_in_timesteps)", when="synapses", clock=brian2.defaultclock
    )
    network = brian2.Network(group, brian2.SpikeMonitor(group, name="spikes"))
    network.run(FOREVER * brian2.second)
    brian2.device.build(directory=folder, run=False, compile=True, with_output=False)


if __name__ == "__main__":
    build(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
