"""The verb from the command line, on the sample release."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from automind_data.calibration.judge import LEVEL
from automind_data.common.layout import PARAMETER_NAMES
from automind_data.report.calibration import calibration_view, read_calibration
from tests.conftest import run


def arguments(root: Path, dgms: Path, tables: Path, folder: Path) -> list[str | Path]:
    text = (root / "params.yaml").read_text()
    for old, new in (("n_samples: 999", "n_samples: 99"), ("_draws: 10000\n", "_draws: 1000\n")):
        text = text.replace(old, new)
    params = folder / "params.yaml"
    params.write_text(text)
    return [
        *("automind-data", "calibrate", "--params", params, "--dgm", dgms / "burst"),
        *("--training", tables / "training.parquet", "--heldout", tables / "heldout.parquet"),
        *("--observations", tables / "organoid_summary.parquet"),
        *("--observations", tables / "allenvc_summary.parquet"),
    ]


@pytest.fixture(scope="module")
def made(
    root: Path, dgms: Path, tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("calibrated")
    done = run(*arguments(root, dgms, tables, folder), folder / "out", cwd=folder)
    return folder / "out", done.stdout + done.stderr


def test_the_sample_release_loses_to_the_prior_and_sbc_does_not_tell(
    made: tuple[Path, str],
) -> None:
    out, said = made
    checks = json.loads((out / "burst/record.json").read_text())["checks_made"]
    gain = checks["prior"]["numbers"]["gain"]
    assert gain["value"] + 4 * gain["error"] < 0 < gain["must_be"]
    metrics = (out / "metrics.json").read_text()
    assert '"standard_error"' in metrics and '"error"' not in metrics  # dvc warns of `error`
    assert checks["prior"]["verdict"] == checks["coverage"]["verdict"] == "fail"
    assert checks["sbc"]["verdict"] == "undecided" and checks["sbc"]["p"] > LEVEL
    assert "burst prior: fail, it loses to the prior" in said


def test_observations_are_compared_here_and_by_the_reference_alike(
    made: tuple[Path, str], dgms: Path, tables: Path, tmp_path: Path
) -> None:
    out, said = made
    listed = pd.read_csv(out / "burst/observations.csv", dtype={"x_o": str}).set_index("x_o")
    outside = listed.index[listed["outside"].astype(bool)]
    assert len(outside) == 1 and f"warning: {outside[0]} of organoid_summary lies outside" in said
    command = ["--observations", tables / "organoid_summary.parquet", "-n", "1"]
    command += ["--reference", out / "burst/reference.safetensors", "--record", "record.json"]
    done = run("automind-data", "sample", "--dgm", dgms / "burst", *command, cwd=tmp_path)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"warning: {outside[0]} lies outside the training features")
    compared = json.loads((tmp_path / "record.json").read_text())["compared"]
    for each in compared:
        assert each["score"] == pytest.approx(listed["density"][each["x_o"]], rel=1e-5)
        assert each["p"] == pytest.approx(listed["density_p"][each["x_o"]], rel=1e-5)


def test_every_number_has_its_n_its_seed_and_its_error(made: tuple[Path, str]) -> None:
    record = json.loads((made[0] / "burst/record.json").read_text())
    assert record["usable"] == "fail" and record["simulations"]["heldout"]["taken"] == 46
    names = {
        *("sbc", "coverage", "tarp", "log_prob", "prior", "gaussian"),
        *("leakage", "misspecification"),
    }
    assert set(record["checks_made"]) == names
    for check in record["checks_made"].values():
        assert check["n"] >= 24 and check["seed"] == 20261 and check["numbers"]
        assert all(number["error"] is not None for number in check["numbers"].values())
        assert all(number["must_be"] is not None for number in check["numbers"].values())
    assert len(record["parameters"]) == 28
    metrics = json.loads((made[0] / "metrics.json").read_text())["burst"]
    assert metrics["pairs"] == 46 and metrics["usable"] == 0
    assert metrics["coverage"]["covered_90"]["must_be"] == pytest.approx(0.9)


def test_observations_have_acceptance_and_scores(made: tuple[Path, str]) -> None:
    table = pd.read_csv(made[0] / "burst/observations.csv")
    assert set(table["table"]) == {"organoid_summary"}
    usable = table[table["status"] == "usable"]
    assert len(usable) and (usable["acceptance"].between(0.2, 0.8)).all()
    assert usable[["mmd_p", "density_p"]].min().min() == pytest.approx(1 / 102, abs=1e-6)


def test_the_report_finds_a_curve_for_each_picture(made: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(made[0], tmp_path / "calibration")
    (each,) = read_calibration(tmp_path)
    view = calibration_view(each)
    edges, curves = view["sbc"]["edges"], view["sbc"]["curves"]
    assert list(curves) == list(PARAMETER_NAMES)
    assert {len(values) for values in (*edges.values(), *curves.values())} == {99}
    assert all(len(view["curves"][name]["level"]) == 99 for name in ("coverage", "tarp"))
    assert len(view["simulations"]["log_prob"]) == len(view["simulations"]["gaussian"]) == 46
    assert len(view["parameters"]["achieved"]) == 28
    assert len(view["observations"]["scores"]["density"]) == 24


def test_curves_are_ready_to_plot(root: Path, made: tuple[Path, str]) -> None:
    from ruamel.yaml import YAML

    plots = YAML(typ="safe", pure=True).load(root / "dvc.yaml")["plots"]
    listed = [body for plot in plots for body in plot.values()]
    found = 0
    for plot in listed:
        for path, names in plot["y"].items():
            if not path.startswith("derived/calibration/burst/"):
                continue
            name = Path(path).relative_to("derived/calibration")
            found += 1
            with (made[0] / name).open() as file:
                heading = next(csv.reader(file))
            assert {plot["x"], *([names] if isinstance(names, str) else names)} <= set(heading)
        assert plot["x_label"] and plot["y_label"] and plot["title"]
    assert found == 6
    coverage = pd.read_csv(made[0] / "burst/coverage.csv")
    assert ((coverage["covered"] - coverage["calibrated"]).min()) < -0.5
    assert len(pd.read_csv(made[0] / "burst/ranks.csv").columns) == 29


def test_threads_change_nothing(
    root: Path, dgms: Path, tables: Path, tmp_path: Path, made: tuple[Path, str]
) -> None:
    command = arguments(root, dgms, tables, tmp_path)
    run(*command, tmp_path / "out", cwd=tmp_path, AUTOMIND_THREADS="1")
    for path in sorted(made[0].rglob("*.*")):
        again = tmp_path / "out" / path.relative_to(made[0])
        assert path.read_bytes() == again.read_bytes(), path.name


def test_a_refusal_is_one_sentence(root: Path, dgms: Path, tables: Path, tmp_path: Path) -> None:
    command = arguments(root, dgms, tables, tmp_path)
    command[command.index(tables / "heldout.parquet")] = tables / "organoid_summary.parquet"
    done = run(*command, tmp_path / "out", cwd=tmp_path, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "lacks 28 columns that are needed" in done.stderr
    assert not (tmp_path / "out").exists()
