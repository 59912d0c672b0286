"""Compiled kernels against plain torch and nflows, for every kind of layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from llvmlite import binding

from automind_data.common.errors import AutomindError
from automind_data.dgm import DGM, load, vectors
from automind_data.dgm.compiled import CompiledFlow
from automind_data.dgm.flow import ConditionedFlow
from automind_data.dgm.vectors import compiled
from automind_data.pickles.convert import convert_pickle
from tests.dgm.legacy import COLUMNS, maf, pickled_posterior
from tests.dgm.test_flow import CONTEXT, WIDTH, random_flow

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "exp": (np.exp, np.linspace(-86, 87, 16384)),
    "log": (np.log, np.logspace(-37, 38, 16384)),
    "tanh": (np.tanh, np.linspace(-30, 30, 16384)),
    "softplus": (lambda x: np.logaddexp(0, x), np.linspace(-80, 80, 16384)),
    "sqrt": (np.sqrt, np.logspace(-30, 30, 16384)),
}


@pytest.fixture
def z_score_theta() -> str:
    return "independent"


@pytest.fixture
def maf_folder(z_score_theta: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A converted masked autoregressive posterior."""
    flow = maf(z_score_theta=z_score_theta)
    (tmp_path / "maf.pickle").write_bytes(pickled_posterior(flow, monkeypatch))
    assert convert_pickle(tmp_path / "maf.pickle", tmp_path / "maf") == "posterior"
    torch.save(flow, tmp_path / "flow.pt")
    return tmp_path


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    def apply(code: Any, shape: str, values: Any, out: Any, count: Any) -> None:
        with code.loop(count) as row:
            code.store(getattr(code, shape)(code.load(values, row)), out, row)

    exact, points = FUNCTIONS[name]
    values = points.astype(np.float32)
    out = np.empty_like(values)
    compiled(apply, 2, 16, name)(values, out, count=len(values) // 16)
    expected = exact(values.astype(float))
    assert (np.abs(out - expected) <= 1e-7 + 4e-7 * np.abs(expected)).all()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("n", [1, 16, 333])
def test_splines(activation: str, n: int) -> None:
    flow, spec = random_flow(activation)
    tensors = dict(flow.state_dict())
    x = torch.randn(CONTEXT, dtype=torch.float64)
    plain = ConditionedFlow(spec, tensors, x)
    ours = CompiledFlow(spec, {key: value.numpy() for key, value in tensors.items()}, x.numpy())
    noise = 1.5 * torch.randn(n, WIDTH, dtype=torch.float64)
    u, log_prob = plain.transport(noise)
    drawn, density = ours.transport(noise.numpy())
    assert drawn.shape == (n, WIDTH) and drawn.dtype == density.dtype == np.float32
    assert np.abs(drawn - u.numpy()).max() < 2e-4
    assert np.median(np.abs(density - log_prob.numpy())) < 1e-4
    again = plain.log_prob(torch.from_numpy(drawn).double()).numpy()
    assert np.median(np.abs(ours.log_prob(drawn) - again)) < 1e-4


def test_a_row_does_not_depend_on_its_neighbours(dgms: Path) -> None:
    dgm = load(dgms / "psd")
    x = np.linspace(-0.1, 0.1, 990)
    u = dgm.sample_unit(x, 100, seed=1)
    together = dgm.log_prob_unit(u, x)
    assert together.tobytes() == dgm.log_prob_unit(u[::-1], x)[::-1].tobytes()
    assert [dgm.log_prob_unit(row, x)[0] for row in u[:20]] == together[:20].tolist()


def test_same_bytes_on_the_plainest_processor(
    dgms: Path, maf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code for a processor without fused multiply-add or wide vectors does the same."""

    def drawn() -> list[bytes]:
        vectors._made.cache_clear()
        made = []
        for folder in (dgms / "psd", maf_folder / "maf"):
            dgm = load(folder)
            x = np.zeros(len(dgm.recipe.columns))
            draws = dgm.draw(x, 500, seed=1, threads=1)
            densities = dgm.log_prob_unit(draws.u, x)
            made += [draws.u.tobytes(), draws.log_prob.tobytes(), densities.tobytes()]
        return made

    here = drawn()
    with monkeypatch.context() as patched:
        patched.setattr(binding, "get_host_cpu_name", lambda: "")
        patched.setattr(binding, "get_host_cpu_features", lambda: Features())
        assert drawn() == here
    vectors._made.cache_clear()


class Features:
    def flatten(self) -> str:
        return ""


@pytest.mark.parametrize("name", ["psd", "burst"])
def test_both_paths_draw_the_same(dgms: Path, name: str) -> None:
    ours, plain, exact = (
        load(dgms / name, **how) for how in ({}, {"plain": True}, {"dtype": np.float64})
    )
    x = np.zeros(len(ours.recipe.columns))
    one, two, three = (dgm.draw(x, 2000, seed=1, stream="one") for dgm in (ours, plain, exact))
    assert one.drawn == two.drawn and abs(one.accepted - two.accepted) <= 1
    for other in (two, three):
        shared, here, there = np.intersect1d(one.draw, other.draw, return_indices=True)
        assert len(shared) >= 1999
        assert np.abs(one.u[here] - other.u[there]).max() < 1e-4
        apart = np.abs(one.log_prob[here] - other.log_prob[there])
        assert np.quantile(apart, 0.99) < 1e-4 and apart.max() < 1e-2


@pytest.mark.parametrize("z_score_theta", ["independent", "structured", "none"])
def test_maf_is_what_nflows_says(maf_folder: Path) -> None:
    flow = torch.load(maf_folder / "flow.pt", weights_only=False).double()
    x = torch.tensor([0.3, -0.2, 1.0, 0.1], dtype=torch.float64)
    noise = np.random.default_rng(1).standard_normal((400, 28), dtype=np.float32)
    with torch.no_grad():
        context = flow._embedding_net(x[None]).expand(len(noise), -1)
        theirs, _ = flow._transform.inverse(torch.from_numpy(noise).double(), context=context)
        for dgm in (load(maf_folder / "maf"), load(maf_folder / "maf", np.float64)):
            u, log_prob = dgm._flow(x).transport(noise)
            tolerance = 2e-4 if dgm.dtype == np.float32 else 1e-9
            scale = 1 + np.abs(theirs.numpy())
            assert (np.abs(u - theirs.numpy()) / scale).max() < tolerance
            at = torch.from_numpy(np.asarray(u, np.float64))
            density = flow.log_prob(at, context=x.expand(len(u), -1)).numpy()
            for ours in (log_prob, dgm._flow(x).log_prob(u)):
                assert np.abs(ours - density).max() < (4e-4 if tolerance > 1e-5 else 1e-5)


def test_maf_does_everything(maf_folder: Path) -> None:
    dgm = load(maf_folder / "maf")
    x = dgm.conditioning(dict.fromkeys(COLUMNS, 2.0))
    one, two = (dgm.draw(x, 100, seed=1, threads=threads) for threads in (1, 2))
    assert one.u.tobytes() == two.u.tobytes() and one.log_prob.tobytes() == two.log_prob.tobytes()
    assert np.isfinite(dgm.log_prob_unit(dgm.maximum(x, one.u[:2]), x)).all()
    posterior = dgm.to_sbi()
    theirs = posterior.potential(torch.from_numpy(one.u), x=torch.from_numpy(x)[None]).numpy()
    assert np.abs(theirs - dgm.log_prob_unit(one.u, x)).max() < 4e-4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mask": 1.0}, "a mask lets"),
        ({"degrees": 28}, "a hidden unit sees no parameter or all of them"),
        ({"_permutation": 3}, "an order of the parameters leaves one out"),
    ],
)
def test_a_network_that_is_not_autoregressive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, float], said: str
) -> None:
    flow = maf()
    ((name, value),) = change.items()
    for key, buffer in flow.state_dict().items():
        if key.endswith(name):
            buffer.fill_(value)
    (tmp_path / "maf.pickle").write_bytes(pickled_posterior(flow, monkeypatch))
    with pytest.raises(AutomindError, match=said):
        convert_then_draw(tmp_path)


def convert_then_draw(folder: Path) -> None:
    convert_pickle(folder / "maf.pickle", folder / "maf")
    load(folder / "maf").sample_unit(np.zeros(4), 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"use_batch_norm": True}, "not allowed|batch normalisation"), ({"num_blocks": 1}, None)],
)
def test_variants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], said: str | None
) -> None:
    (tmp_path / "maf.pickle").write_bytes(pickled_posterior(maf(**options), monkeypatch))
    if said is None:
        convert_then_draw(tmp_path)
        return
    with pytest.raises(AutomindError, match=said):
        convert_then_draw(tmp_path)


def test_a_maf_of_another_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = maf(hidden_features=70)
    (tmp_path / "maf.pickle").write_bytes(pickled_posterior(flow, monkeypatch))
    convert_pickle(tmp_path / "maf.pickle", tmp_path / "maf")
    ours, exact = load(tmp_path / "maf"), load(tmp_path / "maf", np.float64)
    u = np.random.default_rng(2).random((50, 28), dtype=np.float32)
    apart = np.abs(ours.log_prob_unit(u, np.ones(4)) - exact.log_prob_unit(u, np.ones(4)))
    assert isinstance(ours, DGM) and apart.max() < 1e-3 and math.isfinite(apart.max())
