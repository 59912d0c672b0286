"""Training: the same bytes always, also after a kill; what is written opens and is right."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from automind_data.common.errors import AutomindError
from automind_data.dgm import load
from automind_data.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from automind_data.training.density import bounded, log_prob
from automind_data.training.fit import Fit, _Work, fit
from automind_data.training.inputs import recipe_of_columns
from automind_data.training.network import Architecture, build, describe
from automind_data.training.run import Training, _held, checkpoint_of, train
from tests.kills import content, run_until_killed
from tests.training.simulators import FEATURES, NAMES, SPECTRUM, write_prior, write_table

SMALL = Training(
    Architecture(transforms=2, hidden=12, blocks=1, bins=4, embedding=(8,), dropout=0.2),
    Fit(batch=40, learning_rate=2e-3, patience=3, max_epochs=6, seed=3),
)
KILLED = """
import sys
from pathlib import Path
from automind_data.training import fit
from tests.training.test_training import run
fit.{name} = killing(fit.{name}, {at})
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""
KILLED_LATE = """
import sys
from pathlib import Path
from automind_data.training import run as module
from tests.training.test_training import run
module.write_trained = killing(module.write_trained, 1)
run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def finished(work: Generator[dict[str, Any], None, Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def recipe(folder: Path, *columns: str) -> dict[str, Any]:
    return recipe_of_columns(columns or FEATURES, write_prior(folder / "prior.csv"))


def spectra(folder: Path) -> dict[str, Any]:
    """A recipe of spectra, which go through the embedding net."""
    made = recipe(folder, *(f"log10({name})" for name in SPECTRUM))
    made["conditioning"] |= {"kind": "psd", "log10": True}
    return {key: made[key] for key in ("parameters", "conditioning")}


def run(folder: Path, out: Path, settings: Training = SMALL) -> Any:
    table = folder / "table.parquet"
    if not table.exists():
        write_table(table, 200)
    return finished(train([table], out, spectra(folder), settings, every=0.0))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and the training `undisturbed` of it."""
    folder = tmp_path_factory.mktemp("training")
    run(folder, folder / "undisturbed")
    return folder


@pytest.mark.parametrize("estimator", ["nsf", "maf"])
@pytest.mark.parametrize("embedding", [(), (6, 4)])
def test_the_untrained_network_is_the_prior_and_training_computes_what_nflows_does(
    estimator: Any, embedding: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).standard_normal((500, 5)).astype(np.float32)
    shape = Architecture(estimator, 3, 20, 2, 8, embedding, 0.5, z_score_x=True)
    flow = build(shape, 6, x, seed=1).eval()
    u, features = (
        torch.rand(500, 6, generator=torch.Generator().manual_seed(1)),
        torch.from_numpy(x),
    )
    with torch.no_grad():
        for noise in (0.0, 0.1):
            for number in flow.parameters():
                number += noise * number.requires_grad * torch.randn(number.shape)
            values, logdet = bounded(flow, u)
            ours = logdet + log_prob(flow, values, features)
            assert torch.allclose(ours, flow.log_prob(u, context=features), atol=2e-4)
            if not noise:
                assert -0.03 < ours.mean() < 0.0


def test_what_is_described_is_the_network(tmp_path: Path, once: Path) -> None:
    x = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
    for estimator in ("nsf", "maf"):
        shape = Architecture(estimator, 2, 12, 2, 6, (8, 4), z_score_x=True)  # type: ignore[arg-type]
        flow = build(shape, 3, x, seed=1).eval()
        with torch.no_grad():
            for number in flow.parameters():
                number += 0.2 * number.requires_grad * torch.randn(number.shape)
        described, tensors = describe(flow)
        dgm = load(once / "undisturbed")
        dgm.description["flow"], dgm.tensors = described, tensors
        u = np.random.default_rng(1).random((20, 3)).astype(np.float32)
        with torch.no_grad():
            theirs = flow.log_prob(
                torch.from_numpy(u), context=torch.from_numpy(x[:1]).expand(20, -1)
            )
        assert np.allclose(dgm.log_prob_unit(u, x[0]), theirs, atol=1e-3)


