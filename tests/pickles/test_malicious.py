"""Every public trick: refused in a sentence, nothing run, within bounded memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.common.layout import DGMS
from automind_data.pickles import confined
from automind_data.pickles.confined import Job, ask, ask_all, read_npy, read_npz
from automind_data.pickles.convert import convert_pickle
from automind_data.pickles.limits import LIMITS
from automind_data.pickles.report import inspect_file
from tests.pickles.malicious import Evil, bombs, calls, containers, exec_of, forms, malformed

Record = Callable[[str, object], None]
SECONDS = 30
"""Of processor time, of one process."""

MEMORY = 1 << 20
"""kB that a process may hold at most: 1 GB."""

ASK = """\
import json, resource, sys
from pathlib import Path
from automind_data.common.errors import AutomindError
from automind_data.pickles.confined import ask
try:
    ask("any", Path(sys.argv[1]).read_bytes(), sys.argv[2])
except AutomindError as error:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps([str(error), used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""

LOAD = """\
import pickle, sys, warnings
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    try:
        pickle.loads(open(path, "rb").read())
    except BaseException:
        pass
"""


def sentence(answer: object, what: str) -> str:
    """What a refusal says, which is one line that a terminal can show."""
    assert isinstance(answer, AutomindError), f"{what} was read: {answer!r}"
    said = str(answer)
    assert said.isprintable() and len(said) < 700, what
    assert "; next: " in said
    return said


def refuse_all(evils: Sequence[Evil], folder: Path, record: Record) -> None:
    """Hold every road to the same answer, and look for canaries."""
    jobs = [Job("any", evil.data, evil.what) for evil in evils]
    for evil, answer in zip(evils, ask_all(jobs), strict=True):
        said = sentence(answer, evil.what)
        assert "memory and time" not in said and "cannot be read" not in said, said
    looks = ask_all([Job("inspect", evil.data, evil.what) for evil in evils])
    for evil, look in zip(evils, looks, strict=True):
        assert look["refused"] and look["refused"].isprintable(), evil.what
    left = [evil.what for evil in evils if evil.canary is not None and evil.canary.exists()]
    assert not left
    record("malicious files refused", len(evils))
    record("canaries", len(left))


def run_by_pickle(evils: Sequence[Evil], folder: Path) -> set[str]:
    """Load files as the standard library would; return which of them made their canary."""
    armed = [evil for evil in evils if evil.canary is not None]
    paths = []
    for number, evil in enumerate(armed):
        paths.append(folder / f"{number}.pickle")
        paths[-1].write_bytes(evil.data)
    subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths)],
        check=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        there = {evil.what for evil in armed if evil.canary is not None and evil.canary.exists()}
        if len(there) == len(armed):
            break
        time.sleep(0.05)
    return there


@pytest.mark.parametrize("family", [calls, forms])
def test_nothing_runs_that_pickle_would_run(
    family: Callable[[Path], object], tmp_path: Path, record_property: Record
) -> None:
    (tmp_path / "canaries").mkdir()
    evils = list(family(tmp_path / "canaries"))
    refuse_all(evils, tmp_path, record_property)
    armed = {evil.what for evil in evils if evil.canary is not None}
    assert len(armed) > 20
    assert run_by_pickle(evils, tmp_path) == armed
    record_property("run by the standard unpickler", len(armed))


def test_broken_formats(tmp_path: Path, record_property: Record) -> None:
    refuse_all(list(malformed()), tmp_path, record_property)


@pytest.mark.parametrize("evil", list(bombs()), ids=lambda evil: evil.what)
def test_bombs_cost_little(evil: Evil, tmp_path: Path, record_property: Record) -> None:
    """Asked from a small process: what a child holds counts from what its parent held."""
    bomb = tmp_path / "bomb"
    bomb.write_bytes(evil.data)
    asked = [sys.executable, "-c", ASK, bomb, evil.what]
    done = subprocess.run(asked, check=True, capture_output=True, text=True)
    said, seconds, held = json.loads(done.stdout)
    assert said.isprintable() and len(said) < 700 and "; next: " in said
    assert seconds < SECONDS
    assert held < MEMORY
    record_property("malicious files refused", 1)


