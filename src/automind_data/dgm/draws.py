"""Reproducible draws: fixed blocks, each from its own counter-based stream.

Block `b` of a stream is a function of (seed, stream, b) alone. It is computed
by one thread. So the draws do not depend on how many blocks are asked for at a
time, on how many threads compute them, or on how many rows a thread sends
through the compiled flow at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "Block", "Flow", "blocks", "default_threads", "one_torch_thread"]

BLOCK = 1000
"""Draws in a block. A part of the definition of the random numbers: never change it."""


class Flow(Protocol):
    """The density q(u | x) for one x, on numpy arrays."""

    def log_prob(self, u: NDArray[Any]) -> NDArray[Any]:
        """Return the log-density of each row of `u` (n, d), without regard to the box."""

    def transport(self, noise: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Turn standard normal rows into draws of u; return them with their log-densities."""


@dataclass(frozen=True)
class Block:
    """One block of draws: `u` (BLOCK, d), `log_prob` (BLOCK,), `inside` the unit cube (BLOCK,)."""

    index: int
    u: NDArray[np.float32]
    log_prob: NDArray[np.float32]
    inside: NDArray[np.bool_]


def default_threads() -> int:
    """Return `AUTOMIND_THREADS`, or else the number of cores this process may use."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return _asked("AUTOMIND_THREADS") or cores


def default_chunk() -> int:
    """Return `AUTOMIND_CHUNK`, or else a block: draws that go through the flow at a time."""
    return _asked("AUTOMIND_CHUNK") or BLOCK


def _asked(name: str) -> int:
    said = os.environ.get(name, "")
    return int(said) if said.isdigit() else 0


@contextlib.contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let each torch operation inside run on one thread; put the setting back after."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def normal_block(seed: int, stream: str, index: int, width: int) -> NDArray[np.float32]:
    """Return the standard normal numbers of one block, float32 (BLOCK, width).

    >>> one = normal_block(1, "161001_0", 0, 28)
    >>> bool((one == normal_block(1, "161001_0", 0, 28)).all()), tuple(one.shape)
    (True, (1000, 28))
    """
    digest = hashlib.sha256(f"{seed}\n{stream}".encode()).digest()
    key = int.from_bytes(digest[:16], "little")
    generator = np.random.Generator(np.random.Philox(key=key, counter=index << 128))
    return generator.standard_normal((BLOCK, width), dtype=np.float32)


def blocks(flow: Flow, width: int, seed: int, stream: str, threads: int = 1) -> Generator[Block]:
    """Yield the blocks of one stream in order, without end.

    Parameters
    ----------
    flow
        The density for one conditioning vector.
    width
        Number of parameters.
    seed, stream
        What the random numbers are keyed by; the stream names the observation.
    threads
        How many blocks are computed side by side. A flow in torch must run on one thread
        per operation (`one_torch_thread`), or bytes differ between machines.
    """

    chunk = default_chunk()

    def compute(index: int) -> Block:
        noise = normal_block(seed, stream, index, width)
        made = [flow.transport(noise[at : at + chunk]) for at in range(0, BLOCK, chunk)]
        u, log_prob = (
            np.concatenate(part).astype(np.float32, copy=False) for part in zip(*made, strict=True)
        )
        inside = ((u >= 0) & (u <= 1)).all(axis=-1) & np.isfinite(log_prob)
        return Block(index, u, log_prob, inside)

    if threads <= 1:
        yield from map(compute, count())
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[Block]] = [pool.submit(compute, index) for index in range(threads)]
        try:
            for index in count(threads):
                block = waiting.pop(0).result()
                waiting.append(pool.submit(compute, index))
                yield block
        finally:
            for future in waiting:
                future.cancel()
