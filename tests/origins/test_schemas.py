"""The tracked files of a release hold to their schemas."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

import automind_data.origins
from automind_data.origins import PUBLISHED_ADDRESS, origin_types
from automind_data.pinning.dvcfile import dvc_path
from automind_data.pinning.release import SAMPLE
from tests.scratch import PATHS, make_clone, make_release, run_import, tracked_text

SCHEMAS = Path(automind_data.origins.__file__).parent


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def load(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path)


def hold_to_schemas(root: Path) -> None:
    tracked = sorted(
        path.relative_to(root / "datasets").as_posix().removesuffix(".dvc")
        for path in (root / "datasets").glob("*/*.dvc")
    )
    assert tracked == sorted(PATHS)
    kinds = {SAMPLE, *(origin.kind for origin in origin_types())}
    release = json.loads((root / "datasets" / "release.json").read_text())
    validator("release.schema.json").validate(release)
    assert [file["path"] for file in release["files"]] == list(PATHS)
    for file in release["files"]:
        pinned = load(root / dvc_path(file["path"]))
        validator("dvc_file.schema.json").validate(pinned)
        out, origin = pinned["outs"][0], pinned["meta"]["origin"]
        assert (out["md5"], out["size"]) == (file["md5"], file["size"])
        assert out["path"] == Path(file["path"]).name
        assert origin["kind"] in kinds
        assert "sample data" in pinned["desc"] or origin["kind"] != SAMPLE


def test_the_files_of_this_repository(root: Path) -> None:
    hold_to_schemas(root)


def test_no_query_in_git(root: Path) -> None:
    """Tokens travel in queries. The published share link has none."""
    texts = tracked_text(root)
    assert {dvc_path(path) for path in PATHS} | {".dvc/config"} <= set(texts)
    assert [name for name, text in texts.items() if "?" in text] == []
    assert [
        name for name, text in texts.items() if re.search(r"password\s*[=:]|secret", text)
    ] == []


@pytest.mark.parametrize("embed", [True, False])
def test_files_that_an_import_wrote(tmp_path: Path, embed: bool) -> None:
    clone = make_clone(tmp_path / "clone")
    run_import(clone, make_release(tmp_path / "2030.1"), embed=embed)
    hold_to_schemas(clone)


def test_the_address_is_the_one_of_the_data_card(root: Path) -> None:
    origin = load(root / dvc_path(PATHS[0]))["meta"]["origin"]
    assert origin["address"] == PUBLISHED_ADDRESS


def put(*keys: Any) -> Callable[[Any, Any], None]:
    def change(tree: Any, value: Any) -> None:
        for key in keys[:-1]:
            tree = tree[key]
        if value is None:
            del tree[keys[-1]]
        else:
            tree[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (put("frozen"), False),
        (put("frozen"), None),
        (put("desc"), None),
        (put("outs", 0, "md5"), 12345678901234567890123456789012),
        (put("outs", 0, "size"), 0),
        (put("outs", 0, "size"), None),
        (put("deps", 0, "path"), "remote://figshare/1?private_link=abc"),
        (put("deps", 0, "path"), "https://example.org/a"),
        (put("meta", "origin", "licence"), None),
        (put("meta", "origin", "release"), 2026.1),
        (put("meta", "origin", "retrieved"), "yesterday"),
        (put("meta", "origin", "address"), "https://figshare.com/s/x?private_link=abc"),
        (put("meta", "origin", "note"), "see ?private_link=abc"),
        (put("wdir"), ".."),
    ],
)
def test_the_schema_refuses(root: Path, change: Callable[[Any, Any], None], value: Any) -> None:
    tree = copy.deepcopy(load(root / dvc_path(PATHS[0])))
    schema = validator("dvc_file.schema.json")
    assert schema.is_valid(tree)
    change(tree, value)
    assert not schema.is_valid(tree)
