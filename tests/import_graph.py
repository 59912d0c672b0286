"""Which source files a command runs, read from the import statements of the package."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
PACKAGE = "automind_data"


@functools.cache
def module_file(module: str) -> Path | None:
    base = SRC.joinpath(*module.split("."))
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below one that can run: all but the blocks for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from running(child)


@functools.cache
def imported(file: Path) -> set[str]:
    """Every module of the package that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in running(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == PACKAGE and module_file(name)}


@functools.cache
def holds_code(file: Path) -> bool:
    """Say whether a file holds more than a docstring."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(not isinstance(part, ast.Expr) for part in body)


def files_of(*modules: str) -> set[str]:
    """Paths, relative to the repository, of all files that importing `modules` can run."""
    waiting, seen = list(modules), set()
    files: set[Path] = set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        parent = module.rpartition(".")[0]
        if parent:
            waiting.append(parent)
        file = module_file(module)
        assert file is not None, module
        if holds_code(file):
            files.add(file)
        waiting.extend(imported(file))
    return {file.relative_to(SRC.parent).as_posix() for file in files}


def files_of_command(command: str) -> set[str]:
    """The files that one line of `cmd` runs: `automind-data VERB …`."""
    program, verb = command.split()[:2]
    assert program == "automind-data", command
    return files_of(f"{PACKAGE}.common.command", f"{PACKAGE}.cli.verb_{verb.replace('-', '_')}")
