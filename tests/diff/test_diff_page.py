"""The page: self-contained, nothing in it is taken for markup, and it fits a phone."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automind_data.diff.changes import (
    Cell,
    ColumnChange,
    DgmChange,
    Difference,
    FileChange,
    Files,
    FindingChange,
    Gap,
    Keys,
    LogProbShift,
    MetricChange,
    Part,
    PriorChange,
    Retyped,
    SettingChange,
    Side,
    TableChange,
    Twin,
)
from automind_data.diff.markdown import MOST_KEYS, markdown
from automind_data.diff.page import render
from automind_data.diff.record import record
from tests.report.headless import Browser, find_chromium

HOSTILE = "<script>alert(1)</script>|`\x1b[31m\n" + "unbroken" * 12
CHROMIUM = find_chromium()
NONE = Keys(pa.table({"row": pa.array([], pa.int64())}))


class Reader(HTMLParser):
    """Tags, attributes and visible text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(html: str) -> tuple[Reader, str]:
    reader = Reader()
    reader.feed(html)
    return reader, " ".join("".join(reader.words).split())


def difference(text: str, *, rows: int = 3, columns: int = 2, sample: bool = True) -> Difference:
    """One of everything, with `text` wherever the files decide what is said."""
    keys = Keys(pa.table({"x_o": [text] * rows, "params_settings.random_seed": np.arange(rows)}))
    change = ColumnChange(
        text, "float64", 2, {"value → value": 1, "null → NaN": 1}, 1.0, 0.5, 0, None, 0.25,
        (Cell((text, 1), 1.0, float("nan")), Cell((text, 2), text, None)),
    )  # fmt: skip
    gap = Gap(text, text, True, f"{text} is not on this disk; next: add --pull.")
    table = TableChange(
        "training", "derived/tables/training.parquet", "a/training.zip", "changed", rows, rows,
        ("x_o",), keys, keys, keys, True, ((text, "text"),), ((text, "text"),),
        (Retyped(text, "int64", "float64", 3),), (change,) * columns, (gap,),
    )  # fmt: skip
    dgm = DgmChange(
        "psd", "dgms/psd_posterior.pickle", "changed", (Part(text, text, text),),
        (Part("columns", "990", "980"),), 10, 3, 1, 2, LogProbShift(1.5, 512, 1), None, (),
    )  # fmt: skip
    side = Side(text, "c" * 40, text, text, sample)
    return Difference(
        old=side,
        new=side,
        files=Files((FileChange("a/training.zip", "replaced", 1, 2),), 11),
        tables=(table,),
        priors=(PriorChange(text, "unit", text, "mV", (text,)),),
        settings=(SettingChange(text, text, {"value": [text], "unit": text}, (text,)),),
        dgms=(dgm,),
        twins=(Twin("a/organoids.zip", "dgms/burst_posterior.pickle", True, False),),
        findings=(FindingChange("changed", text, text, text, text, "hint", "error", 1, 2),),
        metrics=(MetricChange(text, text, text, 1),),
        gaps=(),
    )


def test_nothing_in_the_files_becomes_markup() -> None:
    reader, text = read(render(difference(HOSTILE)))
    honest, _ = read(render(difference("plain")))
    assert set(reader.tags) == set(honest.tags) and "script" not in reader.tags
    assert {name for name, _ in reader.attributes} == {name for name, _ in honest.attributes}
    assert text.count("<script>alert(1)</script>") > 20
    assert "\x1b" not in text


def test_the_page_asks_for_nothing() -> None:
    reader, _ = read(render(difference("plain")))
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in (
        reader.attributes
    )
    links = [value for name, value in reader.attributes if name in ("href", "src")]
    assert [link for link in links if not link.startswith("#")] == ["data:,"]
    ids = {value for name, value in reader.attributes if name == "id"}
    assert {link[1:] for link in links if link.startswith("#")} == ids == {
        "files", "tables", "parameters", "dgms", "findings", "metrics", "gaps",
    }  # fmt: skip


def test_sample_data_is_called_sample_data() -> None:
    assert "<h1><mark>Sample data</mark> What changed" in render(difference("x"))
    assert "Sample data" not in render(difference("x", sample=False)).partition("<style>")[0]
    assert "Sample data" not in read(render(difference("x", sample=False)))[1]


def test_big_differences_stay_readable() -> None:
    big = difference("k", rows=5000, columns=1000)
    html, text = render(big), markdown(big)
    assert len(html) < 1_500_000
    assert "and 3,000 more" in html and "and 800 more columns" in html
    assert f"and {5000 - MOST_KEYS:,} more" in text and "and 980 more columns" in text
    assert len(text.splitlines()) < 200
    assert len(record(big)["tables"][0]["added"]["rows"]) == 5000
    assert len(record(big)["tables"][0]["columns"]) == 1000


def test_markdown_is_safe_in_a_terminal_and_in_a_table() -> None:
    text = markdown(difference(HOSTILE))
    assert all(line.isprintable() for line in text.splitlines())
    for line in text.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)
            assert len(cells) in (5, 6, 7, 8), line
    plain = markdown(difference("plain"))
    assert "null → NaN in 1" in plain
    assert "plain is float64, was int64: another number in 3 rows" in plain
    assert "rows in another order; column plain (text) added; column plain (text) removed." in plain
    assert "- hint → error, 1 → 2 cases: `plain` in `plain`: plain" in plain


def test_numbers_that_json_lacks_are_text() -> None:
    cells = record(difference("plain"))["tables"][0]["columns"][0]["examples"]
    assert (cells[0]["new"], cells[1]["new"]) == ("nan", None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on the path")
def test_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render(difference(HOSTILE)))
    with Browser(CHROMIUM) as browser:
        papers = set()
        for width, dark in ((1280, False), (390, False), (390, True)):
            browser.open(page, width, dark=dark)
            browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert browser.value("document.scrollingElement.scrollWidth") <= width
            papers.add(browser.value("getComputedStyle(document.body).backgroundColor"))
            assert {url.partition(",")[0] for url in browser.asked} <= {page.as_uri(), "data:"}
            assert browser.complaints == []
        assert len(papers) == 2
        summary = "document.querySelector('summary')"
        browser.value(f"{summary}.focus()")
        before = browser.value("document.querySelector('details').open")
        browser.page.keyboard.press("Enter")
        assert browser.value("document.querySelector('details').open") != before
