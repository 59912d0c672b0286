"""How long to try, and how long to wait in between."""

from __future__ import annotations

import datetime
import email.utils
from dataclasses import dataclass

__all__ = ["Patience", "seconds_of"]


@dataclass(frozen=True)
class Patience:
    """What a client puts up with.

    Parameters
    ----------
    tries
        How often a host is asked before it counts as failed.
    pause, longest_pause
        Seconds before the second try, twice as long before each later one; never
        longer than the other.
    timeout
        Seconds for a connection, and of silence.
    slowest
        Bytes per second over one `timeout`; a slower body counts as stalled.
    interval
        Seconds between two requests to figshare's API.
    """

    tries: int = 5
    pause: float = 1.0
    longest_pause: float = 60.0
    timeout: float = 30.0
    slowest: int = 1000
    interval: float = 1.0

    def wait(self, tried: int, retry_after: float | None = None) -> float:
        """Return how many seconds to wait after so many tries, at least what the host asks.

        >>> [Patience().wait(tried) for tried in (1, 2, 3, 9)], Patience().wait(1, 7)
        ([1.0, 2.0, 4.0, 60.0], 7)
        """
        own: float = min(self.pause * 2.0 ** min(tried - 1, 60), self.longest_pause)
        return max(own, retry_after or 0)


def seconds_of(retry_after: str | None, now: datetime.datetime | None = None) -> float | None:
    """Read a Retry-After header: seconds or a date.

    >>> seconds_of("120"), seconds_of("soon"), seconds_of(None)
    (120.0, None, None)
    """
    if not retry_after:
        return None
    text = retry_after.strip()
    if text.isdecimal():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - (now or datetime.datetime.now(datetime.UTC))).total_seconds())
