"""How much one legacy pickle may ask for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True)
class Limits:
    """What reading one pickle may cost; a published posterior needs 1 to 5 % of each.

    `max_bytes` in the file, `max_opcodes` and `max_memo` entries of its machine,
    `max_made` bytes of values made, `max_depth` containers in one another,
    `max_values` when whatever is shared is written out, `max_number` bytes of an
    integer. The process that reads has `max_memory` bytes and `max_seconds`.
    """

    max_bytes: int = 1 << 27
    max_opcodes: int = 1_000_000
    max_memo: int = 1_000_000
    max_made: int = 1 << 28
    max_depth: int = 1000
    max_values: int = 2_000_000
    max_number: int = 256
    max_memory: int = 1 << 30
    max_seconds: int = 60


LIMITS = Limits()
