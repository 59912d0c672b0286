import json

import numpy as np
import polars as pl
import pytest
from report_inputs import BURSTS, ISI, WELLS, keys, make_inputs

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, PARAMETER_NAMES
from automind_data.params import ReportParams
from automind_data.report.gather import gather

FIRST = ReportParams(observation="first")


def shown(root, observation):
    report = gather(root, ReportParams(observation=observation))
    return {each.dataset.name: each.chosen for each in report.sets}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_inputs(tmp_path_factory.mktemp("release"), skipped={"161001_0": "it has a NaN"})


def test_first_is_the_first_sampled_observation(root):
    assert shown(root, "first") == {
        "organoids": "161001_1",
        "mouse-vis": "m1_VISp-spont",
        "mouse-hc": "m1_CA1-spont",
        "synthetic": "77_5",
    }


def test_a_key_is_shown_where_it_is_known(root):
    assert shown(root, "77_31") == shown(root, "first") | {"synthetic": "77_31"}


def test_a_map_chooses_per_data_set(root):
    wanted = {"organoids": "161029_2_3", "mouse-hc": "m2_CA1-flash off"}
    assert shown(root, wanted) == shown(root, "first") | wanted


def test_a_skipped_observation_can_be_chosen(root):
    organoids = gather(root, ReportParams(observation="161001_0")).sets[0]
    assert organoids.chosen == "161001_0"
    assert organoids.shown.record.reason == "it has a NaN"
    assert organoids.shown.draws is None
    assert len(organoids.shown.target) == len(BURSTS) + 2


@pytest.mark.parametrize(
    ("observation", "where"),
    [("77_99", "report.observation"), ({"mouse-vis": "77_5"}, "report.observation.mouse-vis")],
)
def test_an_unknown_key_is_refused(root, observation, where):
    with pytest.raises(AutomindError) as refusal:
        gather(root, ReportParams(observation=observation))
    assert where + " is '" in refusal.value.rule
    assert "m1_VISp-spont" in refusal.value.next_step


def test_targets_are_the_rows_of_the_tables(root):
    organoids, visual, *_ = gather(root, FIRST).sets
    table = pl.read_parquet(root / "derived/observations/organoid_summary.parquet")
    row = dict(zip(table.columns, table.row(1), strict=True))
    assert organoids.targets.columns == (*BURSTS, *ISI)
    assert organoids.shown.target.tolist() == [row[name] for name in organoids.targets.columns]
    assert len(organoids.targets.values) == len(WELLS)
    mice = pl.read_parquet(root / "derived/observations/allenvc_summary.parquet")
    assert visual.shown.target[1] == mice["psd_1.0"][0]
    assert list(visual.targets.values) == ["m1_VISp-spont", "m2_VISp-spont"]


