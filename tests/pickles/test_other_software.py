"""Configurations of omegaconf, and arrays of numpy 1 and 2, at every protocol."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from automind_data.common.errors import AutomindError
from automind_data.pickles.legacy import describe_parameters
from automind_data.pickles.reader import mentions, read_pickle
from tests.pickles.data.make import arrays

DATA = Path(__file__).parent / "data"
ARRAYS = {
    "numbers": [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
    "columns": [[0, 1, 2], [3, 4, 5]],
    "swapped": [0, 1, 2],
    "flags": [True, False],
    "texts": ["ab", "c"],
    "objects": [1, "a", None],
    "nested": [[0.0, 1.0], [2.0, 3.0]],
    "empty": [],
    "number": 2.5,
    "whole": -3,
    "flag": True,
    "text": "abc",
}


@pytest.mark.parametrize("protocol", range(6))
def test_omegaconf_becomes_plain(protocol: int) -> None:
    data = (DATA / f"omegaconf_{protocol}.pickle").read_bytes()
    tree = read_pickle(data, "config.pickle")
    assert tree == json.loads((DATA / "omegaconf.json").read_text())
    described = describe_parameters(data, "config.pickle")
    assert described["params_settings"] == {"dt": {"value": 0.0002, "unit": "1"}}
    assert described["params_analysis"]["window"]["value"] == [0.1, None]
    assert described["params_analysis"]["deep"]["value"] == {"a": {"b": [[1, 2.5], "x"]}}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("version", [1, 2])
def test_numpy_becomes_plain(protocol: int, version: int) -> None:
    if version == 1:
        data = (DATA / f"numpy1_{protocol}.pickle").read_bytes()
    else:
        data = pickle.dumps(arrays(), protocol)
    said = describe_parameters(data, "arrays.pickle")["arrays"]
    assert {name: entry["value"] for name, entry in said.items()} == ARRAYS
    modules = {each.module for each in mentions(data, "arrays.pickle")}
    assert f"numpy.{'core' if version == 1 else '_core'}.multiarray" in modules


PLAIN = [{1, 2}, frozenset({"x"}), b"", b"bytes\xff", bytearray(b"ab"), True, -1, "täxt\n", (1,)]


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol(protocol: int) -> None:
    assert read_pickle(pickle.dumps(PLAIN, protocol), "a.pickle") == PLAIN


@pytest.mark.parametrize("protocol", range(6))
def test_objects_of_every_protocol(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Linear:
        pass

    Linear.__module__, Linear.__qualname__ = "torch.nn.modules.linear", "Linear"
    monkeypatch.setattr("torch.nn.modules.linear.Linear", Linear)
    made = Linear()
    made.__dict__["in_features"] = 3
    tree = read_pickle(pickle.dumps(made, protocol), "a.pickle")
    assert tree.kind == "torch.nn.modules.linear.Linear" and tree.state == {"in_features": 3}


def test_a_configuration_without_content_is_refused() -> None:
    data = b"comegaconf.dictconfig\nDictConfig\n)\x81}Va\nNsb."
    with pytest.raises(AutomindError, match="configuration without content"):
        read_pickle(data, "a.pickle")


def test_types_are_never_called() -> None:
    for name in (b"builtins\nint", b"builtins\nlist", b"typing\nAny", b"torch\nfloat32"):
        with pytest.raises(AutomindError, match=r"^a\.pickle: calls "):
            read_pickle(b"c" + name + b"\n)R.", "a.pickle")


def test_equal_lengths_in_an_array_of_objects_stay_apart() -> None:
    nested = np.empty(2, dtype=object)
    nested[0], nested[1] = [1, 2], [3, 4]
    said = describe_parameters(pickle.dumps({"a": {"b": nested}}), "a.pickle")
    assert said["a"]["b"]["value"] == [[1, 2], [3, 4]]
