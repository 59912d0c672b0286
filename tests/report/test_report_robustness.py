"""Models simulated again on the page: only where there are any, else how to get them."""

import json

import pytest
from report_inputs import make_inputs

from automind_data.common.errors import AutomindError
from automind_data.params import ReportParams
from automind_data.report import build_report

PARAMS = ReportParams(observation="first")


def test_where_nothing_is_simulated_one_line_says_how(tmp_path):
    page = build_report(make_inputs(tmp_path), tmp_path, PARAMS).read_text()
    assert 'id="robustness"' not in page and "data-robustness" not in page.partition("</main>")[0]
    assert "<code>simulate.enabled: true</code>" in page
    (tmp_path / "derived" / "predictive").mkdir()
    (tmp_path / "derived" / "predictive" / "robustness.json").write_text('{"simulated": 0}')
    assert build_report(tmp_path, tmp_path, PARAMS).read_text() == page


def test_models_simulated_again_have_a_section(tmp_path):
    page = build_report(make_inputs(tmp_path, simulated=True), tmp_path, PARAMS).read_text()
    assert 'id="robustness"' in page and "simulate.enabled" not in page
    assert "On average 40 % of a model’s runs match its target (95 % interval 30 % to 52 %)" in page
    assert "2 runs were stopped or failed; they count as not matching." in page
    assert page.count('<section class="robust"') == 2
    assert " of 14 (5 % to 50 %)</td>" in page and "data-robustness-synthetic" in page
    assert '<a href="#robustness">' in page and "derived/<wbr>simulated" in page


def test_a_table_of_another_form_is_refused(tmp_path):
    make_inputs(tmp_path, simulated=True)
    said = tmp_path / "derived" / "predictive" / "robustness.json"
    said.write_text(json.dumps({"simulated": "yes"}))
    with pytest.raises(AutomindError, match="does not have the agreed form"):
        build_report(tmp_path, tmp_path, PARAMS)
