"""The verb `convert`."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]

A_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE... [FOLDER]", type=A_PATH)
@click.option("--inspect", is_flag=True, help="Only list what a pickle would do if it were loaded.")
@click.option(
    "--archive-params", "params_files", multiple=True, type=A_PATH, metavar="JSON",
    help="Prior and parameters of an archive; once for each archive, in their order.",
)  # fmt: skip
@click.option("--like", type=A_PATH, metavar="FOLDER", help="A converted one, maybe the same.")
@click.option("--parameters", type=A_PATH, help="CSV: the first archive's prior as a table.")
def command(
    sources: tuple[Path, ...],
    inspect: bool,
    params_files: tuple[Path, ...],
    like: Path | None,
    parameters: Path | None,
) -> None:
    """Turn pickles into tensors and JSON; nothing in them is run.

    SOURCE is a posterior, prior or parameter pickle, or an archive that holds them.

    \b
    Example: automind-data convert psd_posterior.pickle my_dgm
    Example: automind-data convert training.zip --archive-params training.json
    Example: automind-data convert --inspect psd_posterior.pickle training.zip
    """
    if inspect:
        _inspect(sources)
        return
    *found, last = sources
    folder = last if found and last.suffix != ".zip" else None
    found = found if folder else [*found, last]
    archives = [source for source in found if source.suffix == ".zip"]
    if not (folder or params_files) or (folder and len(found) > 1):
        raise click.UsageError("give one SOURCE and a FOLDER to write to")
    if params_files and len(params_files) != len(archives):
        raise click.UsageError("give --archive-params once for each archive (.zip)")
    if parameters and not params_files:
        raise click.UsageError("--parameters needs --archive-params")
    from automind_data.common.errors import AutomindError
    from automind_data.pickles.convert import (
        convert_archive_params,
        convert_pickle,
        convert_posterior,
        write_parameters,
    )

    for source in found:
        if not source.is_file():
            raise AutomindError(source, "is not there", "check the path")
    if folder and archives:
        made = convert_posterior(found[0], folder, like)
        click.echo(f"{folder}: density estimator, {made['conditioning']['kind']} features")
    elif folder:
        click.echo(f"{folder}: {convert_pickle(found[0], folder)}")
    priors = []
    for source, out in zip(archives, params_files, strict=False):
        described = convert_archive_params(source, out)
        priors.append(described["prior"])
        click.echo(f"{out}: prior and parameters of {described['archive']}")
    if parameters:
        write_parameters(priors[0], parameters)
        click.echo(f"{parameters}: {len(priors[0])} parameters")


def _inspect(sources: tuple[Path, ...]) -> None:
    from automind_data.common.errors import AutomindError
    from automind_data.pickles.report import inspect_file, lines

    refusals = []
    for source in sources:
        for file, report in inspect_file(source):
            for line in lines(file, report):
                click.echo(line)
            if report["refused"] is not None:
                refusals.append(AutomindError(file, report["refused"], "do not use this file"))
    if len(refusals) > 1:
        rule = f"{refusals[0].rule}; {len(refusals) - 1} more refused, see above"
        raise AutomindError(refusals[0].file, rule, "do not use these files")
    if refusals:
        raise refusals[0]
