"""The verb `predict`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]

PATH = click.Path(path_type=Path)


@click.command
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--root", type=PATH, help="Compare every data set of the release in this clone.")
@click.option("--models", type=PATH, help="Compare the simulated models of one Parquet table.")
@click.option("--dgm", metavar="NAME|FOLDER", help="With --models: psd, burst, or a folder.")
@click.option("--observations", type=PATH, help="With --models: targets, Parquet or CSV.")
@click.option("--simulated", type=PATH, help="Runs of `simulate`: do the models match again?")
@click.option("--heldout", type=PATH, help="With --models: Parquet, simulations of the prior.")
@click.option(
    "--params",
    "params_path",
    type=PATH,
    default=Path("params.yaml"),
    show_default=True,
    help="Says how many models are kept and what counts as a match.",
)
@click.option("-k", type=click.IntRange(1), help="Models kept per observation, if not as there.")
def command(
    *,
    out: Path,
    root: Path | None,
    models: Path | None,
    dgm: str | None,
    observations: Path | None,
    heldout: Path | None,
    simulated: Path | None,
    params_path: Path,
    k: int | None,
) -> None:
    """Compare simulated models with their targets, rank them, and keep the best.

    OUT is the folder to write to. Each model is a row with an x_o, the key of its
    target, and the features of its simulation. The yield needs --heldout. With
    --simulated, models that were simulated with other seeds are compared: alone
    with --root, beside the rest with --models.

    \b
    Example: automind-data predict --models runs.parquet --dgm psd --observations mine.csv out
    """
    import msgspec

    from automind_data.common.progress import draw
    from automind_data.params import read_params

    params = read_params(params_path).predictive
    if k is not None:
        params = msgspec.structs.replace(params, k=k)
    if root is not None and not any((models, dgm, observations, heldout)):
        from automind_data.predictive.release import predict_release, predict_simulated

        if simulated is not None:
            draw(predict_simulated(root, simulated, out, params), "comparing", "row")
            click.echo(f"{out / 'robustness.parquet'}")
            return
        draw(predict_release(root, out, params), "comparing", "row")
        click.echo(f"{out / 'overview.svg'}")
        return
    if models is None or dgm is None or observations is None or root is not None:
        raise click.UsageError("give --root, or --models, --dgm and --observations")

    from automind_data.common.observations import read_observations
    from automind_data.predictive.release import Predicted, predict_table
    from automind_data.predictive.robustness import find_runs, robustness_of, write_robustness
    from automind_data.predictive.rows import read_estimator

    estimator = read_estimator(
        Path(dgm) if (Path(dgm) / "dgm.json").is_file() else Path("derived/dgms") / dgm
    )
    rows = read_observations(observations, estimator.recipe.columns)
    made: list[Predicted] = []

    runs = None if simulated is None else find_runs(simulated)

    def work() -> Iterator[dict[str, Any]]:
        made.append(
            (yield from predict_table(models, estimator, rows, heldout, out, models.stem, params))
        )
        if runs is not None:
            robust = yield from robustness_of(runs, models, estimator, rows, heldout, params)
            write_robustness(out, {models.stem: robust})

    draw(work(), "comparing", "row")
    for each in made[0].verdicts:
        if each.reason is not None:
            click.echo(f"skipped {each.x_o}: {each.reason}", err=True)
    done = sum(each.reason is None for each in made[0].verdicts)
    click.echo(f"{out / models.stem}.parquet: models of {done} observation{'s' * (done != 1)}")
