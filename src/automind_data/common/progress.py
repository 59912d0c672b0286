"""Drawing the events of long work on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["draw"]


def draw(events: Iterable[dict[str, Any]], what: str, unit: str = "B") -> None:
    """Run `events` (`path`, `done`, `total`) to their end behind a progress bar.

    Parameters
    ----------
    events
        What a library function yields.
    what
        Stands before the bar.
    unit
        What is counted; bytes are shown as kB, MB, GB.

    Notes
    -----
    The bar appears after two seconds and only where stderr is a terminal.
    """
    from tqdm import tqdm

    scale = unit == "B"
    with tqdm(desc=what, unit=unit, unit_scale=scale, delay=2, disable=None, leave=False) as bar:
        for event in events:
            bar.total = event["total"]
            bar.update(event["done"] - bar.n)
