"""The report as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from automind_data.common.files import write_text
from automind_data.common.layout import DGMS, FILES, PARAMETERS
from automind_data.params import ReportParams
from automind_data.report.calibration import READING, Calibrated, calibration_view, likeness
from automind_data.report.explorer import View, island, observation_view, points_each, set_view
from automind_data.report.gather import Report, gather
from automind_data.report.numbers import marginal_rows, narrowest, sentences, target_rows
from automind_data.report.provenance import figures
from automind_data.report.ranking import ranked_view, ranking_said
from automind_data.report.robustness import robust_view
from automind_data.report.scripts import page_policy, page_scripts
from automind_data.report.sets import SetReport
from automind_data.report.symbols import symbol_html
from automind_data.report.words import breakable, count, example, number, size

__all__ = ["build_report", "render"]

SEVERITIES = (
    ("error", "errors"),
    ("warning", "warnings"),
    ("hint", "hints"),
    ("info", "notes"),
)
SHOWN_FINDINGS = 200


def build_report(root: str | Path, out: str | Path, params: ReportParams) -> Path:
    """Build the report of a release: one HTML page that needs nothing beside it.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    out
        The folder to write to.
    params
        Which observation to show first.

    Returns
    -------
    Path
        The page, `index.html` in `out`. Equal inputs give equal bytes.

    Raises
    ------
    AutomindError
        `datasets/release.json` is missing, a file does not have the agreed
        form, or the observation to show is not one of a data set.
    """
    page = Path(out) / "index.html"
    write_text(page, render(gather(root, params)))
    return page


def render(report: Report) -> str:
    """Write the page of a gathered report as HTML."""
    environment = Environment(
        loader=PackageLoader("automind_data.report", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(
        breakable=breakable,
        bytes=size,
        count=count,
        example=example,
        island=island,
        number=number,
        symbol=symbol_html,
    )
    environment.globals.update(
        descriptions={file.path: file.description for file in FILES},
        dgms=DGMS,
        meanings={parameter.name: parameter.meaning for parameter in PARAMETERS},
        severities=SEVERITIES,
        shown_findings=SHOWN_FINDINGS,
        symbols={parameter.name: parameter.symbol for parameter in PARAMETERS},
    )
    scripts = page_scripts()
    most_points = points_each(sum(len(shown.observations) for shown in report.sets))
    return environment.get_template("page.html").render(
        report=report,
        views={
            shown.dataset.name: _views(shown, most_points, _calibrated(report, shown))
            for shown in report.sets
        },
        calibrations=[calibration_view(each) for each in report.calibration],
        robust=[robust_view(each) for each in report.robustness],
        reading=READING,
        figures=figures(report),
        policy=page_policy(scripts),
        scripts=scripts,
        pruned=[shown.dataset.title for shown in report.sets if shown.picks],
        tally=_tally(report),
        titles={shown.dataset.name: shown.dataset.title for shown in report.sets},
        verdict=_verdict(report),
    )


def _calibrated(report: Report, shown: SetReport) -> Calibrated | None:
    return next((each for each in report.calibration if each.name == shown.dataset.dgm), None)


def _views(shown: SetReport, most_points: int, calibrated: Calibrated | None) -> dict[str, Any]:
    """The set, all its observations, and the one that stands in the page without a script."""
    bounds = shown.estimator.parameters if shown.estimator else ()
    low, high = (np.array([getattr(bound, end) for bound in bounds]) for end in ("low", "high"))
    observations: list[View] = []
    for each in shown.observations:
        view = observation_view(each, shown.targets, most_points)
        view["numbers"] = {
            "target": target_rows(each, shown.targets, view),
            "marginals": marginal_rows(each.draws, bounds),
        }
        view["narrowest"] = narrowest(each.draws, 4)
        view["said"] = {
            **sentences(view, shown.picks),
            "likeness": likeness(calibrated, shown.dataset.observations, each.key),
        }
        ranked = shown.ranking.observations.get(each.key) if shown.ranking else None
        view["ranked"] = (
            ranked_view(ranked, shown.ranking.record, low, high - low)
            if ranked and shown.ranking
            else None
        )
        observations.append(view)
    first = next((view for view in observations if view["key"] == shown.chosen), None)
    return {
        "set": set_view(shown),
        "observation": first,
        "observations": observations,
        "ranking_said": ranking_said(shown.ranking.record) if shown.ranking else None,
    }


def _verdict(report: Report) -> str:
    if report.summary is None:
        return "not checked"
    return "valid" if report.summary.valid else "not valid"


def _tally(report: Report) -> dict[str, int]:
    summary = report.summary
    counts = (summary.errors, summary.warnings, summary.hints, summary.infos) if summary else ()
    return {one: count for (one, _), count in zip(SEVERITIES, counts, strict=False)}
