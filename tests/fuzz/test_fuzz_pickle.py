"""Mutated pickles and arrays: refused in a sentence or read; nothing run, within the limits."""

from __future__ import annotations

import functools
import pickle
import resource
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automind_data.common.archive import MEMBER_KINDS, find_member, open_member
from automind_data.common.errors import AutomindError
from automind_data.pickles.child import READINGS
from automind_data.pickles.wire import pack
from tests.conftest import ROOT, sample_md5s
from tests.fuzz import counted, fuzz
from tests.pickles.malicious import exec_of, forms, malformed, npy

MEMORY = 200_000
SECONDS = 20
GOOD = 14
CANARY = Path("/tmp/automind-data-canary")
OPCODES = b"(.0123FGIJKLMNPQRSTUVXabcdeghijloprstuq})]\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c"
OPCODES += bytes(range(0x8D, 0x99))
LENGTHS = (0, 1, 2, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
CALLED = (b"collections\nOrderedDict", b"torch\nSize", b"_codecs\nencode", b"builtins\nset")
DATA = Path(__file__).parents[1] / "pickles" / "data"


@functools.cache
def seeds() -> list[tuple[str, bytes]]:
    """Pickles of the release, of other software, malicious and broken ones, with their readings."""
    md5 = sample_md5s()["discovered_posterior_samples/synthetic.zip"]
    archive = ROOT / ".dvc-sample" / "files" / "md5" / md5[:2] / md5[2:]
    found = []
    for kind, reading in (("prior", "prior"), ("default params", "parameters")):
        with open_member(archive, find_member(archive, MEMBER_KINDS[kind])) as stream:
            found.append((reading, stream.read()))
    found += [("parameters", path.read_bytes()) for path in sorted(DATA.glob("*.pickle"))]
    found += [("any", evil.data) for evil in forms(CANARY.parent)]
    found += [("any", evil.data) for evil in malformed() if len(evil.data) < 2000]
    found += [("any", exec_of(CANARY, protocol)) for protocol in range(6)]
    spikes = np.empty(2, dtype=object)
    spikes[:] = [np.arange(3.0), None]
    found += [("npy", npy(pickle.dumps(spikes, protocol), (2,))) for protocol in range(2, 6)]
    return found


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A seed with up to six changes."""
    reading, seed = draw(st.sampled_from(seeds()[:GOOD]) | st.sampled_from(seeds()))
    data = bytearray(seed)
    for _ in range(draw(st.integers(0, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(("flip", "byte", "opcode", "cut", "copy", "splice", "length"))):
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "byte":
                data[at] = draw(st.integers(0, 255))
            case "opcode":
                data[at] = draw(st.sampled_from(OPCODES))
            case "cut":
                del data[at : at + draw(st.integers(1, 20))]
            case "copy":
                data[at:at] = data[at : at + draw(st.integers(1, 40))] * draw(st.integers(1, 9))
            case "splice":
                other = draw(st.sampled_from(seeds()))[1]
                start = draw(st.integers(0, len(other)))
                data[at:at] = other[start : start + draw(st.integers(1, 60))]
            case "length":
                form = draw(st.sampled_from(("<H", "<I", "<Q")))
                number = draw(st.sampled_from(LENGTHS)) % 256 ** struct.calcsize(form)
                data[at : at + struct.calcsize(form)] = struct.pack(form, number)
    return reading, bytes(data)


def peak() -> int:
    """Return the most kB that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def hold(reading: str, data: bytes) -> str:
    """Read bytes in this process, the limits of which are those of the reader alone."""
    for each in (reading, "inspect"):
        start = time.process_time()
        before = peak()
        try:
            answer: Any = READINGS[each](data, "fuzz.pickle")
            b"".join(pack(answer))
            outcome = "read"
        except AutomindError as error:
            assert str(error).isprintable() and len(str(error)) < 700
            outcome = "refused"
        assert peak() - before < MEMORY
        assert time.process_time() - start < SECONDS
        if each == reading:
            first = outcome
    if first == "read":
        assert answer["refused"] is None or "damaged tensor" in answer["refused"]
    return first


@fuzz
@given(case=mutated())
def test_mutated_pickles(case: tuple[str, bytes]) -> None:
    counted("pickles", hold(*case))


@fuzz
@given(data=st.binary(max_size=200), protocol=st.integers(0, 5))
def test_noise_behind_a_protocol(data: bytes, protocol: int) -> None:
    counted("pickles of noise", hold("any", bytes((0x80, protocol)) + data))


@fuzz
@given(
    steps=st.lists(st.sampled_from([bytes((code,)) for code in OPCODES] + [b"K\x01", b"Va\n"])),
    name=st.sampled_from(
        [b"", b"ccollections\nOrderedDict\n", b"ctorch\nSize\n", b"c_codecs\nencode\n"]
    ),
)
def test_steps_in_any_order(steps: list[bytes], name: bytes) -> None:
    counted("pickles of steps", hold("any", name + b"".join(steps) + b"."))


@fuzz
@given(data=st.data())
def test_headers_of_arrays(data: st.DataObject) -> None:
    header = data.draw(
        st.fixed_dictionaries(
            {
                "descr": st.sampled_from(["<f8", "|O", "<U3", "|b1", "V3", "<M8[s]", "O", 1, None]),
                "fortran_order": st.sampled_from([True, False, None, 2]),
                "shape": st.lists(st.sampled_from([0, 1, 3, -1, 2**40, True, "a"]), max_size=4).map(
                    tuple
                ),
            }
        )
    )
    text = (repr(header) + "\n").encode()
    made = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
    made += data.draw(st.binary(max_size=64))
    counted("arrays", hold("npy", made))


def test_the_seeds_of_the_release_are_read() -> None:
    good = [hold(reading, data) for reading, data in seeds()[:GOOD]]
    assert good == ["read"] * GOOD


@pytest.fixture(autouse=True)
def no_canary() -> Any:
    yield
    assert not CANARY.exists()
