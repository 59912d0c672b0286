"""A whole release, one data set, and files of strangers."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, DATASETS, DGMS, OBSERVATION_TABLES
from automind_data.contracts import Finding
from automind_data.contracts.run import check_dataset, validate_release, write_gate
from automind_data.contracts.strangers import validate_file
from automind_data.pickles.confined import ask
from automind_data.tables import tabulate
from tests.builders import (
    csv_bytes,
    observation_table,
    prior_bounds,
    summary_table,
    write_archive,
    write_release,
    write_release_json,
    write_zip,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("made"), batch_seed=61, n_pcs=3)


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "clone"))


def validated(root: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What speaks against a release, and the summary; what is only said is left out."""
    out = root / "derived" / "validation"
    events = list(validate_release(root, out))
    assert [event["done"] for event in events] == list(range(1, len(events) + 1))
    assert {event["total"] for event in events} == {len(events)}
    lines = (out / "findings.jsonl").read_text().splitlines()
    findings = [json.loads(line) for line in lines]
    return [found for found in findings if found["severity"] != "info"], json.loads(
        (out / "summary.json").read_bytes()
    )


def edit(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value))


def keys(findings: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(found["id"], found["file"], found["dataset"]) for found in findings]


def test_a_good_release_is_valid(root: Path) -> None:
    findings, summary = validated(root)
    assert findings == []
    assert summary["valid"] == 1
    assert summary["rows"] == {name: 4 if name in DATASETS else 6 for name in ARCHIVES} | {
        "organoids": 8
    }


def test_validating_again_writes_the_same_bytes_and_leaves_the_gates(root: Path) -> None:
    gate = root / "derived" / "validation" / "gate" / "mouse-hc.json"
    gate.parent.mkdir(parents=True)
    gate.write_text("{}")
    (root / "datasets" / ARCHIVES["training"].path).write_bytes(b"other")
    validated(root)
    before = (root / "derived/validation/findings.jsonl").read_bytes()
    validated(root)
    assert before == (root / "derived/validation/findings.jsonl").read_bytes() != b""
    assert gate.read_text() == "{}"


def test_the_posterior_inside_an_archive_is_compared_with_the_published_one(root: Path) -> None:
    inside = root / "derived" / "dgms" / "organoids" / "dgm.json"
    edit(inside, lambda dgm: dgm["source"].update(md5="f" * 32))
    findings, summary = validated(root)
    wanted = ("posterior-differs", "discovered_posterior_samples/organoids.zip", "organoids")
    assert keys(findings) == [wanted]
    assert (summary["valid"], summary["warnings"]) == (1, 1)


def test_the_posterior_inside_an_archive_agrees_with_its_prior(root: Path) -> None:
    inside = root / "derived" / "dgms" / "synthetic" / "dgm.json"
    edit(inside, lambda dgm: dgm["parameters"][0].update(high=88.0))
    findings, summary = validated(root)
    assert keys(findings) == [
        ("dgm-bounds", "discovered_posterior_samples/synthetic.zip", "synthetic"),
        ("log-prob-differs", "discovered_posterior_samples/synthetic.zip", "synthetic"),
    ]
    assert summary["valid"] == 0


def test_the_published_estimator_agrees_with_the_prior_of_each_data_set(root: Path) -> None:
    edit(root / "derived/dgms/psd/dgm.json", lambda dgm: dgm["parameters"].reverse())
    findings, _ = validated(root)
    of_psd = [name for name, dataset in DATASETS.items() if dataset.dgm == "psd"]
    assert sorted(keys(findings), key=str) == sorted(
        (("dgm-param-order", DGMS["psd"], name) for name in of_psd), key=str
    )


def test_tables_are_held_to_their_own_prior(root: Path) -> None:
    params = root / "derived" / "params" / "heldout.json"
    edit(params, lambda said: said["prior"][2].update(low=-50.0, high=-40.0))
    findings, _ = validated(root)
    assert keys(findings) == [
        ("param-out-of-bounds", ARCHIVES["heldout"].path, None),
        ("not-uniform", ARCHIVES["heldout"].path, None),
        ("param-out-of-bounds", OBSERVATION_TABLES["synthetic_summary"].path, None),
        ("prior-differs", ARCHIVES["heldout"].path, None),
    ]


