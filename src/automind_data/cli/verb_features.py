"""The verb `features`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from automind_data.params import read_params
from automind_data.scaling.cluster import Cluster
from automind_data.scaling.options import cluster_options

__all__ = ["command"]


@click.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path())
@click.argument("out", type=click.Path(dir_okay=False))
@click.option(
    "--pipeline", type=click.Choice(["tables", "notebook"]), default="tables", show_default=True,
    help="How the published tables, or the published notebook, compute features.",
)  # fmt: skip
@click.option(
    "--family", "families", multiple=True, type=click.Choice(["isi", "burst", "pca", "psd"]),
    help="Only these families. Default: all that the pipeline has.",
)  # fmt: skip
@click.option("--analysis", metavar="FILE", help="Settings, as in derived/params/training.json.")
@click.option("--corrected", is_flag=True, help="Without the published faults.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of ties.")
@click.option("--t-end", type=float, metavar="S", help="End of the recording.")
@click.option("--fs", type=float, metavar="HZ", help="Sampling rate; 1 for times in s.")
@click.option("--dgm", "dgms", multiple=True, metavar="NAME|FOLDER", help="Add its x to --record.")
@click.option("--params", type=click.Path(), help="Take features from this params.yaml.")
@click.option("--record", type=click.Path(), help="JSON: settings, bursts, x of each recording.")
@click.option("--plot", type=click.Path(), help="Draw one recording (.png, .svg, .pdf).")
@cluster_options
def command(
    recordings: tuple[str, ...],
    out: str,
    pipeline: str,
    families: tuple[str, ...],
    analysis: str | None,
    corrected: bool,
    seed: int,
    t_end: float | None,
    fs: float | None,
    dgms: tuple[str, ...],
    params: str | None,
    record: str | None,
    plot: str | None,
    cluster: Cluster,
) -> None:
    """Compute summary features of raw recordings (.npz, .nwb): ISI, bursts, PCA, spectrum.

    \b
    Example: automind-data features my.npz my_features.parquet --plot my.png
    \b
    Those of a folder: automind-data features recordings out.parquet --workers 2
    """
    if plot is not None and (len(recordings) > 1 or Path(recordings[0]).is_dir()):
        raise click.UsageError("--plot draws one recording")
    if dgms and record is None:
        raise click.UsageError("--dgm needs --record")
    if params is not None:
        given = read_params(params).features
        pipeline, families = given.pipeline, tuple(given.families)
        corrected, seed = given.corrected, given.seed

    from automind_data.common.progress import draw
    from automind_data.features.observe import (
        Observed,
        find_recordings,
        observe,
        settings_for,
        write_observations,
    )

    estimators = {}
    for name in dgms:
        from automind_data.dgm.model import load

        folder = Path(name) if (Path(name) / "dgm.json").is_file() else Path("derived/dgms") / name
        estimators[folder.name] = load(folder)
    settings, source = settings_for(analysis, "derived/dgms/any", corrected, seed)
    found = find_recordings(recordings)
    observed: list[Observed] = []

    def work() -> Iterator[dict[str, Any]]:
        made = yield from observe(
            found,
            settings,
            pipeline,
            families or None,
            dgms=estimators,
            t_end=t_end,
            fs=fs,
            plot=plot,
            cluster=cluster,
        )
        observed.extend(made)

    draw(work(), "features", "recording")
    about = {"pipeline": pipeline, "settings from": source, "settings": settings.described()}
    write_observations(out, record, observed, about)
    columns = len(observed[0].row) - 1
    said = f"{len(observed)} recording{'s' * (len(observed) != 1)}, {columns} features each"
    click.echo(f"{out}: {said} (settings: {source})")
