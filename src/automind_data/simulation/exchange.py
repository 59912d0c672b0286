"""What cells exchange in a step: spikes, input and the verdict of early stopping.

Brian2 calls `exchange` once a step, in its slot for synapses. Here it is in C++, for networks
that are compiled, and in numpy, for machines without a compiler. Both read the same plan and
draw the same numbers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODE", "Exchange", "Input", "Plan", "Projection", "mixed", "plan_bytes"]

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Projection:
    """Synapses of one kind: the same effect on every target.

    Attributes
    ----------
    first, starts, targets
        Cell `first + i` reaches `targets[starts[i]:starts[i + 1]]`.
    excitatory
        Whether `g_e` or `g_i` of the target grows.
    weight
        By how much, S.
    delay
        Steps.
    """

    first: int
    starts: NDArray[np.int64] = field(repr=False)
    targets: NDArray[np.int32] = field(repr=False)
    excitatory: bool
    weight: float
    delay: int = 0


@dataclass(frozen=True)
class Input:
    """Poisson input to the cells from `first` to `last`, the latter not included.

    Attributes
    ----------
    weight
        What one event adds to `g_e`, S.
    limits
        A cell gets as many events as there are limits that a random number of 63 bits reaches.
    """

    first: int
    last: int
    weight: float
    limits: NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True)
class Plan:
    """All that `exchange` needs of one run.

    Attributes
    ----------
    cells, excitatory
        Places for cells in the network, and how many of the first are excitatory.
    key
        Of the random numbers of the input, 64 bits.
    steps
        Length of the run.
    check
        Steps after which the run may be stopped; 0: never.
    window
        First and last step (not included) in which the check counts spikes.
    few, many
        The run stops with no more spikes than `few`, or `many` and more.
    """

    cells: int
    excitatory: int
    key: int
    steps: int
    check: int
    window: tuple[int, int]
    few: int
    many: int
    projections: tuple[Projection, ...] = field(repr=False)
    inputs: tuple[Input, ...]


def plan_bytes(plan: Plan) -> bytes:
    """Write a plan as the compiled network reads it: whole numbers and floats of 8 bytes."""

    def ints(*values: int) -> bytes:
        return np.array([value & WORD for value in values], np.uint64).tobytes()

    def floats(*values: float) -> bytes:
        return np.array(values, np.float64).tobytes()

    parts = [
        ints(plan.cells, plan.excitatory, plan.key, plan.steps, plan.check, *plan.window),
        ints(plan.few, plan.many, len(plan.projections), len(plan.inputs)),
    ]
    for each in plan.projections:
        sizes = (len(each.starts) - 1, len(each.targets))
        parts += [ints(each.first, each.excitatory, each.delay, *sizes), floats(each.weight)]
        parts += [each.starts.astype(np.int64).tobytes(), each.targets.astype(np.int32).tobytes()]
    for drive in plan.inputs:
        parts += [ints(drive.first, drive.last, len(drive.limits)), floats(drive.weight)]
        parts += [drive.limits.astype(np.int64).tobytes()]
    return b"".join(parts)


def mixed(key: int, counters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Turn counters into random numbers of 64 bits, the output function of SplitMix64.

    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
    """
    state = (counters + np.uint64(1)) * np.uint64(GOLDEN) + np.uint64(key)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class Exchange:
    """`exchange` in numpy, for a network in this process.

    Parameters
    ----------
    plan
        Of the run.
    group
        The Brian2 group of all cells.
    """

    def __init__(self, plan: Plan, group: Any) -> None:
        self.plan = plan
        self.stopped_early = False
        self.over = False
        self._arrays = {
            True: group.variables["g_e"].get_value(),
            False: group.variables["g_i"].get_value(),
        }
        self._spikes = group.variables["_spikespace"]
        longest = max((each.delay for each in plan.projections), default=0)
        self._history: deque[NDArray[np.int32]] = deque(maxlen=longest + 1)
        self._counted = 0
        self._counters = [np.arange(each.first, each.last, dtype=np.uint64) for each in plan.inputs]

    def __call__(self, step: int) -> None:
        """Do what belongs to one step."""
        plan, space = self.plan, self._spikes.get_value()
        fired = space[: space[-1]].copy()
        self._history.append(fired)
        for each in plan.projections:
            if each.delay < len(self._history):
                self._deliver(each, self._history[-1 - each.delay])
        for drive, counters in zip(plan.inputs, self._counters, strict=True):
            drawn = mixed(plan.key, np.uint64(step * plan.cells) + counters) >> np.uint64(1)
            events = np.searchsorted(drive.limits, drawn.astype(np.int64), side="right")
            self._arrays[True][drive.first : drive.last] += drive.weight * events
        if plan.window[0] <= step < plan.window[1]:
            self._counted += int(np.searchsorted(fired, plan.excitatory))
        if step + 1 == plan.check:
            self.stopped_early = self._counted <= plan.few or self._counted >= plan.many
        self.over = self.stopped_early or step + 1 == plan.steps

    def _deliver(self, projection: Projection, fired: NDArray[np.int32]) -> None:
        starts, array = projection.starts, self._arrays[projection.excitatory]
        for cell in fired.tolist():
            place = cell - projection.first
            if 0 <= place < len(starts) - 1:
                array[projection.targets[starts[place] : starts[place + 1]]] += projection.weight


