"""Sampling one observation, beside the same task done by sbi with the same weights.

    python benchmarks/sampling.py [--json FILE] [--repeats N] [--model MODEL]

The task is that of the release: n * K accepted draws, their normalised log-densities,
the n densest. sbi does it by `sample`, `log_prob` and a sort, on one thread and on
two; the better of its times counts. Runs alternate; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automind_data.common.layout import DGMS, OBSERVATION_TABLES
from automind_data.common.observations import read_observations
from automind_data.dgm import DGM, load
from automind_data.dgm.draws import BLOCK
from automind_data.pickles.convert import convert_posterior

ROOT = Path(__file__).parents[1]
MODELS = ("psd", "burst", "maf")
TASKS = ((1000, 20), (10_000, 1))
TABLES = {"psd": "allenvc_summary", "burst": "organoid_summary"}
HIDDEN, TRANSFORMS = 50, 5

PEAK = """
import re, sys
from pathlib import Path
import numpy as np
from automind_data.dgm import load
x = np.load(sys.argv[2])
load(sys.argv[1]).draw(x, 1000, 1, oversample=int(sys.argv[3]), at_least=10_000)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def published(path: str) -> Path:
    """Return a published file of this clone, pulled if need be."""
    file = ROOT / "datasets" / path
    if not file.is_file():
        subprocess.run(["dvc", "pull", "-q", f"datasets/{path}.dvc"], cwd=ROOT, check=True)
    return file


def models(scratch: Path) -> dict[str, tuple[DGM, NDArray[np.float32]]]:
    """Convert the two published models, and make a masked autoregressive one of their size."""
    made = {}
    for name, table in TABLES.items():
        convert_posterior(published(DGMS[name]), scratch / name)
        dgm = load(scratch / name)
        rows = read_observations(published(OBSERVATION_TABLES[table].path), dgm.recipe.columns)
        made[name] = (dgm, dgm.conditioning(next(iter(rows.values()))))
    dgm, x = made["psd"]
    made["maf"] = (autoregressive(dgm), x)
    return made


def autoregressive(like: DGM) -> DGM:
    """Make an untrained masked autoregressive flow with the embedding net of another model."""
    import torch
    from nflows import transforms

    width = len(like.names)
    embedding = like.description["flow"]["embedding"]
    tensors = {name: part for name, part in like.tensors.items() if "embedding" in name}
    last = [layer for layer in embedding if layer["kind"] == "linear"][-1]
    context = len(tensors[f"{last['tensors']}.bias"])
    affine = "_transform._transforms.0"
    shift, scale = (np.full(width, value, np.float32) for value in (-4.0, 8.0))
    tensors |= {f"{affine}._shift": shift, f"{affine}._scale": scale}
    described: list[dict[str, Any]] = [{"kind": "affine", "tensors": affine}]
    torch.manual_seed(0)
    for _ in range(TRANSFORMS):
        prefix = f"_transform._transforms.{len(described)}"
        layer = transforms.MaskedAffineAutoregressiveTransform(
            width, HIDDEN, context, use_residual_blocks=False, activation=torch.tanh
        )
        layer.autoregressive_net.final_layer.bias.data[::2] += float(np.log(np.e - 1))
        tensors |= {f"{prefix}.{key}": part.numpy() for key, part in layer.state_dict().items()}
        sizes = {"eps": 1e-3, "blocks": 2, "activation": "tanh"}
        described.append({"kind": "affine autoregressive", "tensors": prefix, **sizes})
        prefix = f"_transform._transforms.{len(described)}"
        tensors[f"{prefix}._permutation"] = torch.randperm(width).numpy()
        described.append({"kind": "permutation", "tensors": prefix})
    flow = {**like.description["flow"], "transforms": described}
    return DGM({**like.description, "flow": flow}, tensors)


