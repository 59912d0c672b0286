"""Where each figure comes from: the published file, the stages, the derived files."""

from __future__ import annotations

from dataclasses import dataclass

from automind_data.common.layout import ARCHIVES, DGMS, OBSERVATION_TABLES
from automind_data.report.gather import Report

__all__ = ["Step", "Trace", "figures"]


@dataclass(frozen=True)
class Step:
    """One file on the way, and the stage that made it; `md5` only of published files."""

    path: str
    stage: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class Trace:
    """A figure of the page and the ways to it, each from a published file onwards."""

    figure: str
    place: str
    dataset: str | None
    ways: tuple[tuple[Step, ...], ...]


def figures(report: Report) -> tuple[Trace, ...]:
    """Trace every figure of the page to the published files."""
    md5 = {file.path: file.md5 for file in report.release.files}

    def published(path: str) -> Step:
        return Step(f"datasets/{path}", md5=md5.get(path, "not recorded"))

    traces = []
    for shown in report.sets:
        name, dgm, table = shown.dataset.name, shown.dataset.dgm, shown.dataset.observations
        target = (
            published(OBSERVATION_TABLES[table].path),
            Step(f"derived/observations/{table}.parquet", f"tabulate-observations@{table}"),
        )
        models = (
            published(ARCHIVES[name].path),
            Step(f"derived/tables/{name}.parquet", f"tabulate@{name}"),
        )
        estimator = (
            published(DGMS[dgm]),
            Step(f"derived/dgms/{dgm}/", f"convert-dgm@{dgm}"),
        )
        samples = Step(f"derived/samples/{name}.parquet", f"sample@{name}")
        ranked = Step(f"derived/predictive/{name}.parquet", "predict")
        place = f"#{name}"
        traces += [
            Trace("Target and models", place, name, (target, models)),
            Trace("Marginals and pairs", place, name, ((*estimator, samples), (*target, samples))),
            Trace("Ranked models", place, name, ((*target, ranked), (*models, ranked))),
        ]
    for robust in report.robustness:
        best = Step(f"derived/predictive/{robust.name}.parquet", "predict")
        runs = Step("derived/simulated/", "simulate")
        compared = Step("derived/predictive/robustness.parquet", "robustness")
        way = (published(ARCHIVES[robust.name].path), best, runs, compared)
        traces.append(Trace(f"Simulated again, {robust.name}", "#robustness", None, (way,)))
    for dgm, path in DGMS.items():
        heldout = (
            published(ARCHIVES["heldout"].path),
            Step("derived/tables/heldout.parquet", "tabulate@heldout"),
        )
        estimator = (published(path), Step(f"derived/dgms/{dgm}/", f"convert-dgm@{dgm}"))
        checked = Step(f"derived/calibration/{dgm}/", "calibrate")
        traces.append(
            Trace(
                f"Calibration, {dgm}",
                "#calibration",
                None,
                ((*estimator, checked), (*heldout, checked)),
            )
        )
    return tuple(traces)
