"""What is made from the contract file: data dictionary, list of checks, `common/columns.py`.

`python -m automind_data.contracts.dictionary` (or `make docs`) writes them, and
`datasets/croissant.json`, anew in a clone of the repository.
"""

from __future__ import annotations

from pathlib import Path

import click

from automind_data.common.files import write_text
from automind_data.contracts.spec import Column, Spec, read_spec

__all__ = ["checks_page", "columns_module", "data_dictionary", "made", "main"]

SAMPLE = "> What is tracked here now is sample data; numbers in examples are of it."
MADE = "Made from `src/automind_data/contracts/{}` by `make docs`; a test says that it is current."
NULLS = {
    "never": "never",
    "may": "allowed",
    "run": "in just the rows without features",
    "cells": "and where too few cells have enough spikes",
    "bursts": "and with too few bursts, then in all burst columns together",
    "bursts or less": "and with too few bursts, or where it is not defined",
}


def data_dictionary(spec: Spec) -> str:
    """Return `docs/data-dictionary.md`."""
    lines = [
        "# Data dictionary",
        "",
        SAMPLE,
        "",
        f"Every column of every table, by family. {MADE.format('release.yaml')}",
        "",
        "A run that was stopped early, or failed, has no features: its feature cells are empty."
        " “And” below means: there, and also.",
        "",
        "| table | rows are named by | holds |",
        "|---|---|---|",
    ]
    for name, table in spec.tables.items():
        keys = ", ".join(f"`{key}`" for key in table.key)
        held = ", ".join(
            [
                *(spec.families[family].lower() for family in table.holds),
                *(f"`{column}`" for column in table.also),
            ]
        )
        lines.append(f"| `{name}` | {keys} | {held} |")
    for family, title in spec.families.items():
        lines += ["", f"## {title}", ""]
        lines += _parameters(spec) if family == "parameter" else _columns(spec, family)
    return "\n".join(lines) + "\n"


def _parameters(spec: Spec) -> list[str]:
    source = spec.sources["model"]
    return [
        f"28 numbers, float64, uniform between the bounds of the release's own prior"
        f" (`derived/parameters.csv`), never empty. Source: {source}.",
        "",
        "| column | symbol | unit | meaning |",
        "|---|---|---|---|",
        *(f"| `{p.name}` | ${p.symbol}$ | {p.unit} | {p.meaning} |" for p in spec.parameters),
    ]


def _columns(spec: Spec, family: str) -> list[str]:
    return [
        "| column | type | unit | range | empty | meaning | source |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| `{column.label or column.name}` | {column.type} | {column.unit or '–'}"
            f" | {_range(column)} | {NULLS[column.nulls]} | {column.meaning}"
            f" | {spec.sources[column.source]} |"
            for column in spec.columns
            if column.family == family
        ),
    ]


def _range(column: Column) -> str:
    if column.low is None and column.high is None:
        return "–"
    if column.high is None:
        return f"≥ {column.low:g}"
    return f"{column.low:g} to {column.high:g}"


def checks_page() -> str:
    """Return `docs/checks.md`: every check with its id, severity and rule."""
    from automind_data.contracts import CONTRACTS

    lines = [
        "# The checks",
        "",
        SAMPLE,
        "",
        f"Every finding carries the id of its check. {MADE.format('')}",
        "",
        "| id | severity | what must hold |",
        "|---|---|---|",
        *(f"| `{check.id}` | {check.severity} | {check.rule} |" for check in CONTRACTS),
    ]
    return "\n".join(lines) + "\n"


def columns_module(spec: Spec) -> str:
    """Return `common/columns.py`: what the code needs of the contract file at every start."""
    known = [
        (column, f"    ({_text(column.family)}, {_text(column.type)}, ") for column in spec.columns
    ]
    lines = [
        '"""The columns of a release\'s tables; made from `contracts/release.yaml`."""',
        "",
        '__all__ = ["NAMES", "PARAMETERS", "PATTERNS"]',
        "",
        "PARAMETERS: tuple[tuple[str, str, str, str], ...] = (",
        *(
            f"    ({_text(p.name)}, {_text(p.symbol)}, {_text(p.unit)}, {_text(p.meaning)}),"
            for p in spec.parameters
        ),
        ")",
        '"""Name, symbol, unit and meaning of each, in the order of the prior."""',
        "",
        "NAMES: tuple[tuple[str, str, str], ...] = (",
        *(f"{head}{_text(column.name)})," for column, head in known if column.name),
        ")",
        '"""Family, type and name of each column that has one name."""',
        "",
        "PATTERNS: tuple[tuple[str, str, str], ...] = (",
        *(f"{head}{_text(column.pattern)})," for column, head in known if column.pattern),
        ")",
        '"""Family, type and regular expression of the columns that have many names."""',
    ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    raw = "r" if "\\" in value else ""
    return f'{raw}"{value}"'


def made(root: Path) -> dict[str, str]:
    """Return path from the top of the clone → text, for each file that is made."""
    from automind_data.contracts.croissant import croissant

    spec = read_spec()
    return {
        "src/automind_data/common/columns.py": columns_module(spec),
        "docs/data-dictionary.md": data_dictionary(spec),
        "docs/checks.md": checks_page(),
        "datasets/croissant.json": croissant(root),
    }


@click.command
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="Top of the clone.")
def main(root: Path) -> None:
    """Write what is made from the contract file."""
    for path, text in made(root).items():
        write_text(root / path, text)
        click.echo(path)


if __name__ == "__main__":
    main()