def test_containers(tmp_path: Path, record_property: Record) -> None:
    evils = list(containers(tmp_path))
    for number, evil in enumerate(evils):
        path = tmp_path / f"{number}{evil.suffix}"
        path.write_bytes(evil.data)
        with pytest.raises(AutomindError) as caught:
            if evil.suffix == ".npy":
                read_npy(path)
            elif evil.suffix == ".npz":
                read_npz(path)
            else:
                convert_pickle(path, tmp_path / "out")
        sentence(caught.value, evil.what)
        if evil.what.startswith("npy: "):
            continue
        try:
            assert any(report["refused"] for _, report in inspect_file(path)), evil.what
        except AutomindError as error:
            sentence(error, evil.what)
    assert not (tmp_path / "out").exists() and not (tmp_path / "inside").exists()
    record_property("malicious files refused", len(evils))


def test_cut_off_anywhere(release: Path, record_property: Record) -> None:
    path = DGMS["burst"]
    data = (release / path).read_bytes()
    jobs = [Job("any", data[: len(data) * percent // 100], path) for percent in range(100)]
    for job, answer in zip(jobs, ask_all(jobs), strict=True):
        sentence(answer, f"{path} cut off at {len(job.data)}")
    assert ask("any", data, path)[0] == "posterior"
    record_property("malicious files refused", len(jobs))


def test_the_process_that_reads_can_do_nothing_else(tmp_path: Path) -> None:
    """Even if the reader ran what a pickle says, the process around it would not let it."""
    code = """
import sys
sys.path[:] = sys.argv[2:]
from automind_data.pickles.child import confine
import os, pickle, subprocess
confine()
tried = {
    "unpickle": lambda: pickle.loads(b"cos\\nsystem\\n(S'true'\\ntR."),
    "system": lambda: os.system("true"),
    "program": lambda: subprocess.run(["true"]),
    "write": lambda: open(sys.argv[1], "w").write("x" * 10),
    "memory": lambda: bytearray(2 << 30),
    "socket": lambda: __import__("socket").create_connection(("127.0.0.1", 9)),
    "files": lambda: [open(os.devnull) for _ in range(100)],
}
for what, does in tried.items():
    try:
        does()
        print("DONE", what)
    except (OSError, MemoryError, RuntimeError) as error:
        print("stopped", what, type(error).__name__)
"""
    command = [*confined._command()[:3], "-c", code, str(tmp_path / "x")]
    paths = confined._command()[5:]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert done.stdout.count("stopped") == 7 and "DONE" not in done.stdout, done


def test_too_much_time_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "CODE", "import time; time.sleep(60)")
    monkeypatch.setattr(confined, "LIMITS", type(LIMITS)(max_seconds=1))
    with pytest.raises(AutomindError, match=r"^slow: takes more than 1 s to read; next: "):
        ask("any", b"N.", "slow")


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.exit(3)",
        "print('no answer')",
        "import sys; sys.stdout.buffer.write(bytes(8))",
        "import sys; sys.stdout.buffer.write((2).to_bytes(8, 'little') + b'[]')",
        "import sys; sys.stdout.buffer.write((4).to_bytes(8, 'little') + b'[{}]')",
        "",
    ],
)
def test_a_process_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(confined, "CODE", code)
    with pytest.raises(AutomindError, match=r"^dead: cannot be read with the memory and time"):
        ask("any", b"N." * 1_000_000, "dead")


def test_one_bad_file_does_not_spoil_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fatal = "import os; real = legacy.describe_any\n"
    fatal += "def odd(data, file):\n    return real(data, file) if data != b'K.' else os._exit(1)\n"
    code = confined.CODE.replace("main()\n", "")
    code += f"from automind_data.pickles import child, legacy\n{fatal}"
    code += "child.READINGS['any'] = odd\nmain()\n"
    monkeypatch.setattr(confined, "CODE", code)
    first, second, third = ask_all([Job("any", data, "x") for data in (b"}.", b"K.", b"}.")])
    assert first == third == ["parameters", {}]
    assert "memory and time" in sentence(second, "fatal")


def test_too_large_a_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.pickle"
    with path.open("wb") as file:
        file.truncate(LIMITS.max_bytes + 1)
    with pytest.raises(AutomindError, match="is larger than"):
        convert_pickle(path, tmp_path / "out")


def test_a_canary_is_what_this_file_takes_it_for(tmp_path: Path) -> None:
    evil = Evil("exec", exec_of(tmp_path / "canary"), tmp_path / "canary")
    assert run_by_pickle([evil], tmp_path) == {"exec"}
