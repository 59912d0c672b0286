"""The overview figure: its panels, its curves, its bytes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl
import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import OBSERVATION_TABLES
from automind_data.predictive.choice import AREAS, CONDITIONS, Shown, pick_areas, pick_wells
from automind_data.predictive.compare import Compared
from automind_data.predictive.figure import HEIGHT, WIDTH, draw_overview
from automind_data.predictive.overview import (
    BurstPanel,
    Overview,
    SpectrumPanel,
    gather_overview,
)
from automind_data.predictive.panels import area_colours
from automind_data.predictive.release import predict_release
from tests.predictive.runs import settings, write_root

WELLS = [("161001", 0), ("161029_2", 0), ("161029_2", 3)]
MICE = {
    "mouse-hc": [("m1", "CA1-spont"), ("m1", "CA1-flash off"), ("m2", "DG-spont")],
    "mouse-vis": [("m1", "VISp-spont"), ("m2", "VISp-spont")],
}


def shown(title: str, **row: Any) -> Shown:
    return Shown("x", title, Compared(title, None, *([None] * 7)), row)  # type: ignore[arg-type]


def test_few_wells_are_all_shown_in_order_of_age() -> None:
    dates = ("161029_2", "161001", "161008", "no date")
    wells = [shown(f"{date}_0", date=date) for date in dates]
    earlier = [{"date": "160924"}, *(well.row for well in wells)]
    picked = pick_wells(wells, earlier)
    assert [each.title for each in picked] == ["Week 1", "Week 2", "Week 5", "no date_0"]


def test_many_wells_are_those_nearest_to_the_published_weeks() -> None:
    days = np.array("2016-10-01", "M8[D]") + 7 * np.arange(45)
    dates = [str(day)[2:].replace("-", "") for day in days]
    wells = [shown(date, date=date) for date in reversed(dates)]
    picked = pick_wells(wells, [well.row for well in wells])
    weeks = [9, 12, 17, 21, 27, 32, 36, 40]
    assert [each.title for each in picked] == [f"Week {week}" for week in weeks]
    old = [well for well in wells if well.title in dates[:10]]
    assert len({each.row["date"] for each in pick_wells(old, [w.row for w in old])}) == 8


def test_areas_stand_in_the_published_order_one_recording_each() -> None:
    published = [f"{area}-{when}" for area in AREAS[:-1] for when in CONDITIONS[:2]]
    published += ["VISpm-flash on", "LP-spont"]
    others = ["AAA-spont", "LP-flash off", "VISl"]
    mice = [shown(label, mouse=1) for label in [*others, *reversed(published), *published]]
    picked = pick_areas(mice)
    assert [each.title for each in picked] == published
    assert len({id(each) for each in picked}) == 16
    few = pick_areas([shown(label) for label in ("VISl", "VISp", "DG", "CA1", "CA1")])
    assert [each.title for each in few] == ["CA1", "DG", "VISp", "VISl"]


def test_colours_are_one_hue_per_area() -> None:
    labels = ["CA1-spont", "CA1-flash off", "LP-spont", "VISpm-flash on", "VISl", "VISal", "VISrl"]
    dark, light, lp, on, *others = area_colours(labels)
    pairs = matplotlib.color_sequences["tab20"]
    assert (dark, light) == (pairs[0], pairs[1])
    assert lp == matplotlib.color_sequences["tab10"][4] and on == "darkred"
    assert len(set(others)) == 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_root(tmp_path_factory.mktemp("root"), WELLS, MICE, 4, 12)
    for _ in predict_release(root, root / "out", settings()):
        pass
    return root


@pytest.fixture
def overview(monkeypatch: pytest.MonkeyPatch, made: Path) -> Overview:
    kept: list[Overview] = []

    def gather(*arguments: Any) -> Overview:
        kept.append(gather_overview(*arguments))
        return kept[0]

    monkeypatch.setattr("automind_data.predictive.overview.gather_overview", gather)
    monkeypatch.setattr("automind_data.predictive.figure.draw_overview", lambda *_: None)
    for _ in predict_release(made, made / "again", settings()):
        pass
    return kept[0]


def test_the_panels_are_those_of_the_release(overview: Overview) -> None:
    assert (overview.release, overview.sample) == ("2031.4", True)
    assert [panel.title for panel in overview.organoids] == ["Week 0", "Week 4", "Week 4"]
    titles = ["CA1-spont", "CA1-flash off", "DG-spont", "VISp-spont"]
    assert [panel.title for panel in overview.mice] == titles
    assert len(overview.runs) == 4
    assert all(panel.resimulated is not None for panel in overview.runs)
    assert all(panel.resimulated is None for panel in overview.mice)
    assert all((len(panel.models), panel.drawn) == (12, 12) for panel in overview.organoids)
    assert all(len(panel.models) == 11 for panel in overview.runs)


def test_a_panel_of_spectra_shows_what_the_tables_hold(made: Path, overview: Overview) -> None:
    panel = overview.mice[0]
    columns = [f"psd_{half / 2}" for half in range(1, 991)]
    targets = pl.read_parquet(made / "derived/observations/allenvc_summary.parquet")
    target = np.log10(targets.select(columns).row(0))
    rows = pl.read_parquet(made / "derived/tables/mouse-hc.parquet")
    rows = rows.filter(pl.col("x_o") == "m1_CA1-spont").select(columns)
    logs = np.log10(rows.to_numpy())
    target, logs = target - target.mean(), logs - logs.mean(axis=1, keepdims=True)
    order = np.argsort(((logs - target) ** 2).mean(axis=1))
    assert (panel.frequency[0], panel.frequency[-1]) == (1, 450)
    assert panel.target == pytest.approx(target[1:900])
    assert panel.models == pytest.approx(logs[order][:, 1:900])
    assert panel.spread is not None
    assert panel.spread[1] == pytest.approx(np.median(logs, axis=0)[1:900])


def test_a_panel_of_bursts_shows_the_nearest_first(overview: Overview) -> None:
    for panel in overview.organoids:
        distance = np.abs(panel.models - panel.target).mean(axis=1)
        assert (np.diff(distance) >= 0).all()
        assert panel.nearest.shape == (10, 4)


def test_the_figure_has_the_published_size_and_no_date(made: Path) -> None:
    png = (made / "out" / "overview.png").read_bytes()
    assert struct.unpack(">II", png[16:24]) == (WIDTH, HEIGHT) == (2106, 826)
    svg = (made / "out" / "overview.svg").read_text()
    assert "<dc:date>" not in svg and "<text" not in svg
    assert b"Software" not in png


def test_equal_input_gives_equal_bytes_whatever_the_user_set(
    tmp_path: Path, overview: Overview, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(matplotlib.rcParams)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "lines.linewidth": 9}):
        draw_overview(overview, tmp_path / "a.svg", tmp_path / "a.png")
        assert matplotlib.rcParams["font.size"] == 30
    assert dict(matplotlib.rcParams) == before
    for kind in ("svg", "png"):
        here = (tmp_path / f"a.{kind}").read_bytes()
        assert here == (made / "out" / f"overview.{kind}").read_bytes()


def test_sample_data_is_called_so(tmp_path: Path, overview: Overview) -> None:
    from dataclasses import replace

    drawn = []
    for sample in (True, False):
        path = tmp_path / f"{sample}.png"
        draw_overview(replace(overview, sample=sample), tmp_path / "x.svg", path)
        drawn.append(path.read_bytes())
    assert drawn[0] != drawn[1]


def test_empty_blocks_and_panels_without_models_are_drawn(tmp_path: Path) -> None:
    x = np.arange(1, 451.0)
    alone = SpectrumPanel("CA1", x, -np.log10(x), np.empty((0, 450)), None)
    burst = BurstPanel("Week 1", ("a",), np.zeros(1), np.empty((0, 1)), 3)
    for blocks in (((), (), ()), ((burst,), (alone,), (alone,))):
        draw_overview(Overview("1", False, *blocks), tmp_path / "x.svg", tmp_path / "x.png")
        assert (tmp_path / "x.png").stat().st_size > 5000


def test_a_release_without_a_name_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(AutomindError, match="has no name"):
        gather_overview(tmp_path / "release.json", {}, {})
    (tmp_path / "release.json").write_text("[]")
    with pytest.raises(AutomindError, match="agreed form"):
        gather_overview(tmp_path / "release.json", {}, {})


def test_a_release_without_rows_simulated_once_more_is_drawn(tmp_path: Path) -> None:
    root = write_root(tmp_path, WELLS, MICE, 2, 3, resimulated=False)
    for _ in predict_release(root, root / "out", settings()):
        pass
    summary = pl.read_json(root / "out" / "summary.json")
    assert set(summary.columns) == {"organoids", "mouse-vis", "mouse-hc", "synthetic"}
    fields = {field.name for field in summary.schema["synthetic"].fields}  # type: ignore[union-attr]
    assert "yield" in fields and "share_within_noise_floor" not in fields


def test_the_keys_of_the_figure_are_those_of_the_layout() -> None:
    assert "area" in OBSERVATION_TABLES["allenvc_summary"].key_columns
    assert "date" in OBSERVATION_TABLES["organoid_summary"].key_columns
