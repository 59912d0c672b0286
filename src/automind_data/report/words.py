"""Numbers, sizes, names and examples as text for people."""

from __future__ import annotations

import json
import math

from markupsafe import Markup, escape

__all__ = ["breakable", "count", "example", "feature_label", "number", "size"]

LONGEST_EXAMPLE = 400


def number(value: float) -> str:
    """Write a number with three significant digits for people.

    >>> number(0.056), number(-48.23), number(11443.2), number(2.5e-7), number(3.0)
    ('0.056', '−48.2', '11443', '2.5e−7', '3')
    """
    if not math.isfinite(value):
        return "not a number"
    magnitude = abs(value)
    if magnitude >= 1e6 or 0 < magnitude < 1e-3:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".")
        text = f"{mantissa}e{int(exponent)}"
    elif magnitude >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}"
    return ("0" if text == "-0" else text).replace("-", "−")


def count(value: int | None) -> str:
    """Write a whole number with thousands set apart; None is an en dash."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def size(value: int) -> str:
    """Write a size in decimal units.

    >>> size(14720), size(2009631), size(512)
    ('14.7\\xa0kB', '2.01\\xa0MB', '512\\xa0B')
    """
    scaled, unit = float(value), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if scaled < 999.5:
            break
        scaled, unit = scaled / 1000, larger
    return f"{scaled:.3g}\u00a0{unit}"


def breakable(text: str) -> Markup:
    """Let long paths, keys and column names break after `/` and `_`."""
    html = escape(text)
    for mark in ("/", "_"):
        html = html.replace(mark, Markup("{}<wbr>").format(mark))
    return html


def example(value: object) -> str:
    """Write one example of a finding on one line."""
    if isinstance(value, dict):
        text = ", ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    else:
        text = _plain(value)
    return text if len(text) <= LONGEST_EXAMPLE else text[:LONGEST_EXAMPLE] + " …"


def feature_label(name: str) -> tuple[str, str]:
    """Return a readable name and the unit of a burst or ISI feature column.

    >>> feature_label("burst_interval_mean"), feature_label("burst_interval_cv")
    (('Burst interval, mean', 's'), ('Burst interval, CV', '1'))
    >>> feature_label("isi_mean_mu"), feature_label("burst_peak_fr_mean")
    (('ISI mean, mean', 's'), ('Burst peak rate, mean', 'Hz'))
    """
    words = name.replace("_time_", "_").replace("_fr_", "_rate_").split("_")
    *first, last = [_WORDS.get(word, word) for word in words]
    label = " ".join(first) + (f", {last}" if last in {"mean", "SD", "CV"} else f" {last}")
    if "rate" in words:
        return label, "Hz"
    timed = {"interval", "width", "onset", "offset", "mean", "std"} & set(words[1:-1])
    return label, "s" if timed and "cv" not in words else "1"


_WORDS = {
    "burst": "Burst",
    "cv": "CV",
    "isi": "ISI",
    "mu": "mean",
    "num": "number",
    "numspks": "number of spikes",
    "std": "SD",
}


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
