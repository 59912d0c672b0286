"""Published files are found by name, and nothing is guessed."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from automind_data.pinning.match import match_names
from tests.scratch import PATHS


def test_published_names_differ() -> None:
    assert len({PurePosixPath(path).name for path in PATHS}) == len(PATHS)


@pytest.mark.parametrize("prefix", ["", "datasets/", "release/datasets/"])
def test_the_layout_below_any_folder(prefix: str) -> None:
    match = match_names(PATHS, [prefix + path for path in reversed(PATHS)])
    assert match.found == {path: prefix + path for path in PATHS}
    assert match.prefix == prefix
    assert not (match.missing or match.ambiguous or match.extra)


def test_a_flat_folder_has_no_prefix() -> None:
    match = match_names(PATHS, [PurePosixPath(path).name for path in PATHS])
    assert len(match.found) == len(PATHS)
    assert match.prefix is None


def test_one_file_elsewhere_leaves_no_prefix() -> None:
    match = match_names(PATHS, [*PATHS[1:], f"elsewhere/{PurePosixPath(PATHS[0]).name}"])
    assert len(match.found) == len(PATHS)
    assert match.prefix is None


def test_a_name_at_two_places_is_ambiguous_even_in_the_layout() -> None:
    copy = f"old/{PATHS[0]}"
    match = match_names(PATHS, [*PATHS, copy])
    assert match.ambiguous == {PATHS[0]: (PATHS[0], copy)}
    assert PATHS[0] not in match.found


def test_missing_and_extra() -> None:
    match = match_names(PATHS, [*PATHS[1:], "notes.txt", "a/b.csv"])
    assert match.missing == (PATHS[0],)
    assert match.extra == ("a/b.csv", "notes.txt")


def test_what_systems_and_this_repository_leave_is_no_extra() -> None:
    left = ["__MACOSX/dgms/._psd_posterior.pickle", "dgms/.DS_Store", "dgms/.gitignore"]
    left += [f"{path}.dvc" for path in PATHS]
    match = match_names(PATHS, [*PATHS, *left])
    assert not (match.extra or match.ambiguous)
