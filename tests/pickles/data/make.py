"""Makes the pickles of this folder; see README.md."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CONFIG = {
    "params_analysis": {
        "window": [0.1, None],
        "name": "MK1",
        "n": 3,
        "on": True,
        "deep": {"a": {"b": [[1, 2.5], "x"]}},
        "refers": "${params_analysis.n}",
        "missing": "???",
        "nothing": None,
    },
    "params_settings": {"dt": 0.0002},
}


def arrays() -> dict[str, dict[str, object]]:
    """Arrays and scalars of each kind that a parameter dictionary holds."""
    objects = np.empty(3, dtype=object)
    objects[:] = [1, "a", None]
    nested = np.empty(2, dtype=object)
    nested[0], nested[1] = np.arange(2.0), np.arange(2.0, 4.0)
    return {
        "arrays": {
            "numbers": np.arange(6.0).reshape(2, 3),
            "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
            "swapped": np.arange(3, dtype=">i4"),
            "flags": np.array([True, False]),
            "texts": np.array(["ab", "c"]),
            "objects": objects,
            "nested": nested,
            "empty": np.zeros((0, 2)),
            "number": np.float64(2.5),
            "whole": np.int64(-3),
            "flag": np.bool_(True),
            "text": np.str_("abc"),
        }
    }


def main() -> None:
    """Write the pickles, and what they hold as omegaconf and numpy say it."""
    from omegaconf import OmegaConf

    config = OmegaConf.create(CONFIG)
    for protocol in range(6):
        (HERE / f"omegaconf_{protocol}.pickle").write_bytes(pickle.dumps(config, protocol))
        (HERE / f"numpy1_{protocol}.pickle").write_bytes(pickle.dumps(arrays(), protocol))
    plain = OmegaConf.to_container(config, resolve=False)
    (HERE / "omegaconf.json").write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
