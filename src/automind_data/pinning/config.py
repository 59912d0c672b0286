"""DVC's config files: read without DVC, edited as text so that all the rest of them stays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from automind_data.common.errors import AutomindError

__all__ = [
    "cache_objects",
    "find_root",
    "option",
    "options",
    "with_option",
    "without_option",
]

OBJECTS = Path("files", "md5")
"""Where DVC keeps objects below a cache folder or a remote."""

_SECTION = re.compile(r"\s*\[\s*(?P<name>.+?)\s*\]\s*(?:#.*)?\Z")
_OPTION = re.compile(
    r"(?P<head>\s*(?P<key>[^\s#\[=][^=]*?)\s*=[ \t]*)"
    r"(?P<value>'''.*?'''|\"\"\".*?\"\"\"|'[^']*'|\"[^\"]*\"|[^#]*?)"
    r"(?P<tail>\s*(?:#.*)?)\Z"
)


def find_root(start: str | os.PathLike[str] = ".") -> Path:
    """Return the top folder of the clone that `start` is in.

    Raises
    ------
    AutomindError
        Neither `start` nor a folder above it holds `.dvc/config`.
    """
    start = Path(start).resolve()
    for folder in (start, *start.parents):
        if (folder / ".dvc" / "config").is_file():
            return folder
    raise AutomindError(start, "is not in a clone of a data repository", "run this in a clone")


def options(text: str) -> dict[tuple[str, str], str]:
    """Read the text of a config file.

    Parameters
    ----------
    text
        What a `.dvc/config` or `.dvc/config.local` holds.

    Returns
    -------
    dict
        (section, key) → value; sections and keys in lower case, a remote's
        section is `remote "name"`.

    Examples
    --------
    >>> options("[core]\\n    remote = 'storage' # ours")
    {('core', 'remote'): 'storage'}
    """
    found = {}
    for _, section, match in _lines(text):
        if match:
            found[section, match["key"].lower()] = _unquoted(match["value"])
    return found


def with_option(text: str, section: str, key: str, value: str) -> str:
    """Return the config text with one value set; every other line stays as it is.

    Raises
    ------
    AutomindError
        No config file can hold the value.

    Examples
    --------
    >>> print(with_option("[core]\\n    # ours\\n    remote = a\\n", "core", "remote", "b"), end="")
    [core]
        # ours
        remote = b
    """
    lines = text.splitlines()
    last = None
    for number, current, match in _lines(text):
        if current != section:
            continue
        last = number
        if match and match["key"].lower() == key:
            lines[number] = f"{match['head']}{_quoted(value)}{match['tail']}"
            return "\n".join(lines) + "\n"
    new = f"    {key} = {_quoted(value)}"
    if last is None:
        header = f"['{section}']" if '"' in section else f"[{section}]"
        lines += [header, new]
    else:
        lines.insert(last + 1, new)
    return "\n".join(lines) + "\n"


def without_option(text: str, section: str, key: str) -> str:
    """Return the config text without one key, and without its section if that is then empty.

    >>> without_option("[core]\\nremote = a\\n", "core", "remote")
    ''
    """
    if (section, key) not in options(text):
        return text
    own = [(number, match) for number, current, match in _lines(text) if current == section]
    dropped = {number for number, match in own if match and match["key"].lower() == key}
    if not any(match and number not in dropped for number, match in own):
        dropped |= {number for number, _ in own}
    kept = [line for number, line in enumerate(text.splitlines()) if number not in dropped]
    return "".join(f"{line}\n" for line in kept)


def option(root: str | os.PathLike[str], section: str, key: str) -> tuple[str, Path] | None:
    """Return a value as DVC would see it in a clone, and the folder of the file that says it.

    The clone's `config.local` goes before its `config`, then come the user's
    and the system's.
    """
    for path in _levels(Path(root)):
        try:
            said = options(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        if (section, key) in said:
            return said[section, key], path.parent
    return None


def cache_objects(root: str | os.PathLike[str]) -> Path:
    """Return the folder that holds the objects of a clone's DVC cache, `cache.dir` honoured."""
    said = option(root, "cache", "dir")
    if said is None:
        return Path(root).resolve() / ".dvc" / "cache" / OBJECTS
    folder, base = said
    return (base / Path(folder).expanduser()).resolve() / OBJECTS


def _levels(root: Path) -> Iterator[Path]:
    import platformdirs

    yield root / ".dvc" / "config.local"
    yield root / ".dvc" / "config"
    user = os.environ.get("DVC_GLOBAL_CONFIG_DIR")
    yield Path(user or platformdirs.user_config_dir("dvc", "iterative")) / "config"
    system = os.environ.get("DVC_SYSTEM_CONFIG_DIR")
    yield Path(system or platformdirs.site_config_dir("dvc", "iterative")) / "config"


def _lines(text: str) -> Iterator[tuple[int, str, re.Match[str] | None]]:
    """Yield the number, the section and the match of each option, and of each header None."""
    section = ""
    for number, line in enumerate(text.splitlines()):
        if header := _SECTION.match(line):
            section = _unquoted(header["name"]).strip().lower()
            yield number, section, None
        elif match := _OPTION.match(line):
            yield number, section, match


def _unquoted(value: str) -> str:
    for mark in ("'''", '"""', "'", '"'):
        if len(value) >= 2 * len(mark) and value.startswith(mark) and value.endswith(mark):
            return value[len(mark) : -len(mark)]
    return value


def _quoted(value: str) -> str:
    if (
        any(letter in value for letter in "\r\n")
        or "%(" in value
        or ("'" in value and '"' in value)
    ):
        raise AutomindError(value, "cannot stand in a DVC config file", "use another name or path")
    if value and value == value.strip() and not set(value) & set("#,'\"[]"):
        return value
    return f"'{value}'" if '"' in value or "'" not in value else f'"{value}"'
