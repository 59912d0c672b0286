"""The explorer in a real browser: every control does what it says, by mouse and by keyboard."""

import json

import numpy as np
import polars as pl
import pytest
from headless import Browser, find_chromium
from report_inputs import WELLS, keys, listed, make_inputs

from automind_data.common.layout import DATASETS, PARAMETER_NAMES
from automind_data.params import ReportParams
from automind_data.report import build_report

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on the path")

FIRST = ReportParams(observation="first")
HOSTILE = "</script><script>console.error('ran')</script><img src=x onerror=console.error('ran')>"
FINDINGS = tuple(
    {
        "severity": severity, "id": f"check-{at}", "message": f"Message {at} of {severity}.",
        "dataset": dataset, "file": f"file-{at}.zip",
    }
    for at, (severity, dataset) in enumerate(
        [("error", "synthetic"), ("error", None), ("warning", "organoids"), ("info", "synthetic")]
    )
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with Browser(CHROMIUM) as started:
        yield started


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_inputs(
        tmp_path_factory.mktemp("release"),
        predicted=True,
        calibrated=True,
        findings=FINDINGS,
        skipped={"77_12": "3 of 990 features are missing"},
    )


@pytest.fixture(scope="module")
def report(root):
    return build_report(root, root, FIRST)


@pytest.fixture
def page(browser, report):
    opened = start(browser, report)
    yield opened
    assert browser.complaints == []


def start(browser, report, at="", width=1280):
    page = browser.open(report, width, at=at)
    page.wait_for_function("document.getElementById('status').textContent")
    return page


def heading(page):
    return page.inner_text(".current h2").removesuffix(" sample data")


def shown_key(page):
    return page.inner_text(".current h3 .key")


def row(page, name, at):
    return page.locator(f'.current [data-rows="{name}"] tr').nth(at).locator("td").all_inner_texts()


def open_numbers(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")


def test_one_set_is_shown_and_the_control_says_which(page):
    assert page.locator("section.set:visible").count() == 1
    assert page.locator("#chooser [name=dataset]:checked").input_value() == "organoids"
    assert heading(page) == "Human brain organoids"
    assert page.input_value("#observation") == shown_key(page) == "161001_0"


@pytest.mark.parametrize("name", DATASETS)
def test_a_click_on_a_set_shows_it(page, name):
    other = next(each for each in reversed(DATASETS) if each != name)
    page.locator(f"#chooser label:has([value='{other}'])").click()
    page.locator(f"#chooser label:has([value='{name}'])").click()
    assert heading(page) == DATASETS[name].title
    assert page.locator("#observation option").all_inner_texts() == listed(name)
    assert page.evaluate("location.hash") == f"#{name}/" + page.evaluate(
        "encodeURIComponent(document.getElementById('observation').value)"
    )


def test_another_observation_changes_every_part(page, root):
    open_numbers(page)
    pictures = [".current figure svg", ".current .panels li:nth-child(3) svg", ".current .pair svg"]
    before = [page.locator(each).first.inner_html() for each in pictures]
    page.select_option("#observation", "161029_2_3")
    assert shown_key(page) == "161029_2_3"
    for old, each in zip(before, pictures, strict=True):
        assert page.locator(each).first.inner_html() != old
    table = pl.read_parquet(root / "derived/samples/organoids.parquet")
    rows = table.filter(pl.col("x_o") == "161029_2_3")
    for at in (0, 13, 27):
        median = float(rows[PARAMETER_NAMES[at]].median())
        said = float(row(page, "marginals", at)[0].replace("−", "-"))
        assert said == pytest.approx(median, rel=6e-3)
    observations = pl.read_parquet(root / "derived/observations/organoid_summary.parquet")
    target = observations.row(len(WELLS) - 1, named=True)["burst_interval_mean"]
    assert float(row(page, "target", 0)[0]) == pytest.approx(target, rel=6e-3)
    assert "161029_2_3: 60 posterior draws, 9 models" in page.inner_text("#status")


def test_an_observation_unlike_the_training_is_called_so(page):
    fact = ".current [data-fact=likeness]"
    page.locator("#chooser label:has([value='synthetic'])").click()
    assert page.inner_text(fact) == "yes (p 0.5 by mmd, 0.5 by density)"
    page.click("#next")
    assert page.inner_text(fact) == "not compared"
    page.locator("#chooser label:has([value='mouse-vis'])").click()
    assert page.inner_text(fact) == "no: it lies outside (p 0.005 by mmd, 0.005 by density)"
    page.click("#next")
    assert page.inner_text(fact).startswith("yes (p 0.171 ")


def test_the_buttons_walk_through_the_observations(page):
    page.locator("#chooser label:has([value='synthetic'])").click()
    walked = [shown_key(page)]
    assert page.is_disabled("#previous")
    while not page.is_disabled("#next"):
        page.click("#next")
        walked.append(shown_key(page))
    assert walked == keys("synthetic_summary")
    page.click("#previous")
    assert shown_key(page) == walked[-2]


def test_a_skipped_observation_has_its_reason_and_no_pictures_of_draws(page):
    page.locator("#chooser label:has([value='synthetic'])").click()
    page.select_option("#observation", "77_12")
    assert "no samples to show for 77_12: 3 of 990 features are missing." in page.inner_text(
        ".current [data-fact=empty]"
    )
    assert page.locator(".current .panels svg:visible, .current .corner svg:visible").count() == 0
    assert page.locator(".current figure svg:visible").count() == 1
    page.select_option("#observation", "77_5")
    assert page.locator(".current .panels svg:visible").count() == 28
    assert not page.is_visible(".current [data-fact=empty]")


def test_the_keyboard_reaches_and_works_every_control(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = page.locator(".skip").bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0
    page.focus("#chooser [name=dataset]:checked")
    page.keyboard.press("ArrowRight")
    assert heading(page) == "Mouse visual areas"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "observation"
    page.keyboard.press("ArrowDown")
    assert shown_key(page) == "m2_VISp-spont"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "previous"
    page.keyboard.press("Enter")
    assert shown_key(page) == "m1_VISp-spont"
    page.focus(".current [data-shows=others]")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.dataset.shows") == "others"
    page.focus(".current .choice summary")
    page.keyboard.press("Enter")
    assert page.is_visible(".current .choice fieldset")


def test_what_is_drawn_has_a_name_and_so_has_every_control(page):
    unnamed = page.evaluate(
        "[...document.querySelectorAll('svg:not([aria-hidden])')]"
        ".filter(each => each.checkVisibility()"
        " && !(each.getAttribute('role') === 'img' && each.getAttribute('aria-label'))"
        " && !each.closest('svg svg, svg[role=img]')).length"
    )
    assert unnamed == 0
    client = page.context.new_cdp_session(page)
    tree = client.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "checkbox", "combobox", "radio", "searchbox", "image"}
    bare = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node["role"]["value"] in roles
        and not node.get("name", {}).get("value")
    ]
    assert bare == []


@pytest.mark.parametrize("name", ["organoids", "mouse-hc"])
def test_boxes_of_the_legend_show_and_hide(page, name):
    page.locator(f"#chooser label:has([value='{name}'])").click()
    marks = "document.querySelectorAll('.current figure svg :is(path, circle)').length"
    for box in ("others", "best"):
        before = page.evaluate(marks)
        page.locator(f".current [data-shows={box}]").click()
        after = page.evaluate(marks)
        assert (after > before) if box == "others" else (after < before)
        page.locator(f".current [data-shows={box}]").click()
        assert page.evaluate(marks) == before


def test_the_corner_shows_the_parameters_that_are_chosen(page):
    page.click(".current .choice summary")
    boxes = page.locator(".current .choice input")
    chosen = [at for at in range(28) if boxes.nth(at).is_checked()]
    assert len(chosen) == 4
    assert page.locator(".current .pair svg").count() == 6
    for at in chosen[:2]:
        boxes.nth(at).uncheck()
    assert page.locator(".current .pair svg").count() == 1
    assert boxes.nth(chosen[2]).is_disabled() and boxes.nth(chosen[3]).is_disabled()
    free = [at for at in range(28) if at not in chosen[2:]][:4]
    for at in free:
        boxes.nth(at).check()
    assert page.locator(".current .pair svg").count() == 15
    assert page.locator(".current .choice input:disabled").count() == 22
    shown = page.locator(".current .diagonal p:first-child").all_inner_texts()
    wanted = page.locator(".current .choice label:has(:checked) .symbol").all_inner_texts()
    assert shown == wanted
    page.click("#next")
    assert page.locator(".current .diagonal p:first-child").all_inner_texts() == wanted
    page.click(".current .choice button")
    assert page.locator(".current .pair svg").count() == 6


def test_points_of_the_corner_are_draws(page, root):
    table = pl.read_parquet(root / "derived/samples/organoids.parquet")
    rows = table.filter(pl.col("x_o") == "161001_0")
    points = page.evaluate(
        "pointsOf(observationOf(carried('data-organoids'), '161001_0').draws, [0, 17])"
    )
    for at, column in enumerate((0, 17)):
        drawn = rows[f"unit.{PARAMETER_NAMES[column]}"].to_list()
        assert [point[at] for point in points] == pytest.approx(drawn, abs=0.002)


def test_the_corner_draws_draws_rings_and_correlations(page, root):
    seen = page.evaluate(
        """(() => {
          const seen = observationOf(carried('data-organoids'), '161001_0');
          const columns = [...seen.narrowest].sort((one, other) => one - other).slice(0, 2);
          const svg = document.querySelector('.current .pair svg');
          const inner = Number(svg.getAttribute('width')) - 2;
          const [draws, rings] = [...svg.querySelectorAll('[aria-label=dot]')].map((group) =>
            [...group.querySelectorAll('circle')].map((each) =>
              [(each.getAttribute('cx') - 1) / inner, 1 - (each.getAttribute('cy') - 1) / inner]));
          return { columns, draws, rings, closest: seen.ranked.unit };
        })()"""
    )
    table = pl.read_parquet(root / "derived/samples/organoids.parquet")
    rows = table.filter(pl.col("x_o") == "161001_0")
    pair = [rows[f"unit.{PARAMETER_NAMES[at]}"].to_list() for at in seen["columns"]]
    assert len(seen["rings"]) == len(seen["closest"]) == 5
    for across in (0, 1):
        assert [each[across] for each in seen["draws"]] == pytest.approx(pair[across], abs=0.01)
        wanted = [each[seen["columns"][across]] for each in seen["closest"]]
        assert [each[across] for each in seen["rings"]] == pytest.approx(wanted, abs=0.01)
    said = page.locator(".current .corner .r").first.evaluate("each => each.lastChild.data")
    assert float(said.replace("−", "-")) == pytest.approx(np.corrcoef(pair)[0, 1], abs=0.02)


def test_marginals_are_those_of_their_parameters(page, root):
    table = pl.read_parquet(root / "derived/samples/organoids.parquet")
    rows = table.filter(pl.col("x_o") == "161001_0")
    panels = page.locator(".current .panels li svg")
    curves = {panels.nth(at).locator("path").first.get_attribute("d") for at in range(28)}
    assert len(curves) == 28
    for at in (0, 13, 27):
        tick = panels.nth(at).locator("[aria-label=rule] line").last.get_attribute("x1")
        median = rows[f"unit.{PARAMETER_NAMES[at]}"].median()
        assert float(tick) / 150 == pytest.approx(median, abs=0.01)
        assert panels.nth(at).locator("[stroke-dasharray]").count() == 1


def test_a_spectrum_has_its_target_and_its_noise_floor(page):
    page.locator("#chooser label:has([value='synthetic'])").click()
    chart = page.locator(".current figure svg").first
    assert chart.locator("[aria-label=line][stroke='var(--ink)']").count() == 1
    assert chart.locator("[aria-label=line][stroke-dasharray]").count() >= 1


def test_parameters_of_the_closest_models_are_theirs(page, root):
    open_numbers(page)
    table = pl.read_parquet(root / "derived/predictive/organoids.parquet")
    table = table.filter(pl.col("x_o") == "161001_0").sort("predict.rank")
    rows = page.locator(".current [data-parameters] tbody tr")
    for at in (0, 13, 27):
        said = [
            float(each.replace("−", "-").replace("e−", "e-"))
            for each in rows.nth(at).locator("td").all_inner_texts()
        ]
        assert said == pytest.approx(table[PARAMETER_NAMES[at]].to_list()[:4], rel=6e-3)


def test_the_table_is_copied_where_the_clipboard_is_closed(page):
    page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('closed')); }"
    )
    page.click(".current [data-copy]")
    page.wait_for_function("document.querySelector('.current [data-copied]').textContent")
    assert "Copied 5 models" in page.inner_text(".current [data-copied]")


