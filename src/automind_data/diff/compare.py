"""The comparison of two revisions, section by section."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from automind_data.common.layout import FILES
from automind_data.diff.changes import (
    DgmChange,
    Difference,
    FileChange,
    Files,
    Side,
    TableChange,
)
from automind_data.diff.dgms import DGM_SOURCES, compare_dgm, compare_twins, dgm_paths
from automind_data.diff.parameters import TABLE, compare_parameters, parameter_paths
from automind_data.diff.place import Place, same_bytes
from automind_data.diff.tables import TABLES, compare_table
from automind_data.diff.validation import (
    FINDINGS,
    compare_findings,
    compare_metrics,
    metric_paths,
)
from automind_data.pinning.release import RELEASE_FILE, SAMPLE
from automind_data.revisions import Revision

__all__ = ["Comparison"]

STEPS = 100
"""Steps of progress for each table and each density estimator."""


class Comparison:
    """Compares two revisions while its events are drawn; the difference is there at the end.

    Parameters
    ----------
    old, new
        The revisions.
    pull
        Bring what is needed and not on this disk from their DVC remotes. Without it
        nothing is asked from the network, and what is missing is said.

    Examples
    --------
    ``work = Comparison(Revision(".", "2026.1"), Revision("."))``
    ``draw(work, "diff", unit=" steps")``
    ``work.difference.files``
    """

    difference: Difference

    def __init__(self, old: Revision, new: Revision, pull: bool = False) -> None:
        self._old, self._new = Place(old, pull), Place(new, pull)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Compare; yields `path`, `done` and `total` steps."""
        old, new = self._old, self._new
        total = STEPS * (len(TABLES) + len(DGM_SOURCES))
        done = 0
        self._fetch_small()
        tables: list[TableChange] = []
        for source in TABLES:
            work = compare_table(source, old, new)
            while True:
                try:
                    share = next(work)
                except StopIteration as end:
                    if end.value is not None:
                        tables.append(end.value)
                    break
                yield {"path": source.path, "done": done + int(STEPS * share), "total": total}
            done += STEPS
            yield {"path": source.path, "done": done, "total": total}
        dgms: list[DgmChange] = []
        for name in DGM_SOURCES:
            found = compare_dgm(name, old, new)
            if found is not None:
                dgms.append(found)
            done += STEPS
            yield {"path": f"derived/dgms/{name}", "done": done, "total": total}
        self.difference = self._put_together(tuple(tables), tuple(dgms))

    def _put_together(
        self, tables: tuple[TableChange, ...], dgms: tuple[DgmChange, ...]
    ) -> Difference:
        old, new = self._old, self._new
        priors, settings, prior_gaps = compare_parameters(old, new)
        findings, finding_gaps = compare_findings(old, new)
        metrics, metric_gaps = compare_metrics(old, new)
        return Difference(
            old=_side(old.revision),
            new=_side(new.revision),
            files=_files(old.revision, new.revision),
            tables=tables,
            priors=priors,
            settings=settings,
            dgms=dgms,
            twins=compare_twins(old, new),
            findings=findings,
            metrics=metrics,
            gaps=(*prior_gaps, *finding_gaps, *metric_gaps),
        )

    def _fetch_small(self) -> None:
        """Pull in one go what is small and needed of both sides."""
        tables = [
            path
            for source in TABLES
            for path in (source.profile, source.digests)
            if not same_bytes(self._old, self._new, source.path)
        ]
        dgms = [path for name in DGM_SOURCES for path in dgm_paths(name)[::2]]
        others = [*parameter_paths().values(), TABLE, FINDINGS]
        for side in (self._old, self._new):
            side.fetch([*tables, *dgms, *others, *metric_paths(side)])


def _side(revision: Revision) -> Side:
    text = revision.read(RELEASE_FILE)
    try:
        said = json.loads(text) if text else {}
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    sample = said.get("sample")
    if sample is None and revision.imports:
        sample = any(pinned.origin.kind == SAMPLE for pinned in revision.imports.values())
    return Side(revision.name, revision.commit, said.get("release"), said.get("kind"), sample)


def _files(old: Revision, new: Revision) -> Files:
    changes = []
    identical = 0
    for path in (file.path for file in FILES):
        one, other = old.imports.get(path), new.imports.get(path)
        if one and other and one.md5 == other.md5:
            identical += 1
        elif one or other:
            change = FileChange(
                path,
                "removed" if other is None else "added" if one is None else "replaced",
                one.size if one else None,
                other.size if other else None,
            )
            changes.append(change)
    return Files(tuple(changes), identical)