def test_the_folder_opens_conditions_evaluates_and_samples(once: Path) -> None:
    out = once / "undisturbed"
    assert set(content(out)) == {
        "dgm.json", "dgm.safetensors", "probe.json", "training.json", "metrics.json",
        "loss.csv", "loss.svg",
    }  # fmt: skip
    assert not checkpoint_of(out).exists()
    dgm, record = load(out), json.loads((out / "training.json").read_text())
    assert dgm.names == NAMES
    assert dgm.description["source"]["trained"] == record
    assert dgm.description["source"]["file"] == "table.parquet"
    assert (record["rows"], record["validation_rows"]) == (158, 40)
    assert record["validation_log_prob"] > record["validation_log_prob_untrained"] + 0.05
    x = dgm.conditioning(dict(zip(SPECTRUM, (3.0, 1.6, 3.0), strict=True)))
    theta = dgm.sample(x, 50, seed=1)
    assert theta.shape == (50, 3) and np.isfinite(dgm.log_prob(theta, x)).all()
    rows, context = torch.from_numpy(dgm.to_unit(theta))[:, None], torch.from_numpy(x)[None]
    theirs = dgm.to_sbi().posterior_estimator.log_prob(rows, context)[:, 0].detach().numpy()
    assert np.allclose(dgm.log_prob_unit(dgm.to_unit(theta), x), theirs, atol=1e-3)
    losses = (out / "loss.csv").read_text().splitlines()
    assert losses[0] == "epoch,training,validation" and len(losses) == record["epochs"] + 2


