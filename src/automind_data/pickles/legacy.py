"""From the inert tree of a pickled posterior or prior to plain descriptions and tensors.

Covers what sbi 0.22 stores: neural spline flows with LU layers and masked
autoregressive flows of nflows, with and without a fully connected embedding net.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES, PSD_COLUMNS, psd_frequency
from automind_data.pickles.kinds import what_else
from automind_data.pickles.reader import Call, Name, read_pickle
from automind_data.pickles.tree import refused
from automind_data.pickles.values import Values

__all__ = ["describe_any", "describe_parameters", "describe_posterior", "describe_prior"]

Description = dict[str, Any]
Tensors = dict[str, NDArray[Any]]
Described = TypeVar("Described")

LOG_PSD_SCALE = 0.1
"""The factor of the published log-PSD standardisation; its pickle stores a name only."""

ACTIVATIONS = {
    "torch.relu": "relu",
    "torch.tanh": "tanh",
    "torch.nn.functional.relu": "relu",
    "torch.nn.functional.tanh": "tanh",
}


def _refusing(describe: Callable[[bytes, str], Described]) -> Callable[[bytes, str], Described]:
    """Turn whatever a malformed tree makes `describe` raise into a refusal of the file."""

    @functools.wraps(describe)
    def guarded(data: bytes, file: str) -> Described:
        try:
            return describe(data, file)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            rule = f"is put together in another way than expected ({type(error).__name__})"
        except (RecursionError, MemoryError) as error:
            rule = f"is nested too deeply or too large ({type(error).__name__})"
        raise refused(file, rule)

    return guarded


@_refusing
def describe_prior(data: bytes, file: str) -> list[Description]:
    """Read a pickled prior.

    Parameters
    ----------
    data, file
        The pickle and what to call it.

    Returns
    -------
    list of dict
        `name`, `unit`, `low`, `high` of each parameter, in the prior's order;
        bounds are the float32 numbers of the prior, in `unit`.

    Raises
    ------
    AutomindError
        The pickle is refused or is no prior of independent uniforms.
    """
    values = Values(file)
    tree = values.state(read_pickle(data, file), "CustomIndependentJoint")
    return _bounds(tree, values)


@_refusing
def describe_parameters(data: bytes, file: str) -> dict[str, dict[str, Description]]:
    """Read a pickled parameter dictionary.

    Returns
    -------
    dict
        Section → name → `{"value", "unit"}`; values are in SI base units.
    """
    values = Values(file)
    tree = read_pickle(data, file)
    if not isinstance(tree, dict) or not all(isinstance(part, dict) for part in tree.values()):
        raise values.refuse("is no dictionary of parameter sections")
    described: dict[str, dict[str, Description]] = {}
    for section, entries in tree.items():
        described[str(section)] = {}
        for name, entry in entries.items():
            plain, unit = values.plain(entry)
            described[str(section)][str(name)] = {"value": plain, "unit": unit}
    return described


@_refusing
def describe_posterior(data: bytes, file: str) -> tuple[Description, Tensors]:
    """Read a posterior pickled by sbi 0.22.

    Returns
    -------
    (description, tensors)
        The description as in `dgm.json` (without `format` and `source`), and every
        parameter and buffer of the flow under its original name.

    Raises
    ------
    AutomindError
        The pickle is refused, or holds a layer or a recipe that is not supported.
    """
    values = Values(file)
    state = values.state(read_pickle(data, file), "DirectPosterior")
    parameters = _bounds(state, values)
    flow = values.state(state.get("posterior_estimator"), "Flow")
    tensors: Tensors = {}
    _collect(flow, "", tensors, values)
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise values.refuse(f"has a number that is not finite in {name}")
    modules = _modules(flow, values)
    transforms = _transforms(modules.get("_transform"), "_transform", values)
    base = values.state(modules.get("_distribution"), "StandardNormal")
    if tuple(base.get("_shape", ())) != (len(parameters),):
        raise values.refuse(f"has a base distribution that is not {len(parameters)}-dimensional")
    description = {
        "parameters": parameters,
        "conditioning": _conditioning(state, values),
        "flow": {
            "base": "standard normal",
            "transforms": transforms,
            "embedding": _embedding(modules.get("_embedding_net"), "_embedding_net", values),
        },
    }
    return description, tensors


@_refusing
def describe_any(data: bytes, file: str) -> tuple[str, Any]:
    """Read a pickle of the release by what it holds.

    Returns
    -------
    (kind, described)
        `posterior`, `prior` or `parameters`, and what the function of that name gives.

    Raises
    ------
    AutomindError
        The pickle is refused or is none of these.
    """
    other = what_else(data)
    if other is not None:
        raise refused(file, f"is {other}, no pickle of the release")
    tree = read_pickle(data, file)
    match tree.name.name if isinstance(tree, Call) else type(tree).__name__:
        case "DirectPosterior":
            return "posterior", describe_posterior(data, file)
        case "CustomIndependentJoint":
            return "prior", describe_prior(data, file)
        case "dict":
            return "parameters", describe_parameters(data, file)
        case kind:
            rule = f"holds a {kind}, no posterior, prior or parameter dictionary"
            raise AutomindError(file, rule, "check the file")


def _bounds(state: dict[str, Any], values: Values) -> list[Description]:
    names, marginals, units = (state.get(key) for key in ("names", "marginals", "b2_units"))
    if not (isinstance(names, list) and isinstance(marginals, list) and isinstance(units, list)):
        raise values.refuse("has no names, marginals and units")
    if not len(names) == len(marginals) == len(units):
        raise values.refuse("has names, marginals and units of different numbers")
    twice = sorted(name for name, times in Counter(map(str, names)).items() if times > 1)
    if twice:
        raise values.refuse(f"names parameters more than once: {twice[:5]}")
    if sorted(map(str, names)) != sorted(PARAMETER_NAMES):
        odd = sorted(set(map(str, names)) ^ set(PARAMETER_NAMES))
        raise values.refuse(f"has other parameters than the 28 of the network model: {odd[:5]}")
    described = []
    for name, marginal, unit in zip(names, marginals, units, strict=True):
        bounds = values.state(marginal, "Uniform")
        low, high = (values.tensor(bounds.get(side)) for side in ("low", "high"))
        if low.size != 1 or high.size != 1 or not low.item() < high.item():
            raise values.refuse(f"has bounds of {name} that are not low < high")
        described.append(
            {
                "name": name,
                "unit": values.unit(unit),
                "low": float(low.item()),
                "high": float(high.item()),
            }
        )
    return described


def _modules(state: dict[str, Any], values: Values) -> dict[str, Any]:
    modules = state.get("_modules")
    if not isinstance(modules, dict):
        raise values.refuse("has a network layer without its parts")
    return modules


def _collect(state: dict[str, Any], prefix: str, tensors: Tensors, values: Values) -> None:
    values.enter(prefix.count("."))
    for family in ("_parameters", "_buffers"):
        for name, value in (state.get(family) or {}).items():
            if value is not None:
                tensors[prefix + name] = values.tensor(value)
    for name, module in _modules(state, values).items():
        if module is not None:
            _collect(values.state(module), f"{prefix}{name}.", tensors, values)


def _transforms(module: Any, prefix: str, values: Values) -> list[Description]:
    state = values.state(module)
    match module.name.name:
        case "CompositeTransform":
            parts = _modules(state, values).get("_transforms")
            children = _modules(values.state(parts, "ModuleList"), values)
            return [
                transform
                for name, child in children.items()
                for transform in _transforms(child, f"{prefix}._transforms.{name}", values)
            ]
        case "IdentityTransform":
            return []
        case "AffineTransform" | "PointwiseAffineTransform":
            return [{"kind": "affine", "tensors": prefix}]
        case "LULinear":
            return [{"kind": "lu", "tensors": prefix, "eps": float(state["eps"])}]
        case "PiecewiseRationalQuadraticCouplingTransform":
            return [_coupling(state, prefix, values)]
        case "MaskedAffineAutoregressiveTransform":
            return [_autoregressive(state, prefix, values)]
        case "Permutation" | "RandomPermutation" | "ReversePermutation":
            if state.get("_dim") != 1:
                raise values.refuse("permutes something else than the parameters")
            return [{"kind": "permutation", "tensors": prefix}]
        case other:
            raise values.refuse(f"has a flow layer of kind {other}, which is not supported")


def _coupling(state: dict[str, Any], prefix: str, values: Values) -> Description:
    modules = _modules(state, values)
    net = values.state(modules.get("transform_net"), "ResidualNet")
    blocks = _blocks(net, "ResidualBlock", values)
    if any(block.get("use_batch_norm") for block in blocks):
        raise values.refuse("has a residual block with batch normalisation")
    if state.get("tails") != "linear" or modules.get("unconditional_transform") is not None:
        raise values.refuse("has a spline without linear tails")
    return {
        "kind": "rational-quadratic coupling",
        "tensors": prefix,
        "bins": int(state["num_bins"]),
        "tail_bound": float(state["tail_bound"]),
        "min_bin_width": float(state["min_bin_width"]),
        "min_bin_height": float(state["min_bin_height"]),
        "min_derivative": float(state["min_derivative"]),
        "blocks": len(blocks),
        "activation": _activation(blocks, values),
    }


def _autoregressive(state: dict[str, Any], prefix: str, values: Values) -> Description:
    net = values.state(_modules(state, values).get("autoregressive_net"), "MADE")
    parts = _modules(net, values)
    if net.get("use_residual_blocks") or parts.get("context_layer") is None:
        raise values.refuse("has an autoregressive layer with residual blocks or without context")
    blocks = _blocks(net, "MaskedFeedforwardBlock", values)
    if any(_modules(block, values).get("batch_norm") is not None for block in blocks):
        raise values.refuse("has a masked block with batch normalisation")
    return {
        "kind": "affine autoregressive",
        "tensors": prefix,
        "eps": float(state["_epsilon"]),
        "blocks": len(blocks),
        "activation": _activation([net, *blocks], values),
    }


def _blocks(net: dict[str, Any], kind: str, values: Values) -> list[dict[str, Any]]:
    blocks = _modules(values.state(_modules(net, values).get("blocks"), "ModuleList"), values)
    return [values.state(block, kind) for block in blocks.values()]


def _activation(blocks: list[dict[str, Any]], values: Values) -> str:
    found = [block.get("activation") for block in blocks]
    activations = {str(each) if isinstance(each, Name) else type(each).__name__ for each in found}
    names = {ACTIVATIONS.get(each) for each in activations}
    if None in names or len(names) != 1:
        raise values.refuse(f"has activations {sorted(activations)} where relu or tanh belongs")
    return str(names.pop())


def _embedding(module: Any, prefix: str, values: Values) -> list[Description]:
    state = values.state(module)
    match module.name.name:
        case "Identity" | "Dropout":
            return []
        case "ReLU":
            return [{"kind": "relu"}]
        case "Linear":
            return [{"kind": "linear", "tensors": prefix}]
        case "Standardize":
            return [{"kind": "standardize", "tensors": prefix}]
        case "Sequential" | "FCEmbedding":
            return [
                layer
                for name, child in _modules(state, values).items()
                for layer in _embedding(child, f"{prefix}.{name}", values)
            ]
        case other:
            raise values.refuse(f"has an embedding layer of kind {other}, which is not supported")


def _conditioning(state: dict[str, Any], values: Values) -> Description:
    recipe = state.get("x_bounds_and_transforms")
    if not isinstance(recipe, dict):
        raise values.refuse("has no recipe for its conditioning vector")
    if "freq_bounds" in recipe:
        return _psd_conditioning(state, recipe, values)
    columns, bounds, logs = [], [], []
    for column, entry in recipe.items():
        limits, log = entry
        columns.append(str(column))
        bounds.append(None if limits is None else values.plain(limits)[0])
        logs.append(bool(log))
    mean, std = _standardizing(state.get("x_standardizing_func"), len(columns), values)
    return {
        "kind": "burst",
        "columns": columns,
        "bounds": bounds,
        "log10": logs,
        "standardize": {
            "kind": "z-score",
            "mean": mean,
            "std": std,
        },
    }


def _standardizing(module: Any, width: int, values: Values) -> tuple[list[float], list[float]]:
    """Return what is subtracted and what is divided by: of a z-score, or minimum and range."""
    if module is None or (isinstance(module, Call) and module.name.name == "Identity"):
        return [0.0] * width, [1.0] * width
    buffers = values.state(module, "Standardize")["_buffers"]
    mean, std = (
        values.tensor(buffers[name]).astype(float).reshape(-1) for name in ("_mean", "_std")
    )
    if not {mean.size, std.size} <= {1, width} or not np.isfinite([*mean, *std]).all():
        raise values.refuse(f"standardises {mean.size} features where {width} are used")
    return [*map(float, np.broadcast_to(mean, width))], [*map(float, np.broadcast_to(std, width))]


def _psd_conditioning(state: dict[str, Any], recipe: dict[str, Any], values: Values) -> Description:
    scaler = state.get("x_standardizing_func")
    if scaler != Name("automind.utils.dist_utils", "logPSD_scaler"):
        found = scaler.kind if isinstance(scaler, Call) else type(scaler).__name__
        raise values.refuse(f"standardises spectra with {found}, which is not supported")
    low, high = values.plain(recipe["freq_bounds"])[0]
    columns = [str(column) for column in state.get("x_feat_set") or ()]
    columns = columns or [name for name in PSD_COLUMNS if low <= float(name[4:]) <= high]
    for column in columns:
        frequency = psd_frequency(column)
        if frequency is None or not low <= frequency <= high:
            raise values.refuse(f"is conditioned on {column}, outside its band {low}-{high} Hz")
    return {
        "kind": "psd",
        "columns": columns,
        "band": [float(low), float(high)],
        "log10": bool(recipe.get("log_power")),
        "standardize": {"kind": "demean and scale", "scale": LOG_PSD_SCALE},
        "training_filters": values.plain(
            {key: recipe.get(key) for key in ("discard_stopped", "discard_conditions")}
        )[0],
    }
