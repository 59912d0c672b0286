"""Run folders: continued after a kill, refused with other parameters, whole on a full disk."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import PARAMETER_NAMES, column_family
from automind_data.features import Recording, compute_features
from automind_data.simulation import Configuration, selection, simulate_one
from automind_data.simulation.many import Summary, simulate_many
from automind_data.simulation.merged import FILES
from automind_data.simulation.off import switched_off
from tests.kills import content, run_on_a_full_disk, run_until_killed
from tests.simulation.small import FEATURES, MIDDLE, PRIOR, SETTINGS, configuration, values

QUIET = {"params_Epop.poisson_rate": 0.01, "params_Epop.Q_ge": 0.01}
IMPOSSIBLE = {"params_Epop.p_igniters": 0.0}


def chosen() -> list[Configuration]:
    """Two seeds of a model for an observation, one that is stopped, one that cannot run."""
    about: dict[str, Any] = {"x_o": "a", "inference.type": "NPE_map", "infer.log_prob": -1.5}
    return [
        *selection.seeded([configuration(None, 0, **about)], 2, 5),
        configuration(QUIET, 10, x_o="b"),
        configuration(IMPOSSIBLE, 11),
    ]


def made(out: Path, given: list[Configuration] | None = None, **options: Any) -> Summary:
    work = simulate_many(given or chosen(), SETTINGS, FEATURES, out, run_times=False, **options)
    events = []
    while True:
        try:
            events.append(next(work))
        except StopIteration as stop:
            assert all(each["done"] <= each["total"] for each in events)
            summary: Summary = stop.value
            return summary


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "out"
    summary = made(out)
    assert summary.made == 4 and summary.statuses == {"done": 2, "early_stopped": 1, "failed": 1}
    return out


def test_the_summary_has_the_published_columns(undisturbed: Path) -> None:
    table = pl.read_parquet(undisturbed / "summary_data_merged.parquet")
    assert table.height == 4
    families = [column_family(name)[0] for name in table.columns]
    assert "unknown" not in families
    order = list(dict.fromkeys(families))
    assert order == ["key", "meta", "parameter", "isi", "burst", "pca", "psd"] or order == [
        "key", "parameter", "meta", "isi", "burst", "pca", "psd",
    ]  # fmt: skip
    whole = table.filter(~pl.col("params_analysis.early_stopped") & (pl.col("x_o") == "a"))
    assert whole.height == 2 and whole["isi_numspks_mu"].null_count() == 0
    others = table.filter(pl.col("isi_numspks_mu").is_null())
    assert set(others["x_o"]) == {"b", None}
    assert others.filter(pl.col("x_o") == "b")["params_settings.sim_time"].item() == 0.6
    assert (whole["params_Epop.C"] == 200.0).all() and whole["infer.log_prob"].to_list() == [
        -1.5
    ] * 2
    with (undisturbed / "runs.csv").open() as file:
        rows = {row["status"]: row for row in csv.DictReader(file)}
    assert rows["failed"]["failure"] == "the configuration gives input to no excitatory cell"
    assert rows["done"]["engine"] == "compiled" and rows["done"]["replicate"] in "01"


def test_features_and_raw_data_are_of_the_same_spikes(undisturbed: Path) -> None:
    given = chosen()[0]
    run = simulate_one(given, SETTINGS)
    table = pl.read_parquet(undisturbed / "summary_data_merged.parquet")
    row = table.filter(pl.col("params_settings.random_seed") == given.random_seed).to_dicts()[0]
    with h5py.File(undisturbed / "raw_data.hdf5") as file:
        assert set(file["3"]) == {str(each.random_seed) for each in chosen()[:2]}
        group = file[f"3/{given.random_seed}"]
        cells = group["spikes/exc_spikes"]
        assert set(cells) == {str(cell) for cell in run.exc.cells}
        assert (
            group["timeseries/t_end"][()] == pytest.approx(2.6)
            and group["timeseries/dt"][()] == 0.001
        )
        spikes = {name: cells[name][()] for name in sorted(cells, key=int)}
        assert len(group["spikes/inh_spikes"]) == 5
    recording = Recording.from_arrays(spikes, 2.6)
    np.testing.assert_array_equal(recording.times, run.exc.times)
    wanted = compute_features(recording, FEATURES).row
    assert all(row[name] == value for name, value in wanted.items() if value == value)
    flat = pl.read_parquet(undisturbed / "spikes.parquet").filter(
        (pl.col("params_settings.random_seed") == given.random_seed)
        & (pl.col("population") == "exc")
    )
    np.testing.assert_array_equal(flat["time"].to_numpy(), run.exc.times)


def test_finished_runs_are_not_made_again(undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made(out, chosen()[:1])
    before = content(out / "runs")
    assert made(out).before == 1
    assert {**content(out / "runs"), **before} == content(undisturbed / "runs")
    assert content(out) == content(undisturbed)
    assert made(out, chosen()[2:], only_these=True).before == 2
    assert len(content(out / "runs")) == 2
    other = replace(SETTINGS, sim_time=2.7)
    with pytest.raises(AutomindError, match="written with other parameters of the network"):
        next(simulate_many(chosen(), other, FEATURES, out))
    assert len(content(out / "runs")) == 2
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(AutomindError, match="holds something else"):
        made(tmp_path / "x")


KILLED = """
import sys
from pathlib import Path
import automind_data.simulation.folder as folder
from tests.simulation.test_folder import made
if sys.argv[2] == "rename":
    Path.replace = killing(Path.replace, int(sys.argv[3]))
