"""Features against what the original software gave, column by column."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automind_data.dgm import load
from automind_data.features import (
    Features,
    Recording,
    Settings,
    compute_features,
    read_recording,
    read_settings,
)
from automind_data.pickles.convert import convert_archive_params
from tests.features.golden_rows import (
    AMBIGUOUS,
    bound_of,
    discovered_rows,
    family_of,
    first_row,
    off,
    raw_runs,
)
from tests.features.recordings import written_down


def worst(made: dict[str, float], wanted: dict[str, float]) -> float:
    return max(off(made[column], value) for column, value in wanted.items())


@pytest.fixture(scope="module")
def example(release: Path) -> Recording:
    return read_recording(release / "observations" / "example_raw_data.npz")


@pytest.fixture(scope="module")
def settings(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    out = tmp_path_factory.mktemp("params") / "organoids.json"
    convert_archive_params(release / "discovered_posterior_samples" / "organoids.zip", out)
    return read_settings(out)


@pytest.fixture(scope="module")
def tables(example: Recording, settings: Settings) -> Features:
    return compute_features(example, settings)


def test_the_built_in_settings_are_those_of_the_sample_release(settings: Settings) -> None:
    assert settings == Settings()


def test_the_published_recording_is_read(example: Recording) -> None:
    assert (example.name, example.t_end, example.spikes) == ("LFP_Sp_161223.mat", 60.1, 25414)
    assert (len(example.cells), example.absent) == (62, 2)
    assert int((np.diff(example.offsets) == 0).sum()) == 2


@pytest.mark.parametrize(
    ("table", "bound"), [("spikes", 1e-12), ("bursts", 1e-12), ("psd", 1e-11), ("pca", 1e-11)]
)
def test_the_pipeline_of_the_tables(
    tables: Features, golden: Path, table: str, bound: float
) -> None:
    wanted = first_row(golden / f"a_summary_{table}.csv")
    family = {"spikes": "isi_", "bursts": "burst_"}.get(table, f"{table}_")
    assert list(wanted) == [column for column in tables.row if column.startswith(family)]
    assert worst(tables.row, wanted) < bound


@pytest.mark.parametrize(("step", "file"), [(0.001, "asis"), (0.0002, "dt0.2ms")])
def test_the_pipeline_of_the_notebook(
    example: Recording, settings: Settings, golden: Path, step: float, file: str
) -> None:
    made = compute_features(example, replace(settings, dt=step), "notebook").row
    wanted = first_row(golden / f"a_spike_burst_features_{file}.csv")
    assert list(made) == list(wanted)
    assert worst(made, wanted) < 1e-10


def test_the_two_pipelines_differ(example: Recording, settings: Settings, tables: Features) -> None:
    notebook = compute_features(example, replace(settings, dt=0.0002), "notebook").row
    assert 1e-6 < off(notebook["burst_interval_cv"], tables.row["burst_interval_cv"]) < 1e-2


def test_the_conditioning_vector(
    example: Recording, settings: Settings, golden: Path, dgms: Path
) -> None:
    row = compute_features(example, replace(settings, dt=0.0002), "notebook", ["burst"]).row
    wanted = json.loads((golden / "a_example_x.json").read_text())
    dgm = load(dgms / "burst")
    assert list(dgm.recipe.columns) == wanted["features"]
    np.testing.assert_allclose(dgm.conditioning(row), wanted["x"][0], rtol=1e-6)


@pytest.fixture(scope="module")
def discovered(
    release: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, float]]:
    """Rows of `synthetic.zip` by random seed."""
    return discovered_rows(release, tmp_path_factory.mktemp("tables") / "synthetic.parquet")


def test_raw_runs_give_the_rows_of_the_published_table(
    golden: Path, discovered: dict[str, dict[str, float]]
) -> None:
    runs = raw_runs(golden)
    assert len(runs) == 20
    for seed, run in runs.items():
        made, wanted = compute_features(run).row, discovered[seed]
        assert list(made) == list(wanted)
        for column, value in wanted.items():
            if family_of(column) != "burst" or seed != AMBIGUOUS:
                assert off(made[column], value) <= bound_of(column), (seed, column)


def test_some_runs_burst_and_some_do_not(discovered: dict[str, dict[str, float]]) -> None:
    counts = [row["burst_num"] for row in discovered.values()]
    assert sum(map(math.isnan, counts)) > 5 and sum(not math.isnan(each) for each in counts) > 5


WRITTEN_DOWN = replace(
    Settings(),
    smooth_std=0.05,
    dt=0.0002,
    min_burst_height=5,
    min_burst_distance=1.0,
    burst_win=(-0.5, 2.5),
    burst_max_window=(0.0, None),
    min_subpeak_prom_ratio=0.1,
    n_pcs=3,
)
BOTH = {
    "isi_numspks_mu": 54.8,
    "isi_numspks_sigma": 28.7007549,
    "isi_mean_mu": 0.391733867,
    "isi_mean_sigma": 0.032898391,
    "isi_std_mu": 1.10012041,
    "isi_std_sigma": 0.0504069634,
    "isi_25q_mu": 0.03,
    "isi_75q_mu": 0.03,
    "isi_cv_mu": 2.8169339,
    "isi_cv_sigma": 0.128492907,
    "burst_num": 6,
    "burst_interval_mean": 4.9518,
    "burst_corr_interval2nextpeak": 0.7,
    "burst_corr_interval2prevpeak": 0.6,
    "burst_numsubpeaks_mean": 0,
    "burst_numsubpeaks_std": 0,
}
TABLES = {
    "burst_interval_std": 0.923950085,
    "burst_interval_cv": 0.186588732,
    "burst_peak_fr_mean": 26.7815726,
    "burst_peak_fr_std": 0.246386017,
    "burst_width_mean": 0.497219447,
    "burst_width_std": 0.0501968643,
    "burst_onset_time_mean": 0.245942574,
    "burst_onset_time_std": 0.0529116945,
    "burst_offset_time_mean": 0.251276873,
    "burst_offset_time_std": 0.0202276161,
    "burst_corr_mean": 0.943143133,
    "burst_corr_std": 0.0518934384,
    "burst_mean_fr_mean": 0.633846588,
    "burst_mean_fr_std": 0.0281211634,
    "pca_total": 43.6803632,
    "pca_1": 0.967900338,
    "pca_2": 0.0169647543,
    "pca_3": 0.0035470465,
    "psd_0.0": 3.92059834,
    "psd_0.5": 21.5621493,
    "psd_1.0": 20.5325013,
    "psd_2.5": 2.44199656,
    "psd_10.0": 0.0832811658,
    "psd_100.0": 0.538757329,
    "psd_495.0": 0.604569801,
    "psd_500.0": 15.7119031,
}
NOTEBOOK = {
    "burst_interval_std": 0.923506232,
    "burst_interval_cv": 0.186499098,
    "burst_peak_fr_mean": 26.4748655,
    "burst_peak_fr_std": 0.243937673,
    "burst_width_mean": 0.497237862,
    "burst_width_std": 0.0502078147,
    "burst_onset_time_mean": 0.24588468,
    "burst_onset_time_std": 0.0528609106,
    "burst_offset_time_mean": 0.251353182,
    "burst_offset_time_std": 0.0204666686,
    "burst_corr_mean": 0.943023181,
    "burst_corr_std": 0.0522663553,
    "burst_mean_fr_mean": 0.633848657,
    "burst_mean_fr_std": 0.0280903702,
}


def test_the_recording_that_can_be_written_down() -> None:
    recording = written_down()
    assert np.diff(recording.offsets).tolist() == [63, 69, 75, 63, 69, 75, 63, 69, 2, 0]
    features = compute_features(recording, WRITTEN_DOWN)
    assert features.rate is not None and features.smooth is not None
    assert features.bursts is not None
    assert (len(features.rate), features.rate.max()) == (30101, 200)
    assert features.rate.nonzero()[0][:5].tolist() == [500, 870, 1000, 1240, 1610]
    assert features.smooth.argmax() == 19500
    np.testing.assert_allclose(
        features.bursts.peak, [3.118, 8.679, 13.121, 19.5, 24.155, 27.877], rtol=1e-12
    )
    assert features.bursts.kernels.shape == (5, 3000)
    assert worst(features.row, BOTH | TABLES) < 1e-6
    spectrum = [value for name, value in features.row.items() if name.startswith("psd_")]
    assert len(spectrum) == 1001 and off(sum(spectrum), 369.741883) < 1e-8
    notebook = compute_features(recording, WRITTEN_DOWN, "notebook").row
    assert worst(notebook, BOTH | NOTEBOOK) < 1e-6
