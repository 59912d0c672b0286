"""From the pickles of the release to plain files that hold no code."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automind_data.common.archive import MEMBER_KINDS, find_members, open_member
from automind_data.common.errors import AutomindError
from automind_data.common.files import write_json, write_text
from automind_data.common.layout import PARAMETERS
from automind_data.dgm.store import write_dgm
from automind_data.pickles.legacy import describe_parameters, describe_posterior, describe_prior
from automind_data.pickles.reader import MAX_BYTES, Call, read_pickle

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
        member, data = None, source.read_bytes()
    description, tensors = describe_posterior(data, f"{source}:{member}" if member else str(source))
    description["source"] = _source(source, member, data)
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
    data = source.read_bytes()
    tree = read_pickle(data, str(source))
    kind = tree.name.name if isinstance(tree, Call) else type(tree).__name__
    if kind == "DirectPosterior":
        convert_posterior(source, folder)
        return "posterior"
    if kind == "CustomIndependentJoint":
        prior = describe_prior(data, str(source))
        made = {"prior": prior, "source": _source(source, None, data)}
        write_json(folder / "prior.json", made)
        return "prior"
    if kind == "dict":
        made = {"parameters": describe_parameters(data, str(source))}
        made["source"] = _source(source, None, data)
        write_json(folder / "parameters.json", made)
        return "parameters"
    raise AutomindError(
        source, f"holds a {kind}, no posterior, prior or parameter dictionary", "check the file"
    )


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
    prior, prior_from, odd = _all(source, "prior", describe_prior)
    if odd:
        raise AutomindError(
            source, f"holds priors that differ ({', '.join(odd)})", "keep one of them"
        )
    simulation, default_from, odd_default = _all(source, "default params", describe_parameters)
    analysis, analysis_from, odd_analysis = _all(source, "analysis params", describe_parameters)
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
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        rule = f"holds {member}, which is larger than {MAX_BYTES} bytes"
        raise AutomindError(source, rule, "get the archive again from the release")
    return data


def _source(source: Path, member: str | None, data: bytes) -> Described:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"file": source.name, "member": member, "md5": md5, "bytes": len(data)}


def _all(
    source: Path, kind: str, describe: Callable[[bytes, str], Any]
) -> tuple[Any, Described, dict[str, Any]]:
    found = find_members(source, MEMBER_KINDS[kind])
    if not found:
        rule = f"holds no {MEMBER_KINDS[kind]}"
        raise AutomindError(source, rule, "get the archive again from the release")
    datas = [_member(source, member) for member in found]
    described = [
        describe(data, f"{source}:{member}") for member, data in zip(found, datas, strict=True)
    ]
    differences = {
        member: _differences(described[0], other)
        for member, other in zip(found[1:], described[1:], strict=True)
        if other != described[0]
    }
    return described[0], _source(source, found[0], datas[0]), differences


def _differences(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return {
        key: _differences(one.get(key), other.get(key))
        for key in sorted({*one, *other})
        if one.get(key) != other.get(key)
    }
