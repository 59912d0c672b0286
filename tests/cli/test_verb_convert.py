"""`automind-data convert` and posteriors that cannot be used: one sentence, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from automind_data.common.layout import PARAMETER_NAMES
from tests.dgm.legacy import maf, pickled_posterior

NAMES = list(PARAMETER_NAMES)
SAME = torch.distributions.Uniform(torch.zeros(1), torch.ones(1))
NONE = torch.distributions.Uniform(torch.ones(1), torch.ones(1), validate_args=False)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"names": [NAMES[1], *NAMES[1:]]}, f"names parameters more than once: ['{NAMES[1]}']"),
        ({"names": ["params_net.mystery", *NAMES[1:]]}, "params_net.mystery"),
        ({"names": NAMES[:-1]}, "of different numbers"),
        ({"names": None}, "has no names, marginals and units"),
        ({"marginals": [SAME] * 27 + [NONE]}, f"bounds of {NAMES[-1]} that are not low < high"),
    ],
)
def test_a_prior_whose_names_disagree(
    automind: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: dict[str, Any],
    said: str,
) -> None:
    refused(automind, tmp_path, pickled_posterior(maf(), monkeypatch, **state), said)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite(
    automind: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    flow = maf()
    name, weight = next(
        item for item in flow.named_parameters() if item[0].endswith("final_layer.weight")
    )
    with torch.no_grad():
        weight[3, 0] = value
    data = pickled_posterior(flow, monkeypatch)
    refused(automind, tmp_path, data, f"has a number that is not finite in {name}")


def refused(automind: Callable[..., Any], folder: Path, data: bytes, said: str) -> None:
    file = folder / "posterior.pickle"
    file.write_bytes(data)
    done = automind("convert", file, folder / "dgm")
    assert done.code == 1, done
    assert len(done.err.splitlines()) == 1 and "; next: " in done.err
    assert f"{file}: " in done.err and said in done.err
    assert not (folder / "dgm").exists()