CODE = r"""
struct Projection {
    int64_t first, excitatory, delay, cells, synapses;
    double weight;
    std::vector<int64_t> starts;
    std::vector<int32_t> targets;
};

struct Input {
    int64_t first, last, number;
    double weight;
    std::vector<int64_t> limits;
};

struct Plan {
    int64_t cells, excitatory, key, steps, check, begin, end, few, many, projections, inputs;
    std::vector<Projection> projection;
    std::vector<Input> input;
    std::vector<std::vector<int32_t>> history;
    int64_t counted = 0;

    template <class T> static void read(std::FILE *file, T *into, size_t count) {
        if (std::fread(into, sizeof(T), count, file) != count) {
            std::fprintf(stderr, "the plan is cut off\n");
            std::exit(3);
        }
    }

    Plan() {
#ifdef __linux__
        prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
        std::FILE *file = std::fopen("plan.bin", "rb");
        if (!file) {
            std::fprintf(stderr, "the plan is not there\n");
            std::exit(3);
        }
        read(file, &cells, 11);
        size_t longest = 0;
        for (int64_t k = 0; k < projections; k++) {
            Projection each;
            read(file, &each.first, 5);
            read(file, &each.weight, 1);
            each.starts.resize(each.cells + 1);
            each.targets.resize(each.synapses);
            read(file, each.starts.data(), each.starts.size());
            read(file, each.targets.data(), each.targets.size());
            if ((size_t)each.delay > longest) longest = each.delay;
            projection.push_back(std::move(each));
        }
        for (int64_t k = 0; k < inputs; k++) {
            Input each;
            read(file, &each.first, 3);
            read(file, &each.weight, 1);
            each.limits.resize(each.number);
            read(file, each.limits.data(), each.limits.size());
            input.push_back(std::move(each));
        }
        std::fclose(file);
        history.resize(longest + 1);
    }
};

static inline uint64_t mixed(uint64_t state) {
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ull;
    state = (state ^ (state >> 27)) * 0x94D049BB133111EBull;
    return state ^ (state >> 31);
}

static void add_input(const Plan &plan, const Input &each, int64_t step, double *__restrict g_e) {
    const uint64_t key = (uint64_t)plan.key + 0x9E3779B97F4A7C15ull;
    const uint64_t from = (uint64_t)(step * plan.cells);
    const int64_t *limits = each.limits.data();
    const int64_t first = limits[0], number = each.number;
    for (int64_t cell = each.first; cell < each.last; cell++) {
        const int64_t drawn =
            (int64_t)(mixed((from + (uint64_t)cell) * 0x9E3779B97F4A7C15ull + key) >> 1);
        if (drawn >= first) {
            int64_t events = 1;
            while (events < number && drawn >= limits[events]) events++;
            g_e[cell] += each.weight * (double)events;
        }
    }
}

static int64_t exchange(int64_t step) {
    static Plan plan;
    double *g_e = brian::_array_cells_g_e, *g_i = brian::_array_cells_g_i;
    const int32_t *fired = brian::_array_cells__spikespace;
    const int64_t number = fired[plan.cells];
    const size_t length = plan.history.size();
    plan.history[step % length].assign(fired, fired + number);
    for (const Projection &each : plan.projection) {
        if (step < each.delay) continue;
        double *g = each.excitatory ? g_e : g_i;
        for (int32_t cell : plan.history[(step - each.delay) % length]) {
            const int64_t place = cell - each.first;
            if (place < 0 || place >= each.cells) continue;
            const int32_t *target = each.targets.data() + each.starts[place];
            const int32_t *end = each.targets.data() + each.starts[place + 1];
            for (; target < end; target++) g[*target] += each.weight;
        }
    }
    for (const Input &each : plan.input) add_input(plan, each, step, g_e);
    if (plan.begin <= step && step < plan.end)
        for (int64_t k = 0; k < number && fired[k] < plan.excitatory; k++) plan.counted++;
    bool stop = step + 1 == plan.check && (plan.counted <= plan.few || plan.counted >= plan.many);
    if (stop || step + 1 == plan.steps) Network::_globally_stopped = true;
    return stop;
}
"""
"""The same for a compiled network with the group `cells`; `build.HEADERS` come before it."""
