"""The page in a real browser: nothing scrolls sideways, is cut, overlaps or is too faint."""

import pytest
from headless import Browser, find_chromium
from report_inputs import make_inputs

from automind_data.common.layout import DATASETS
from automind_data.params import ReportParams
from automind_data.report import build_report

CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on the path")

OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"

# Every piece of text as it is painted: its words, its boxes, and the element that holds it.
# Words that are only for those who listen are left out.
TEXTS = """
const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, holder = node.parentElement;
  if (!node.data.trim() || !holder.checkVisibility()) continue;
  if (holder.closest('.unseen, .skip')) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const boxes = [...range.getClientRects()].filter(box => box.width > 1);
  if (boxes.length) texts.push({ words: node.data.trim().slice(0, 60), boxes, holder });
}
"""

CUT = (
    "(() => {"
    + TEXTS
    + """
const found = [];
for (const { words, boxes, holder } of texts) {
  for (const box of boxes)
    if (box.left < -0.5 || box.right > innerWidth + 0.5) found.push('outside the page: ' + words);
  for (let around = holder; around; around = around.parentElement) {
    if (getComputedStyle(around).overflowX === 'visible' || around === document.documentElement)
      continue;
    const frame = around.getBoundingClientRect();
    if (boxes.some(box => box.right > frame.right + 1 || box.left < frame.left - 1))
      found.push('cut: ' + words);
  }
}
return found;
})()"""
)

OVERLAPS = (
    "(() => {"
    + TEXTS
    + """
const flat = texts.flatMap(({ words, boxes }, index) => boxes.map(box => ({
  words, index, left: box.left + 1, right: box.right - 1,
  top: box.top + box.height * 0.3, bottom: box.bottom - box.height * 0.3 })));
flat.sort((one, other) => one.top - other.top);
const found = [];
flat.forEach((one, at) => {
  for (let next = at + 1; next < flat.length && flat[next].top < one.bottom; next++) {
    const other = flat[next];
    if (other.index !== one.index && one.left < other.right && other.left < one.right)
      found.push(one.words + ' | ' + other.words);
  }
});
return found;
})()"""
)

FAINT = (
    "(() => {"
    + TEXTS
    + """
const channels = colour => colour.match(/[\\d.]+/g).map(Number);
const light = colour => {
  const [r, g, b] = channels(colour).slice(0, 3).map(value => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    const alpha = channels(colour)[3];
    if (alpha === undefined || alpha === 1) return colour;
  }
  return 'rgb(255, 255, 255)';
};
return texts.map(({ words, holder }) => {
  const pair = [light(getComputedStyle(holder).color), light(behind(holder))];
  return [(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), words];
}).filter(([ratio]) => ratio < 4.5);
})()"""
)

HOSTILE = "<script>console.error('ran')</script><img src=https://outside.example/x>"
LONG = "unbroken" * 40
EVERYTHING = {"predicted": True, "calibrated": True, "simulated": True}


@pytest.fixture(scope="module")
def browser():
    with Browser(CHROMIUM) as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    plain = make_inputs(tmp_path_factory.mktemp("plain"), **EVERYTHING)
    findings = tuple(
        {
            "severity": severity, "id": f"{severity}-{LONG}", "message": f"{LONG} {HOSTILE}",
            "file": f"a/{LONG}", "count": 10**9, "examples": [{LONG: HOSTILE}] * 5,
        }
        for severity in ("error", "warning", "hint", "info")
    )  # fmt: skip
    crowded = make_inputs(
        tmp_path_factory.mktemp("crowded"),
        findings=findings,
        oversample=200,
        skipped={"161001_0": LONG, "77_31": HOSTILE},
        without=("derived/samples/mouse-hc.json",),
    )
    params = ReportParams(observation="first")
    return {
        "plain": build_report(plain, plain, params),
        "crowded": build_report(crowded, crowded, params),
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("name", ["plain", "crowded"])
def test_the_page_can_be_read(browser, pages, name, width, dark):
    browser.open(pages[name], width, dark=dark)
    browser.value(OPEN_ALL)
    assert browser.value("innerWidth") == width
    assert browser.value("document.scrollingElement.scrollWidth") <= width
    for each in DATASETS:
        browser.value(f"show('{each}')")
        browser.value(OPEN_ALL)
        assert browser.value("document.scrollingElement.scrollWidth") <= width
        assert browser.value(CUT) == []
        assert browser.value(OVERLAPS) == []
        assert browser.value(FAINT) == []

    assert browser.complaints == []
    assert {url.partition(",")[0] for url in browser.asked} - {"data:"} == {
        pages[name].resolve().as_uri()
    }


def test_dark_and_light_differ(browser, pages):
    background = "getComputedStyle(document.body).backgroundColor"
    browser.open(pages["plain"], 1280, dark=False)
    assert browser.value(background) == "rgb(255, 255, 255)"
    browser.open(pages["plain"], 1280, dark=True)
    assert browser.value(background) != "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", DATASETS)
def test_charts_are_painted(browser, pages, name):
    browser.open(pages["plain"], 390, at=f"#{name}")
    sizes = browser.value(
        "[...document.querySelectorAll('.current figure svg, .panels svg, .corner svg')]"
        ".filter(each => each.checkVisibility()).map(each => each.getBoundingClientRect())"
        ".map(box => [box.width, box.height])"
    )
    assert len(sizes) == 1 + 28 + 10
    assert all(across > 50 and down > 20 for across, down in sizes)


@pytest.mark.parametrize("width", [390, 1280])
def test_models_simulated_again_are_painted(browser, pages, width):
    browser.open(pages["plain"], width)
    browser.page.wait_for_selector(".robust [data-plot] svg")
    sizes = browser.value(
        "[...document.querySelectorAll('.robust [data-plot] svg')]"
        ".map(each => [each.getBoundingClientRect().width,"
        " each.querySelectorAll('circle').length, each.getAttribute('aria-label')])"
    )
    assert [said.partition(" to ")[0] for _, _, said in sizes] == [
        "Distances of 24 runs of 2 models",
        "Distances of 36 runs of 4 models",
    ]
    assert [circles for _, circles, _ in sizes] == [24 + 2, 36 + 4]
    assert all(width / 2 < across <= width for across, _, _ in sizes)


def test_print_is_light_and_shows_what_is_folded(browser, pages):
    browser.open(pages["crowded"], 768, dark=True)
    folded = "document.querySelector('.finding li').checkVisibility()"
    assert not browser.value(folded)
    browser.page.emulate_media(media="print", color_scheme="dark")
    assert browser.value("matchMedia('print and (prefers-color-scheme: dark)').matches")
    assert browser.value(folded)
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    assert browser.value("document.scrollingElement.scrollWidth <= innerWidth")
