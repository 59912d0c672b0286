"""Parameter symbols: the little TeX that `layout.PARAMETERS` uses, as HTML."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

__all__ = ["symbol_html"]

_ATOM = re.compile(r"\\[A-Za-z]+ ?|\\.|[A-Za-z]+|.", re.DOTALL)
_COMMANDS = {
    r"\to": Markup("→"),
    r"\,": Markup("\u2009"),
    r"\Delta": Markup("Δ"),
    r"\tau": Markup("<i>τ</i>"),
    r"\nu": Markup("<i>ν</i>"),
}
_SCRIPTS = {"_": Markup("<sub>{}</sub>"), "^": Markup("<sup>{}</sup>")}
_ITALIC = Markup("<i>{}</i>")


def symbol_html(tex: str) -> Markup:
    r"""Write a parameter symbol as HTML.

    Single letters and Greek variables are italic, words and everything in a
    sub- or superscript upright. A command without a translation keeps its name.

    Parameters
    ----------
    tex
        A symbol as in `layout.PARAMETERS`.

    Returns
    -------
    Markup
        Escaped HTML without backslashes and braces.

    Examples
    --------
    >>> print(symbol_html(r"p_{E\to E}"), symbol_html(r"R_{p_{E-clus}}"))
    <i>p</i><sub>E→E</sub> <i>R</i><sub>p<sub>E-clus</sub></sub>
    """
    atoms = [atom.rstrip(" ") or atom for atom in _ATOM.findall(tex)]
    atoms.reverse()
    pieces = []
    while atoms:
        pieces.append(_piece(atoms, upright=False))
    return Markup("").join(pieces)


def _piece(atoms: list[str], upright: bool) -> Markup:
    """Take one atom, group or script off the end of `atoms`."""
    atom = atoms.pop()
    if atom == "{":
        pieces = []
        while atoms and atoms[-1] != "}":
            pieces.append(_piece(atoms, upright))
        if atoms:
            atoms.pop()
        return Markup("").join(pieces)
    if atom == "}":
        return Markup("")
    if atom in _SCRIPTS:
        return _SCRIPTS[atom].format(_piece(atoms, upright=True) if atoms else "")
    if atom.startswith("\\"):
        return _COMMANDS.get(atom, escape(atom[1:]))
    if len(atom) == 1 and atom.isalpha() and not upright:
        return _ITALIC.format(atom)
    return escape(atom)
