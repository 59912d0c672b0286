"""The verb `simulate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from automind_data.params import read_params
from automind_data.scaling.options import cluster_options

if TYPE_CHECKING:
    from automind_data.scaling import Cluster
    from automind_data.simulation import Configuration

__all__ = ["command"]

COUNT = click.IntRange(1)
PATH = click.Path(path_type=Path)


def _rows(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...]:
    """Read row numbers such as `0,3,7:10`; the end of a range is not included."""
    numbers: list[int] = []
    for part in (text or "").split(",") if text is not None else ():
        first, colon, last = part.strip().partition(":")
        if not first.isdigit() or (colon and not last.isdigit()):
            raise click.BadParameter(f"{part} is no row number", context, option)
        numbers += range(int(first), int(last)) if colon else [int(first)]
    return tuple(numbers)


@click.command
@click.argument("table", type=PATH)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--best", type=COUNT, metavar="K", help="The best K of each observation, by rank.")
@click.option("--x-o", "keys", multiple=True, metavar="KEY", help="Only this observation.")
@click.option("--rows", callback=_rows, metavar="0,3,7:10", help="Only these rows, from 0.")
@click.option("--dgm", metavar="NAME|FOLDER", help="TABLE holds observations: draw from this.")
@click.option("--draws", default=10, show_default=True, type=COUNT, help="From DGM or prior.")
@click.option("--seeds", default=1, show_default=True, type=COUNT, help="Runs of each model.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0),
    help="Other numbers: other random seeds, other draws.",
)  # fmt: skip
@click.option("--batch-seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--network", type=PATH, default=Path("derived/params/training.json"), show_default=True,
    help="Fixed parameters, prior, and how features are computed.",
)  # fmt: skip
@click.option("--outside-prior", is_flag=True, help="Take configurations outside the prior, too.")
@click.option("--published-quirks", is_flag=True, help="With every quirk of the original.")
@click.option("--no-run-times", is_flag=True, help="Tables without times: same bytes each time.")
@click.option("--only-these", is_flag=True, help="Remove other runs from OUT.")
@click.option("--params", type=PATH, help="Select as this params.yaml says.")
@cluster_options
def command(
    *,
    table: Path,
    out: Path,
    best: int | None,
    keys: tuple[str, ...],
    rows: tuple[int, ...],
    dgm: str | None,
    draws: int,
    seeds: int,
    seed: int,
    batch_seed: int,
    network: Path,
    outside_prior: bool,
    published_quirks: bool,
    no_run_times: bool,
    only_these: bool,
    params: Path | None,
    cluster: Cluster,
) -> None:
    """Simulate models: spikes and features, into a folder that can be continued.

    TABLE holds models, one row each, as `predict` writes them. With --dgm it holds
    observations, and models are drawn from their posteriors. A .json of parameters
    stands for its prior. Runs that OUT has already are not made again.

    \b
    Example: automind-data simulate derived/predictive/mouse-hc.parquet runs --best 3 --seeds 10
    """
    import dataclasses

    if params is not None:
        given = read_params(params).simulate
        if not given.enabled:
            from automind_data.simulation.off import switched_off

            switched_off(out)
            click.echo(f"{out}: simulate.enabled is off in {params}")
            return
        best, seeds, seed = given.best, given.seeds, given.seed
        cluster = dataclasses.replace(cluster, workers=given.workers)
        no_run_times = only_these = True
    if dgm is not None and (best is not None or rows):
        raise click.UsageError("--dgm draws models, --best and --rows choose them")

    from automind_data.common.progress import draw
    from automind_data.features.settings import read_settings as read_feature_settings
    from automind_data.simulation import Quirks, read_prior, read_settings, selection
    from automind_data.simulation.engines import engine
    from automind_data.simulation.many import Summary, simulate_many

    quirks = Quirks.published() if published_quirks else Quirks()
    settings = dataclasses.replace(read_settings(network, quirks), batch_seed=batch_seed)
    features = read_feature_settings(network)
    prior = None if outside_prior else read_prior(network)
    chosen: list[Configuration]
    if table.suffix == ".json":
        chosen = selection.from_prior(read_prior(table), draws, seed)
    elif dgm is not None:
        folder = Path(dgm) if (Path(dgm) / "dgm.json").is_file() else Path("derived/dgms") / dgm
        chosen = selection.from_observations(table, folder, draws, seed, keys=keys)
    else:
        chosen = selection.from_table(table, prior, best=best, keys=keys, rows=rows)
    runs = list(selection.seeded(chosen, seeds, seed))
    reason = engine(settings.net.N_pop, settings.dt).reason
    if reason is not None:
        click.echo(f"notice: {reason}; numpy runs the network, many times slower", err=True)
    made: list[Summary] = []

    def work() -> Iterator[dict[str, Any]]:
        made.append(
            (
                yield from simulate_many(
                    runs,
                    settings,
                    features,
                    out,
                    cluster=cluster,
                    run_times=not no_run_times,
                    only_these=only_these,
                )
            )
        )

    draw(work(), "simulating", "run")
    for failure in made[0].unfinished:
        click.echo(f"{failure}; run this again to try it anew", err=True)
    counts = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in made[0].statuses.items())
    click.echo(f"{out}: {counts}; {made[0].before} were there before")