def test_keys_of_discovered_tables_are_looked_up(root: Path) -> None:
    table = observation_table("organoid_summary")[:-1]
    path = root / "datasets" / OBSERVATION_TABLES["organoid_summary"].path
    path.write_bytes(csv_bytes(table))
    list(tabulate(path, root / "derived" / "observations" / "organoid_summary.parquet"))
    write_release_json(root, "made-up")
    findings, _ = validated(root)
    assert keys(findings) == [
        ("x-o-unresolved", ARCHIVES["organoids"].path, "organoids"),
        ("log-prob-not-computed", ARCHIVES["organoids"].path, "organoids"),
    ]


@pytest.mark.parametrize(
    ("gone", "files"),
    [
        ("derived/tables/training.parquet", [ARCHIVES["training"].path]),
        ("derived/params/heldout.json", [ARCHIVES["heldout"].path]),
        ("derived/observations/organoid_summary.parquet", ["observations/organoid_summary.csv"]),
        ("derived/dgms/burst", [DGMS["burst"]]),
    ],
)
def test_what_was_not_derived_is_said(root: Path, gone: str, files: list[str]) -> None:
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    findings, summary = validated(root)
    missing = [found for found in findings if found["id"] == "not-derived"]
    assert [found["file"] for found in missing] == files
    assert summary["valid"] == 0


def test_a_file_that_is_not_there_is_said_once(root: Path) -> None:
    (root / "datasets" / ARCHIVES["synthetic"].path).unlink()
    findings, _ = validated(root)
    assert keys(findings) == [("file-missing", ARCHIVES["synthetic"].path, None)]


