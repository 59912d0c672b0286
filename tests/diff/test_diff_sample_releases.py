"""The two newest sample releases of this repository differ in exactly what is known."""

from __future__ import annotations

import json
from typing import Any

import pytest

from automind_data.common.layout import FILES
from tests.conftest import ROOT, run

SEEDS = ["params_settings.batch_seed", "params_settings.random_seed"]
CORRECTED = [10587, 15823, 30662, 36063, 39258]
ADDED = [
    12506, 12577, 12581, 12582, 12675, 12715, 12763, 12823, 13145, 13222,
    13292, 13343, 13385, 13410, 13418, 13596, 13798, 13816, 13850, 13935,
]  # fmt: skip
TABLE = (ROOT / "datasets" / "RELEASES.md").read_text(encoding="utf-8")
COMMITS = [line.split("|")[2].strip(" `") for line in TABLE.splitlines() if "(sample" in line]
if run("git", "rev-parse", "--is-shallow-repository", cwd=ROOT).stdout.strip() == "true":
    pytest.skip("the history of this clone is cut off", allow_module_level=True)


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    new, old = COMMITS[:2]
    shown = run("automind-data", "diff", "--json", old, new, cwd=ROOT)
    assert shown.stderr == ""
    return json.loads(shown.stdout)


def tables(said: dict[str, Any]) -> dict[str, Any]:
    return {table["name"]: table for table in said["tables"] if table["state"] != "same"}


def test_the_releases(said: dict[str, Any]) -> None:
    assert (said["format"], said["same"], said["sample"], said["gaps"]) == (1, False, True, [])
    assert [said[side]["release"] for side in ("old", "new")] == ["2026.1", "2026.2"]
    assert {said[side]["kind"] for side in ("old", "new")} == {"sample release"}


def test_the_files(said: dict[str, Any]) -> None:
    found = {file["path"].split("/")[-1]: file for file in said["files"]["changes"]}
    assert said["files"]["identical"] == 8 == len(FILES) - len(found)
    assert {file["state"] for file in found.values()} == {"replaced"}
    sizes = {name: (file["old_size"], file["new_size"]) for name, file in found.items()}
    assert sizes == {
        "training.zip": (2009631, 2009631),
        "heldout.zip": (641436, 732635),
        "burst_posterior.pickle": (816257, 816257),
        "organoid_summary.csv": (14720, 16480),
    }


def test_no_other_table_changed(said: dict[str, Any]) -> None:
    assert set(tables(said)) == {"training", "heldout", "organoid_summary"}
    assert len(said["tables"]) == 9
    for table in tables(said).values():
        assert (table["lost_columns"], table["retyped"], table["moved"]) == ([], [], False)
        assert table["removed"]["rows"] == [] == table["gaps"]


def test_training_is_corrected_in_five_rows(said: dict[str, Any]) -> None:
    table = tables(said)["training"]
    assert (table["old_rows"], table["new_rows"], table["key"]) == (416, 416, SEEDS)
    assert (table["added"]["rows"], table["new_columns"]) == ([], [])
    assert table["changed"] == {"columns": SEEDS, "rows": [[6173520, seed] for seed in CORRECTED]}
    (column,) = table["columns"]
    assert (column["name"], column["rows"], column["ratio"]) == ("isi_cv_mu", 5, 0.8)
    assert column["transitions"] == {"value → value": 5}
    assert column["largest_relative"] == pytest.approx(0.2)
    assert [cell["key"] for cell in column["examples"]] == table["changed"]["rows"]
    for cell in column["examples"]:
        assert cell["old"] == pytest.approx(1.25 * cell["new"])
    assert 0 < column["ks"] <= 5 / 300


def test_heldout_has_twenty_more_rows(said: dict[str, Any]) -> None:
    table = tables(said)["heldout"]
    assert (table["old_rows"], table["new_rows"]) == (120, 140)
    assert sorted(table["added"]["rows"]) == [[2210845, seed] for seed in sorted(ADDED)]
    assert (table["changed"]["rows"], table["columns"], table["new_columns"]) == ([], [], [])


def test_organoids_have_two_more_wells_and_a_recording_time(said: dict[str, Any]) -> None:
    table = tables(said)["organoid_summary"]
    assert (table["old_rows"], table["new_rows"], table["key"]) == (22, 24, ["date", "well"])
    assert table["added"]["rows"] == [["161029_2", 6], ["161029_2", 7]]
    assert table["new_columns"] == [["t_rec", "float64"]]
    assert (table["changed"]["rows"], table["columns"]) == ([], [])


def test_the_burst_estimator_was_retrained(said: dict[str, Any]) -> None:
    assert {dgm["name"]: dgm["state"] for dgm in said["dgms"]} == {
        "psd": "same", "burst": "changed", "organoids": "same",
        "mouse-vis": "same", "mouse-hc": "same", "synthetic": "same",
    }  # fmt: skip
    burst = said["dgms"][1]
    assert (burst["architecture"], burst["conditioning"]) == ([], [])
    assert (burst["tensors"], burst["tensors_added"], burst["tensors_removed"]) == (113, 0, 0)
    assert burst["tensors_changed"] > 80
    assert burst["log_prob"]["largest"] > 1 and burst["log_prob"]["points"] == 512
    assert burst["incomparable"] is None
    assert said["twins"] == [
        {
            "archive": "discovered_posterior_samples/organoids.zip",
            "published": "dgms/burst_posterior.pickle",
            "old": False,
            "new": True,
        }
    ]


SERIOUS = {"warning", "error"}


def test_the_rest(said: dict[str, Any]) -> None:
    assert (said["priors"], said["settings"]) == ([], [])
    warnings = [f for f in said["findings"] if {f["old_severity"], f["new_severity"]} & SERIOUS]
    (finding,) = warnings
    assert (finding["state"], finding["id"]) == ("went away", "posterior-differs")
    assert finding["file"] == "discovered_posterior_samples/organoids.zip"
    replaced = {file["path"] for file in said["files"]["changes"]}
    assert {f["file"] for f in said["findings"] if f not in warnings} < replaced
    metrics = {metric["name"]: (metric["old"], metric["new"]) for metric in said["metrics"]}
    assert metrics["warnings"] == (1, 0) and metrics["rows.heldout"] == (120, 140)
    tables = {name for name in metrics if name.startswith(("rows.", "usable."))}
    assert {name.split(".")[1] for name in tables} == {"heldout", "organoid_summary"}
