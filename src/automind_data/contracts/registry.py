"""The list of contracts.

A contract is a generator function with the decorator `contract`: it takes one
subject (see `subjects`) and yields what breaks the rule that its docstring's
first line states. A new check is a new function and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from automind_data.common.errors import AutomindError
from automind_data.contracts.findings import Finding, Severity
from automind_data.contracts.subjects import Subject

__all__ = ["CONTRACTS", "Contract", "Found", "check", "contract"]

SHOWN = 5
S = TypeVar("S", bound=Subject)


@dataclass(frozen=True)
class Found:
    """What breaks a rule: a sentence, how many cases, and some of them (five are kept)."""

    message: str
    count: int = 1
    examples: tuple[Mapping[str, Any], ...] = ()
    file: str | None = None


@dataclass(frozen=True)
class Contract:
    """One rule about one kind of subject."""

    id: str
    severity: Severity
    subject: type[Subject]
    rule: str
    run: Callable[[Any], Iterator[Found]]


CONTRACTS: list[Contract] = []


def contract(
    id_: str, severity: Severity, subject: type[S]
) -> Callable[[Callable[[S], Iterator[Found]]], Callable[[S], Iterator[Found]]]:
    """Register a function as the contract `id_` about `subject`.

    Parameters
    ----------
    id_
        Name of the findings; unique.
    severity
        Severity of the findings.
    subject
        The class of what the function takes.
    """

    def register(run: Callable[[S], Iterator[Found]]) -> Callable[[S], Iterator[Found]]:
        rule = (run.__doc__ or "").strip().splitlines()[0]
        CONTRACTS.append(Contract(id_, severity, subject, rule, run))
        return run

    return register


def check(subject: Subject) -> list[Finding]:
    """Hold a subject to every contract about its kind.

    Returns
    -------
    list of Finding
        In the order of the contracts; empty when all hold.

    Raises
    ------
    AutomindError
        A table is missing or damaged.
    """
    try:
        return _findings(subject)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise AutomindError(subject.file, f"cannot be read: {reason}", "make it again") from None


def _findings(subject: Subject) -> list[Finding]:
    return [
        Finding(
            id=rule.id,
            severity=rule.severity,
            file=found.file or subject.file,
            dataset=subject.dataset,
            message=found.message,
            count=found.count,
            examples=tuple(found.examples[:SHOWN]),
            rule=rule.rule,
        )
        for rule in CONTRACTS
        if isinstance(subject, rule.subject)
        for found in rule.run(subject)
    ]
