"""What changed in the density estimators: from their descriptions and their fixed-point probes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automind_data.common.errors import AutomindError
from automind_data.common.layout import ARCHIVES, DATASETS, DGMS
from automind_data.diff.architecture import flow_parts, layer_widths, parts, recipe_parts
from automind_data.diff.changes import DgmChange, Gap, LogProbShift, Twin
from automind_data.diff.parameters import read_object
from automind_data.diff.place import Place, Unread, same_bytes

__all__ = ["DGM_SOURCES", "compare_dgm", "compare_twins", "dgm_paths"]

DGM_SOURCES: dict[str, str] = DGMS | {name: ARCHIVES[name].path for name in DATASETS}
"""Name → the published file that it comes from."""

PARTS = ("parameters", "conditioning", "flow", "source")


def dgm_paths(name: str) -> tuple[str, str, str]:
    """Return the paths of description, tensors and probe."""
    folder = f"derived/dgms/{name}"
    return f"{folder}/dgm.json", f"{folder}/dgm.safetensors", f"{folder}/probe.json"


def compare_dgm(name: str, old: Place, new: Place) -> DgmChange | None:
    """Compare one density estimator of two revisions; None where neither has it."""
    description, tensors, _ = dgm_paths(name)
    before, after = old.there(description), new.there(description)
    if not before and not after:
        return None
    found = DgmChange(name, DGM_SOURCES[name], "same", (), (), None, 0, 0, 0, None, None, ())
    if not before or not after:
        return replace(found, state="added" if after else "removed")
    same_tensors = same_bytes(old, new, tensors)
    if same_tensors and same_bytes(old, new, description):
        return found
    gaps: list[Gap] = []
    try:
        said = [
            side.read(description, f"what changed in {name}", _description) for side in (old, new)
        ]
        found = _compare_descriptions(found, *said)
        if not same_tensors:
            found = _compare_widths(found, (old, new), gaps)
            found = _compare_probes(found, said, [_probe(side, name, gaps) for side in (old, new)])
    except Unread as unread:
        gaps.append(unread.gap)
    found = replace(found, gaps=tuple(gaps))
    if (
        found.architecture
        or found.conditioning
        or found.tensors_changed + found.tensors_added + found.tensors_removed
    ):
        return replace(found, state="changed")
    return found if same_tensors or found.tensors is not None else replace(found, state="unknown")


def compare_twins(old: Place, new: Place) -> tuple[Twin, ...]:
    """Find archives whose posterior became, or ceased to be, the published one."""
    found = []
    for archive, dataset in DATASETS.items():
        was, now = (_same_posterior(side, archive, dataset.dgm) for side in (old, new))
        if was is not None and now is not None and was != now:
            found.append(Twin(ARCHIVES[archive].path, DGMS[dataset.dgm], was, now))
    return tuple(found)


def _same_posterior(side: Place, archive: str, dgm: str) -> bool | None:
    md5s = []
    for name in (archive, dgm):
        path = side.find(dgm_paths(name)[0])
        if path is None:
            return None
        try:
            md5s.append(_description(path)["source"]["md5"])
        except AutomindError:
            return None
    return bool(md5s[0] == md5s[1])


def _description(path: Path) -> dict[str, Any]:
    said = read_object(path)
    again = "make it again with `automind-data convert`"
    refusal = AutomindError(path, "describes no density estimator", again)
    if not all(part in said for part in PARTS):
        raise refusal
    try:
        flow_parts(said["flow"], {})
        recipe_parts(said["conditioning"], {})
        len(said["parameters"]), len(said["conditioning"]["columns"]), said["source"]["md5"]
    except (AttributeError, KeyError, TypeError):
        raise refusal from None
    return said


def _compare_descriptions(
    found: DgmChange, before: dict[str, Any], after: dict[str, Any]
) -> DgmChange:
    return replace(
        found,
        architecture=flow_parts(before["flow"], after["flow"]),
        conditioning=recipe_parts(before["conditioning"], after["conditioning"]),
    )


def _compare_widths(found: DgmChange, sides: tuple[Place, Place], gaps: list[Gap]) -> DgmChange:
    """Compare the shapes of layers, which stand in the tensor files only."""
    path = dgm_paths(found.name)[1]
    try:
        one, other = (
            side.read(path, f"whether layers of {found.name} have other widths", layer_widths)
            for side in sides
        )
    except Unread as unread:
        gaps.append(unread.gap)
        return found
    return replace(found, architecture=(*found.architecture, *parts(one, other)))


def _probe(side: Place, name: str, gaps: list[Gap]) -> dict[str, Any]:
    """Return the probe of a density estimator; made now where the revision has none."""
    from automind_data.dgm.probe import probe_of, read_probe

    description, tensors, probe = dgm_paths(name)
    found = side.find(probe) if side.there(probe) and side.as_pinned(tensors) else None
    if found is not None:
        try:
            return _whole(read_probe(found), found)
        except AutomindError as error:
            rule = f"of {side.name} {error.rule}, so the density estimator itself was read"
            sentence = str(AutomindError(probe, rule, error.next_step))
            gaps.append(Gap(side.name, probe, False, sentence))
    unknown = f"how the weights of {name} changed"
    files = [side.require(path, unknown) for path in (description, tensors)]
    try:
        return probe_of(*files)
    except AutomindError as error:
        raise Unread(side.damaged(tensors, unknown, error.rule)) from None
    except (KeyError, TypeError, ValueError, RuntimeError):
        rule = "holds no density estimator that can be evaluated"
        raise Unread(side.damaged(tensors, unknown, rule)) from None


def _whole(probe: dict[str, Any], path: Path) -> dict[str, Any]:
    rows = probe["log_prob"]
    whole = (
        isinstance(probe["tensors"], dict)
        and isinstance(rows, list)
        and all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows)
        and all(each is None or isinstance(each, int | float) for row in rows for each in row)
    )
    if not whole:
        again = "make it again with `automind-data convert`"
        raise AutomindError(path, "has not the form of a probe", again)
    return probe


def _compare_probes(
    found: DgmChange, said: list[dict[str, Any]], probes: list[dict[str, Any]]
) -> DgmChange:
    before, after = (probe["tensors"] for probe in probes)
    why = _why_incomparable(*said)
    rows = [np.array(probe["log_prob"], np.float64) for probe in probes]
    if why is None and rows[0].shape != rows[1].shape:
        why = "they were evaluated at other points"
    return replace(
        found,
        tensors=len(after),
        tensors_changed=sum(before[name] != after[name] for name in before if name in after),
        tensors_added=len(set(after) - set(before)),
        tensors_removed=len(set(before) - set(after)),
        log_prob=_shift(*rows) if why is None else None,
        incomparable=why,
    )


def _why_incomparable(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    sizes = [
        (len(said["parameters"]), len(said["conditioning"]["columns"])) for said in (before, after)
    ]
    kinds = [said["conditioning"].get("kind") for said in (before, after)]
    if sizes[0][0] != sizes[1][0]:
        return f"{sizes[0][0]} parameters before, {sizes[1][0]} now"
    if sizes[0][1] != sizes[1][1]:
        return f"{sizes[0][1]} features before, {sizes[1][1]} now"
    return None if kinds[0] == kinds[1] else f"conditioned on {kinds[0]} before, {kinds[1]} now"


def _shift(before: np.ndarray, after: np.ndarray) -> LogProbShift:
    finite = np.isfinite(before), np.isfinite(after)
    both = finite[0] & finite[1]
    largest = float(np.abs(after[both] - before[both]).max()) if both.any() else None
    return LogProbShift(largest, before.size, int((finite[0] != finite[1]).sum()))
