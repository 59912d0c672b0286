"""Tasks one after the other: in this process, and in one child that can be ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.scaling import Cluster, Outcome, run_in_order, run_many
from tests.scaling.jobs import broken, odd, refused, second_time, square, where
from tests.scaling.servers import ENVIRONMENT, until

HERE, CHILD = Cluster(), Cluster(timeout=60)


def by_key(outcomes: Iterator[Outcome]) -> dict[str, Outcome]:
    listed = list(outcomes)
    found = {each.key: each for each in listed}
    assert len(found) == len(listed)
    return found


@pytest.mark.parametrize("cluster", [HERE, CHILD])
def test_each_task_has_its_outcome_as_it_finishes(cluster: Cluster) -> None:
    asked: list[int] = []

    def tasks() -> Iterator[tuple[str, int]]:
        for number in range(4):
            asked.append(number)
            yield str(number), number

    for number, outcome in enumerate(run_many(square, tasks(), cluster)):
        assert (outcome.key, outcome.value) == (str(number), number**2)
        assert outcome.failure is None and outcome.tries == 1 and outcome.seconds < 1
        assert asked == list(range(number + 1))


def test_one_child_serves_all_tasks_of_a_run_and_ends_with_it() -> None:
    pids = {outcome.value for outcome in run_many(where, [("a", 0), ("b", 1)], CHILD)}
    (pid,) = pids
    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert {each.value for each in run_many(where, [("a", 0)], HERE)} == {os.getpid()}


@pytest.mark.parametrize("cluster", [HERE, CHILD])
def test_an_exception_is_tried_again_and_then_a_sentence(cluster: Cluster) -> None:
    (outcome,) = run_many(broken, [("a", "luck")], cluster)
    assert outcome.tries == 3 and outcome.value is None
    assert outcome.failure == "failed 3 times, at last it raised ValueError: no luck at all"
    with pytest.raises(AutomindError, match=r"a\.npz: failed 3 times, .*; next: look at it"):
        outcome.unwrap("a.npz", "look at it")


@pytest.mark.parametrize("cluster", [HERE, CHILD])
def test_a_refusal_is_final(cluster: Cluster) -> None:
    (outcome,) = run_many(refused, [("a", "a.npz")], cluster)
    assert outcome.tries == 1 and outcome.failure == "a.npz: is no good; next: get another"
    with pytest.raises(AutomindError, match=r"^a\.npz: is no good; next: get another\.$"):
        outcome.unwrap("b", "c")


def test_time_death_and_what_cannot_be_sent() -> None:
    cluster = Cluster(timeout=3, retries=0)
    found = by_key(run_many(odd, [(str(n), n) for n in range(5)], cluster))
    assert found["0"].failure == "failed once, at last it took more than 3 s"
    assert found["1"].failure == "failed once, at last it raised ValueError: one"
    assert found["2"].failure == "failed once, at last it ended its process by signal 9"
    assert "cannot be sent back" in str(found["3"].failure)
    assert found["4"].value == 4


def test_it_is_tried_until_it_works(tmp_path: Path) -> None:
    (outcome,) = run_many(second_time, [("a", str(tmp_path))], CHILD)
    assert (outcome.value, outcome.tries) == ("done", 3)


def test_outcomes_in_order_have_the_numbers_of_their_arguments() -> None:
    found = list(run_in_order(square, [3, 4]))
    assert [(each.key, each.value) for each in found] == [("0", 9), ("1", 16)]


def test_only_functions_that_a_worker_can_import() -> None:
    with pytest.raises(ValueError, match="<lambda> is in no module that a worker can import"):
        run_many(lambda value: value, [])
    for wrong in ({"workers": 0}, {"retries": -1}, {"timeout": 0.0}, {"queue": "none"}):
        with pytest.raises(ValueError, match=r"worker|seconds|queue"):
            Cluster(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="either"):
        Cluster(address="tcp://a:1", queue="slurm")


def test_dask_is_not_imported() -> None:
    code = (
        "import sys; from automind_data.scaling import run_many, Cluster;"
        "from tests.scaling.jobs import square;"
        "print([o.value for c in (Cluster(), Cluster(timeout=60))"
        " for o in run_many(square, [('a', 2)], c)]);"
        "print({'dask', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["[4, 4]", "set()"]


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from automind_data.scaling import run_many, Cluster;"
        "from tests.scaling.jobs import noted;"
        "list(run_many(noted, [('a', (sys.argv[1], 1, 60.0))], Cluster(timeout=99)))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=ENVIRONMENT)
    until(lambda: list(tmp_path.iterdir()))
    child = int(next(iter(tmp_path.iterdir())).name.split("-")[2])
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    def gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{child}/stat")
        return state.is_file() and state.read_text().rpartition(")")[2].split()[0] == "Z"

    until(gone)
