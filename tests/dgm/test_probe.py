"""The probe of a density estimator: the same for the same network, sharp for another."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from automind_data.common.errors import AutomindError
from automind_data.dgm import load
from automind_data.dgm.probe import PROBE, points, probe_of, read_probe, write_probe
from automind_data.pickles.convert import convert_posterior


@pytest.mark.parametrize("name", ["psd", "burst"])
def test_a_probe_is_what_the_estimator_says(dgms: Path, name: str) -> None:
    said, dgm = read_probe(dgms / name / PROBE), load(dgms / name)
    u, x = points(28, len(dgm.recipe.columns), name)
    log_prob = np.array(said["log_prob"], float)
    assert log_prob.shape == (8, 64)
    single = np.array([dgm.log_prob_unit(u, vector) for vector in x])
    assert np.abs(single - log_prob).max() < 1e-2
    assert np.median(np.abs(single - log_prob)) < 1e-4
    assert len(np.unique(log_prob)) > 500


def test_the_same_network_inside_an_archive_needs_no_torch(
    release: Path, dgms: Path, tmp_path: Path
) -> None:
    source = release / "discovered_posterior_samples/mouse-hc.zip"
    code = (
        "import sys; from pathlib import Path\n"
        "from automind_data.pickles.convert import convert_posterior\n"
        "convert_posterior(*map(Path, sys.argv[1:]))\n"
        "print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "in"), str(dgms / "psd")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert (tmp_path / "in" / PROBE).read_bytes() == (dgms / "psd" / PROBE).read_bytes()
    convert_posterior(source, tmp_path / "out", like=dgms / "burst")
    assert (tmp_path / "out" / PROBE).read_bytes() == (dgms / "psd" / PROBE).read_bytes()


def test_one_other_weight_shows(dgms: Path, tmp_path: Path) -> None:
    folder = tmp_path / "burst"
    shutil.copytree(dgms / "burst", folder)
    tensors = load_file(folder / "dgm.safetensors")
    name = next(name for name in tensors if name.endswith("final_layer.bias"))
    tensors[name][0] += 0.5
    save_file(tensors, folder / "dgm.safetensors")
    old = read_probe(folder / PROBE)
    write_probe(folder, like=dgms / "burst")
    new = read_probe(folder / PROBE)
    assert {key for key in old if old[key] != new[key]} == {"tensors", "log_prob"}
    assert [key for key in old["tensors"] if old["tensors"][key] != new["tensors"][key]] == [name]
    tensors[name][0] = np.nan
    save_file(tensors, folder / "dgm.safetensors")
    with pytest.raises(AutomindError, match=f"a number that is not finite in {name}"):
        probe_of(folder / "dgm.json", folder / "dgm.safetensors")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}'])
def test_a_damaged_probe_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / PROBE).write_text(text)
    with pytest.raises(AutomindError, match=r"probe\.json: is no"):
        read_probe(tmp_path / PROBE)
    with pytest.raises(AutomindError, match="is not there"):
        read_probe(tmp_path / "nowhere" / PROBE)
