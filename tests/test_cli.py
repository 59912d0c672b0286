"""The command line: help everywhere, one sentence per refusal, nothing heavy at the start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from automind_data.common.command import cli
from tests.conftest import run

VERBS = sorted(cli.list_commands(None))


def test_the_verbs() -> None:
    made = {
        "import",
        "fetch",
        "diff",
        "info",
        "unpack",
        "tabulate",
        "convert",
        "features",
        "validate",
        "sample",
        "predict",
        "report",
    }
    assert made <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    shown = CliRunner().invoke(cli, [verb, "--help"])
    assert shown.exit_code == 0
    assert f"Example: automind-data {verb} " in shown.output or (
        f"Example: automind-data {verb}\n" in shown.output
    )
    listed = CliRunner().invoke(cli, ["--help"]).output
    line = next(line for line in listed.splitlines() if line.startswith(f"  {verb} "))
    assert len(line.split()) > 2


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_stands_in_the_docs(root: Path, verb: str) -> None:
    pages = [root / "README.md", *(root / "docs").glob("*.md")]
    assert any(f"automind-data {verb}" in page.read_text(encoding="utf-8") for page in pages)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom automind_data.common.command import main\n"
        "sys.argv = ['automind-data', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} &"
        " {'torch', 'pandas', 'dvc', 'numpy', 'polars', 'pyarrow', 'sbi', 'matplotlib'}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_refusal_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.pickle").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    done = run("automind-data", "convert", "bad.pickle", "out", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("automind-data: bad.pickle: mentions os.system at byte 0")
    assert "; next: " in line
    assert not (tmp_path / "out").exists()
    traced = run(
        "automind-data", "--debug", "convert", "bad.pickle", "out", cwd=tmp_path, check=False
    )
    assert traced.returncode == 1 and "Traceback" in traced.stderr


def test_wrong_usage_exits_with_2(tmp_path: Path) -> None:
    assert run("automind-data", "convert", cwd=tmp_path, check=False).returncode == 2
    assert run("automind-data", "sing", cwd=tmp_path, check=False).returncode == 2


def test_python_m_is_the_same(tmp_path: Path) -> None:
    shown = run(sys.executable, "-m", "automind_data", "--version", cwd=tmp_path)
    assert "0.1.0" in shown.stdout
