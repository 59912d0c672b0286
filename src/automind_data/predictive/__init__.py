"""Predictive checks: discovered models against their targets.

`distances` and `rows` measure, `compare` ranks, `judge` says how many match, `write`
keeps it, `release` does so for a whole release; `overview` and `figure` draw.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automind_data.predictive.release import predict_release, predict_table

__all__ = ["predict_release", "predict_table"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("automind_data.predictive.release"), name)
    raise AttributeError(f"module {__name__} has no {name}")