def test_the_ranked_table_is_copied_whole(page, root):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.select_option("#observation", "161001_2")
    assert page.locator('.current [data-rows="ranked"] tr').count() == 5
    assert row(page, "ranked", 0)[2:] == ["0.1", "yes"]
    assert row(page, "ranked", 4)[2:] == ["0.5", "no"]
    page.click(".current [data-copy]")
    page.wait_for_function("document.querySelector('.current [data-copied]').textContent")
    assert "Copied 5 models" in page.inner_text(".current [data-copied]")
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    head, *rows = [line.split("\t") for line in lines]
    table = pl.read_parquet(root / "derived/predictive/organoids.parquet")
    table = table.filter(pl.col("x_o") == "161001_2").sort("predict.rank")
    assert len(rows) == 5
    assert set(PARAMETER_NAMES) < set(head)
    for name in ("params_settings.random_seed", *PARAMETER_NAMES):
        copied = [float(each[head.index(name)]) for each in rows]
        assert copied == table[name].to_list()


@pytest.mark.parametrize(
    ("severities", "dataset", "words", "left"),
    [
        (["error", "warning", "info"], "", "", [0, 1, 2, 3]),
        (["error"], "", "", [0, 1]),
        (["error", "info"], "synthetic", "", [0, 3]),
        (["error", "warning", "info"], "-", "", [1]),
        (["error", "warning", "info"], "", "file-2 MESSAGE", [2]),
        ([], "", "", []),
    ],
)
def test_findings_are_filtered(page, severities, dataset, words, left):
    for name in ("error", "warning", "info"):
        page.locator(f"#filters [value={name}]").set_checked(name in severities)
    page.select_option("#finding-dataset", dataset)
    page.fill("#finding-words", words)
    said = page.locator(".finding:visible > p:first-child").all_inner_texts()
    assert said == [f"Message {at} of {FINDINGS[at]['severity']}." for at in left]
    assert page.inner_text("#finding-count").startswith(f"{len(left)} of 4 findings")
    headings = {FINDINGS[at]["severity"] for at in left}
    assert page.locator("#findings h3[data-severity]:visible").count() == len(headings)


