"""Config files are read as DVC reads them and keep what is not edited."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from configobj import ConfigObj
from hypothesis import given
from hypothesis import strategies as st

from automind_data.common.errors import AutomindError
from automind_data.pinning.config import (
    cache_objects,
    find_root,
    option,
    options,
    with_option,
    without_option,
)

TEXT = """\
# ours
[core]
    remote = embedded  # in git
    analytics = false

['remote "storage"']
    url = "s3://bucket/a#b"
    verify = true
"""


def as_dvc_reads(text: str) -> dict[str, dict[str, str]]:
    return {
        section.strip("'"): values
        for section, values in ConfigObj(io.BytesIO(text.encode())).dict().items()
    }


def test_options() -> None:
    assert options(TEXT) == {
        ("core", "remote"): "embedded",
        ("core", "analytics"): "false",
        ('remote "storage"', "url"): "s3://bucket/a#b",
        ('remote "storage"', "verify"): "true",
    }


def test_one_line_changes_and_no_other() -> None:
    edited = with_option(TEXT, "core", "remote", "storage")
    pairs = [
        (old, new)
        for old, new in zip(TEXT.splitlines(), edited.splitlines(), strict=True)
        if old != new
    ]
    assert pairs == [("    remote = embedded  # in git", "    remote = storage  # in git")]


def test_a_key_and_a_section_are_added() -> None:
    edited = with_option(TEXT, 'remote "storage"', "jobs", "2")
    edited = with_option(edited, 'remote "release"', "url", "/a b")
    assert edited.startswith(TEXT)
    assert as_dvc_reads(edited)['remote "storage"']["jobs"] == "2"
    assert as_dvc_reads(edited)['remote "release"'] == {"url": "/a b"}


def test_a_key_is_dropped_and_its_section_when_that_is_empty() -> None:
    edited = with_option(TEXT, 'remote "release"', "url", "/a")
    assert without_option(edited, 'remote "release"', "url") == TEXT
    assert without_option(TEXT, 'remote "storage"', "url").endswith("    verify = true\n")
    assert without_option(TEXT, 'remote "release"', "url") == TEXT


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_a_value_is_read_back_here_and_by_dvc(value: str) -> None:
    value = f"/{value}"
    try:
        text = with_option(TEXT, 'remote "release"', "url", value)
    except AutomindError:
        assert "%(" in value or {"'", '"'} <= set(value)
        return
    assert options(text)['remote "release"', "url"] == value
    assert as_dvc_reads(text)['remote "release"'] == {"url": value}
    assert text.startswith(TEXT)


def test_the_clone_around_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match="is not in a clone"):
        find_root(tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_root(tmp_path / "a" / "b") == tmp_path.resolve()


@pytest.mark.parametrize(
    ("level", "said", "wanted"),
    [
        (None, "", ".dvc/cache/files/md5"),
        (".dvc/config", "../big", "big/files/md5"),
        (".dvc/config.local", "own", ".dvc/own/files/md5"),
        ("user/config", "/shared/cache", "/shared/cache/files/md5"),
        ("system/config", "near", "system/near/files/md5"),
    ],
)
def test_the_cache_is_where_dvc_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str | None, said: str, wanted: str
) -> None:
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    for folder in (".dvc", "user", "system"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    if level:
        path = tmp_path / level
        old = path.read_text() if path.exists() else ""
        path.write_text(with_option(old, "cache", "dir", said))
    found = cache_objects(tmp_path)
    assert found == tmp_path.resolve() / wanted
    if not said.startswith("/"):
        assert str(found) == Repo(str(tmp_path)).cache.local.path


def test_the_nearest_level_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.setenv("DVC_SYSTEM_CONFIG_DIR", str(tmp_path / "system"))
    (tmp_path / "user").mkdir()
    (tmp_path / ".dvc").mkdir()
    assert option(tmp_path, "core", "remote") is None
    for name, said in (("user/config", "a"), (".dvc/config", "b"), (".dvc/config.local", "c")):
        (tmp_path / name).write_text(f"[core]\n    remote = {said}\n")
        assert option(tmp_path, "core", "remote") == (said, (tmp_path / name).parent)