else:
    import automind_data.simulation.rows as rows
    rows.simulate_one = killing(rows.simulate_one, int(sys.argv[3]))
made(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("where", "at"), [("run", "2"), ("rename", "3"), ("rename", "6")])
def test_a_killed_command_goes_on(undisturbed: Path, tmp_path: Path, where: str, at: str) -> None:
    out = tmp_path / "out"
    run_until_killed(KILLED, out, where, at)
    finished = content(out / "runs")
    assert not any((out / name).exists() for name in FILES[-1:])
    summary = made(out)
    assert summary.before == len([name for name in finished if name.endswith(".npz")])
    assert (summary.before > 0) or where == "never"
    assert content(out) == content(undisturbed)


FULL = """
import sys
from pathlib import Path
from automind_data.common import command
from tests.simulation.test_folder import made
import automind_data.cli.verb_info as verb
import click
verb.command = click.Command("info", callback=lambda: made(Path(out)))
out = sys.argv[1]
sys.argv[1:] = ["info"]
command.main()
"""


def test_a_full_disk_loses_no_finished_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made(out, chosen()[:1])
    before = content(out)
    done = run_on_a_full_disk(20_000, FULL, out)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "full" in done.stderr or "large" in done.stderr
    assert {name: content(out)[name] for name in before} == before
    assert made(out).statuses["done"] == 2


def test_a_damaged_run_is_named(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made(out, chosen()[3:])
    (out / "runs" / "11.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(AutomindError, match=r"11\.npz: is damaged"):
        made(out, chosen()[3:])


def test_switched_off_is_one_small_file(tmp_path: Path) -> None:
    switched_off(tmp_path / "off")
    assert json.loads((tmp_path / "off" / "simulate.json").read_text()) == {"status": "off"}
    assert made(tmp_path / "off", chosen()[3:], only_these=True).statuses["failed"] == 1
    switched_off(tmp_path / "off")
    assert list(content(tmp_path / "off")) == ["simulate.json"]
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(AutomindError, match="holds something else"):
        switched_off(tmp_path / "x")


def models(path: Path) -> Path:
    """A table as `predict` writes it: two observations, two models each."""
    rows = [
        {
            "params_settings.batch_seed": 8, "params_settings.random_seed": number, "x_o": key,
            "inference.type": "NPE_map", "infer.log_prob": 0.5, "predict.rank": rank,
            **values({"params_Epop.C": 200.0 + number / 10}),
        }
        for number, (key, rank) in enumerate([("a", 1), ("a", 2), ("b", 1), ("b", None)])
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(path)
    return path


def test_rows_of_a_table_are_chosen(tmp_path: Path) -> None:
    table = models(tmp_path / "a.parquet")
    best = selection.from_table(table, PRIOR, best=1)
    assert [each.about["x_o"] for each in best] == ["a", "b"]
    assert best[1].about["of.random_seed"] == 2 and best[1].about["of.batch_seed"] == 8
    assert len(selection.from_table(table, PRIOR, keys=["a"])) == 2
    assert [each.values[9] for each in selection.from_table(table, PRIOR, rows=[3, 0])] == [
        200.3,
        200.0,
    ]
    pl.read_parquet(table).write_csv(tmp_path / "a.csv")
    assert selection.from_table(tmp_path / "a.csv", PRIOR, best=1) == best
    for options, said in (
        ({"rows": [4]}, "has 4 rows, no row 4"),
        ({"keys": ["c"]}, "has no row of observation c"),
    ):
        with pytest.raises(AutomindError, match=said):
            selection.from_table(table, PRIOR, **options)  # type: ignore[arg-type]  # of a table
    narrow = PRIOR | {"params_Epop.C": (0.0, 200.05)}
    with pytest.raises(AutomindError, match=r"row 1: has 200\.1 pF as params_Epop\.C, outside"):
        selection.from_table(table, narrow)
    pl.read_parquet(table).drop("params_Epop.C").write_parquet(table)
    with pytest.raises(AutomindError, match=r"has no column params_Epop\.C"):
        selection.from_table(table, None)


def test_seeds_belong_to_a_model_and_its_replicate() -> None:
    one, other = configuration(), configuration({"params_Epop.C": 201.0})
    listed = list(selection.seeded([one, other, one], 2, 0))
    seeds = [each.random_seed for each in listed]
    assert len(set(seeds)) == 6
    assert seeds[2:4] == [each.random_seed for each in selection.seeded([other], 2, 0)]
    assert not set(seeds) & {each.random_seed for each in selection.seeded([one], 2, 1)}
    assert [each.about["replicate"] for each in listed] == [0, 1, 0, 1, 0, 1]


def test_draws_of_the_prior_lie_inside_and_do_not_depend_on_their_number() -> None:
    few, many = selection.from_prior(PRIOR, 3, 4), selection.from_prior(PRIOR, 50, 4)
    assert few == many[:3] != selection.from_prior(PRIOR, 3, 5)
    theta = np.array([each.values for each in many])
    low, high = np.array([PRIOR[name] for name in PARAMETER_NAMES]).T
    assert ((theta >= low) & (theta <= high)).all()
    assert theta.mean(axis=0) == pytest.approx(np.array(list(MIDDLE.values())), abs=0.5)
