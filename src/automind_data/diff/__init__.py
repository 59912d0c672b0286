"""What changed between two revisions, in a scientist's terms.

`compare` finds it out, `changes` holds it, `markdown`, `page` and `record` show it.
"""

from __future__ import annotations

from automind_data.diff.changes import Difference
from automind_data.diff.compare import Comparison

__all__ = ["Comparison", "Difference"]