def test_equal_settings_give_equal_bytes_and_another_seed_others(
    once: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    torch.manual_seed(99)
    run(once, tmp_path / "again")
    assert content(tmp_path / "again") == content(once / "undisturbed")
    other = replace(SMALL, fit=replace(SMALL.fit, seed=4))
    run(once, tmp_path / "other", other)
    assert (
        content(tmp_path / "other")["dgm.safetensors"]
        != (content(once / "undisturbed")["dgm.safetensors"])
    )


@pytest.mark.parametrize(("name", "at"), [("write_checkpoint", 4), ("log_prob", 18), (None, 1)])
def test_after_a_kill_it_ends_with_the_bytes_of_an_undisturbed_run(
    once: Path, tmp_path: Path, name: str | None, at: int
) -> None:
    out = tmp_path / "out"
    program = KILLED_LATE if name is None else KILLED.format(name=name, at=at)
    run_until_killed(program, once, out)
    assert not out.exists() and checkpoint_of(out).exists()
    events = list(train([once / "table.parquet"], out, spectra(once), SMALL, every=0.0))
    assert events[0]["done"] > 1, "it began anew"
    assert content(out) == content(once / "undisturbed")
    assert not checkpoint_of(out).exists()


def test_a_checkpoint_of_other_settings_or_a_broken_one_is_not_gone_on_from(
    once: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    work = train([once / "table.parquet"], out, spectra(once), SMALL, every=0.0)
    while next(work)["done"] < 3:
        pass
    work.close()
    path = checkpoint_of(out)
    whole = path.read_bytes()
    state = read_checkpoint(path)
    assert state is not None and len(state.history) == 3
    for broken in (whole[:200], b"", whole.replace(b"now.", b"new.")):
        path.write_bytes(broken)
        assert run(once, out)["epochs"] > 3
        assert content(out) == content(once / "undisturbed")
    write_checkpoint(path, Checkpoint("other", state.history, state.best, state.tensors))
    run(once, out)
    assert content(out) == content(once / "undisturbed")


def test_the_network_of_the_best_epoch_is_kept() -> None:
    rng = np.random.default_rng(0)
    u, x = rng.random((60, 3), np.float32), rng.standard_normal((60, 3), np.float32)
    held = np.arange(60) < 20
    flow = build(Architecture("maf", transforms=2, hidden=30), 3, x, seed=1)
    how = Fit(batch=10, learning_rate=3e-3, patience=5, max_epochs=50)
    fitted = finished(fit(flow, u, x, held, how))
    assert fitted.best == len(fitted.history) - 5 < 45
    with torch.no_grad():
        theirs = flow.log_prob(torch.from_numpy(u[held]), context=torch.from_numpy(x[held]))
    losses = [fitted.first, *(row[1] for row in fitted.history)]
    assert -theirs.mean().item() == pytest.approx(min(losses), abs=1e-4)
    assert fitted.loss == min(losses) == losses[fitted.best]


def test_the_pull_holds_weights_to_the_prior_and_biases_less() -> None:
    rng = np.random.default_rng(0)
    u, x = rng.random((80, 3), np.float32), rng.standard_normal((80, 3), np.float32)
    far = {}
    for pull in (0.0, 20_000.0):
        flow = build(Architecture(transforms=2, hidden=12, bins=4), 3, x, seed=1)
        begun = {name: each.detach().clone() for name, each in flow.named_parameters()}
        how = Fit(batch=20, learning_rate=2e-3, pull=pull, patience=30, max_epochs=30)
        work = _Work(flow, u, x, np.arange(80) < 10, how)
        while not work.finished:
            work.epoch()
        moved = {name: (each - begun[name]).abs() for name, each in flow.named_parameters()}
        for kind in ("final_layer.weight", "final_layer.bias"):
            found = [each.mean().item() for name, each in moved.items() if name.endswith(kind)]
            far[kind, pull] = np.mean(found[2:])
        assert not any(moved[name].any() for name in moved if "_transforms.1." in name)
    weights, biases = (
        far[kind, 20_000.0] / far[kind, 0.0] for kind in ("final_layer.weight", "final_layer.bias")
    )
    assert weights < 0.1 and weights < 0.5 * biases < 0.5


def test_tables_together_and_at_most_so_many_rows(once: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    more = write_table(tmp_path / "more.parquet", 100, seed=5, batch=2, release="r1")
    quick = replace(SMALL, fit=replace(SMALL.fit, max_epochs=1), max_rows=250)
    record = finished(
        train([once / "table.parquet", more], tmp_path / "out", recipe(tmp_path), quick)
    )
    assert record["rows"] + record["validation_rows"] == 250
    assert [each["usable"] for each in record["tables"]] == [200, 100]
    assert [each["release"] for each in record["tables"]] == [None, "r1"]


def test_columns_are_logged_and_scored_by_the_rows_that_are_trained_on(tmp_path: Path) -> None:
    from dataclasses import replace

    size = np.random.default_rng(0).uniform(1, 5, 200)
    write_table(tmp_path / "table.parquet", 200, burst_x=size)
    quick = replace(SMALL, fit=replace(SMALL.fit, max_epochs=1))
    chosen = recipe(tmp_path, "log10(burst_x)", "burst_y")
    finished(train([tmp_path / "table.parquet"], tmp_path / "out", chosen, quick))
    dgm = load(tmp_path / "out")
    (x, _) = dgm.conditioning({"burst_x": 10.0, "burst_y": 0.0})
    score = dgm.recipe.standardize
    assert x == pytest.approx((1 - score["mean"][0]) / score["std"][0], rel=1e-5)
    used = np.log10(size[~_held(200, quick)])
    assert score["mean"][0] == pytest.approx(used.mean(), rel=1e-5)
    assert score["std"][0] == pytest.approx(used.std(), rel=1e-5)


def bad(folder: Path, **columns: Any) -> Path:
    return write_table(folder / "bad.parquet", 60, **columns)


def outside(value: float) -> np.ndarray:
    column = np.full(60, 0.5)
    column[7] = value
    return column


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"burst_y": None}, "lacks 1 columns that are needed, as burst_y"),
        ({NAMES[0]: None}, f"lacks 1 columns that are needed, as {NAMES[0]}"),
        ({NAMES[0]: outside(1.5)}, f"row 7 has {NAMES[0]} = 1.5, which is outside the prior"),
        ({NAMES[0]: outside(np.nan)}, f"row 7 has {NAMES[0]} = nan, which is outside the prior"),
        ({"burst_x": np.full(60, np.nan)}, "has 0 usable rows of 60, at least 20 are needed"),
        ({"params_analysis.early_stopped": np.arange(60) > 9}, "has 10 usable rows of 60"),
        ({"burst_x": np.full(60, 2.0)}, "has burst_x, which is the same in all rows"),
        ({"release": "r2"}, "is of release r2, where r1 belongs"),
        ({}, "has the run 1_0, which"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    tables = [bad(tmp_path, **columns)]
    if columns.keys() <= {"release"}:
        tables.insert(0, write_table(tmp_path / "good.parquet", 60, release="r1"))
    with pytest.raises(AutomindError) as refusal:
        finished(train(tables, tmp_path / "out", recipe(tmp_path), SMALL))
    assert said in str(refusal.value) and len(str(refusal.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_rows_with_a_feature_that_is_no_number_are_left_out(tmp_path: Path) -> None:
    from dataclasses import replace

    column = np.random.default_rng(1).random(60)
    column[:5] = np.nan, np.inf, -np.inf, np.nan, np.nan
    quick = replace(SMALL, fit=replace(SMALL.fit, max_epochs=1))
    record = finished(
        train([bad(tmp_path, burst_x=column)], tmp_path / "out", recipe(tmp_path), quick)
    )
    assert record["tables"][0]["usable"] == 55


def test_a_loss_that_explodes_and_one_parameter_alone_are_refused(
    once: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    wild = replace(SMALL, fit=replace(SMALL.fit, learning_rate=1e30))
    with pytest.raises(AutomindError, match="lower the learning rate"):
        run(once, tmp_path / "out", wild)
    alone = recipe(tmp_path)
    alone["parameters"] = alone["parameters"][:1]
    with pytest.raises(AutomindError, match="a flow needs at least 2"):
        finished(train([once / "table.parquet"], tmp_path / "out", alone, SMALL))
