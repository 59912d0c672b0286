"""Trained density estimators: convert, keep, open, evaluate, sample.

Examples
--------
``load("derived/dgms/psd").sample(x, n=1000, seed=0)``
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automind_data.dgm.model import DGM, Draws, load

__all__ = ["DGM", "Draws", "load"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("automind_data.dgm.model"), name)
    raise AttributeError(f"module {__name__} has no {name}")
