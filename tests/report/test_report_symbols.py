import re

import pytest

from automind_data.common.layout import PARAMETERS
from automind_data.report.symbols import symbol_html


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_no_tex_is_left(parameter):
    html = symbol_html(parameter.symbol)
    assert not re.search(r"[\\{}_^]", html)
    assert html.count("<sub>") == html.count("</sub>") == parameter.symbol.count("_")


def test_symbols_differ():
    assert len({symbol_html(parameter.symbol) for parameter in PARAMETERS}) == len(PARAMETERS)


@pytest.mark.parametrize(
    ("tex", "html"),
    [
        (r"\nu_{input\to E}", "<i>ν</i><sub>input→E</sub>"),
        (r"\%\,input_E", "%\u2009input<sub>E</sub>"),
        (r"\Delta T", "Δ<i>T</i>"),
        ("g_L", "<i>g</i><sub>L</sub>"),
        ("<b>", "&lt;<i>b</i>&gt;"),
        ("{x", "<i>x</i>"),
        ("x}_", "<i>x</i><sub></sub>"),
    ],
)
def test_symbol(tex, html):
    assert str(symbol_html(tex)) == html
