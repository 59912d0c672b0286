"""The folder of a training: the density estimator, its record, its losses as table and picture."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automind_data.common.errors import AutomindError
from automind_data.common.files import atomic_folder, write_json, write_text
from automind_data.dgm.store import NAMES, TRAINING, write_dgm

if TYPE_CHECKING:
    from automind_data.training.fit import Fitted

__all__ = ["write_off", "write_trained"]

LOSSES = "epoch,training,validation\n"
INK, MARK = "#1f2933", "#b4431f"


def write_off(out: str | Path) -> None:
    """Write that nothing was trained: a record that says so, and no losses.

    Raises
    ------
    AutomindError
        The folder holds files of somebody else.
    """
    out = Path(out)
    others = {each.name for each in out.iterdir()} - NAMES if out.is_dir() else set()
    if others:
        rule = f"holds other files than a training, as {min(others)}"
        raise AutomindError(out, rule, "choose another folder")
    with atomic_folder(out) as part:
        for name in TRAINING[:2]:
            write_json(part / name, {"state": "off"})
        write_text(part / TRAINING[2], LOSSES)


def write_trained(
    out: str | Path,
    description: dict[str, Any],
    tensors: dict[str, Any],
    record: dict[str, Any],
    fitted: Fitted,
) -> None:
    """Write a trained density estimator; the folder appears whole or not at all.

    Parameters
    ----------
    out
        The folder.
    description, tensors
        See `write_dgm`.
    record
        What `training.json` says.
    fitted
        The losses.
    """
    losses = [(0, "", fitted.first)] + [
        (number, f"{one:.6g}", other) for number, (one, other) in enumerate(fitted.history, 1)
    ]
    text = LOSSES + "".join(f"{epoch},{one},{other:.6g}\n" for epoch, one, other in losses)
    metrics = {key: value for key, value in record.items() if not isinstance(value, dict | list)}
    files = (_json(record), _json(metrics), text.encode(), _picture(fitted))
    write_dgm(out, description, tensors, beside=dict(zip(TRAINING, files, strict=True)))


def _json(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _picture(fitted: Fitted) -> bytes:
    """Draw the losses as SVG; equal losses give equal bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "automind-data", "font.size": 9}):
        figure = Figure(figsize=(6, 3.4), layout="constrained")
        axis = figure.subplots()
        epochs = range(1, len(fitted.history) + 1)
        axis.plot(epochs, [row[0] for row in fitted.history], color=INK, label="training")
        validation = [fitted.first, *(row[1] for row in fitted.history)]
        axis.plot(range(len(validation)), validation, color=MARK, label="validation")
        axis.axvline(fitted.best, color=MARK, linewidth=0.8, linestyle=":", label="kept")
        axis.axhline(0, color="#9aa5b1", linewidth=0.8, label="prior")
        axis.set_xlabel("epoch")
        axis.set_ylabel("minus log-density of u (nat)")
        axis.legend(frameon=False)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()
