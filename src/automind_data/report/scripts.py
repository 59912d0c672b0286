"""The scripts of the page, inlined, and the policy that lets these run and no others."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from markupsafe import Markup

__all__ = ["page_policy", "page_scripts"]

VENDOR = ("d3.min.js", "plot.umd.min.js")
OWN = (
    "dom.js",
    "charts.js",
    "corner.js",
    "explorer.js",
    "ranking.js",
    "robustness.js",
    "calibration.js",
    "findings.js",
)


def page_scripts() -> tuple[Markup, ...]:
    """The text of each script, in the order that they run.

    The first is the charting library, under its own licences; then ours, one scope for all.
    """
    folder = files("automind_data.report")
    vendor = [(folder / "vendor" / name).read_text(encoding="utf-8") for name in VENDOR]
    licences = (folder / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    own = [(folder / "script" / name).read_text(encoding="utf-8") for name in OWN]
    texts = ("\n".join([f"/*\n{licences}*/", *vendor]), "\n".join(own))
    return tuple(Markup(text) for text in texts)  # noqa: S704  files of this package


def page_policy(scripts: tuple[str, ...]) -> str:
    """Content-Security-Policy: nothing from outside, these scripts only, no evaluated text."""
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
