"""What a user does with a density estimator: condition, evaluate, sample, keep."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from automind_data.common.errors import AutomindError
from automind_data.common.observations import read_observations
from automind_data.dgm import DGM, load
from automind_data.dgm.draws import BLOCK, blocks
from automind_data.dgm.rejection import Leak


@pytest.fixture(scope="module")
def dgm(dgms: Path) -> DGM:
    return load(dgms / "psd")


@pytest.fixture(scope="module")
def x(dgm: DGM, release: Path) -> np.ndarray:
    table = release / "observations/allenvc_summary.csv"
    rows = read_observations(table, dgm.recipe.columns)
    return dgm.conditioning(next(iter(rows.values())))


def test_same_numbers_for_any_threads_and_any_n(dgm: DGM, x: np.ndarray) -> None:
    one = dgm.draw(x, 3000, seed=5, threads=1)
    three = dgm.draw(x, 3000, seed=5, threads=3)
    assert one.u.tobytes() == three.u.tobytes()
    assert one.log_prob.tobytes() == three.log_prob.tobytes()
    assert (one.drawn, one.accepted) == (three.drawn, three.accepted)
    fewer = dgm.draw(x, 700, seed=5, threads=2)
    assert fewer.u.tobytes() == one.u[:700].tobytes()
    assert not np.array_equal(dgm.draw(x, 10, seed=6).u, one.u[:10])
    assert not np.array_equal(dgm.draw(x, 10, seed=5, stream="other").u, one.u[:10])


def test_a_chunk_is_what_goes_through_the_flow_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    class Through:
        def log_prob(self, u: np.ndarray) -> np.ndarray:
            raise NotImplementedError

        def transport(self, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            sizes.append(len(noise))
            return noise, noise[:, 0]

    monkeypatch.setenv("AUTOMIND_CHUNK", "300")
    chunked = next(blocks(Through(), 5, 1, "one"))
    assert sizes == [300, 300, 300, 100]
    monkeypatch.delenv("AUTOMIND_CHUNK")
    whole = next(blocks(Through(), 5, 1, "one"))
    assert sizes[4:] == [BLOCK]
    assert chunked.u.tobytes() == whole.u.tobytes()


def test_draws_are_inside_and_counted_exactly(dgm: DGM, x: np.ndarray) -> None:
    draws = dgm.draw(x, 2500, seed=1, at_least=10_000)
    assert draws.drawn == 10_000
    assert draws.u.shape == (2500, 28) and draws.u.dtype == np.float32
    assert (draws.u >= 0).all() and (draws.u <= 1).all()
    assert (np.diff(draws.draw) > 0).all()
    everything = dgm.draw(x, draws.accepted, seed=1)
    assert everything.drawn == 10_000 and everything.accepted == draws.accepted
    assert 0 < draws.acceptance < 1


def test_log_prob_of_a_draw_is_that_of_its_evaluation(dgm: DGM, x: np.ndarray) -> None:
    draws = dgm.draw(x, 2000, seed=2)
    again = dgm.log_prob_unit(draws.u, x)
    assert np.abs(draws.log_prob - again).max() < 4e-4


def test_oversampling_keeps_the_densest(dgm: DGM, x: np.ndarray) -> None:
    plain = dgm.draw(x, 600, seed=3)
    pruned = dgm.draw(x, 60, seed=3, oversample=10)
    order = np.lexsort((plain.draw, -plain.log_prob))[:60]
    assert np.array_equal(pruned.draw, plain.draw[order])
    assert np.array_equal(pruned.u, plain.u[order])
    assert (np.diff(pruned.log_prob) <= 0).all()


def test_outside_the_box_has_no_density(dgm: DGM, x: np.ndarray) -> None:
    u = np.full((3, 28), 0.5)
    u[1, 4] = 1.0000001
    u[2, 7] = -1e-7
    log_prob = dgm.log_prob_unit(u, x.reshape(1, -1))
    assert np.isfinite(log_prob[0]) and np.isneginf(log_prob[1:]).all()


def test_physical_and_unit_densities_differ_by_the_volume(dgm: DGM, x: np.ndarray) -> None:
    theta = dgm.sample(x, 50, seed=4)
    assert theta.dtype == np.float64
    assert (theta >= dgm.low).all() and (theta <= dgm.high).all()
    volume = np.log(dgm.high.astype(float) - dgm.low.astype(float)).sum()
    unit = dgm.log_prob_unit(dgm.to_unit(theta), x)
    np.testing.assert_allclose(dgm.log_prob(theta, x), unit - volume)


def test_bad_vectors_are_refused(dgm: DGM, x: np.ndarray) -> None:
    with pytest.raises(AutomindError, match="takes 990"):
        dgm.sample_unit(x[:-1], 1)
    broken = x.copy()
    broken[3] = np.nan
    with pytest.raises(AutomindError, match="1 values that are not finite"):
        dgm.log_prob_unit(np.full((1, 28), 0.5), broken)


def leaky(dgms: Path, tmp_path: Path, shift: float) -> DGM:
    """The PSD estimator with one parameter moved by `shift`, so that few draws fit the box."""
    folder = Path(shutil.copytree(dgms / "psd", tmp_path / f"leaky{shift}"))
    tensors = load_file(folder / "dgm.safetensors")
    name = "_transform._transforms.0._shift"
    tensors[name] = tensors[name].copy()
    tensors[name][0] -= shift
    save_file(tensors, folder / "dgm.safetensors")
    return load(folder)


def test_a_cap_on_draws(dgms: Path, tmp_path: Path, dgm: DGM, x: np.ndarray) -> None:
    with pytest.raises(
        AutomindError, match="10 rows times K = 300 is 3000 draws, no more than 2000"
    ):
        dgm.draw(x, 10, seed=1, oversample=300, at_most=2000)
    with pytest.raises(Leak, match=r"only \d+ of 3000 draws fell inside the prior box, 2900 are"):
        dgm.draw(x, 2900, seed=1, stream="leaky", at_most=3000)
    assert dgm.draw(x, 10, seed=1, at_least=9000, at_most=2000).drawn == 2000
    with pytest.raises(Leak, match="more than 10000000 draws would give") as caught:
        leaky(dgms, tmp_path, 1000.0).draw(x, 5000, seed=1)
    assert (caught.value.drawn, caught.value.accepted) == (100_000, 0)


@pytest.mark.parametrize("oversample", [1, 20])
def test_no_rows(dgm: DGM, x: np.ndarray, oversample: int) -> None:
    draws = dgm.draw(x, 0, seed=1, oversample=oversample, at_least=2000)
    assert draws.u.shape == (0, 28) and draws.drawn == 2000 and draws.accepted > 0
    for n, k in ((-1, oversample), (5, 0)):
        with pytest.raises(AutomindError, match=f"cannot give {n} rows, K = {k}"):
            dgm.draw(x, n, seed=1, oversample=k)


def test_memory_does_not_grow_with_oversampling(dgm: DGM, x: np.ndarray) -> None:
    def peak(oversample: int) -> int:
        tracemalloc.start()
        dgm.draw(x, 300, seed=1, oversample=oversample, threads=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(100) < 1.2 * peak(10)


def test_a_maximum_inside_the_box(dgm: DGM, x: np.ndarray) -> None:
    draws = dgm.draw(x, 500, seed=1)
    starts = draws.u[np.argsort(-draws.log_prob)[:3]]
    top = dgm.maximum(x, starts)
    assert top.tobytes() == dgm.maximum(x, starts).tobytes()
    assert (top >= 0).all() and (top <= 1).all()
    height = dgm.log_prob_unit(top, x)[0]
    assert height > draws.log_prob.max() + 1
    nearby = np.clip(top + 0.01 * np.random.default_rng(0).normal(size=(500, 28)), 0, 1)
    assert (dgm.log_prob_unit(nearby, x) < height).mean() > 0.99


def test_a_posterior_of_sbi(dgms: Path, dgm: DGM, x: np.ndarray) -> None:
    posterior, given = dgm.to_sbi(), torch.from_numpy(x)[None]
    u = dgm.sample_unit(x, 300, seed=1)
    theirs = posterior.potential(torch.from_numpy(u), x=given).numpy()
    assert np.abs(theirs - load(dgms / "psd", plain=True).log_prob_unit(u, x)).max() < 1e-4
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = posterior.sample((200,), x=given, show_progress_bars=False)
        normalised = posterior.log_prob(drawn, x=given).numpy()
    assert drawn.shape == (200, 28)
    offset = normalised - dgm.log_prob_unit(drawn.numpy(), x)
    acceptance = dgm.draw(x, 1, seed=1, at_least=20_000).acceptance
    assert np.abs(offset + np.log(acceptance)).max() < 0.06


def test_everything_of_sbi_works_on_it() -> None:
    from matplotlib import pyplot
    from sbi.analysis import pairplot
    from sbi.diagnostics import check_sbc, check_tarp, run_sbc, run_tarp

    posterior = load(Path(__file__).parent / "format_1").to_sbi()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        x = torch.randn(20, 3)
        quiet = {"show_progress_bars": False}
        theta = posterior.sample_batched((1,), x=x, **quiet)[0]
        assert theta.shape == (20, 4) and ((theta >= 0) & (theta <= 1)).all()
        posterior.set_default_x(x[:1])
        drawn = posterior.sample((500,), **quiet)
        top = posterior.map(num_iter=50, num_init_samples=200, **quiet).reshape(1, -1)
        assert posterior.log_prob(top) >= posterior.log_prob(drawn).max() - 0.05
        settings = {"num_posterior_samples": 200, "show_progress_bar": False}
        ranks, averages = run_sbc(theta, x, posterior, **settings)
        assert ranks.shape == (20, 4)
        prior = posterior.prior.sample((20,))
        assert check_sbc(ranks, prior, averages, 200)["ks_pvals"].min() > 1e-4
        _, p = check_tarp(*run_tarp(theta, x, posterior, **settings))
        assert p > 1e-4
    figure, axes = pairplot(drawn, limits=[[0, 1]] * 4)
    assert len(axes) == 4
    pyplot.close(figure)


FROM_FILES = "from automind_data.dgm import load; dgm = load('derived/dgms/psd')"
FROM_A_RELEASE = "import automind_data; dgm = automind_data.open_release().dgm('psd')"


@pytest.mark.parametrize("opened", [FROM_FILES, FROM_A_RELEASE])
def test_opening_and_drawing_import_nothing_heavy(
    dgms: Path, root: Path, tmp_path: Path, opened: str
) -> None:
    for name in (".dvc/config", "datasets/release.json"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(root / name, tmp_path / name)
    shutil.copytree(dgms / "psd", tmp_path / "derived/dgms/psd")
    code = (
        f"import sys, numpy; {opened};"
        "dgm.sample(numpy.zeros(990), 10, seed=1);"
        "print([name for name in ('torch', 'sbi', 'matplotlib', 'scipy', 'pandas')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "[]"
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "llvmlite" in imported and not imported & {"torch", "sbi", "matplotlib"}


def test_damaged_folders_are_refused(dgms: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(dgms / "burst", tmp_path / name))

    with pytest.raises(AutomindError, match="is not there"):
        load(tmp_path / "nowhere")
    cut = copy("cut") / "dgm.safetensors"
    cut.write_bytes(cut.read_bytes()[:1000])
    with pytest.raises(AutomindError, match="damaged"):
        load(cut.parent)
    newer = copy("newer") / "dgm.json"
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "format": 99}))
    with pytest.raises(AutomindError, match="format 99"):
        load(newer.parent)
    odd = copy("odd") / "dgm.safetensors"
    tensors = load_file(odd)
    name = next(name for name in tensors if name.endswith("final_layer.weight"))
    save_file({**tensors, name: tensors[name][:-1].copy()}, odd)
    with pytest.raises(AutomindError, match="its tensors do not fit"):
        load(odd.parent).sample_unit(np.zeros(4), 1)
    empty = copy("empty") / "dgm.json"
    empty.write_text('{"format": 1}')
    with pytest.raises(AutomindError, match="incomplete"):
        load(empty.parent)