def timed(task: Callable[[], Any]) -> float:
    """Return how many seconds a task took."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def ours(dgm: DGM, x: NDArray[np.float32], n: int, oversample: int, threads: int) -> None:
    fresh = DGM(dgm.description, dgm.tensors)
    fresh.draw(x, n, 1, oversample=oversample, at_least=10_000, threads=threads)


def theirs(posterior: Any, x: NDArray[np.float32], n: int, oversample: int, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    given = torch.from_numpy(x)[None]
    samples = posterior.sample((n * oversample,), x=given, show_progress_bars=False)
    log_prob = posterior.log_prob(samples, x=given)
    samples[torch.argsort(log_prob, descending=True)[:n]]


def products(name: str, draws: int) -> float:
    """Return how long the matrix products alone of so many draws take, by torch on one thread."""
    import torch

    torch.set_num_threads(1)
    half, width = 14, 28
    spline = [(half, HIDDEN), *[(HIDDEN, HIDDEN)] * 4, (HIDDEN, half * 29), (width, width)]
    masked = [(width, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 2 * width)]
    pairs = [
        (torch.randn(BLOCK, rows), torch.randn(rows, columns))
        for rows, columns in (masked if name == "maf" else spline) * TRANSFORMS
    ]

    def block() -> None:
        for one, other in pairs:
            torch.mm(one, other)

    with torch.inference_mode():
        times = [timed(block) for _ in range(100)]
    return statistics.median(times) * draws / BLOCK


def compare(
    name: str, dgm: DGM, x: NDArray[np.float32], repeats: int, threads: tuple[int, ...] = (1, 2)
) -> list[dict[str, Any]]:
    """Time both sides of one model in turn."""
    posterior, records = dgm.to_sbi(), []
    ours(dgm, x, 10, 1, 1)
    for n, oversample in TASKS:
        times: dict[tuple[str, int], list[float]] = {}
        for _ in range(repeats):
            for count in threads:
                for side, task, model in (("ours", ours, dgm), ("sbi", theirs, posterior)):
                    seconds = timed(partial(task, model, x, n, oversample, count))
                    times.setdefault((side, count), []).append(seconds)
        medians = {key: statistics.median(values) for key, values in times.items()}
        best = min(medians["sbi", count] for count in threads)
        draws = dgm.draw(x, n, 1, oversample=oversample, at_least=10_000)
        share = products(name, draws.drawn) / medians["ours", 1]
        for count in threads:
            value = medians["ours", count]
            said = ", ".join(f"{medians['sbi', each]:.2f} s on {each}" for each in threads)
            record = {
                "name": f"{name}: n {n}, K {oversample}",
                "value": round(value, 4),
                "unit": "s",
                "baseline": f"sbi: {said}",
                "ratio": round(best / value, 1),
                "threads": count,
                "n": repeats,
                "draws per second": round(draws.drawn / value),
                "acceptance": round(draws.acceptance, 3),
            }
            if count == 1:
                record["matrix products, share of the time"] = round(share, 2)
            records.append(record)
    return records


def memory(folder: Path, x: NDArray[np.float32], scratch: Path) -> dict[str, Any]:
    """Compare the peak memory of a process that oversamples much with one that does not."""
    np.save(scratch / "x.npy", x)
    peaks = []
    for oversample in (1, 200):
        command = [sys.executable, "-c", PEAK, str(folder), str(scratch / "x.npy"), str(oversample)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    return {
        "name": "peak memory: n 1000, K 200",
        "value": round(peaks[1], 1),
        "unit": "MB",
        "baseline": f"K 1: {peaks[0]:.1f} MB",
        "ratio": round(peaks[0] / peaks[1], 3),
        "threads": 2,
        "n": 1,
    }


def main() -> None:
    """Print the table; write the records where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="append", choices=MODELS, help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'what':<27} {'threads':>7} {'value':>10}  {'compared with':<36} {'times better':>12}")
    records = []
    with tempfile.TemporaryDirectory() as scratch:
        made = models(Path(scratch))
        for name in (*(args.model or MODELS), "memory"):
            if name == "memory":
                batch = [memory(Path(scratch) / "psd", made["psd"][1], Path(scratch))]
            else:
                batch = compare(name, *made[name], args.repeats)
            for each in batch:
                value = f"{each['value']} {each['unit']}"
                head = f"{each['name']:<27} {each['threads']:>7} {value:>10}"
                print(f"{head}  {each['baseline']:<36} {each['ratio']:>12}", flush=True)
            records += batch
    for each in records:
        if "draws per second" in each:
            share = each.get("matrix products, share of the time", "")
            print(
                f"{each['name']:<27} {each['threads']:>7} {each['draws per second']:>9} draws/s  "
                f"acceptance {each['acceptance']}  matrix products {share}"
            )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
