"""The architecture and the conditioning of a density estimator, in words that compare."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.diff.changes import Part
from automind_data.diff.parameters import flat

__all__ = ["flow_parts", "layer_widths", "parts", "recipe_parts", "say_flow"]

SHORT_LIST = 8
INPUT = ".initial_layer.weight"
EMBEDDING = "_embedding_net."


def say_flow(flow: dict[str, Any]) -> dict[str, str]:
    """Say what a flow is made of.

    Parameters
    ----------
    flow
        The `flow` of a `dgm.json`.

    Returns
    -------
    dict
        What → how it is, as `transforms` → `1 affine, 5 lu`.

    Examples
    --------
    >>> say_flow({"transforms": [{"kind": "lu", "eps": 0.1, "tensors": "t.0"}], "embedding": []})
    {'transforms': '1 lu', 'eps of lu': '0.1', 'embedding': 'none'}
    """
    transforms = flow.get("transforms", [])
    said = {name: str(flow[name]) for name in flow if name not in ("transforms", "embedding")}
    kinds = Counter(each["kind"] for each in transforms)
    said["transforms"] = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    for kind in kinds:
        alike = [each for each in transforms if each["kind"] == kind]
        names = dict.fromkeys(name for each in alike for name in each)
        for name in names:
            if name not in ("kind", "tensors"):
                values = dict.fromkeys(str(each.get(name)) for each in alike)
                said[f"{name.replace('_', ' ')} of {kind}"] = ", ".join(values)
    layers = [each["kind"] for each in flow.get("embedding", [])]
    said["embedding"] = ", ".join(layers) or "none"
    return said


def flow_parts(before: dict[str, Any], after: dict[str, Any]) -> tuple[Part, ...]:
    """Return what differs in the descriptions of two flows."""
    found = parts(say_flow(before), say_flow(after))
    if before != after and not found:
        return (Part("transforms one by one", "see its dgm.json", "see its dgm.json"),)
    return found


def parts(before: dict[str, str], after: dict[str, str]) -> tuple[Part, ...]:
    """Return what is said in another way; what is not said on one side is `none` there."""
    names = dict.fromkeys((*before, *after))
    return tuple(
        Part(name, before.get(name, "none"), after.get(name, "none"))
        for name in names
        if before.get(name) != after.get(name)
    )


def recipe_parts(before: dict[str, Any], after: dict[str, Any]) -> tuple[Part, ...]:
    """Return what differs in the way that features become a conditioning vector.

    >>> one = {"columns": [f"psd_{n}" for n in range(990)], "log10": True}
    >>> recipe_parts(one, {"columns": one["columns"][:980], "log10": True})
    (Part(what='columns', old='990, psd_0 to psd_989', new='980, psd_0 to psd_979'),)
    """
    one, other = dict(flat(before)), dict(flat(after))
    return tuple(
        Part(name, _short(one.get(name)), _short(other.get(name), one.get(name)))
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    )


def _short(value: Any, other: Any = None) -> str:
    """Say a value; a long list by its ends, or by what differs from another with these ends."""
    if not isinstance(value, list):
        return "none" if value is None else str(value)
    if len(value) <= SHORT_LIST:
        return ", ".join(map(str, value))
    if isinstance(other, list) and _short(other) == _short(value):
        changed = sum(one != now for one, now in zip(other, value, strict=True))
        return f"{len(value)}, {changed} of them others"
    return f"{len(value)}, {value[0]} to {value[-1]}"


def layer_widths(tensors: Path) -> dict[str, str]:
    """Say how wide the layers are, from the head of a tensor file.

    Returns
    -------
    dict
        `hidden units` of the networks inside the transforms, `embedding widths` from
        input to output, as far as there are such layers; `tensors`, their number and size.

    Raises
    ------
    AutomindError
        It is no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(tensors, "numpy") as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError):
        again = "make it again with `automind-data convert`"
        raise AutomindError(tensors, "is no safetensors file", again) from None
    said = {}
    hidden = {shape[0] for name, shape in shapes.items() if name.endswith(INPUT)}
    if hidden:
        said["hidden units"] = ", ".join(map(str, sorted(hidden)))
    layers = [
        shape for name, shape in sorted(shapes.items())
        if name.startswith(EMBEDDING) and len(shape) == 2
    ]  # fmt: skip
    if layers:
        widths = (layers[0][1], *(shape[0] for shape in layers))
        said["embedding widths"] = ", ".join(map(str, widths))
    numbers = sum(math.prod(shape) for shape in shapes.values())
    said["tensors"] = f"{len(shapes)} with {numbers} numbers"
    return said
