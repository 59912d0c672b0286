"""Print what a user reads of each fault, as a table in Markdown.

python -m tests.fetching.fault_table
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.fetching.clones import big_release, cached, leave_part, pinned_clone, typed
from tests.fetching.faults import CASES, OPTIONS, Case
from tests.figshare_server import FigshareServer

__all__ = ["meet"]

SIZE = 200_000


def meet(case: Case, folder: Path) -> tuple[int, str, set[str], str]:
    """Let `fetch` meet a fault; return exit code, stderr, md5s in the cache, and the right one."""
    release = big_release(folder / "release", SIZE)
    with FigshareServer([release]) as server:
        (file,) = server.versions[0]
        server.faults = [case.make()]
        clone = pinned_clone(folder / "clone", server)
        if case.left:
            whole = file.local.read_bytes()
            part = whole[: int(abs(case.left) * SIZE)]
            leave_part(clone, file.md5, SIZE, part if case.left > 0 else bytes(len(part)))
        process = typed(clone, server, "--interval", "0", *OPTIONS)
        _, said = process.communicate(timeout=60)
        return process.returncode, said, cached(clone), file.md5


def main() -> None:
    """Print the table."""
    print("| fault | what the user reads | exit code | cache |\n|---|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            code, said, found, md5 = meet(case, Path(scratch))
        first = next(iter(said.splitlines()), "(nothing on stderr)")
        shown = re.sub(r"127\.0\.0\.1:\d+", "HOST", first.replace(str(scratch), "…"))
        cache = {frozenset(): "unchanged", frozenset({md5}): "right"}.get(frozenset(found), "WRONG")
        print(f"| {case.name} | {shown} | {code} | {cache} |", flush=True)


if __name__ == "__main__":
    main()
