"""Two commits of a repository made here, and its working tree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from automind_data.common.errors import AutomindError
from automind_data.diff import Comparison, Difference
from automind_data.diff.markdown import markdown
from automind_data.diff.place import Place, same_bytes
from automind_data.diff.record import record
from automind_data.pinning.config import cache_objects
from automind_data.revisions import Revision
from tests.conftest import run
from tests.diff.scratch_diff import SOURCES, Repository, changed, runs
from tests.scratch import changes, commit, content, dvc, git, run_import

PRIOR = [
    {"name": "params_Epop.C", "unit": "pF", "low": 100.0, "high": 300.0},
    {"name": "params_net.p_e2e", "unit": "1", "low": 0.009999999776482582, "high": 0.1},
]
FINDING = {
    "version": 1, "id": "bounds", "severity": "warning", "file": "a.zip", "dataset": "organoids",
    "message": "outside", "count": 3, "examples": [],
}  # fmt: skip
FINDINGS = "derived/validation/findings.jsonl"
METRICS = "derived/validation/summary.json"
OLD_TABLE = runs(30)
NEW_TABLE = changed(OLD_TABLE, "burst_num", {4: 1.5})


def params(prior: list[dict[str, Any]] = PRIOR, dt: float = 0.001) -> dict[str, Any]:
    return {
        "archive": "x",
        "prior": prior,
        "simulation": {"params_settings": {"dt": {"value": dt, "unit": "s"}}},
        "analysis": {"psd": {"windows": [1, 2]}},
    }


def lines(*findings: dict[str, Any]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in findings).encode()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Tags `one` and `two`; `two` is checked out, its derived files are in the cache only."""
    repository = Repository(tmp_path_factory.mktemp("diff"))
    repository.release("2030.1")
    repository.table("training", OLD_TABLE)
    repository.table("heldout", runs(9))
    repository.table("organoids", runs(5))
    repository.dgm("burst", source="1" * 32)
    repository.dgm("organoids", source="2" * 32)
    for name in ("training", "heldout"):
        repository.write(f"derived/params/{name}.json", params())
    gone = {**FINDING, "id": "gone"}
    repository.write(FINDINGS, lines(FINDING, gone))
    repository.write(METRICS, {"valid": 1, "rows": {"training": 30}})
    repository.write("derived/parameters.csv", b"name,symbol,unit,meaning\nparams_Epop.C,C,pF,a\n")
    repository.commit("one")
    git(repository.root, "tag", "one")

    for path in ("observations/organoid_summary.csv", "training_prior_samples/training.zip"):
        source = repository._releases / "2030.2" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(content(path, "the second"))
    run_import(
        repository.root, repository._releases / "2030.2", release="2030.2", partial=True, embed=True
    )
    repository.table("training", NEW_TABLE)
    for suffix in (".parquet", ".profile.json", ".digests.parquet"):
        (repository.stage / f"derived/tables/organoids{suffix}").unlink()
    repository.table("synthetic", runs(5))
    repository.dgm(
        "burst", source="2" * 32, tensors={"a": [1.0], "b": [2.5]},
        log_prob=[[-1.0, -2.75], [-9.0, -3.0]],
    )  # fmt: skip
    wider = [{**PRIOR[0], "high": 400.0}, {**PRIOR[1], "unit": "%"}]
    for name in ("training", "heldout"):
        repository.write(f"derived/params/{name}.json", params(wider, 0.0002))
    new = {**FINDING, "id": "new", "severity": "error"}
    repository.write(FINDINGS, lines(new, {**FINDING, "count": 5}))
    repository.write(METRICS, {"valid": 0, "rows": {"training": 30}, "share": 0.5})
    repository.write(
        "derived/parameters.csv", b"name,symbol,unit,meaning\nparams_Epop.C,C_m,pF,a\n"
    )
    repository.commit("two")
    git(repository.root, "tag", "two")
    return repository


