import json

import numpy as np
import pytest
from report_inputs import WELLS, keys, make_inputs

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS, PARAMETER_NAMES
from automind_data.params import ReportParams
from automind_data.report.gather import Features, Spectrum, gather

FIRST = ReportParams(observation="first")


def shown(root, observation):
    report = gather(root, ReportParams(observation=observation))
    return {each.dataset.name: each.key for each in report.sets}


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
    assert organoids.chosen.reason == "it has a NaN"
    assert organoids.marginals == ()
    assert isinstance(organoids.target, Features)


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
    import polars as pl

    organoids, visual, *_ = gather(root, FIRST).sets
    table = pl.read_parquet(root / "derived/observations/organoid_summary.parquet")
    assert organoids.target.value.tolist() == list(table.row(1)[2:])
    assert len(organoids.target.others) == len(WELLS) - 1
    assert isinstance(visual.target, Spectrum)
    assert (visual.target.frequency[0], visual.target.frequency[-1]) == (0.5, 495.0)
    assert len(visual.target.others) == 1
    mice = pl.read_parquet(root / "derived/observations/allenvc_summary.parquet")
    assert visual.target.power[1] == mice["psd_1.0"][0]


def test_a_spectrum_is_ordered_by_frequency(tmp_path):
    before = gather(make_inputs(tmp_path), FIRST).sets[1].target
    path = tmp_path / "derived/dgms/psd/dgm.json"
    described = json.loads(path.read_text())
    described["conditioning"]["columns"].reverse()
    path.write_text(json.dumps(described))
    target = gather(tmp_path, FIRST).sets[1].target
    assert (np.diff(target.frequency) > 0).all()
    assert target.power.tolist() == before.power.tolist()
    assert target.others.tolist() == before.others.tolist()


def test_marginals_are_those_of_the_observation(root):
    import polars as pl

    synthetic = gather(root, ReportParams(observation="77_12")).sets[3]
    rows = pl.read_parquet(root / "derived/samples/synthetic.parquet").filter(
        pl.col("x_o") == "77_12"
    )
    assert tuple(each.bound.name for each in synthetic.marginals) == PARAMETER_NAMES
    for each in synthetic.marginals:
        assert each.median == rows[each.bound.name].median()
        assert each.unit.tolist() == rows[f"unit.{each.bound.name}"].to_list()
        assert 0 < each.width < 1


def test_rows_are_counted(root):
    rows = gather(root, FIRST).rows
    assert rows["archive"]["training"] == 1_000_000
    assert rows["observations"]["organoid_summary"] == len(WELLS)
    assert rows["samples"]["organoids"] == 60 * (len(WELLS) - 1)


@pytest.mark.parametrize(
    "path",
    [
        "derived/samples/{name}.json",
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
    assert "psd-axis" in gather(tmp_path, FIRST).sets[3].missing[0]


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
    import polars as pl

    make_inputs(tmp_path)
    path = tmp_path / "derived/samples/synthetic.parquet"
    pl.read_parquet(path).drop(f"unit.{PARAMETER_NAMES[4]}").write_parquet(path)
    with pytest.raises(AutomindError, match=f"has no column unit.{PARAMETER_NAMES[4]}"):
        gather(tmp_path, FIRST)


def test_the_fixture_gives_areas_to_the_right_set(root):
    assert keys("allenvc_summary")[3] == "m2_CA1-flash off"
    record = gather(root, FIRST).sets[2].samples
    assert [each.x_o for each in record.observations] == ["m1_CA1-spont", "m2_CA1-flash off"]
