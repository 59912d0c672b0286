"""Training throughput: rows per second of `train`, against sbi called by hand.

    python benchmarks/train.py [--json FILE] [--rows N] [--epochs N] [--repeats N]

The same networks (5 transforms, 50 hidden, 10 bins, 28 parameters; the PSD one with its
embedding net of 990 → 100 → 20), the same rows and batches, the same number of epochs,
one thread. sbi is called as its manual says: append_simulations and train. The time
that it and we take to build the network is not counted. Runs alternate; medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from automind_data.dgm.draws import one_torch_thread
from automind_data.training.fit import Fit, fit
from automind_data.training.network import Architecture, build

WIDTH = 28
CASES: dict[str, tuple[int, Literal["nsf", "maf"], tuple[int, ...]]] = {
    "PSD, nsf": (990, "nsf", (100, 20)),
    "burst, nsf": (4, "nsf", ()),
    "burst, maf": (4, "maf", ()),
}


def ours(case: str, u: Any, x: Any, batch: int, epochs: int) -> float:
    """Return the seconds of our loop."""
    _, estimator, embedding = CASES[case]
    flow = build(Architecture(estimator, embedding=embedding), WIDTH, x, 0)
    held = np.zeros(len(u), bool)
    held[: len(u) // 10] = True
    begin = time.perf_counter()
    for _ in fit(flow, u, x, held, Fit(batch=batch, patience=epochs, max_epochs=epochs)):
        pass
    return time.perf_counter() - begin


def by_hand(case: str, u: Any, x: Any, batch: int, epochs: int) -> float:
    """Return the seconds of sbi's."""
    from sbi.inference import NPE
    from sbi.neural_nets import posterior_nn
    from sbi.neural_nets.embedding_nets import FCEmbedding
    from sbi.utils import BoxUniform

    features, estimator, embedding = CASES[case]
    net: Any = torch.nn.Identity()
    if embedding:
        first, last = embedding
        net = FCEmbedding(features, output_dim=last, num_layers=2, num_hiddens=first)
    builder = posterior_nn(
        estimator, z_score_x="none", hidden_features=50, num_transforms=5, embedding_net=net
    )
    prior = BoxUniform(torch.zeros(WIDTH), torch.ones(WIDTH))
    with tempfile.TemporaryDirectory() as logs, contextlib.chdir(logs):
        inference = NPE(prior, density_estimator=builder, show_progress_bars=False)
        inference.append_simulations(torch.from_numpy(u), torch.from_numpy(x))
        begin = time.perf_counter()
        inference.train(
            training_batch_size=batch,
            max_num_epochs=epochs,
            stop_after_epochs=epochs + 1,
            validation_fraction=0.1,
        )
        return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, nargs="+", default=[50, 200])
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    records: list[dict[str, Any]] = []
    print(f"{'':12} {'batch':>5}  {'rows/s':>8}  {'sbi':>8}  ratio")
    for case, (features, _, _) in CASES.items():
        u = rng.random((asked.rows, WIDTH), np.float32)
        x = 0.1 * rng.standard_normal((asked.rows, features), np.float32)
        for batch in asked.batch:
            times: dict[Any, list[float]] = {ours: [], by_hand: []}
            with one_torch_thread():
                for _ in range(asked.repeats):
                    for run, taken in times.items():
                        taken.append(run(case, u, x, batch, asked.epochs))
            seen = 0.9 * asked.rows * asked.epochs
            rates = {run: seen / statistics.median(taken) for run, taken in times.items()}
            ratio = rates[ours] / rates[by_hand]
            print(
                f"{case:12} {batch:5}  {rates[ours]:8.0f}  {rates[by_hand]:8.0f}  {ratio:5.2f}",
                flush=True,
            )
            records.append(
                {
                    "name": f"train {case}, batches of {batch}",
                    "value": rates[ours],
                    "unit": "rows/s",
                    "baseline": rates[by_hand],
                    "ratio": ratio,
                    "threads": 1,
                    "n": asked.rows,
                }
            )
    if asked.json:
        asked.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