def test_calibration_is_drawn_with_a_sentence_each(page):
    page.wait_for_selector("[data-dgm=burst] [data-plot=misspecification] svg")
    psd, burst = page.locator("[data-dgm=psd]"), page.locator("[data-dgm=burst]")
    assert psd.locator(".plot-card svg[role=img]").count() == 6
    assert burst.locator(".plot-card svg[role=img]").count() == 5
    assert burst.locator("[data-plot=log_prob]").inner_text() == "Nothing was recorded."
    for sentence in psd.locator(".plot-card .note").all_inner_texts():
        assert sentence.count(".") == 1 and sentence.endswith(".")

    def name(picture):
        return psd.locator(f"[data-plot={picture}] svg").first.get_attribute("aria-label")

    assert name("sbc") == "Ranks of 28 parameters, 1 leave the band"
    assert "posterior, mean −3; Gaussian, mean" in name("log_prob")
    assert name("misspecification") == "8 scores of observations, 2 at 0.01 or less"
    red = psd.locator("[data-plot=sbc] [stroke='var(--bad)']")
    assert red.count() == 1
    assert "params_net.p_e2i" in red.inner_html()


def test_an_address_leads_to_an_observation(browser, report):
    page = start(browser, report, at="#mouse-hc/m2_CA1-flash%20off")
    assert (heading(page), shown_key(page)) == ("Mouse hippocampal areas", "m2_CA1-flash off")
    page.click("nav a[href='#synthetic']")
    page.wait_for_function("document.querySelector('.current').id === 'synthetic'")
    page.go_back()
    page.wait_for_function("document.querySelector('.current').id === 'mouse-hc'")
    assert shown_key(page) == "m2_CA1-flash off"
    for wrong in ("#mouse-hc/none", "#organoids/%E0%A4%A", "#files"):
        page = start(browser, report, at=wrong)
        assert page.locator("section.set:visible").count() == 1
    assert browser.complaints == []


