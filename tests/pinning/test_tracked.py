"""What a revision pins: outputs of stages, and density estimators that were put in their place."""

from __future__ import annotations

import pytest

from automind_data.common.errors import AutomindError
from automind_data.pinning.tracked import read_outputs

LOCK = """
stages:
  convert-dgm@burst:
    outs: [{path: derived/dgms/burst, md5: aa.dir, size: 3, nfiles: 2}]
  sample@organoids:
    outs: [{path: derived/samples/organoids.parquet, md5: bb, size: 4}]
"""


def outputs(**files: str) -> dict[str, tuple[str, str]]:
    said = {"dvc.lock": LOCK, **files}
    found = read_outputs(lambda path: said[path].encode() if path in said else None)
    assert len({each.path for each in found}) == len(found)
    return {each.path: (each.stage, each.md5) for each in found}


def test_an_added_density_estimator_takes_the_place_of_the_converted_one() -> None:
    assert outputs()["derived/dgms/burst"] == ("convert-dgm@burst", "aa.dir")
    added = {"derived/dgms/burst.dvc": "outs: [{md5: cc.dir, size: 5, nfiles: 7, path: burst}]"}
    found = outputs(**added)
    assert found["derived/dgms/burst"] == ("derived/dgms/burst.dvc", "cc.dir")
    assert found["derived/samples/organoids.parquet"] == ("sample@organoids", "bb")


def test_an_added_file_that_dvc_has_not_written_is_refused() -> None:
    with pytest.raises(AutomindError, match=r"derived/dgms/burst\.dvc: cannot be read"):
        outputs(**{"derived/dgms/burst.dvc": "outs: 3"})
