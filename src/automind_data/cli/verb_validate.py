"""The verb `validate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from automind_data.common.layout import DATASETS

if TYPE_CHECKING:
    from automind_data.contracts.findings import Finding

__all__ = ["command"]

PATH = click.Path(path_type=Path)


@click.command
@click.argument("files", metavar="[FILE]...", nargs=-1, type=PATH)
@click.option("--root", type=PATH, help="Check the release in this clone.")
@click.option("--out", type=PATH, help="With --root: folder for findings.jsonl and summary.json.")
@click.option("--dataset", type=click.Choice(list(DATASETS)), help="With --gate: the data set.")
@click.option("--dgm", type=PATH, help="With --gate: folder of the density estimator.")
@click.option("--prior", type=PATH, help="With --gate: JSON with the data set's prior.")
@click.option("--observations", type=PATH, help="With --gate: its observations, as Parquet.")
@click.option("--gate", type=PATH, help="Write whether the data set may be sampled, as JSON.")
def command(
    *,
    files: tuple[Path, ...],
    root: Path | None,
    out: Path | None,
    dataset: str | None,
    dgm: Path | None,
    prior: Path | None,
    observations: Path | None,
    gate: Path | None,
) -> None:
    """Check files, one data set, or a whole release.

    With FILEs (tables, archives, pickles, folders of them, params.yaml) it prints
    what it finds and exits with 1 if there is an error. With --root or --gate it
    writes what it finds and exits with 0.

    \b
    Example: automind-data validate my_table.csv
    """
    if files and not any((root, out, dataset, dgm, prior, observations, gate)):
        _files(files)
    elif root and out and not any((files, dataset, dgm, prior, observations, gate)):
        _release(root, out)
    elif dataset and dgm and prior and observations and gate and not any((files, root, out)):
        _gate(dataset, dgm, prior, observations, gate)
    else:
        raise click.UsageError(
            "give FILEs, or --root and --out,"
            " or --dataset, --dgm, --prior, --observations and --gate"
        )


def _files(files: tuple[Path, ...]) -> None:
    from automind_data.contracts import one_line, summarize
    from automind_data.contracts.strangers import validate_file

    findings = [finding for file in files for finding in validate_file(file)]
    _show(findings)
    summary = summarize(findings, {})
    click.echo(one_line(summary))
    if not summary["valid"]:
        sys.exit(1)


def _release(root: Path, out: Path) -> None:
    import json

    from automind_data.common.progress import draw
    from automind_data.contracts import one_line
    from automind_data.contracts.run import validate_release

    draw(validate_release(root, out), "validate", unit="thing")
    summary = json.loads((out / "summary.json").read_bytes())
    click.echo(f"{one_line(summary)}; see {out / 'findings.jsonl'}")


def _gate(dataset: str, dgm: Path, prior: Path, observations: Path, gate: Path) -> None:
    from automind_data.contracts.run import check_dataset, write_gate

    findings = check_dataset(dataset, dgm, prior, observations)
    _show(findings)
    click.echo(f"{dataset}: the gate is {write_gate(gate, dataset, findings)}")


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        click.echo(f"{finding.severity} {finding.id} {finding.file}: {finding.message}")
        for example in finding.examples:
            click.echo("  " + ", ".join(f"{key} {value}" for key, value in example.items()))