def test_without_scripts_every_set_has_its_numbers(browser, report):
    page = browser.open(report, 768, scripts=False)
    assert page.locator("section.set:visible").count() == len(DATASETS)
    assert page.locator('[data-rows="marginals"] tr:visible').count() == 28 * len(DATASETS)
    assert page.locator('[data-rows="ranked"] tr:visible').count() == 5 * len(DATASETS)
    assert page.locator(".finding:visible").count() == len(FINDINGS)
    assert "need JavaScript" in page.inner_text("noscript")
    assert page.locator("#chooser:visible, #filters:visible, [data-copy]:visible").count() == 0


def test_paper_shows_the_choice_and_no_controls(page):
    page.select_option("#observation", "161001_2")
    page.emulate_media(media="print")
    assert shown_key(page) == "161001_2"
    controls = "#chooser, #filters, .choice, button, input, select"
    assert page.locator(controls).locator("visible=true").count() == 0
    assert page.locator(".current .panels svg:visible").count() == 28
    page.set_viewport_size({"width": 718, "height": 1040})
    wide = "[...document.querySelectorAll('.current .panels p')]"
    assert page.evaluate(f"{wide}.filter(each => each.scrollWidth > each.clientWidth).length") == 0
    assert len(page.pdf()) > 50_000


def test_a_narrower_window_draws_anew(page):
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_function(
        "document.querySelector('.current figure svg').getBoundingClientRect().right <= 700"
    )
    width = page.evaluate("document.querySelector('.current figure svg').getAttribute('width')")
    assert int(width) < 700
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 700


