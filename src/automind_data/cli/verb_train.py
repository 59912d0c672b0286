"""The verb `train`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from automind_data.common.errors import AutomindError
from automind_data.params import TrainParams, read_params

__all__ = ["command"]

PATH = click.Path(path_type=Path)
DEFAULTS: dict[str, Any] = {
    "estimator": "nsf",
    "transforms": 2,
    "hidden": 50,
    "blocks": 2,
    "bins": 10,
    "embedding": [100, 20],
    "dropout": 0.3,
    "z_score_x": True,
    "validation": 0.2,
    "batch": 20,
    "learning_rate": 2e-4,
    "pull": 20_000.0,
    "clip": 5.0,
    "patience": 20,
    "max_epochs": 1000,
    "max_rows": 200_000,
    "seed": 0,
}
"""As in `params.yaml`."""


@click.command
@click.argument("tables", nargs=-1, required=True, type=PATH)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--recipe", metavar="NAME|FOLDER", help="psd, burst, or a density estimator to take it from."
)
@click.option(
    "--column", "columns", multiple=True, metavar="COLUMN",
    help="A feature, in place of a recipe; may be given again. Or log10(COLUMN).",
)  # fmt: skip
@click.option("--prior", type=PATH, default=Path("derived/parameters.csv"), show_default=True)
@click.option("--set", "changed", multiple=True, metavar="KEY=VALUE", help="As in params.yaml.")
@click.option("--params", type=click.Path(), help="Take train from this params.yaml.")
@click.option("--release-record", type=PATH, help="Take tables of the release it names only.")
def command(
    tables: tuple[Path, ...],
    out: Path,
    recipe: str | None,
    columns: tuple[str, ...],
    prior: Path,
    changed: tuple[str, ...],
    params: str | None,
    release_record: Path | None,
) -> None:
    """Train a new density estimator on tables of simulations.

    OUT gets what `convert` makes of a pickle, and the losses. Killed and called again, it
    goes on where it was.

    \b
    Example: automind-data train derived/tables/training.parquet --recipe burst my_dgm
    """
    if params is not None:
        asked = read_params(params).train
        if not asked.enabled:
            from automind_data.training.write import write_off

            write_off(out)
            click.echo(f"{out}: train.enabled is false, nothing was trained")
            return
    else:
        if (recipe is None) == (not columns):
            raise click.UsageError("give --recipe or --column")
        asked = _asked(changed)
    named = asked.recipe if params is not None else recipe or list(columns)
    release = _release(release_record) if release_record is not None else None

    from automind_data.common.progress import draw
    from automind_data.training.inputs import recipe_of_columns, recipe_of_dgm
    from automind_data.training.run import settings_of, train

    settings = settings_of(asked)
    used = (
        recipe_of_dgm(_folder(named)) if isinstance(named, str) else recipe_of_columns(named, prior)
    )
    record: dict[str, Any] = {}

    def work() -> Iterator[dict[str, Any]]:
        record.update((yield from train(tables, out, used, settings, release=release)))

    draw(work(), f"train {out.name}", unit="epoch")
    click.echo(
        f"{out}: {record['rows']} rows, epoch {record['best_epoch']} of {record['epochs']} kept,"
        f" log-density of {record['validation_rows']} rows not trained on"
        f" {record['validation_log_prob']:.3f} nat"
        f" (untrained: {record['validation_log_prob_untrained']:.3f})"
    )


def _folder(name: str) -> Path:
    return Path(name) if (Path(name) / "dgm.json").is_file() else Path("derived/dgms") / name


def _asked(changed: tuple[str, ...]) -> TrainParams:
    import msgspec

    values: dict[str, Any] = {**DEFAULTS, "enabled": True, "recipe": "psd"}
    for each in changed:
        key, equals, value = each.partition("=")
        if key not in DEFAULTS or not equals:
            known = ", ".join(DEFAULTS)
            raise click.UsageError(f"--set {each}: give KEY=VALUE with a key of {known}")
        try:
            values[key] = json.loads(value)
        except ValueError:
            values[key] = value
    try:
        return msgspec.convert(values, TrainParams)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"--set: {error}") from None


def _release(record: Path) -> str:
    try:
        return str(json.loads(record.read_bytes())["release"])
    except (OSError, LookupError, TypeError, ValueError):
        raise AutomindError(record, "names no release", "give datasets/release.json") from None
