"""Density estimators: what is said of each kind of change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save

from automind_data.dgm.probe import probe_of
from automind_data.diff.architecture import flow_parts, layer_widths, recipe_parts, say_flow
from automind_data.diff.changes import DgmChange
from automind_data.diff.dgms import compare_dgm, compare_twins
from automind_data.diff.parameters import compare_parameters
from automind_data.diff.sentences import dgm_says, places_say, prior_says
from tests.diff.scratch_diff import dgm_files, folder_place


def write(folder: Path, files: dict[str, bytes], name: str = "burst") -> None:
    target = folder / "derived/dgms" / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file, content in files.items():
        (target / file).write_bytes(content)


def compare(folder: Path, old: dict[str, bytes], new: dict[str, bytes]) -> DgmChange:
    write(folder / "old", old)
    write(folder / "new", new)
    found = compare_dgm("burst", *(folder_place(folder / side, side) for side in ("old", "new")))
    assert found is not None
    return found


def test_nothing_but_the_source_changed(tmp_path: Path) -> None:
    found = compare(tmp_path, dgm_files(), dgm_files(source="2" * 32))
    assert (found.state, found.architecture, found.conditioning) == ("same", (), ())


def test_an_estimator_that_one_revision_lacks(tmp_path: Path) -> None:
    write(tmp_path / "new", dgm_files())
    places = [folder_place(tmp_path / side, side) for side in ("old", "new")]
    assert compare_dgm("burst", *places).state == "added"
    assert compare_dgm("burst", *places[::-1]).state == "removed"
    assert compare_dgm("psd", *places) is None


def test_the_architecture_is_told_from_description_and_shapes(tmp_path: Path) -> None:
    old = dgm_files(tensors={"t.transform_net.initial_layer.weight": [[1.0]] * 50})
    new = dgm_files(tensors={"t.transform_net.initial_layer.weight": [[1.0]] * 64}, bins=8)
    found = compare(tmp_path, old, new)
    parts = {part.what: (part.old, part.new) for part in found.architecture}
    assert parts == {
        "bins of lu": ("10", "8"),
        "hidden units": ("50", "64"),
        "tensors": ("1 with 50 numbers", "1 with 64 numbers"),
    }
    assert found.state == "changed" and dgm_says(found).startswith("other architecture. Weights:")


def test_tensors_that_came_and_went(tmp_path: Path) -> None:
    new = dgm_files(tensors={"a": [1.0], "c": [3.0], "d": [4.0]})
    found = compare(tmp_path, dgm_files(), new)
    assert (found.tensors, found.tensors_changed) == (3, 0)
    assert (found.tensors_added, found.tensors_removed) == (2, 1)
    assert "Weights: 2 tensors added, 1 tensor removed." in dgm_says(found)


def test_other_features_do_not_compare(tmp_path: Path) -> None:
    new = dgm_files(features=5, tensors={"a": [9.0], "b": [2.0]})
    found = compare(tmp_path, dgm_files(), new)
    assert (found.log_prob, found.incomparable) == (None, "4 features before, 5 now")
    assert [part.what for part in found.conditioning] == ["columns"]
    said = dgm_says(found)
    assert "Another conditioning recipe." in said
    assert "Log-densities do not compare: 4 features before, 5 now." in said


def test_a_recipe_alone(tmp_path: Path) -> None:
    files = dgm_files()
    said = json.loads(files["dgm.json"])
    said["conditioning"]["standardize"] = {"kind": "z-score", "mean": [0.5]}
    found = compare(tmp_path, files, {**files, "dgm.json": json.dumps(said).encode()})
    assert {part.what for part in found.conditioning} == {"standardize.kind", "standardize.mean"}
    assert (found.state, found.tensors, found.gaps) == ("changed", None, ())
    assert dgm_says(found) == "same architecture. Another conditioning recipe. Same weights."


def test_a_long_list_that_differs_inside(tmp_path: Path) -> None:
    """Its short form is the same, so the difference is said without it."""
    files = dgm_files(features=20)
    said = json.loads(files["dgm.json"])
    said["conditioning"]["columns"][7] = "other"
    found = compare(tmp_path, files, {**files, "dgm.json": json.dumps(said).encode()})
    (part,) = found.conditioning
    assert (part.what, part.old, part.new) == ("columns", "20, f0 to f19", "20, 1 of them others")


def test_transforms_that_differ_one_by_one() -> None:
    one = {
        "transforms": [{"kind": "lu", "eps": 1}, {"kind": "lu", "eps": 2}, {"kind": "lu", "eps": 2}]
    }
    other = {
        "transforms": [{"kind": "lu", "eps": 1}, {"kind": "lu", "eps": 1}, {"kind": "lu", "eps": 2}]
    }
    assert [part.what for part in flow_parts(one, other)] == ["transforms one by one"]
    assert flow_parts(one, one) == ()


def test_probes_at_other_points(tmp_path: Path) -> None:
    new = dgm_files(tensors={"a": [9.0], "b": [2.0]}, log_prob=[[-1.0]])
    assert compare(tmp_path, dgm_files(), new).incomparable == "they were evaluated at other points"


def test_nothing_finite(tmp_path: Path) -> None:
    nowhere = [[None, None], [None, None]]
    new = dgm_files(tensors={"a": [9.0], "b": [2.0]}, log_prob=nowhere)
    found = compare(tmp_path, dgm_files(), new)
    assert (found.log_prob.largest, found.log_prob.finite_changed) == (None, 3)
    assert "nowhere finite in both" in dgm_says(found)


@pytest.mark.parametrize("damage", [False, True])
def test_without_a_probe_the_network_itself_is_evaluated(
    tmp_path: Path, dgms: Path, damage: bool
) -> None:
    files = {path.name: path.read_bytes() for path in (dgms / "burst").iterdir()}
    tensors = load_file(dgms / "burst" / "dgm.safetensors")
    name = next(name for name in tensors if name.endswith("final_layer.bias"))
    tensors[name] = tensors[name] + 0.01
    new = {**files, "dgm.safetensors": save(tensors)}
    new["probe.json"] = b"{}"
    if not damage:
        for side in (files, new):
            side.pop("probe.json")
    found = compare(tmp_path, files, new)
    assert (found.tensors_changed, found.tensors, found.architecture) == (1, 113, ())
    sides = [tmp_path / side / "derived/dgms/burst" for side in ("old", "new")]
    rows = [
        [
            each
            for row in probe_of(side / "dgm.json", side / "dgm.safetensors")["log_prob"]
            for each in row
        ]
        for side in sides
    ]
    moved = max(abs(one - other) for one, other in zip(*rows, strict=True))
    assert found.log_prob.largest == moved > 0
    assert [("so the density estimator itself was read" in gap.sentence) for gap in found.gaps] == (
        [True] if damage else []
    )


def test_twins(tmp_path: Path) -> None:
    for side, inside in (("old", "2"), ("new", "1")):
        write(tmp_path / side, dgm_files(source="1" * 32))
        write(tmp_path / side, dgm_files(source=inside * 32), "organoids")
    old, new = (folder_place(tmp_path / side, side) for side in ("old", "new"))
    (twin,) = compare_twins(old, new)
    assert (twin.archive, twin.old, twin.new) == (
        "discovered_posterior_samples/organoids.zip", False, True,
    )  # fmt: skip
    assert [(each.old, each.new) for each in compare_twins(new, old)] == [(True, False)]
    assert compare_twins(new, new) == ()


def test_the_prior_of_an_estimator_is_a_place(tmp_path: Path) -> None:
    for side, low in (("old", 0.0), ("new", -1.0)):
        for name in ("burst", "psd"):
            write(tmp_path / side, dgm_files(low=low), name)
    old, new = (folder_place(tmp_path / side, side) for side in ("old", "new"))
    priors, settings, gaps = compare_parameters(old, new)
    assert {(each.parameter, each.what, each.places) for each in priors} == {
        (f"p{at}", "bounds", ("DGM psd", "DGM burst")) for at in range(2)
    }
    assert (settings, gaps) == ((), ())


def prior(*names: str, **bound: Any) -> dict[str, Any]:
    bounds = [{"name": name, "unit": "mV", "low": 0.0, "high": 1.0, **bound} for name in names]
    return {"prior": bounds, "simulation": {}, "analysis": {}}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (prior("a", "b"), prior("b", "a"), ("2 parameters", "order", "in one order", "in another")),
        (prior("a"), prior("a", "b"), ("b", "parameter", "not there", "0 to 1 mV")),
        (prior("a", "b"), prior("a"), ("b", "parameter", "0 to 1 mV", "not there")),
        (prior("a"), prior("a", unit="V"), ("a", "unit", "mV", "V")),
        (prior("a"), prior("a", high=2.0), ("a", "bounds", "0 to 1 mV", "0 to 2 mV")),
        (
            prior("a"),
            prior("a", high=1 + 1e-9),
            ("a", "bounds", "0 to 1.0 mV", "0 to 1.000000001 mV"),
        ),
    ],
)
def test_priors(tmp_path: Path, old: Any, new: Any, said: tuple[str, ...]) -> None:
    for side, what in (("old", old), ("new", new)):
        target = tmp_path / side / "derived/params/training.json"
        target.parent.mkdir(parents=True)
        target.write_text(json.dumps(what))
    ((change,), settings, gaps) = compare_parameters(
        *(folder_place(tmp_path / side, side) for side in ("old", "new"))
    )
    assert (change.parameter, change.what, *prior_says(change)) == said
    assert (change.places, settings, gaps) == (("training.zip",), (), ())


def test_all_places_are_one_word() -> None:
    archives = ("training", "heldout", "organoids", "mouse-vis", "mouse-hc", "synthetic")
    every = tuple(f"{name}.zip" for name in archives)
    assert places_say(every) == "all archives"
    assert places_say((*every, "DGM psd")) == "all archives and DGM psd"
    assert places_say(every[:2]) == "training.zip and heldout.zip"


def test_the_words_for_real_networks(dgms: Path) -> None:
    said = json.loads((dgms / "psd" / "dgm.json").read_text())
    flow = say_flow(said["flow"])
    assert flow["transforms"] == "1 affine, 5 rational-quadratic coupling, 5 lu"
    assert flow["bins of rational-quadratic coupling"] == "10"
    whole = {part.what: part.new for part in recipe_parts({}, said["conditioning"])}
    assert whole["columns"] == "990, psd_0.5 to psd_495.0"
    widths = layer_widths(dgms / "psd" / "dgm.safetensors")
    assert (widths["hidden units"], widths["embedding widths"]) == ("50", "990, 100, 20")
