"""The list of contracts, and how findings are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from automind_data.contracts import CONTRACTS, Finding, check, contract, one_line, summarize
from automind_data.contracts.findings import Severity, write_findings, write_summary
from automind_data.contracts.registry import Found
from automind_data.contracts.subjects import Refused


def finding(severity: Severity, **changed: object) -> Finding:
    plain = Finding("x", severity, "f", None, "m", 1, (), "r")
    return msgspec.structs.replace(plain, **changed)


def test_every_contract_has_its_own_id_and_states_a_rule() -> None:
    ids = [rule.id for rule in CONTRACTS]
    assert len(ids) == len(set(ids)) > 20
    for rule in CONTRACTS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
        assert rule.rule[0].isupper()
        assert rule.rule.endswith(".")


def test_a_new_check_is_a_new_function(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = list(CONTRACTS)
    monkeypatch.setattr("automind_data.contracts.registry.CONTRACTS", kept)

    @contract("made-up", "hint", Refused)
    def nothing_is_odd(refused: Refused) -> Iterator[Found]:
        """Nothing is odd."""
        yield Found("is odd", 9, tuple({"n": n} for n in range(9)))

    (found,) = (f for f in check(Refused(file="a", dataset="b", sentence="c")) if f.id == "made-up")
    assert (found.severity, found.file, found.dataset, found.count) == ("hint", "a", "b", 9)
    assert [example["n"] for example in found.examples] == [0, 1, 2, 3, 4]
    assert kept[-1].rule == "Nothing is odd."


def test_findings_are_json_lines_in_order(tmp_path: Path) -> None:
    odd = finding("error", examples=({"value": float("nan"), "low": 1.5, "name": "é"},), count=3)
    write_findings(tmp_path / "findings.jsonl", [odd, finding("hint", dataset="mouse-hc")])
    first, second = (tmp_path / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(first) == {
        "version": 1,
        "id": "x",
        "severity": "error",
        "file": "f",
        "dataset": None,
        "message": "m",
        "rule": "r",
        "count": 3,
        "examples": [{"value": "nan", "low": 1.5, "name": "é"}],
    }
    assert json.loads(second)["dataset"] == "mouse-hc"


def test_only_an_error_makes_a_release_not_valid(tmp_path: Path) -> None:
    mild = [finding("warning"), finding("hint"), finding("hint"), finding("info")]
    usable = {"training": {"psd": 2}}
    summary = write_summary(tmp_path / "summary.json", mild, {"training": 3}, usable)
    assert json.loads((tmp_path / "summary.json").read_bytes()) == summary
    assert summary == {
        "valid": 1,
        "errors": 0,
        "warnings": 1,
        "hints": 2,
        "infos": 1,
        "rows": {"training": 3},
        "usable": {"training": {"psd": 2}},
    }
    assert one_line(summary) == "valid: 0 errors, 1 warning, 2 hints"
    assert one_line(summarize([finding("error")], {})) == "not valid: 1 error, 0 warnings, 0 hints"
