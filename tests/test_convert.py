"""Converting archives: prior, parameters, posterior."""

from __future__ import annotations

import csv
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETERS
from automind_data.pickles.convert import (
    convert_archive_params,
    convert_pickle,
    convert_posterior,
    write_parameters,
)

TRAINING = "training_prior_samples/training.zip"
DISCOVERED = "discovered_posterior_samples/synthetic.zip"


def rezip(source: Path, target: Path, change: dict[str, list[tuple[str, bytes]]]) -> Path:
    """Copy a zip; members whose name ends with a key are replaced by what it maps to."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            ends = [end for end in change if name.endswith(end)]
            for member, data in change[ends[0]] if ends else [(name, old.read(name))]:
                new.writestr(member, data)
    return target


def test_params_of_an_archive(release: Path, tmp_path: Path) -> None:
    made = convert_archive_params(release / TRAINING, tmp_path / "training.json")
    assert json.loads((tmp_path / "training.json").read_text()) == made
    assert made["archive"] == "training" and made["differences"] == {}
    assert {entry["name"]: entry["unit"] for entry in made["prior"]} == {
        parameter.name: parameter.unit for parameter in PARAMETERS
    }
    assert all(entry["low"] < entry["high"] for entry in made["prior"])
    assert made["simulation"]["params_Epop"]["v_cut"] == {"value": -0.04, "unit": "V"}
    assert made["simulation"]["params_Epop"]["C"] == {"value": 2e-10, "unit": "F"}
    analysis = made["analysis"]["params_analysis"]
    assert analysis["dt_poprate"] == {"value": 0.001, "unit": "s"}
    assert analysis["summary_set_name"]["value"] == "MK1"


def test_the_two_dictionaries_are_not_the_same(release: Path, tmp_path: Path) -> None:
    made = convert_archive_params(release / TRAINING, tmp_path / "training.json")
    assert made["simulation"]["params_analysis"] != made["analysis"]["params_analysis"]


def test_parameter_table(release: Path, tmp_path: Path) -> None:
    made = convert_archive_params(release / TRAINING, tmp_path / "training.json")
    write_parameters(made["prior"], tmp_path / "parameters.csv")
    with (tmp_path / "parameters.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [entry["name"] for entry in made["prior"]]
    for row, entry in zip(rows, made["prior"], strict=True):
        assert (float(row["low"]), float(row["high"])) == (entry["low"], entry["high"])
        assert row["symbol"] and row["meaning"] and row["unit"] == entry["unit"]


def test_several_batches_in_one_archive(release: Path, tmp_path: Path) -> None:
    source = release / TRAINING
    (member,) = find_members(source, MEMBER_KINDS["default params"])
    with open_member(source, member) as stream:
        data = stream.read()
    other = data.replace(b"adex_clustered", b"adex_clustereD")
    assert other != data
    end = "_params_dict_default.pickle"
    twice = rezip(
        source,
        tmp_path / "training.zip",
        {end: [(f"training/1{end}", data), (f"training/2{end}", other)]},
    )
    made = convert_archive_params(twice, tmp_path / "out.json")
    assert made["simulation"]["params_settings"]["network_type"]["value"] == "adex_clustered"
    (differences,) = made["differences"].values()
    assert differences == {"params_settings": {"network_type": {"value": "adex_clustereD"}}}


def test_two_posteriors_in_one_archive(release: Path, tmp_path: Path) -> None:
    source = release / DISCOVERED
    (member,) = find_members(source, MEMBER_KINDS["posterior"])
    with open_member(source, member) as stream:
        data = stream.read()
    names = [("a/1_posterior.pickle", data), ("a/2_posterior.pickle", data)]
    twice = rezip(source, tmp_path / "synthetic.zip", {"_posterior.pickle": names})
    with pytest.raises(AutomindError, match="holds 2 posteriors where one belongs"):
        convert_posterior(twice, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_hostile_pickle_in_an_archive_leaves_the_old_folder(
    release: Path, tmp_path: Path
) -> None:
    made = convert_posterior(release / DISCOVERED, tmp_path / "out")
    assert made["source"]["member"].endswith("_posterior.pickle")
    before = (tmp_path / "out" / "dgm.safetensors").read_bytes()
    evil = b"cposix\nsystem\n(S'true'\ntR."
    bad = rezip(
        release / DISCOVERED,
        tmp_path / "synthetic.zip",
        {"_posterior.pickle": [("a/1_posterior.pickle", evil)]},
    )
    with pytest.raises(AutomindError, match=r"1_posterior\.pickle: mentions posix\.system"):
        convert_posterior(bad, tmp_path / "out")
    assert (tmp_path / "out" / "dgm.safetensors").read_bytes() == before


def test_any_pickle_by_what_it_holds(release: Path, tmp_path: Path) -> None:
    source = release / TRAINING
    for kind, said in [("prior", "prior"), ("default params", "parameters")]:
        (member,) = find_members(source, MEMBER_KINDS[kind])
        with open_member(source, member) as stream:
            (tmp_path / "one.pickle").write_bytes(stream.read())
        assert convert_pickle(tmp_path / "one.pickle", tmp_path / kind) == said
        assert (tmp_path / kind / f"{said}.json").is_file()
    (tmp_path / "list.pickle").write_bytes(b"].")
    with pytest.raises(AutomindError, match="holds a list"):
        convert_pickle(tmp_path / "list.pickle", tmp_path / "x")


def test_conversion_is_deterministic(release: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        convert_posterior(release / DISCOVERED, tmp_path / folder)
    for name in ("dgm.json", "dgm.safetensors"):
        one, two = (tmp_path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_a_folder_of_somebody_else_is_kept(release: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(AutomindError, match=r"holds other files .* thesis\.txt"):
        convert_posterior(release / DISCOVERED, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def nested(depth: int) -> list[object]:
    """A list whose every level holds the level below twice: small as a pickle, huge as a tree."""
    value: list[object] = []
    for _ in range(depth):
        value = [value, value]
    return value


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"a": {"b": nested(60)}}),
        b"(dS'a'\n(dS'b'\n(lp0\ng0\nass.",
        b"(dS'a'\n(dS'b'\n" + b"(l" * 3000 + b"a" * 2999 + b"ss.",
        b"(dS'a'\n(dS'b'\ncbrian2.units.fundamentalunits\nquantity_with_dimensions\n)Rss.",
        b"(dS'a'\n(dS'b'\ncnumpy.core.multiarray\nscalar\n)Rss.",
        b"cautomind.utils.dist_utils\nCustomIndependentJoint\n)\x81}b.",
    ],
)
def test_malformed_trees_are_refused_quickly(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "odd.pickle").write_bytes(data)
    with pytest.raises(AutomindError, match=r"odd\.pickle: "):
        convert_pickle(tmp_path / "odd.pickle", tmp_path / "out")
    assert not (tmp_path / "out").exists()