@pytest.fixture
def root(made: Repository, tmp_path: Path) -> Path:
    """A copy of its clone, to change."""
    return Path(shutil.copytree(made.root, tmp_path / "clone", symlinks=True))


def difference(root: Path, old: str, new: str | None = None, pull: bool = False) -> Difference:
    work = Comparison(Revision(root, old), Revision(root, new), pull)
    events = list(work)
    assert [event["done"] for event in events] == sorted(event["done"] for event in events)
    assert {event["total"] for event in events} == {events[-1]["done"]}
    return work.difference


def test_every_kind_of_difference(made: Repository) -> None:
    found = record(difference(made.root, "one", "two"))
    json.dumps(found, allow_nan=False)
    assert found["gaps"] == []
    assert [found[side]["release"] for side in ("old", "new")] == ["2030.1", "2030.2"]
    states = {change["path"]: change["state"] for change in found["files"]["changes"]}
    assert states == {
        "observations/organoid_summary.csv": "replaced",
        "training_prior_samples/training.zip": "replaced",
    }
    assert found["files"]["identical"] == 10
    assert {table["name"]: table["state"] for table in found["tables"]} == {
        "training": "changed", "heldout": "same", "organoids": "removed", "synthetic": "added",
    }  # fmt: skip
    assert found["tables"][0]["changed"]["rows"] == [[11, 112]]
    assert found["tables"][2]["old_rows"] == 5

    places = ["training.zip", "heldout.zip"]
    priors = [
        {"parameter": "params_Epop.C", "what": "bounds",
         "old": {"low": 100.0, "high": 300.0, "unit": "pF"},
         "new": {"low": 100.0, "high": 400.0, "unit": "pF"}, "places": places},
        {"parameter": "params_net.p_e2e", "what": "unit", "old": "1", "new": "%",
         "places": places},
        {"parameter": "params_Epop.C", "what": "symbol", "old": "C", "new": "C_m",
         "places": ["derived/parameters.csv"]},
    ]  # fmt: skip
    assert found["priors"] == priors
    (setting,) = found["settings"]
    assert setting["entry"] == "simulation.params_settings.dt" and setting["places"] == places
    assert setting["new"] == {"value": 0.0002, "unit": "s"}

    burst, organoids = found["dgms"]
    assert (organoids["name"], organoids["state"]) == ("organoids", "same")
    assert (burst["tensors_changed"], burst["tensors"], burst["architecture"]) == (1, 2, [])
    assert burst["log_prob"] == {"largest": 0.75, "points": 4, "finite_changed": 1}
    assert [(twin["old"], twin["new"]) for twin in found["twins"]] == [(False, True)]
    assert {(each["state"], each["id"], each["old_count"], each["new_count"]) for each in
            found["findings"]} == {
        ("changed", "bounds", 3, 5), ("went away", "gone", 3, 0), ("appeared", "new", 0, 3),
    }  # fmt: skip
    assert [(each["name"], each["old"], each["new"]) for each in found["metrics"]] == [
        ("valid", 1, 0), ("share", None, 0.5),
    ]  # fmt: skip


