"""Workers as jobs: the script for each batch system, and a whole run with a stand-in for SLURM."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from automind_data.common.errors import AutomindError
from automind_data.scaling import Cluster, run_many
from automind_data.scaling.queues import job_script
from tests.scaling.jobs import slow_square
from tests.scaling.servers import ROOT

OPTIONS: dict[str, str | list[str]] = {
    "walltime": "02:00:00",
    "memory": "3GB",
    "queue": "short",
    "account": "lab",
    "job_extra_directives": ["--nice=100", "--constraint=avx2"],
    "job_script_prologue": "module load gcc",
}
SBATCH = """\
#!/bin/sh
cp "$1" "$FAKE/$$.sh"
nohup sh "$FAKE/$$.sh" > "$FAKE/$$.out" 2>&1 &
echo $! > "$FAKE/$$.pid"
echo "Submitted batch job $$"
"""
SCANCEL = """\
#!/bin/sh
for job; do kill -9 "$(cat "$FAKE/$job.pid")"; touch "$FAKE/$job.cancelled"; done
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_job_script_of_slurm(folder: Path) -> None:
    lines = job_script(Cluster(workers=4, queue="slurm", options=OPTIONS)).splitlines()
    for wanted in ("-J automind", "-p short", "-A lab", "-n 1", "--cpus-per-task=1", "--mem=3G"):
        assert f"#SBATCH {wanted}" in lines
    assert "#SBATCH -t 02:00:00" in lines and "#SBATCH --nice=100" in lines
    assert "#SBATCH --constraint=avx2" in lines and "module load gcc" in lines
    command = lines[-1] or lines[-2]
    assert command.startswith(f"{sys.executable} -m distributed.cli.dask_worker tls://")
    assert "--nthreads 1" in command and "--no-dashboard" in command and "--protocol tls" in command
    key = Path(re.search(r"--tls-key (\S+)", command)[1])  # type: ignore[index]
    assert key.parent.parent == folder and not list(folder.iterdir())


@pytest.mark.parametrize(
    ("queue", "line"),
    [
        ("pbs", "#PBS -l walltime=02:00:00"),
        ("sge", "#$ -l h_rt=02:00:00"),
        ("lsf", "#BSUB -W 02:00"),
        ("oar", "#OAR -l /nodes=1/core=1,walltime=02:00:00"),
    ],
)
def test_the_job_script_of_others(folder: Path, queue: str, line: str) -> None:
    options = {"walltime": "02:00" if queue == "lsf" else "02:00:00"}
    assert line in job_script(Cluster(queue=queue, options=options)).splitlines()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"partition": "short"}, "queue slurm: knows no option partition; next: use some of "),
        ({"walltime": ["1", "2"]}, "queue slurm: has walltime more than once; next: give it once"),
        ({"cores": "many"}, "queue slurm: has many for cores; next: give a whole number"),
        ({"memory": "much"}, "queue slurm: cannot be used so ("),
        ({"interface": "none0"}, "queue slurm: cannot be used so ("),
    ],
)
def test_options_that_are_refused(
    folder: Path, options: dict[str, str | list[str]], said: str
) -> None:
    with pytest.raises(AutomindError, match=f"^{re.escape(said)}"):
        job_script(Cluster(queue="slurm", options=options))
    assert not list(folder.iterdir())


def test_no_batch_system_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(AutomindError, match=r"^queue slurm: took no job \(.*sbatch"):
        list(run_many(slow_square, [("a", 1)], Cluster(queue="slurm")))


def test_jobs_do_the_work_and_are_cancelled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = folder / "fake"
    fake.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (fake / name).write_text(text)
        (fake / name).chmod(0o755)
    monkeypatch.setenv("FAKE", str(fake))
    monkeypatch.setenv("PATH", f"{fake}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{ROOT}")
    cluster = Cluster(workers=2, queue="slurm", options={"interface": "lo"})
    found = {each.key: each.value for each in run_many(slow_square, tasks(), cluster)}
    assert found == {str(number): number**2 for number in range(8)}
    assert len(list(fake.glob("*.sh"))) == 2
    assert len(list(fake.glob("*.cancelled"))) == 2
    assert [each.name for each in folder.iterdir()] == ["fake"]


def tasks() -> list[tuple[str, int]]:
    return [(str(number), number) for number in range(8)]