def test_a_folder_without_a_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match=r"release\.json: is not there"):
        list(validate_release(tmp_path, tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def gate(root: Path, dataset: str) -> dict[str, Any]:
    derived, chosen = root / "derived", DATASETS[dataset]
    findings = check_dataset(
        dataset,
        derived / "dgms" / chosen.dgm,
        derived / "params" / f"{dataset}.json",
        derived / "observations" / f"{chosen.observations}.parquet",
    )
    verdict = write_gate(root / "gate.json", dataset, findings)
    said: dict[str, Any] = json.loads((root / "gate.json").read_bytes())
    assert said["verdict"] == verdict
    return said


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_gate_of_a_good_data_set_is_open(root: Path, dataset: str) -> None:
    assert gate(root, dataset) == {"dataset": dataset, "verdict": "open", "errors": []}


def test_the_gate_needs_only_its_own_data_set(root: Path) -> None:
    shutil.rmtree(root / "datasets")
    shutil.rmtree(root / "derived" / "tables")
    assert gate(root, "mouse-hc")["verdict"] == "open"


def test_errors_close_the_gate_by_their_ids(root: Path) -> None:
    def spoil(dgm: Any) -> None:
        dgm["parameters"].reverse()
        dgm["conditioning"]["columns"].append("psd_9999.0")
        dgm["parameters"][3]["low"] -= 1

    edit(root / "derived" / "dgms" / "psd" / "dgm.json", spoil)
    wanted = ["dgm-bounds", "dgm-param-order", "observation-columns"]
    assert gate(root, "synthetic") == {
        "dataset": "synthetic",
        "verdict": "closed",
        "errors": wanted,
    }
    assert gate(root, "organoids")["verdict"] == "open"


def test_only_errors_close_the_gate(tmp_path: Path) -> None:
    mild = Finding("odd", "warning", "f", None, "m", 1, ())
    hard = Finding("bad", "error", "f", None, "m", 1, ())
    assert write_gate(tmp_path / "gate.json", "organoids", [mild]) == "open"
    assert write_gate(tmp_path / "gate.json", "organoids", [hard, mild, hard]) == "closed"
    assert json.loads((tmp_path / "gate.json").read_bytes())["errors"] == ["bad"]


def test_the_gate_says_what_it_cannot_read(root: Path) -> None:
    shutil.rmtree(root / "derived" / "dgms" / "psd")
    with pytest.raises(AutomindError, match=r"dgm\.json: is not there"):
        gate(root, "synthetic")


@pytest.mark.parametrize("data", [None, b"no Parquet"])
def test_a_table_that_cannot_be_read_is_one_sentence(root: Path, data: bytes | None) -> None:
    table = root / "derived" / "observations" / "organoid_summary.parquet"
    if data is None:
        table.unlink()
    else:
        table.write_bytes(data)
    with pytest.raises(AutomindError, match=r"organoid_summary\.parquet: is n.*; next: "):
        gate(root, "organoids")
    assert not (root / "gate.json").exists()


@pytest.mark.parametrize(
    ("share", "said"), [(0.1, "zip: cannot be read: "), (0.6, "parquet: is no Parquet file")]
)
def test_a_damaged_table_is_one_sentence(root: Path, share: float, said: str) -> None:
    table = root / "derived" / "tables" / "training.parquet"
    data = table.read_bytes()
    zeros = bytes(int(share * len(data)))
    table.write_bytes(data[:4] + zeros + data[4 + len(zeros) :])
    with pytest.raises(AutomindError, match=rf"training\.{said}.*; next: "):
        validated(root)


def ids(path: Path) -> list[str]:
    findings = validate_file(path)
    assert {found.file for found in findings} <= {str(path)}
    return [found.id for found in findings]


def test_a_table_of_a_stranger_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    table = summary_table(4, batch_seed=1, n_pcs=2)
    path.write_bytes(csv_bytes(table))
    assert ids(path) == ["bounds-not-checked"]
    list(tabulate(path, tmp_path / "mine.parquet"))
    assert ids(tmp_path / "mine.parquet") == ["bounds-not-checked"]
    path.write_bytes(csv_bytes(table.assign(mood="glad").drop(columns="psd_3.5")))
    assert ids(path) == ["bounds-not-checked", "psd-axis", "unknown-column"]
    path.write_bytes(b"date\n1\n2,3\n")
    (found,) = validate_file(path)
    assert found.id == "refused"
    assert found.message == "line 3 has 2 cells where the header has 1"


def test_an_observation_table_is_checked_for_its_keys(tmp_path: Path) -> None:
    table = observation_table("allenvc_summary")
    path = tmp_path / "allenvc_summary.csv"
    path.write_bytes(csv_bytes(table))
    assert ids(path) == []
    path.write_bytes(csv_bytes(table.assign(mouse="1")))
    assert ids(path) == ["observation-key"]


def test_an_archive_of_a_stranger_is_checked(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "mine.zip", batch_seed=1, n_pcs=2)
    assert ids(path) == ["refused", "refused", "refused", "bounds-not-checked"]
    path = write_zip(tmp_path / "mine.zip", {"../x": b"1"})
    assert ids(path) == ["archive-refused"]
    path = write_zip(tmp_path / "mine.zip", {"a_summary_data_merged.csv": b"date\n1\n"})
    assert ids(path) == ["member-missing"] * 3 + ["refused"]


def test_an_archive_of_the_release_is_held_to_its_own_prior(release: Path) -> None:
    assert ids(release / ARCHIVES["heldout"].path) == []


def test_several_batches_have_one_prior(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(release / ARCHIVES["heldout"].path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    again = {n.replace("heldout/", "heldout/b"): d for n, d in held.items() if "_prior" in n}
    path = write_zip(tmp_path / "heldout.zip", {**held, **again})
    assert ids(path) == ["several-batches"]

    def answer(reading: str, data: bytes, file: str) -> Any:
        if reading != "prior":
            return ask(reading, data, file)
        return [{**bound, "low": -len(file)} for bound in prior_bounds()]

    monkeypatch.setattr("automind_data.pickles.confined.ask", answer)
    message = [found.message for found in validate_file(path)][1]
    assert message == "heldout/b2210845_prior.pickle: holds priors that differ"


def test_a_parameter_file_is_checked(tmp_path: Path, project: Path) -> None:
    path = Path(shutil.copy(project / "params.yaml", tmp_path))
    assert ids(path) == []
    path.write_text(path.read_text() + "mood: glad\n")
    (found,) = validate_file(path)
    assert (found.id, found.severity) == ("refused", "error")
    assert "mood" in found.message


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.parquet").write_text("x")
    with pytest.raises(AutomindError, match=r"is a \.txt file; \.csv"):
        validate_file(tmp_path / "a.txt")
    with pytest.raises(AutomindError, match="is not there"):
        validate_file(tmp_path / "b.csv")
    assert ids(tmp_path / "a.parquet") == ["refused"]


@pytest.fixture
def project() -> Path:
    return Path(__file__).parents[2]