def test_a_spectrum_does_not_depend_on_the_order_of_its_columns(tmp_path):
    def drawn():
        visual = gather(tmp_path, FIRST).sets[1]
        return visual.targets.bands.middles, visual.targets.reduce(visual.shown.target[None])[0]

    make_inputs(tmp_path)
    before = drawn()
    path = tmp_path / "derived/dgms/psd/dgm.json"
    described = json.loads(path.read_text())
    described["conditioning"]["columns"].reverse()
    path.write_text(json.dumps(described))
    for one, other in zip(before, drawn(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_draws_are_those_of_the_observation(root):
    synthetic = gather(root, ReportParams(observation="77_12")).sets[3]
    rows = pl.read_parquet(root / "derived/samples/synthetic.parquet").filter(
        pl.col("x_o") == "77_12"
    )
    draws = synthetic.shown.draws
    assert draws.kind == "NPE_samples"
    for at, name in enumerate(PARAMETER_NAMES):
        assert draws.physical[1, at] == rows[name].median()
        assert draws.unit[:, at].tolist() == rows[f"unit.{name}"].to_list()


def test_the_densest_point_and_the_mean_are_no_draws(tmp_path):
    make_inputs(tmp_path)
    path = tmp_path / "derived/samples/synthetic.parquet"
    table = pl.read_parquet(path)
    extra = table.head(1).with_columns(pl.lit("NPE_map").alias("inference.type"))
    pl.concat([extra, table]).write_parquet(path)
    draws = gather(tmp_path, FIRST).sets[3].shown.draws
    assert (len(draws.unit), draws.kind) == (60, "NPE_samples")


@pytest.mark.parametrize("name", DATASETS)
def test_models_are_the_samples_that_ran_to_the_end(root, name):
    shown = next(each for each in gather(root, FIRST).sets if each.dataset.name == name)
    models = shown.shown.models
    assert (models.drawn, models.stopped, models.unusable) == (11, 1, 1)
    assert len(models.values) == 9
    assert len(models.noise) == (name == "synthetic")
    table = pl.read_parquet(root / f"derived/tables/{name}.parquet")
    assert table[models.row.tolist()]["x_o"].to_list() == [shown.chosen] * 9
    same = table[models.row.tolist()]["params_settings.random_seed"].to_list()
    assert models.runs[:, 1].tolist() == same
    own = shown.targets.reduce(shown.shown.target[None])[0]
    np.testing.assert_allclose(models.values[:1], own, atol=1e-6)


def test_a_model_without_a_flag_counts_as_stopped(tmp_path):
    make_inputs(tmp_path)
    path = tmp_path / "derived/tables/synthetic.parquet"
    flag = "params_analysis.early_stopped"
    table = pl.read_parquet(path)
    table.with_columns(pl.lit(None, pl.Boolean).alias(flag)).write_parquet(path)
    models = gather(tmp_path, FIRST).sets[3].shown.models
    assert (models.stopped, len(models.values), len(models.noise)) == (11, 0, 0)


def test_a_table_without_a_feature_is_said(tmp_path):
    make_inputs(tmp_path)
    path = tmp_path / "derived/tables/synthetic.parquet"
    pl.read_parquet(path).drop("psd_10.0").write_parquet(path)
    synthetic = gather(tmp_path, FIRST).sets[3]
    assert synthetic.missing == ("derived/tables/synthetic.parquet has no column psd_10.0.",)
    assert synthetic.shown.models is None


def test_a_table_larger_than_a_block_is_read_whole(tmp_path, monkeypatch):
    make_inputs(tmp_path, n_models=23)
    whole = gather(tmp_path, FIRST).sets[3].observations
    monkeypatch.setattr("automind_data.report.models.ROWS_AT_ONCE", 7)
    for one, other in zip(whole, gather(tmp_path, FIRST).sets[3].observations, strict=True):
        assert one.models.row.tolist() == other.models.row.tolist()
        assert one.models.values.tobytes() == other.models.values.tobytes()
        assert one.models.drawn == other.models.drawn == 25


def test_rows_are_counted(root):
    rows = gather(root, FIRST).rows
    assert rows["archive"]["training"] == 1_000_000
    assert rows["observations"]["organoid_summary"] == len(WELLS)
    assert rows["samples"]["organoids"] == 60 * (len(WELLS) - 1)


@pytest.mark.parametrize(
    "path",
    [
        "derived/samples/{name}.json",
        "derived/tables/{name}.parquet",
        "derived/samples/{name}.parquet",
        "derived/dgms/{dgm}/dgm.json",
        "derived/observations/{observations}.parquet",
    ],
)
@pytest.mark.parametrize("name", DATASETS)
def test_a_missing_input_is_said_for_its_set(tmp_path, name, path):
    dataset = DATASETS[name]
    gone = path.format(name=name, dgm=dataset.dgm, observations=dataset.observations)
    make_inputs(tmp_path, without=(gone,))
    report = gather(tmp_path, FIRST)
    said = {each.dataset.name: each.missing for each in report.sets}
    assert said[name] == (f"{gone} is not there.",)
    uses = {n for n, each in DATASETS.items() if path.format(
        name=n, dgm=each.dgm, observations=each.observations) == gone}  # fmt: skip
    assert {n for n, sentences in said.items() if sentences} == uses


def test_a_closed_gate_is_said(tmp_path):
    make_inputs(tmp_path)
    gate = {"dataset": "synthetic", "verdict": "closed", "errors": ["psd-axis"]}
    (tmp_path / "derived/validation/gate/synthetic.json").write_text(json.dumps(gate))
    synthetic = gather(tmp_path, FIRST).sets[3]
    assert "psd-axis" in synthetic.missing[0]
    assert synthetic.targets is None
    assert {each.draws for each in synthetic.observations} == {None}
    assert {each.models for each in synthetic.observations} == {None}


def test_no_release_record_is_refused(tmp_path):
    make_inputs(tmp_path, without=("datasets/release.json",))
    with pytest.raises(AutomindError, match=r"release\.json: is not there.*automind-data import"):
        gather(tmp_path, FIRST)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("datasets/release.json", "{"),
        ("datasets/release.json", '{"release": 2026}'),
        ("derived/validation/findings.jsonl", '{"severity": "dreadful"}\n'),
        ("derived/samples/synthetic.json", "[]"),
        ("derived/parameters.csv", "name,low\nx,1\n"),
        ("derived/parameters.csv", "name,symbol,unit,low,high,meaning\na,a,1,low,2,b\n"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, path, text):
    make_inputs(tmp_path)
    (tmp_path / path).write_text(text)
    with pytest.raises(AutomindError, match="does not have the agreed form") as refusal:
        gather(tmp_path, FIRST)
    assert refusal.value.file == str(tmp_path / path)


def test_samples_without_a_parameter_are_refused(tmp_path):
    make_inputs(tmp_path)
    path = tmp_path / "derived/samples/synthetic.parquet"
    pl.read_parquet(path).drop(f"unit.{PARAMETER_NAMES[4]}").write_parquet(path)
    with pytest.raises(AutomindError, match=f"has no column unit.{PARAMETER_NAMES[4]}"):
        gather(tmp_path, FIRST)


def test_the_fixture_gives_areas_to_the_right_set(root):
    assert keys("allenvc_summary")[3] == "m2_CA1-flash off"
    record = gather(root, FIRST).sets[2].samples
    assert [each.x_o for each in record.observations] == ["m1_CA1-spont", "m2_CA1-flash off"]
