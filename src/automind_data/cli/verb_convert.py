"""The verb `convert`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE... [FOLDER]", type=A_PATH)
@click.option("--inspect", is_flag=True, help="Only list the names that a pickle mentions.")
@click.option("--archive-params", type=A_PATH, help="JSON: prior and parameters of the archive.")
@click.option("--parameters", type=A_PATH, help="CSV: the 28 parameters with prior bounds.")
def command(
    sources: tuple[Path, ...],
    inspect: bool,
    archive_params: Path | None,
    parameters: Path | None,
) -> None:
    """Turn a pickle of the release into tensors and JSON; nothing in it is run.

    SOURCE is a posterior, prior or parameter pickle, or an archive that holds them.

    \b
    Example: automind-data convert psd_posterior.pickle my_dgm
    Example: automind-data convert --inspect psd_posterior.pickle
    """
    if inspect:
        for source in sources:
            _inspect(source)
        return
    source, folder = sources[0], sources[1] if len(sources) == 2 else None
    if len(sources) > 2 or not (folder or archive_params or parameters):
        raise click.UsageError("give one SOURCE and a FOLDER to write to")
    from automind_data.common.errors import AutomindError
    from automind_data.convert import (
        convert_archive_params,
        convert_pickle,
        convert_posterior,
        write_parameters,
    )

    if not source.is_file():
        raise AutomindError(source, "is not there", "check the path")
    if source.suffix != ".zip" and (archive_params or parameters):
        raise click.UsageError("--archive-params and --parameters read an archive (.zip)")
    if parameters and not archive_params:
        raise click.UsageError("--parameters needs --archive-params")
    if folder and source.suffix == ".zip":
        made = convert_posterior(source, folder)
        click.echo(f"{folder}: density estimator, {made['conditioning']['kind']} features")
    elif folder:
        click.echo(f"{folder}: {convert_pickle(source, folder)}")
    if archive_params:
        described = convert_archive_params(source, archive_params)
        click.echo(f"{archive_params}: prior and parameters of {described['archive']}")
        if parameters:
            write_parameters(described["prior"], parameters)
            click.echo(f"{parameters}: {len(described['prior'])} parameters")


def _inspect(source: Path) -> None:
    from automind_data.common.errors import AutomindError
    from automind_data.pickles.reader import mentions

    if not source.is_file():
        raise AutomindError(source, "is not there", "check the path")
    found = mentions(source.read_bytes(), str(source))
    for name in sorted({(each.module, each.name, each.allowed) for each in found}):
        click.echo(f"{'allowed ' if name[2] else 'REFUSED '} {name[0]}.{name[1]}")
    bad = [each for each in found if not each.allowed]
    if bad:
        rule = f"mentions {bad[0].module}.{bad[0].name} at byte {bad[0].offset}, not allowed"
        raise AutomindError(source, rule, "do not use this file")
    click.echo(f"{source}: {len(found)} names, all allowed")