def test_hostile_words_stay_words(browser, tmp_path):
    finding = {"severity": "error", "message": HOSTILE, "id": HOSTILE, "examples": [HOSTILE]}
    make_inputs(tmp_path, predicted=True, findings=(finding,))
    for path in tmp_path.glob("derived/*/synthetic.parquet"):
        table = pl.read_parquet(path)
        here = pl.col("x_o") == "77_5"
        words = [pl.when(here).then(pl.lit(HOSTILE)).otherwise("x_o").alias("x_o")]
        if "predict.rank" in table.columns:
            words.append(pl.lit(HOSTILE).alias("inference.type"))
        table.with_columns(words).write_parquet(path)
    for path in tmp_path.glob("derived/**/synthetic.json"):
        path.write_text(path.read_text().replace('"77_5"', json.dumps(HOSTILE)))
    report = build_report(tmp_path, tmp_path, ReportParams(observation={"synthetic": HOSTILE}))
    page = start(browser, report, at="#synthetic")
    assert shown_key(page) == HOSTILE
    assert row(page, "ranked", 0)[1] == HOSTILE
    page.click("#next")
    page.click("#previous")
    assert HOSTILE in page.inner_text("#status")
    assert page.locator("img").count() == 0
    assert browser.complaints == []


def test_nothing_is_evaluated_and_no_other_script_runs(browser, report):
    page = start(browser, report)
    page.evaluate(
        "() => { const each = document.createElement('script');"
        " each.textContent = 'window.ran = 1'; document.body.append(each); }"
    )
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in each for each in browser.complaints)


def test_a_closed_gate_shows_its_reason_and_no_pictures(browser, tmp_path):
    make_inputs(tmp_path, predicted=True)
    gate = {"dataset": "organoids", "verdict": "closed", "errors": ["prior-bounds"]}
    (tmp_path / "derived/validation/gate/organoids.json").write_text(json.dumps(gate))
    page = start(browser, build_report(tmp_path, tmp_path, FIRST))
    assert "Validation stopped the sampling of this data set: prior-bounds." in page.inner_text(
        ".current"
    )
    assert page.locator(".current svg:visible").count() == 0
    assert browser.complaints == []
