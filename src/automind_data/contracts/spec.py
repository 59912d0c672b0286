"""The contract file `release.yaml`: what every column of a release's tables may hold."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from automind_data.common.errors import AutomindError

__all__ = ["Column", "ParameterSpec", "Spec", "TableSpec", "read_spec", "rule_of"]

Nulls = Literal["never", "may", "run", "cells", "bursts", "bursts or less"]


class ParameterSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the 28 parameters; its bounds come from the release's prior."""

    name: str
    symbol: str
    unit: str
    meaning: str


class TableSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns that name a row of a table, the families that it holds, further columns."""

    key: tuple[str, ...]
    holds: tuple[str, ...]
    also: tuple[str, ...] = ()


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one column, or every column of one pattern, may hold; see `release.yaml`."""

    family: str
    type: Literal["float64", "int64", "bool", "text"]
    nulls: Nulls
    source: str
    meaning: str
    name: str | None = None
    pattern: str | None = None
    label: str | None = None
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    infinite: bool = False
    optional: bool = False

    def fits(self, name: str) -> bool:
        """Say whether a column of this name is meant."""
        if self.name is not None:
            return self.name == name
        return self.pattern is not None and re.fullmatch(self.pattern, name) is not None


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `release.yaml`."""

    version: Literal[1]
    sources: dict[str, str]
    families: dict[str, str]
    tables: dict[str, TableSpec]
    parameters: tuple[ParameterSpec, ...]
    columns: tuple[Column, ...]


@cache
def read_spec() -> Spec:
    """Read the contract file.

    Raises
    ------
    AutomindError
        It does not have the agreed form.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    place = Path(__file__).with_name("release.yaml")
    try:
        said = YAML(typ="safe").load(place.read_text(encoding="utf-8"))
        return msgspec.convert(said, Spec)
    except (YAMLError, msgspec.ValidationError) as error:
        rule = f"does not have the agreed form: {error}"
        raise AutomindError("contracts/release.yaml", rule, "correct the contract file") from None


@cache
def rule_of(name: str) -> Column | None:
    """Return what a column of this name may hold; None where the release has no such column.

    >>> rule_of("psd_0.5").unit, rule_of("mood")
    ('Hz²/Hz', None)
    """
    spec = read_spec()
    for parameter in spec.parameters:
        if parameter.name == name:
            return Column(
                family="parameter",
                type="float64",
                nulls="never",
                source="model",
                name=name,
                unit=parameter.unit,
                meaning=parameter.meaning,
            )
    return next((column for column in spec.columns if column.fits(name)), None)
