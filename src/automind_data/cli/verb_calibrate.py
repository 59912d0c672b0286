"""The verb `calibrate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automind_data.params import read_params

if TYPE_CHECKING:
    from automind_data.calibration.run import Calibrated

__all__ = ["command"]

PATH = click.Path(path_type=Path)


@click.command
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--dgm", "dgms", multiple=True, required=True, metavar="NAME|FOLDER",
    help="psd, burst, or a folder; may be given again.",
)  # fmt: skip
@click.option("--training", type=PATH, required=True, help="Simulations it was trained on.")
@click.option("--heldout", type=PATH, required=True, help="Simulations it never saw.")
@click.option("--observations", type=PATH, multiple=True, help="Parquet or CSV; may be repeated.")
@click.option("--against", metavar="NAME|FOLDER", help="Compare with another one, pair by pair.")
@click.option("-n", "--n-samples", default=999, show_default=True, type=click.IntRange(19))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--params", type=click.Path(), help="Take calibration from this params.yaml.")
def command(
    out: Path,
    dgms: tuple[str, ...],
    training: Path,
    heldout: Path,
    observations: tuple[Path, ...],
    against: str | None,
    n_samples: int,
    seed: int,
    params: str | None,
) -> None:
    """Hold density estimators to held-out simulations and say whether to trust them.

    OUT is a folder that gets metrics.json and, for each density estimator, a folder
    with a record and tables to plot.

    \b
    Example: automind-data calibrate --dgm my_dgm --training training.parquet \\
      --heldout heldout.parquet my_calibration
    """
    asked = read_params(params).calibration if params is not None else None

    from dataclasses import asdict

    import msgspec

    from automind_data.calibration.measure import Settings
    from automind_data.calibration.run import calibrate, write_calibrated
    from automind_data.common.progress import draw

    settings = Settings(seed=seed, n_samples=n_samples)
    if asked is not None:
        settings = Settings(**{**asdict(settings), **msgspec.structs.asdict(asked)})
    made: list[Calibrated] = []

    def work(name: str) -> Iterator[dict[str, Any]]:
        one = yield from calibrate(
            _folder(name),
            training,
            heldout,
            observations,
            settings,
            against=_folder(against) if against is not None else None,
        )
        made.append(one)

    for name in dgms:
        draw(work(name), f"calibrate {Path(name).name}", unit="observation")
    write_calibrated(out, made)
    for one in made:
        for check in one.checks:
            click.echo(f"{one.name} {check.name}: {check.verdict}, {check.said}")
        for table, x_o in one.outside:
            click.echo(
                f"warning: {x_o} of {table} lies outside the training of {one.name}", err=True
            )


def _folder(name: str) -> Path:
    return Path(name) if (Path(name) / "dgm.json").is_file() else Path("derived/dgms") / name
