"""`params.yaml` as frozen objects: the one place where it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DATASETS

__all__ = [
    "CalibrationParams",
    "FeatureParams",
    "Params",
    "PredictiveParams",
    "RankedBy",
    "ReportParams",
    "SamplingParams",
    "SetParams",
    "SimulateParams",
    "TrainParams",
    "UnpackParams",
    "read_params",
]

Positive = Annotated[int, msgspec.Meta(ge=1)]
Key = Annotated[str, msgspec.Meta(min_length=1)]
Distance = Literal["log10_mse", "log10_mae", "standardized_mse", "standardized_mae"]


class UnpackParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of what an archive may hold."""

    max_members: Positive
    max_bytes: Positive


class FeatureParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How raw recordings become features."""

    pipeline: Literal["tables", "notebook"]
    families: Annotated[list[Literal["isi", "burst", "pca", "psd"]], msgspec.Meta(min_length=1)]
    corrected: bool
    seed: Annotated[int, msgspec.Meta(ge=0)]


class SetParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which observations of one data set are sampled."""

    observations: Literal["discovered", "all"] | list[Key]


class SamplingParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How posterior samples are drawn."""

    seed: Annotated[int, msgspec.Meta(ge=0)]
    n_samples: Positive
    oversample: Positive
    acceptance_draws: Positive
    max_draws: Positive
    sets: dict[str, SetParams]


class CalibrationParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How density estimators are held to simulations that they were not trained on."""

    seed: Annotated[int, msgspec.Meta(ge=0)]
    n_samples: Annotated[int, msgspec.Meta(ge=19)]
    acceptance_draws: Positive
    max_draws: Positive
    heldout_rows: Positive
    training_rows: Positive
    bootstrap: Annotated[int, msgspec.Meta(ge=100)]


class RankedBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The distance that ranks, by what the density estimator is conditioned on."""

    psd: Distance
    burst: Distance


class PredictiveParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How discovered models are compared with their targets."""

    k: Positive
    ranked_by: RankedBy
    near: Annotated[float, msgspec.Meta(gt=0, le=1)]
    near_at_least: Positive
    bootstrap: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    seed: Annotated[int, msgspec.Meta(ge=0)]


class TrainParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a density estimator is trained, if one is."""

    enabled: bool
    recipe: Literal["psd", "burst"] | Annotated[list[Key], msgspec.Meta(min_length=1)]
    estimator: Literal["nsf", "maf"]
    transforms: Positive
    hidden: Positive
    blocks: Positive
    bins: Annotated[int, msgspec.Meta(ge=2)]
    embedding: list[Positive]
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    z_score_x: bool
    validation: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    batch: Positive
    learning_rate: Annotated[float, msgspec.Meta(gt=0)]
    pull: Annotated[float, msgspec.Meta(ge=0)]
    clip: Annotated[float, msgspec.Meta(gt=0)]
    patience: Positive
    max_epochs: Positive
    max_rows: Positive
    seed: Annotated[int, msgspec.Meta(ge=0)]


class SimulateParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which models are simulated again."""

    enabled: bool
    dataset: Literal["organoids", "mouse-vis", "mouse-hc", "synthetic"]
    best: Positive
    seeds: Positive
    seed: Annotated[int, msgspec.Meta(ge=0)]
    workers: Positive


class ReportParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the report shows."""

    observation: Key | dict[str, Key]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `params.yaml`."""

    unpack: UnpackParams
    features: FeatureParams
    sampling: SamplingParams
    calibration: CalibrationParams
    predictive: PredictiveParams
    train: TrainParams
    simulate: SimulateParams
    report: ReportParams


def read_params(path: str | Path = "params.yaml") -> Params:
    """Read and check a parameter file.

    Parameters
    ----------
    path
        The YAML file.

    Returns
    -------
    Params
        The checked values.

    Raises
    ------
    AutomindError
        The file is missing or is not YAML, a key is unknown, missing or given
        twice, or a value has the wrong type.
    """
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    try:
        tree = _load(path)
    except FileNotFoundError:
        raise AutomindError(path, "is not there", "run this in a clone's top folder") from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise AutomindError(path, f"is not valid YAML: {reason}{where}", "correct it") from None
    try:
        params = msgspec.convert(tree, Params)
    except msgspec.ValidationError as error:
        raise _refusal(path, str(error)) from None
    sampled, known = list(params.sampling.sets), list(DATASETS)
    for name in sampled:
        if name not in known:
            raise AutomindError(
                path, f"unknown key sampling.sets.{name}", f"use one of {', '.join(known)}"
            )
    for name in known:
        if name not in sampled:
            raise AutomindError(path, f"sampling.sets.{name} is missing", "add it back")
    shown: Any = params.report.observation
    for name in shown if isinstance(shown, dict) else ():
        if name not in known:
            raise AutomindError(
                path, f"unknown key report.observation.{name}", f"use one of {', '.join(known)}"
            )
    return params


def _load(path: Path) -> Any:
    """Load YAML; a number with underscores is text, since it is an observation's key.

    YAML takes `161029_0` for the number 1610290.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.nodes import ScalarNode

    class Constructor(SafeConstructor):
        def key_or_number(self, node: ScalarNode) -> int | str:
            return str(node.value) if "_" in node.value else int(self.construct_yaml_int(node))

    Constructor.add_constructor("tag:yaml.org,2002:int", Constructor.key_or_number)
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = Constructor
    return yaml.load(path)


def _refusal(path: Path, message: str) -> AutomindError:
    what, _, where = message.partition(" - at `")
    where = where.rstrip("`").removeprefix("key in ").lstrip("$").lstrip(".")
    for head, said in _MISFITS.items():
        if what.startswith(head):
            key = what.removeprefix(head).rstrip("`")
            full = f"{where}.{key}" if where else key
            return AutomindError(path, said.format(full), "compare with the comments in the file")
    return AutomindError(path, f"{where or 'the file'}: {what}", "correct the value")


_MISFITS = {
    "Object contains unknown field `": "unknown key {}",
    "Object missing required field `": "{} is missing",
}
