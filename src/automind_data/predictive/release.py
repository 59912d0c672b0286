"""Predictive checks of one discovered table, or of every data set of a release."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automind_data.common.errors import AutomindError
from automind_data.common.files import write_json
from automind_data.common.layout import DATASETS, OBSERVATION_TABLES, Dataset
from automind_data.common.observations import read_observations
from automind_data.params import PredictiveParams
from automind_data.predictive.compare import Comparison, compare_table
from automind_data.predictive.judge import Verdict, judge
from automind_data.predictive.robustness import (
    Robustness,
    find_runs,
    holds_some_of,
    robustness_of,
    write_robustness,
)
from automind_data.predictive.rows import Estimator, read_estimator
from automind_data.predictive.write import metrics_of, write_best, write_distances, write_record

__all__ = ["Predicted", "predict_release", "predict_simulated", "predict_table"]


@dataclass(frozen=True)
class Predicted:
    """What predictive checks of one table found."""

    comparison: Comparison
    verdicts: list[Verdict]


def predict_table(
    models: str | Path,
    estimator: Estimator,
    observations: Mapping[str, Mapping[str, Any]],
    heldout: str | Path | None,
    out: str | Path,
    name: str,
    params: PredictiveParams,
    *,
    dataset: Dataset | None = None,
) -> Generator[dict[str, Any], None, Predicted]:
    """Compare the models of one table with their targets and write what is found.

    Parameters
    ----------
    models
        The discovered table, Parquet.
    estimator
        The density estimator whose features are compared.
    observations
        Key → row of features.
    heldout
        Held-out simulations, Parquet, for the yield; None: no yield.
    out, name
        Folder and name of `<name>.parquet`, `checks/<name>.parquet`, `checks/<name>.json`.
    params
        k, what is near, the bootstrap, the distance that ranks.
    dataset
        The data set of the release that it is, if any.

    Yields
    ------
    dict
        `path`, `done` and `total`: rows read.

    Raises
    ------
    AutomindError
        A table cannot be read, or a column is missing or of the wrong type.
    """
    ranked_by: str = getattr(params.ranked_by, estimator.recipe.kind)
    table = OBSERVATION_TABLES[dataset.observations] if dataset else None
    drawn_from = table is not None and table.drawn_from is not None
    comparison = yield from compare_table(
        models,
        estimator,
        observations,
        heldout,
        ranked_by,
        table.key_columns if table is not None and drawn_from else (),
    )
    verdicts = [judge(each, params) for each in comparison.observations]
    folder = Path(out)
    write_best(folder / f"{name}.parquet", comparison, params.k)
    write_distances(folder / "checks" / f"{name}.parquet", comparison, verdicts)
    about = {
        "dataset": name,
        "kind": estimator.recipe.kind,
        "recordings": not drawn_from,
        "ranked_by": ranked_by,
        "k": params.k,
        "bootstrap": params.bootstrap,
        "seed": params.seed,
    }
    write_record(folder / "checks" / f"{name}.json", about, comparison, verdicts)
    return Predicted(comparison, verdicts)


def predict_release(
    root: str | Path, out: str | Path, params: PredictiveParams
) -> Iterator[dict[str, Any]]:
    """Compare the models of every data set with their targets, and draw the overview figure.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    out
        The folder to write to: what `predict_table` writes for each data set,
        `summary.json` with all of them in numbers, `overview.svg` and `overview.png`.
    params
        See `predict_table`.

    Yields
    ------
    dict
        `path`, `done` and `total`: rows read of one data set.

    Raises
    ------
    AutomindError
        A file is missing or cannot be read, or a column is missing or of the wrong type.
    """
    from automind_data.predictive.figure import draw_overview
    from automind_data.predictive.overview import gather_overview

    derived, found, targets = Path(root) / "derived", {}, {}
    for name, dataset in DATASETS.items():
        estimator = read_estimator(derived / "dgms" / dataset.dgm)
        targets[name] = read_observations(
            derived / "observations" / f"{dataset.observations}.parquet",
            estimator.recipe.columns,
            dataset,
        )
        found[name] = yield from predict_table(
            derived / "tables" / f"{name}.parquet",
            estimator,
            targets[name],
            derived / "tables" / "heldout.parquet",
            out,
            name,
            params,
            dataset=dataset,
        )
    recordings = {
        name: OBSERVATION_TABLES[each.observations].drawn_from is None
        for name, each in DATASETS.items()
    }
    summary = {name: metrics_of(each.verdicts, recordings[name]) for name, each in found.items()}
    write_json(Path(out) / "summary.json", summary)
    overview = gather_overview(
        Path(root) / "datasets" / "release.json",
        {name: each.comparison for name, each in found.items()},
        targets,
    )
    draw_overview(overview, Path(out) / "overview.svg", Path(out) / "overview.png")


def predict_simulated(
    root: str | Path, simulated: str | Path, out: str | Path, params: PredictiveParams
) -> Iterator[dict[str, Any]]:
    """Compare simulated runs of discovered configurations with their targets.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    simulated
        A run folder, or a Parquet table with the published columns. Runs belong to the data
        set whose discovered table has their configuration.
    out
        The folder to write `robustness.parquet` and `robustness.json` to.
    params
        See `predict_table`.

    Yields
    ------
    dict
        `path`, `done` and `total`: rows read of one data set.

    Raises
    ------
    AutomindError
        A file is missing or cannot be read, or no run is of a discovered configuration.
    """
    derived = Path(root) / "derived"
    runs = find_runs(simulated)
    found: dict[str, Robustness] = {}
    for name, dataset in DATASETS.items() if runs is not None else ():
        assert runs is not None
        models = derived / "tables" / f"{name}.parquet"
        if not holds_some_of(models, runs):
            continue
        estimator = read_estimator(derived / "dgms" / dataset.dgm)
        table = OBSERVATION_TABLES[dataset.observations]
        robust = yield from robustness_of(
            runs,
            models,
            estimator,
            read_observations(
                derived / "observations" / f"{dataset.observations}.parquet",
                estimator.recipe.columns,
                dataset,
            ),
            derived / "tables" / "heldout.parquet",
            params,
            table.key_columns if table.drawn_from is not None else (),
            only_known=True,
        )
        if robust.configurations:
            found[name] = robust
    if runs is not None and not found:
        rule = "holds no run of a configuration of the discovered tables"
        raise AutomindError(runs, rule, "simulate rows of derived/predictive/")
    write_robustness(out, found, runs is not None)
