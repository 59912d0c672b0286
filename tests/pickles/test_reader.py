"""The pickle reader: honest files in, everything else refused and nothing run."""

from __future__ import annotations

import io
import pickle
import pickletools
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DGMS
from automind_data.pickles.names import ALLOWED
from automind_data.pickles.reader import Call, mentions, read_pickle
from automind_data.pickles.storage import read_storage
from automind_data.pickles.values import Values, unit_name


class Touch:
    """Creates a file when unpickled by a reader that runs what it reads."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


PLAIN = [
    {"a": [1, 2.5, None, True], "b": (1, (2, 3)), "d": b"bytes", "e": "täxt"},
    [10**30, -(10**30), -1, 255, 256, 70000, float("inf"), "", (), {}],
    OrderedDict(a=1, b=[2]),
]
SETS = [{"c": {1, 2}, "d": frozenset({"x"})}]


@pytest.mark.parametrize(
    ("value", "protocol"),
    [(value, protocol) for value in PLAIN for protocol in (3, 4, 5)]
    + [(value, protocol) for value in SETS for protocol in (4, 5)],
)
def test_plain_values_come_back(value: object, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol), "a.pickle") == value


def test_shared_values_stay_shared() -> None:
    inner: list[int] = []
    first, second = read_pickle(pickle.dumps([inner, inner]), "a.pickle")
    assert first is second


def test_standard_unpickler_would_run_it(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(Touch(canary)))
    assert canary.exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"names": (x, x)}])
def test_nothing_is_run(tmp_path: Path, protocol: int, wrap: Callable[[object], object]) -> None:
    canary = tmp_path / "canary"
    data = pickle.dumps(wrap(Touch(canary)), protocol)
    with pytest.raises(AutomindError, match=r"evil\.pickle: mentions \S+exec at byte \d+"):
        read_pickle(data, "evil.pickle")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cbuiltins\ngetattr\n(ctorch._C\n_VariableFunctionsClass\nVfrom_file\ntR.", "from_file"),
        (b"cbuiltins\ngetattr\n(V__import__\nVx\ntR.", "attribute"),
        (b"ctorch\nload\n.", "torch.load"),
        (b"ctorch.storage\n_load_from_bytes.__globals__\n.", "__globals__"),
        (b"(ios\nsystem\n.", "INST"),
        (b"(cos\nsystem\no.", "os.system"),
        (b"(V1\no.", "OBJ"),
        (b"V1\nQ.", "BINPERSID"),
        (b"P1\n.", "PERSID"),
        (b"\x82\x01.", "EXT1"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"\x80\x04\x8c\x02os\x94K\x01\x93.", "not text"),
        (b"K\x01)R.", "not a name"),
        (b"]}b.", "state"),
        (b"}K\x01s.", "not a whole pickle"),
        (b"N.N.", "more bytes after its end"),
        (b"", "not a whole pickle"),
        (b"text, no pickle", "odd.pickle: "),
        (b"h\x05.", "not a whole pickle"),
        (b"t.", "never opened"),
        (b"}(]K\x01u.", "not plain"),
    ],
)
def test_refused(data: bytes, said: str) -> None:
    with pytest.raises(AutomindError, match=said) as caught:
        read_pickle(data, "odd.pickle")
    assert str(caught.value).startswith("odd.pickle: ")
    assert "; next: " in str(caught.value)


def test_every_truncation_is_refused(release: Path) -> None:
    data = (release / DGMS["psd"]).read_bytes()
    for percent in range(100):
        with pytest.raises(AutomindError):
            read_pickle(data[: len(data) * percent // 100], "cut.pickle")


def test_other_formats_are_refused() -> None:
    torch_file, archive = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.zeros(2)}, torch_file)
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("a", "b")
    for data in (torch_file.getvalue(), archive.getvalue(), b"\x1f\x8b" + bytes(20)):
        with pytest.raises(AutomindError):
            read_pickle(data, "other")


def test_deep_nesting_is_bounded() -> None:
    assert read_pickle(b"]" * 100_000 + b".", "deep.pickle") == []
    nested = read_pickle(b"(" * 1000 + b"l" * 1000 + b".", "deep.pickle")
    assert isinstance(nested, list)


def test_the_published_posteriors_mention_only_listed_names(release: Path) -> None:
    for path in DGMS.values():
        found = mentions((release / path).read_bytes(), path)
        assert found and all(each.allowed for each in found)
        assert {(each.module, each.name) for each in found} <= ALLOWED


def test_mentions_agree_with_the_standard_library(release: Path) -> None:
    data = (release / DGMS["burst"]).read_bytes()
    opcodes = [op.name for op, _, _ in pickletools.genops(data)]
    found = mentions(data, "burst")
    assert len(found) == opcodes.count("STACK_GLOBAL") + opcodes.count("GLOBAL")


def test_tensor_that_overruns_its_storage_is_refused(release: Path) -> None:
    tree = read_pickle((release / DGMS["psd"]).read_bytes(), "psd")
    bounds = tree.state["marginals"][0].state["low"]
    storage, _, size, stride, *rest = bounds.args
    values = Values("psd")
    assert values.tensor(bounds).size == 1
    for offset, shape, step in [(1000, size, stride), (0, (99,), (1,)), (0, (2,), (-1,))]:
        broken = Call(bounds.name, (storage, offset, shape, step, *rest))
        with pytest.raises(AutomindError, match=r"its own storage|than its storage"):
            values.tensor(broken)


def test_nested_storage_is_not_unpickled_either(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    nested = pickle.dumps(Touch(canary))
    name = read_pickle(b"ctorch.storage\n_load_from_bytes\n.", "x")
    rebuild = read_pickle(b"ctorch._utils\n_rebuild_tensor_v2\n.", "x")
    tensor = Call(rebuild, (Call(name, (nested,)), 0, (1,), (1,), False, {}))
    with pytest.raises(AutomindError, match=r"no saved storage and mentions \S*exec at byte \d+"):
        Values("evil.pickle").tensor(tensor)
    assert not canary.exists()


def storages(release: Path, path: str) -> list[bytes]:
    """Every saved torch file inside a published posterior."""
    tree = read_pickle((release / path).read_bytes(), path)
    found: dict[int, bytes] = {}
    waiting, seen = [tree], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Call):
            if value.kind == "torch.storage._load_from_bytes":
                found[id(value)] = value.args[0]
            waiting += [*value.args, value.state, value.items]
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
    return list(found.values())


@pytest.mark.parametrize("path", DGMS.values())
def test_storages_are_what_torch_reads_as_weights_only(release: Path, path: str) -> None:
    found = storages(release, path)
    assert len(found) > 100
    for data in found:
        theirs = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        ours = read_storage(data)
        assert ours.tobytes() == bytes(theirs.untyped().tolist())
        for cut in (len(data) - 1, len(data) // 2, 10):
            with pytest.raises(ValueError, match=r"cut off|no saved storage"):
                read_storage(data[:cut])


def saved_storage(tensor: torch.Tensor, zipped: bool) -> bytes:
    saved = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        typed = torch.storage.TypedStorage(
            wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True
        )
        torch.save(typed, saved, _use_new_zipfile_serialization=zipped)
    return saved.getvalue()


@pytest.mark.parametrize(
    "kind",
    [
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.int64,
        torch.uint8,
        torch.bool,
    ],
)
def test_storages_of_every_kind(kind: torch.dtype) -> None:
    tensor = torch.tensor([0, 1, 1, 0, 1]).to(kind)
    ours = read_storage(saved_storage(tensor, zipped=False))
    theirs = (tensor.float() if kind == torch.bfloat16 else tensor).numpy()
    assert ours.tobytes() == theirs.tobytes() and ours.dtype == theirs.dtype


def test_a_storage_in_a_zip_is_refused() -> None:
    with pytest.raises(ValueError, match="no saved storage"):
        read_storage(saved_storage(torch.zeros(3), zipped=True))


def test_units() -> None:
    assert unit_name(1e-9, (-2, -1, 3, 2, 0, 0, 0)) == "nS"
    assert unit_name(1.0, (0, 0, -1, 0, 0, 0, 0)) == "Hz"
    assert unit_name(1e-3, (1, 0, -1, 0, 0, 0, 0)) == "1e-3 m^1 s^-1"
    with pytest.raises(ValueError, match="no unit"):
        unit_name(2.0, (0, 0, 0, 0, 0, 0, 0))
