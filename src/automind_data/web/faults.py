"""What can go wrong between here and a web service, each with a name."""

from __future__ import annotations

from automind_data.common.errors import AutomindError

__all__ = ["Fault"]

AGAIN = "run it again later"


class Fault(AutomindError):
    """A request that did not bring what it should.

    Parameters
    ----------
    what
        What was asked for, as messages call it.
    kind
        The name of the fault, as in `KINDS`.
    rule
        What happened, beginning with the host.
    next_step
        What to do now.
    again
        Whether the same host is worth another try.
    retry_after
        How many seconds the host asks to wait.
    """

    def __init__(
        self,
        what: str,
        kind: str,
        rule: str,
        next_step: str = AGAIN,
        *,
        again: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.kind = kind
        self.again = again
        self.retry_after = retry_after
        super().__init__(what, rule, next_step)
