"""The one family of errors that a user reads."""

from __future__ import annotations

from os import PathLike

__all__ = ["AutomindError"]


class AutomindError(Exception):
    """Something was refused or failed, said in one sentence.

    Parameters
    ----------
    file
        The file (or the thing) that the sentence is about.
    rule
        The rule that does not hold and what was found instead.
    next_step
        What to do now, as a command where there is one.

    Examples
    --------
    >>> print(AutomindError("a.zip", "is cut off after 12 bytes", "download it again"))
    a.zip: is cut off after 12 bytes; next: download it again.
    """

    def __init__(self, file: str | PathLike[str], rule: str, next_step: str) -> None:
        self.file = str(file)
        self.rule = rule
        self.next_step = next_step
        super().__init__(f"{self.file}: {rule}; next: {next_step}.")
