"""The report as one self-contained HTML page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from automind_data.common.files import write_text
from automind_data.common.layout import DGMS, FILES, PARAMETERS
from automind_data.params import ReportParams
from automind_data.report.draw import (
    HEIGHT,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    WIDTH,
    draw_features,
    draw_marginals,
    draw_spectrum,
    number,
)
from automind_data.report.gather import Features, Report, SetReport, Spectrum, gather
from automind_data.report.symbols import symbol_html

__all__ = ["build_report", "render"]

SEVERITIES = (
    ("error", "errors"),
    ("warning", "warnings"),
    ("hint", "hints"),
    ("info", "notes"),
)
SHOWN_FINDINGS = 200
LONGEST_EXAMPLE = 400


def build_report(root: str | Path, out: str | Path, params: ReportParams) -> Path:
    """Build the report of a release: one HTML page that needs nothing beside it.

    Parameters
    ----------
    root
        The folder that holds `datasets/` and `derived/`.
    out
        The folder to write to.
    params
        Which observation to show.

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
        breakable=_breakable,
        bytes=_bytes,
        count=_count,
        example=_example,
        number=number,
        symbol=symbol_html,
    )
    environment.globals.update(
        canvas=(WIDTH, HEIGHT),
        descriptions={file.path: file.description for file in FILES},
        dgms=DGMS,
        meanings={parameter.name: parameter.meaning for parameter in PARAMETERS},
        panel=(PANEL_WIDTH, PANEL_HEIGHT),
        severities=SEVERITIES,
        shown_findings=SHOWN_FINDINGS,
        symbols={parameter.name: parameter.symbol for parameter in PARAMETERS},
    )
    return environment.get_template("page.html").render(
        report=report,
        charts={shown.dataset.name: _charts(shown) for shown in report.sets},
        pruned=[shown.dataset.title for shown in report.sets if shown.picks],
        tally=_tally(report),
        verdict=_verdict(report),
    )


def _verdict(report: Report) -> str:
    if report.summary is None:
        return "not checked"
    return "valid" if report.summary.valid else "not valid"


def _tally(report: Report) -> dict[str, int]:
    summary = report.summary
    counts = (summary.errors, summary.warnings, summary.hints, summary.infos) if summary else ()
    return {one: count for (one, _), count in zip(SEVERITIES, counts, strict=False)}


def _charts(shown: SetReport) -> dict[str, Any]:
    target = shown.target
    return {
        "spectrum": draw_spectrum(target) if isinstance(target, Spectrum) else None,
        "features": draw_features(target) if isinstance(target, Features) else None,
        "panels": draw_marginals(shown.marginals),
        "narrowest": sorted(shown.marginals, key=lambda marginal: marginal.width)[:5],
    }


def _count(value: int | None) -> str:
    """Write a whole number with thousands set apart; None is an en dash."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def _bytes(size: int) -> str:
    """Write a size in decimal units.

    >>> _bytes(14720), _bytes(2009631), _bytes(512)
    ('14.7\\xa0kB', '2.01\\xa0MB', '512\\xa0B')
    """
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g}\u00a0{unit}"


def _breakable(text: str) -> Markup:
    """Let long paths, keys and column names break after `/` and `_`."""
    html = escape(text)
    for mark in ("/", "_"):
        html = html.replace(mark, Markup("{}<wbr>").format(mark))
    return html


def _example(value: object) -> str:
    """Write one example of a finding on one line."""
    if isinstance(value, dict):
        text = ", ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    else:
        text = _plain(value)
    return text if len(text) <= LONGEST_EXAMPLE else text[:LONGEST_EXAMPLE] + " …"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
