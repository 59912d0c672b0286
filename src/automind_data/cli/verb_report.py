"""The verb `report`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--params",
    "params_path",
    type=click.Path(path_type=Path),
    default=Path("params.yaml"),
    show_default=True,
    help="Says which observation to show.",
)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder with datasets/ and derived/; the current one if not given.",
)
def command(out: Path, params_path: Path, root: Path) -> None:
    """Write the report of the release as one HTML page.

    OUT is the folder that gets index.html. The page shows what is there and
    says what is missing; it asks for nothing from the network.

    \b
    Example: automind-data report --params params.yaml derived/report
    """
    from automind_data.params import read_params
    from automind_data.report import build_report

    click.echo(build_report(root, out, read_params(params_path).report))
