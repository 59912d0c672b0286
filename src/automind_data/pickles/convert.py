"""From the pickles of the release to plain files that hold no code."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.errors import AutomindError
from automind_data.common.files import write_json, write_text
from automind_data.common.layout import PARAMETERS
from automind_data.dgm.store import write_dgm
from automind_data.pickles.confined import Job, ask, ask_all, load
from automind_data.pickles.limits import LIMITS

__all__ = ["convert_archive_params", "convert_pickle", "convert_posterior", "write_parameters"]

Described = dict[str, Any]


def convert_posterior(source: Path, folder: Path, like: Path | None = None) -> Described:
    """Convert a pickled posterior, alone or inside an archive, to a folder.

    Parameters
    ----------
    source
        A `.pickle`, or a `.zip` with exactly one posterior.
    folder
        Gets `dgm.json`, `dgm.safetensors` and `probe.json`; see `docs/dgm-format.md`.
    like
        Folder of a converted one that may be the same network; it saves time then.

    Returns
    -------
    dict
        What `dgm.json` says.

    Raises
    ------
    AutomindError
        The pickle is refused or is no posterior that can be rebuilt.
    """
    if source.suffix == ".zip":
        found = find_members(source, MEMBER_KINDS["posterior"])
        if len(found) != 1:
            rule = f"holds {len(found)} posteriors where one belongs ({', '.join(found) or 'none'})"
            raise AutomindError(source, rule, "keep one, or convert a pickle by itself")
        member: str | None = found[0]
        data = _member(source, found[0])
    else:
        member, data = None, load(source)
    said = ask("posterior", data, f"{source}:{member}" if member else str(source))
    return _write_posterior(folder, said, _source(source, member, data), like)


def _write_posterior(folder: Path, said: Any, source: Described, like: Path | None) -> Described:
    description: Described
    description, tensors = said
    description["source"] = source
    write_dgm(folder, description, tensors, like)
    return description


def convert_pickle(source: Path, folder: Path) -> str:
    """Convert any pickle of the release to a folder, by what it holds.

    Returns
    -------
    str
        `posterior` (written as by `convert_posterior`), `prior` (`prior.json`) or
        `parameters` (`parameters.json`).
    """
    data = load(source)
    kind, said = ask("any", data, str(source))
    if kind == "posterior":
        _write_posterior(folder, said, _source(source, None, data), None)
    else:
        write_json(folder / f"{kind}.json", {kind: said, "source": _source(source, None, data)})
    return str(kind)


def convert_archive_params(source: Path, out: Path) -> Described:
    """Convert the prior and the parameter dictionaries of an archive to one JSON file.

    An archive may hold one of each for every batch. Priors must be equal.
    Dictionaries may differ; the first in name order is kept and every entry in
    which another differs is listed under `differences`.

    Returns
    -------
    dict
        What was written: `archive`, `prior`, `simulation`, `analysis`,
        `differences`, `source`.
    """
    (prior, prior_from, odd), simulation, analysis = _all(
        source, {"prior": "prior", "default params": "parameters", "analysis params": "parameters"}
    )
    if odd:
        raise AutomindError(
            source, f"holds priors that differ ({', '.join(odd)})", "keep one of them"
        )
    simulation, default_from, odd_default = simulation
    analysis, analysis_from, odd_analysis = analysis
    made = {
        "archive": source.stem,
        "prior": prior,
        "simulation": simulation,
        "analysis": analysis,
        "differences": {**odd_default, **odd_analysis},
        "source": {
            "prior": prior_from,
            "simulation": default_from,
            "analysis": analysis_from,
        },
    }
    write_json(out, made)
    return made


def write_parameters(prior: list[Described], out: Path) -> None:
    """Write the table of the 28 parameters: name, symbol, unit, bounds, meaning.

    Parameters
    ----------
    prior
        What `describe_prior` gives; the rows keep its order.
    out
        A CSV file. `low` and `high` are the prior's float32 bounds, in `unit`.
    """
    known = {parameter.name: parameter for parameter in PARAMETERS}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "symbol", "unit", "low", "high", "meaning"])
    for entry in prior:
        parameter = known[entry["name"]]
        writer.writerow(
            [
                entry["name"],
                parameter.symbol,
                entry["unit"],
                entry["low"],
                entry["high"],
                parameter.meaning,
            ]
        )
    write_text(out, text.getvalue())


def _member(source: Path, member: str) -> bytes:
    with open_member(source, member) as stream:
        data = stream.read(LIMITS.max_bytes + 1)
    if len(data) > LIMITS.max_bytes:
        rule = f"holds {member}, which is larger than {LIMITS.max_bytes} bytes"
        raise AutomindError(source, rule, "get the archive again from the release")
    return data


def _source(source: Path, member: str | None, data: bytes) -> Described:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"file": source.name, "member": member, "md5": md5, "bytes": len(data)}


def _all(source: Path, readings: dict[str, str]) -> list[tuple[Any, Described, dict[str, Any]]]:
    """Read every member of some kinds; of each kind the first, where from, and what differs."""
    jobs: list[Job] = []
    found: dict[str, list[str]] = {}
    for kind, reading in readings.items():
        found[kind] = find_members(source, MEMBER_KINDS[kind])
        if not found[kind]:
            rule = f"holds no {MEMBER_KINDS[kind]}"
            raise AutomindError(source, rule, "get the archive again from the release")
        jobs += [Job(reading, _member(source, each), f"{source}:{each}") for each in found[kind]]
    answers = ask_all(jobs)
    for answer in answers:
        if isinstance(answer, AutomindError):
            raise answer
    read = zip(jobs, answers, strict=True)
    return [_first([(member, *next(read)) for member in found[kind]], source) for kind in readings]


def _first(read: list[tuple[str, Job, Any]], source: Path) -> tuple[Any, Described, dict[str, Any]]:
    (member, job, described), *others = read
    differences = {
        each: _differences(described, other) for each, _, other in others if other != described
    }
    return described, _source(source, member, job.data), differences


def _differences(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return {
        key: _differences(one.get(key), other.get(key))
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    }