def test_the_markdown_says_it(made: Repository) -> None:
    text = markdown(difference(made.root, "one", "two"))
    assert "# What changed from release 2030.1 to 2030.2" in text
    assert "> Sample data" in text
    for line in (
        "2 replaced and 10 identical, of 12 published files.",
        "`training_prior_samples/training.zip`: 30 rows, 1 changed.",
        "- batch seed 11, random seed 112",
        "`discovered_posterior_samples/organoids.zip`: table removed, 5 rows.",
        "Same in both: heldout.",
        "| bounds | 100 to 300 pF | 100 to 400 pF | training.zip and heldout.zip |",
        "0.001 s | 0.0002 s",
        "`dgms/burst_posterior.pickle`: same architecture. Weights: changed in 1 of 2 tensors."
        " Log-density at 4 fixed points moved by up to 0.75 nat."
        " Finite in one of the two only: 1 point.",
        "organoids.zip: the posterior inside is now dgms/burst_posterior.pickle",
        "- error appeared: `new` in `a.zip`: outside",
        "- warning, 3 → 5 cases: `bounds` in `a.zip`: outside",
        "- warning went away: `gone` in `a.zip`: outside",
    ):
        assert line in text, line
    assert "Not compared" not in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| `params")}
    assert len(widths) == 1


def test_backwards_is_the_opposite(made: Repository) -> None:
    found = record(difference(made.root, "two", "one"))
    assert {table["name"]: table["state"] for table in found["tables"]}["organoids"] == "added"
    assert [(twin["old"], twin["new"]) for twin in found["twins"]] == [(True, False)]
    assert "no longer dgms/burst_posterior.pickle" in markdown(difference(made.root, "two", "one"))


def test_nothing_differs(made: Repository) -> None:
    for old, new in (("two", "two"), ("HEAD", None)):
        found = difference(made.root, old, new)
        assert found.same and not found.all_gaps
        assert markdown(found).endswith("\n\nNo difference.\n")
        assert record(found)["same"] is True


def test_nothing_is_changed_by_comparing(root: Path) -> None:
    shutil.rmtree(cache_objects(root))
    before = changes(root)
    difference(root, "one")
    assert changes(root) == before == []
    assert not cache_objects(root).exists()


def test_the_working_tree_is_a_revision(root: Path, made: Repository) -> None:
    path = root / "derived/params/heldout.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(params([{**PRIOR[0], "low": 90.0}])))
    (root / METRICS).parent.mkdir(parents=True)
    (root / METRICS).write_text('{"valid": 1}')
    table = root / SOURCES["training"].path
    table.parent.mkdir(parents=True)
    shutil.copytree(made.stage / "derived/tables", table.parent, dirs_exist_ok=True)
    pq.write_table(changed(NEW_TABLE, "isi_cv_mu", {2: 0.25}), table)
    found = difference(root, "two")
    assert found.new.name == "working tree" and found.new.commit is None
    (training, *others) = found.tables
    assert training.changed.rows() == [(11, 106)], "the digests beside it are of another table"
    assert training.columns[0].examples[0].new == 0.25
    assert {table.state for table in others} == {"same"} and training.gaps == ()
    assert {(each.parameter, each.what, each.places) for each in found.priors} >= {
        ("params_Epop.C", "bounds", ("heldout.zip",)),
        ("params_net.p_e2e", "parameter", ("heldout.zip",)),
    }
    assert ("valid", 0, 1) in {(each.name, each.old, each.new) for each in found.metrics}


def test_digests_of_the_working_tree_are_used_where_the_table_is_as_pinned(
    root: Path, made: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made.stage / "derived/tables", root / "derived/tables", dirs_exist_ok=True)
    monkeypatch.setattr(
        "automind_data.diff.table_file.ParquetTable.digested",
        lambda _: pytest.fail("the whole table was read"),
    )
    found = difference(root, "one")
    assert found.tables[0].changed.rows() == [(11, 112)] and found.all_gaps == ()


def test_a_file_of_the_working_tree_is_as_pinned_or_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = SOURCES["training"].path
    pinned = Revision(root, "two").find(path)
    assert pinned is not None
    (root / path).parent.mkdir(parents=True)
    for data, said in (
        (pinned.read_bytes(), True),
        (bytes(pinned.stat().st_size), False),
        (b"shorter", False),
    ):
        (root / path).write_bytes(data)
        assert Place(Revision(root)).as_pinned(path) is said
    monkeypatch.setattr(
        "automind_data.diff.place.md5_of", lambda _: pytest.fail("a big file was hashed in vain")
    )
    now = Place(Revision(root))
    assert not now.as_pinned(path) and not same_bytes(Place(Revision(root, "two")), now, path)
    (root / path).unlink()
    assert now.as_pinned(path) and same_bytes(Place(Revision(root, "two")), now, path)


def test_the_probe_of_the_working_tree_is_used_where_the_tensors_are_as_pinned(
    root: Path, made: Repository
) -> None:
    folder = Path("derived/dgms/burst")
    shutil.copytree(made.stage / folder, root / folder)
    (burst, _) = difference(root, "one").dgms
    assert (burst.log_prob.largest, burst.gaps) == (0.75, ())
    edited = bytearray((root / folder / "dgm.safetensors").read_bytes())
    edited[-1] ^= 1
    (root / folder / "dgm.safetensors").write_bytes(edited)
    (burst, _) = difference(root, "two").dgms
    assert burst.log_prob is None, "the probe beside it is of other tensors"
    assert "is incomplete" in burst.gaps[-1].sentence


def test_equal_findings_are_counted_together(root: Path) -> None:
    (root / FINDINGS).parent.mkdir(parents=True)
    old = Revision(root, "two").find(FINDINGS)
    assert old is not None
    (root / FINDINGS).write_bytes(old.read_bytes() + lines(FINDING, FINDING))
    (found,) = difference(root, "two").findings
    assert (found.id, found.old_count, found.new_count) == ("bounds", 5, 11)


def test_without_the_bytes_it_says_what_to_do_and_pull_does_it(root: Path, tmp_path: Path) -> None:
    dvc(root, "remote", "add", "--local", "away", str(tmp_path / "away"))
    dvc(root, "config", "--local", "core.remote", "away")
    (tmp_path / "away").mkdir()
    shutil.move(cache_objects(root).parent, tmp_path / "away")
    found = difference(root, "one", "two")
    assert len(found.files.changes) == 2, "what git knows is compared all the same"
    states = {table.name: table.state for table in found.tables}
    assert states == {
        "training": "unknown", "heldout": "same", "organoids": "removed", "synthetic": "added",
    }  # fmt: skip
    assert {dgm.name: dgm.state for dgm in found.dgms} == {"burst": "unknown", "organoids": "same"}
    sentences = [gap.sentence for gap in found.all_gaps]
    assert (
        "derived/tables/training.parquet: of one is not on this disk, so which rows changed"
        in (sentences[0])
    )
    assert all(gap.missing and "; next: add --pull." in gap.sentence for gap in found.all_gaps)
    assert "## Not compared" in markdown(found) and not found.same

    pulled = difference(root, "one", "two", pull=True)
    assert pulled.all_gaps == ()
    assert record(pulled)["tables"][0]["columns"][0]["name"] == "burst_num"
    heldout = Revision(root, "two").find(SOURCES["heldout"].path)
    assert heldout is None, "what is the same in both is not pulled"

    shutil.rmtree(cache_objects(root))
    shutil.rmtree(tmp_path / "away")
    nowhere = difference(root, "one", "two", pull=True)
    assert {gap.missing for gap in nowhere.all_gaps} == {True}
    assert "neither on this disk nor in a remote" in nowhere.all_gaps[0].sentence


def test_only_the_table_is_missing(root: Path) -> None:
    """Rows by key come from the digests; only how they changed needs the table."""
    for revision in ("one", "two"):
        found = Revision(root, revision).find(SOURCES["training"].path)
        assert found is not None
        found.unlink()
    (training, *_) = difference(root, "one", "two").tables
    assert training.changed.rows() == [(11, 112)] and training.columns is None
    (gap,) = training.gaps
    assert "so how the changed rows changed is not known; next: add --pull." in gap.sentence


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("derived/params/training.json", b"[", "is no JSON, so whether parameters of training.zip"),
        ("derived/params/training.json", b'{"prior": 1}', "holds no prior, so whether its prior"),
        ("derived/parameters.csv", b"\xff", "is no table of parameters"),
        ("derived/dgms/burst/dgm.json", b"{}", "describes no density estimator, so what changed"),
        ("derived/dgms/burst/probe.json", b"{}", "is no probe of format 1, so"),
        ("derived/dgms/burst/dgm.safetensors", b"x", "is no safetensors file, so whether layers"),
        (FINDINGS, b"{}\n", "holds no validation findings, so which findings"),
        (METRICS, b"{", "is no JSON or YAML, so how metrics changed"),
    ],
)
def test_a_damaged_file_is_one_sentence(root: Path, path: str, content: bytes, said: str) -> None:
    damaged = Revision(root, "two").find(path)
    assert damaged is not None
    damaged.chmod(0o644)
    damaged.write_bytes(content)
    text = markdown(difference(root, "one", "two"))
    section = text.partition("## Not compared\n\n")[2].splitlines()
    assert [line for line in section if said in line and line.count("; next: ") == 1], section
    assert "1 changed." in text, "the other sections are there"


def test_the_command(made: Repository, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "changes.html"
    shown = run("automind-data", "diff", "one", "--html", page, cwd=made.root)
    assert shown.stdout == markdown(difference(made.root, "one"))
    assert "<h1><mark>Sample data</mark> What changed from release 2030.1" in page.read_text()
    said = json.loads(run("automind-data", "diff", "one", "two", "--json", cwd=made.root).stdout)
    assert said == record(difference(made.root, "one", "two"))
    wrong = run("automind-data", "diff", "nowhere", cwd=made.root, check=False)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "nowhere: is no commit, branch or tag" in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def test_an_unknown_revision_is_refused(made: Repository) -> None:
    with pytest.raises(AutomindError, match="is no commit, branch or tag"):
        difference(made.root, "one", "--output=x")


def test_a_release_that_is_not_sample_data(root: Path) -> None:
    path = root / "datasets" / "release.json"
    for name in ("2031.1", "2031.2"):
        said = json.loads(path.read_text()) | {"sample": False, "kind": "figshare", "release": name}
        path.write_text(json.dumps(said))
        commit(root, name)
    found = difference(root, "HEAD~1", "HEAD")
    assert not found.sample and "Sample" not in markdown(found)
    assert not found.same, "another name is a difference"


def test_a_commit_from_before_the_first_release(root: Path) -> None:
    first = git(root, "rev-list", "--max-parents=0", "HEAD").strip()
    found = difference(root, first, "two")
    assert found.old.release is None
    assert {change.state for change in found.files.changes} == {"added"}
    assert len(found.files.changes) == 12
    assert {table.state for table in found.tables} == {"added"}
    assert {dgm.state for dgm in found.dgms} == {"added"}
    assert "from release not stated to 2030.2" in markdown(found)


def test_a_metric_of_a_template_and_of_git(root: Path) -> None:
    (root / "plain.yaml").write_text("a: 1\nb: {c: 2}\n")
    said = json.loads((root / "dvc.yaml").read_text())
    said["metrics"] = ["plain.yaml"]
    said["stages"]["all"].pop("metrics")
    stage = {"foreach": ["summary"], "do": {"cmd": "true", "metrics": [
        {"derived/validation/${item}.json": {"cache": True}}]}}  # fmt: skip
    (root / "dvc.yaml").write_text(json.dumps({**said, "stages": {**said["stages"], "m": stage}}))
    commit(root, "three")
    (root / "plain.yaml").write_text("a: 1\nb: {c: 4}\n")
    found = difference(root, "HEAD")
    assert [(each.path, each.name, each.old, each.new) for each in found.metrics] == [
        ("plain.yaml", "b.c", 2, 4)
    ]
    by_name = {each.name: each.path for each in difference(root, "one", "HEAD").metrics}
    assert by_name["valid"] == METRICS
    (root / METRICS).parent.mkdir(parents=True)
    (root / METRICS).write_text('{"valid": 5}')
    commit(root, "four")
    by_name = {each.name: each.path for each in difference(root, "HEAD~1").metrics}
    assert by_name["valid"] == METRICS
