"""`params.yaml`: every key known, every value of its type."""

from __future__ import annotations

from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.params import read_params


def changed(root: Path, tmp_path: Path, old: str, new: str) -> Path:
    text = (root / "params.yaml").read_text()
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_the_tracked_file_is_valid(root: Path) -> None:
    assert read_params(root / "params.yaml").sampling.n_samples == 200


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("n_samples:", "n_sample:", "unknown key sampling.n_sample"),
        ("sampling:", "sampling:\n  colour: red", "unknown key sampling.colour"),
        ("  bootstrap: 1000", "  bootstrap: 9", "calibration.bootstrap"),
        ("report:", "reports: 1\nreport:", "unknown key reports"),
        ("    organoids:", "    organoid:", "unknown key sampling.sets.organoid"),
        ("n_samples: 200", "n_samples: many", "sampling.n_samples: Expected `int`, got `str`"),
        ("n_samples: 200", "n_samples: 0", "sampling.n_samples"),
        ("n_samples: 200", "n_samples: 2.5", "sampling.n_samples"),
        ("observations: discovered", "observations: some", "sampling.sets"),
        ("  observation: first", "  observation: {mouse: a}", "report.observation.mouse"),
        ("  observation: first", "", "report"),
        ("  k: 10", "  k: 0", "predictive.k"),
        ("psd: standardized_mse", "psd: nearest", "predictive.ranked_by.psd"),
        ("    burst: log10_mae", "", "predictive.ranked_by.burst is missing"),
        ("  near: 0.05", "  near: 1.5", "predictive.near"),
        ("sampling:", "sampling: [", "is not valid YAML"),
        ("sampling:", "unpack: {}\nsampling:", "is not valid YAML"),
    ],
)
def test_a_bad_key_or_value_is_named(
    root: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = changed(root, tmp_path, old, new)
    with pytest.raises(AutomindError) as caught:
        read_params(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match="is not there"):
        read_params(tmp_path / "params.yaml")


def test_lists_and_maps_are_allowed(root: Path, tmp_path: Path) -> None:
    path = changed(root, tmp_path, "observations: discovered", "observations: ['161001_0']")
    assert read_params(path).sampling.sets["organoids"].observations == ["161001_0"]
    path = changed(root, tmp_path, "observation: first", "observation: {mouse-hc: a_CA1}")
    assert read_params(path).report.observation == {"mouse-hc": "a_CA1"}


def test_a_key_that_looks_like_a_number_is_text(root: Path, tmp_path: Path) -> None:
    path = changed(root, tmp_path, "observation: first", "observation: 161029_0")
    assert read_params(path).report.observation == "161029_0"
    path = changed(root, tmp_path, "observations: discovered", "observations: [161001_0, 2_1_0]")
    assert read_params(path).sampling.sets["organoids"].observations == ["161001_0", "2_1_0"]
