"""One file: resumed where it stopped, verified when it is whole, from the next place if need be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from automind_data.fetching.partial import Partial
from automind_data.fetching.sources import Way
from automind_data.web import Client, Fault

__all__ = ["Download", "Stopped", "Verify"]

Verify = Callable[[Partial, str], str | None]
"""Is given a whole file and its md5; returns what is wrong with it, or None."""


class Stopped(Exception):
    """The user wants no more."""


@dataclass
class Download:
    """One file on its way into a partial file whose lock is held.

    Parameters
    ----------
    what
        What messages call the file.
    ways
        The places that may have it, in the order in which to try them.
    partial
        Where its bytes go.
    verify
        Says what is wrong with a whole file; it ends a sentence that begins with the
        place.
    client
        Waits between tries.
    tell
        Is called with the bytes so far.
    stop
        Ends the download when it is set.
    """

    what: str
    ways: Sequence[Way]
    partial: Partial
    verify: Verify
    client: Client
    tell: Callable[[int], object]
    stop: threading.Event
    faults: list[Fault] = field(default_factory=list)

    def run(self) -> str | None:
        """Return the md5 of the whole and verified file; None when no place gives it.

        `faults` then says why, one per place. Bytes are dropped when they are wrong,
        or when no place goes on from where they end.
        """
        while True:
            self.faults = []
            for way in self.ways:
                try:
                    return self._from(way)
                except Fault as fault:
                    self.faults.append(fault)
            stuck = {"wrong range"} | ({"wrong length"} if self.partial.md5 is None else set())
            kinds = {fault.kind for fault in self.faults}
            if not (stuck & kinds and self.partial.on_disk()):
                return None
            self.partial.clear()

    def _from(self, way: Way) -> str:
        tried = 0
        while True:
            before = self.partial.on_disk()
            try:
                md5 = self._attempt(way)
            except Fault as fault:
                worth_it = self.client.patience.slowest * self.client.patience.timeout
                tried = 1 if self.partial.on_disk() - before > worth_it else tried + 1
                self.client.pause_after(fault, tried)
                continue
            wrong = self.verify(self.partial, md5)
            if wrong is None:
                return md5
            assembled = self.partial.resumed
            self.partial.clear()
            if not assembled:
                raise Fault(self.what, "wrong md5", f"{way.name} {wrong}")

    def _attempt(self, way: Way) -> str:
        """Bring what is not there yet; return the md5 of all of it."""
        partial = self.partial
        there = partial.open(self._told)
        if partial.size is not None and there > partial.size:
            partial.clear()
            there = partial.open(self._told)
        if there != partial.size:
            self._fill(way, there)
        return partial.digest()

    def _fill(self, way: Way, there: int) -> None:
        partial = self.partial
        with way.open(there, partial.size, self.what) as body:
            if body.offset != there:
                partial.clear()
                there = partial.open(self._told)
            partial.resumed = there > 0
            if partial.size is None and body.total is not None:
                partial.learn(body.total)
            for block in body.blocks():
                if partial.size is not None and there + len(block) > partial.size:
                    partial.clear()
                    rule = f"{way.name} sends more than the {partial.size} bytes that are expected"
                    raise Fault(self.what, "wrong length", rule)
                there = partial.append(block)
                self._told(there)
        if partial.size is None:
            partial.learn(there)
        elif there < partial.size:
            rule = f"{way.name} stopped after {there} of {partial.size} bytes"
            raise Fault(self.what, "short", rule, again=True)

    def _told(self, done: int) -> None:
        if self.stop.is_set():
            raise Stopped
        self.tell(done)
