"""The versioned data repository of AutoMIND: tables, density estimators, samples."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automind_data.release import open_release

__all__ = ["open_release"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("automind_data.release"), name)
    raise AttributeError(f"module {__name__} has no {name}")
