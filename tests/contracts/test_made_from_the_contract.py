"""What is made from `contracts/release.yaml`, and that it says what the code does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlcroissant
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automind_data.common.errors import AutomindError
from automind_data.common.layout import (
    ARCHIVES,
    OBSERVATION_TABLES,
    PARAMETER_NAMES,
    PSD_COLUMNS,
    column_family,
)
from automind_data.contracts import CONTRACTS
from automind_data.contracts.croissant import croissant
from automind_data.contracts.dictionary import columns_module, data_dictionary, made
from automind_data.contracts.spec import read_spec, rule_of
from automind_data.tables import column_names
from automind_data.tables.digests import row_key
from tests.conftest import ROOT

COLUMNS = [column.name for column in read_spec().columns if column.name]
NAMES = [*COLUMNS, *PARAMETER_NAMES, *PSD_COLUMNS[::50], "pca_1", "pca_100", "burst_other"]


@pytest.mark.parametrize("path", made(ROOT))
def test_what_is_made_is_current(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == made(ROOT)[path], "run `make docs`"


@given(st.one_of(st.sampled_from(NAMES), st.from_regex(r"(isi|burst|pca|psd)_[a-z0-9._+]*")))
def test_the_code_classifies_a_column_as_the_contract_does(name: str) -> None:
    rule = rule_of(name)
    wanted = ("unknown", "text") if rule is None else (rule.family, rule.type)
    assert column_family(name) == wanted


def test_every_column_of_the_sample_release_has_a_rule(whole: Path) -> None:
    for path in whole.glob("derived/*/*.parquet"):
        assert [name for name in column_names(path) if rule_of(name) is None] == []


def test_keys_are_those_of_the_layout(whole: Path) -> None:
    tables = read_spec().tables
    assert set(tables) == {*ARCHIVES, *OBSERVATION_TABLES}
    for name, table in OBSERVATION_TABLES.items():
        assert tables[name].key == table.key_columns
    for path in whole.glob("derived/*/*.parquet"):
        assert tables[path.stem].key == row_key(column_names(path))


def test_every_entry_is_whole() -> None:
    spec = read_spec()
    known = {*PARAMETER_NAMES, *COLUMNS}
    for column in spec.columns:
        assert (column.name is None) != (column.pattern is None)
        assert column.source in spec.sources
        assert column.family in spec.families
        assert column.unit or column.type in {"text", "bool"}
    for table in spec.tables.values():
        assert {*table.key, *table.also} <= known
        assert set(table.holds) <= set(spec.families)


def test_a_change_of_the_contract_reaches_all_that_is_made_from_it() -> None:
    spec = read_spec()
    first = msgspec.structs.replace(spec.columns[0], meaning="quite another thing", type="text")
    changed = msgspec.structs.replace(spec, columns=(first, *spec.columns[1:]))
    assert "quite another thing" in data_dictionary(changed)
    assert f'("key", "text", "{first.name}")' in columns_module(changed)


def test_every_check_and_family_is_explained() -> None:
    checks = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    assert all(f"| `{check.id}` |" in checks for check in CONTRACTS)
    page = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    for column in read_spec().columns:
        assert f"| `{column.label or column.name}` | {column.type} | {column.unit or '–'} |" in page


def test_warnings_are_explained_on_the_page() -> None:
    page = (ROOT / "docs" / "validate.md").read_text(encoding="utf-8")
    assert [c.id for c in CONTRACTS if c.severity == "warning" and f"`{c.id}`" not in page] == []


def test_croissant_claims_nothing_that_the_release_does_not_state() -> None:
    said = json.loads((ROOT / "datasets" / "croissant.json").read_text(encoding="utf-8"))
    release = json.loads((ROOT / "datasets" / "release.json").read_text(encoding="utf-8"))
    assert (said["license"], said["url"]) == (release["licence"], release["address"])
    assert said["version"] == release["release"]
    assert not {key for key in said if "date" in key.lower() or key in {"creator", "citeAs"}}
    published = {file["path"]: file["md5"] for file in release["files"]}
    objects = {each["@id"]: each["md5"] for each in said["distribution"]}
    assert published.items() <= objects.items()


def test_croissant_needs_a_release_that_is_derived(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    with pytest.raises(AutomindError, match="is not there; next: import a release"):
        croissant(tmp_path)
    shutil.copytree(ROOT / "datasets", tmp_path / "datasets", dirs_exist_ok=True)
    with pytest.raises(AutomindError, match=r"training\.parquet: is in no dvc\.lock"):
        croissant(tmp_path)


def test_one_record_of_every_record_set_reads_back(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(whole, root)
    shutil.copyfile(ROOT / "datasets" / "croissant.json", root / "datasets" / "croissant.json")
    dataset = mlcroissant.Dataset(jsonld=str(root / "datasets" / "croissant.json"))
    assert dataset.metadata.issues.errors == set()
    described = dataset.metadata.record_sets
    sets = {each.uuid: {field.uuid for field in each.fields} for each in described}
    assert set(sets) == set(read_spec().tables)
    for name, fields in sets.items():
        record = next(iter(dataset.records(record_set=name)))
        assert set(record) == fields
        table = next(whole.glob(f"derived/*/{name}.parquet"))
        assert {field.removeprefix(f"{name}/") for field in fields} <= set(column_names(table))
