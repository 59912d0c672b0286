"""The pipeline diagram of the README, made from `dvc dag`.

`python -m automind_data.diagram` rewrites the block in README.md.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from automind_data.common.files import write_text

__all__ = ["block", "merged"]

START, END = "<!-- pipeline: made by `make diagram` -->", "<!-- end of pipeline -->"
_NODE = re.compile(r'^\s*(node\d+)\["(.+)"\]\s*$')
_EDGE = re.compile(r"^\s*(node\d+)-->(node\d+)\s*$")


def merged(mermaid: str) -> str:
    """Merge what `dvc dag --mermaid` prints: one node per stage, one for all published files.

    >>> print(merged('flowchart TD\\n\\tnode1["datasets/a.zip.dvc"]\\n\\tnode2["unpack@a"]'
    ...              '\\n\\tnode3["unpack@b"]\\n\\tnode1-->node2\\n\\tnode1-->node3'))
    flowchart LR
      datasets[("datasets/")] --> unpack
    """
    names: dict[str, str] = {}
    edges: set[tuple[str, str]] = set()
    for line in mermaid.splitlines():
        if node := _NODE.match(line):
            label = node.group(2)
            names[node.group(1)] = "datasets" if label.endswith(".dvc") else label.split("@")[0]
        elif edge := _EDGE.match(line):
            start, end = names[edge.group(1)], names[edge.group(2)]
            if start != end:
                edges.add((start, end))
    lines = ["flowchart LR"]
    for start, end in sorted(edges, key=lambda edge: (edge[0] != "datasets", edge)):
        first = f'{start}[("datasets/")]' if start == "datasets" and len(lines) == 1 else start
        lines.append(f"  {first} --> {end}")
    return "\n".join(lines)


def block(root: Path) -> str:
    """Return the README's pipeline block for the `dvc.yaml` of a repository."""
    done = subprocess.run(
        ["dvc", "dag", "--mermaid"], cwd=root, capture_output=True, text=True, check=True
    )
    return f"{START}\n```mermaid\n{merged(done.stdout)}\n```\n{END}"


def main() -> None:
    """Rewrite the block in the README of the working folder."""
    readme = Path("README.md")
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"README.md: has no block between {START} and {END}; next: put it back.")
    write_text(readme, before + block(Path()) + after)


if __name__ == "__main__":
    main()
