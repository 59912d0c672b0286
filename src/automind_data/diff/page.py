"""The difference as one self-contained HTML page."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from automind_data.diff import sentences, words
from automind_data.diff.changes import Difference

__all__ = ["render"]

MOST_KEYS = 2000
MOST_ROWS = 200
FILTERS = ("cell_says", "count", "key_lines", "number", "plain", "size")


def render(difference: Difference) -> str:
    """Write the page of a difference as HTML; equal differences give equal bytes."""
    environment = Environment(
        loader=PackageLoader("automind_data.diff", "template"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update({name: getattr(words, name) for name in FILTERS})
    environment.filters.update(breakable=_breakable)
    environment.globals.update({name: getattr(sentences, name) for name in sentences.__all__})
    environment.globals.update(
        metric_step=words.metric_step,
        most_keys=MOST_KEYS,
        most_rows=MOST_ROWS,
        value_says=words.value_says,
    )
    return environment.get_template("page.html").render(found=difference)


def _breakable(text: object) -> Markup:
    """Let long paths, keys and column names break after `/`, `_` and `.`; numbers stay whole.

    >>> _breakable("a_b/c.d 55.7 %")
    Markup('a_<wbr>b/<wbr>c.<wbr>d 55.7 %')
    """
    parts = re.split(r"(?<=[/_])|(?<=\.)(?=[A-Za-z])", words.plain(text))
    return Markup("<wbr>").join(parts)
