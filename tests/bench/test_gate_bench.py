"""The bench of the gate counts what it claims to: planted differences are found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), *(str(ROOT / "tests" / one) for one in ("attack", "crash"))]

import gate_cases  # noqa: E402 - bench is not a package
import gate_judge  # noqa: E402 - bench is not a package
import gate_sim  # noqa: E402 - bench is not a package
import gate_tables  # noqa: E402 - bench is not a package

from holdfast.core.judge import judge  # noqa: E402 - beside the imports above
from holdfast.core.verdicts import Allow  # noqa: E402 - beside the imports above
from oracle_permission import Said  # noqa: E402 - beside the imports above

SIM = ROOT / "src" / "holdfast" / "testing" / "sim"


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    """The RESULT lines that were printed, by name."""
    lines = capsys.readouterr().out.splitlines()
    found = [
        json.loads(line.removeprefix("RESULT ")) for line in lines if line.startswith("RESULT")
    ]
    return {row["name"]: row for row in found}


@pytest.mark.parametrize("count", [40, 100, 150])
def test_a_policy_has_as_many_rules_as_its_figure_says(count: int) -> None:
    """Also the rules that the measured actions need are among them."""
    rules = gate_cases.policy(count).rules
    assert (count, count) == (len(rules), len(set(rules)))
    session = gate_cases.view(gate_cases.policy(count))
    for name, action in gate_cases.ACTIONS.items():
        assert isinstance(judge(session, gate_cases.facts(), action), Allow), name


def test_what_is_granted_needs_the_allowances() -> None:
    """With the rules alone each is asked about; with the ten thousand it rests on some."""
    session = gate_cases.view(gate_cases.policy(100))
    grants = gate_cases.allowances(gate_judge.ALLOWANCES)
    assert gate_judge.ALLOWANCES == len({one.rule for one in grants})
    many = gate_cases.facts(grants)
    for name, action in gate_cases.GRANTED.items():
        assert not isinstance(judge(session, gate_cases.facts(), action), Allow), name
        verdict = judge(session, many, action)
        assert isinstance(verdict, Allow) and verdict.grants, name


def test_a_refused_action_is_not_measured() -> None:
    """A figure of another path would be a figure of nothing."""
    session = gate_cases.view(gate_cases.policy(100))
    refused = next(iter(gate_cases.GRANTED.values()))
    with pytest.raises(AssertionError):
        gate_judge.one(session, gate_cases.facts(), refused, 10)


def test_medians_are_of_single_calls() -> None:
    """A call is counted once, whatever the size of its group."""
    calls = []
    assert 0 < gate_judge.p50_us(lambda: calls.append(1), 50)
    assert 50 == len(calls)


@pytest.mark.parametrize(("said", "wrong"), [("allow", True), ("", False)])
def test_a_difference_to_the_oracle_is_counted(
    monkeypatch: pytest.MonkeyPatch, said: str, wrong: bool
) -> None:
    """An oracle that allows everything differs; the real one does not."""
    if said:
        monkeypatch.setattr(gate_tables, "decide", lambda world, action: Said(said))
    differences, cases = gate_tables.oracle(190)
    assert (200, wrong) == (cases, differences > 0)


def test_an_escape_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each case that fails counts, and so does each tree in which something outside changed."""

    def escaped(tree: Any, *, walking: bool, number: int) -> bool:
        if number == 7:
            Path(tree.outside, "new").write_bytes(b"")
        assert number % 2
        return True

    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setattr(gate_tables, "check", escaped)
    assert (2 * 101, 400) == gate_tables.paths(tmp_path, 399)
    assert "/nowhere" == gate_tables.os.environ["HOME"]


def test_an_allowed_attack_is_not_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If everything is allowed, no bar of attacks is met and all of benign lines are."""
    monkeypatch.setattr(gate_tables.attackhelp, "judged", lambda line: Allow())
    gate_tables.commands()
    met = {name: row["ok"] for name, row in rows(capsys).items()}
    assert 6 == len(met)
    assert all(ok is name.startswith("benign") for name, ok in met.items())


@pytest.mark.parametrize(
    ("wrong", "cases", "ok"), [(0, 100, True), (1, 100, False), (0, 99, False)]
)
def test_a_bar_needs_enough_cases(
    capsys: pytest.CaptureFixture[str], wrong: int, cases: int, ok: bool
) -> None:
    """None wrong in too few cases is not met either."""
    gate_tables.counted("x", 100, (wrong, cases, 0.1))
    assert ok is rows(capsys)["x"]["ok"]


def test_words_of_the_simulators_judges_are_known() -> None:
    """What counts as performed without permission is what the simulator says of it."""
    said = "".join((SIM / f"{name}.py").read_text() for name in ("judging", "mediation"))
    assert [] == [words for words in gate_sim.UNPERMITTED if words not in said]
    problems = ("s1 tool put (4, 1): it started although nobody had permitted it", "no end")
    assert 1 == gate_sim.unpermitted(problems)


@pytest.mark.parametrize("races", [True, False])
def test_a_world_tells_what_was_performed(races: bool) -> None:
    """Tools that ran and models that were asked, in a world that holds."""
    lived = [gate_sim.live((gate_sim.FIRST_SEED + at, races)) for at in range(5)]
    assert [()] * 5 == [one.problems for one in lived]
    assert 0 < sum(one.performed for one in lived)


def test_a_world_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its seed and what went wrong."""

    def broken(seed: int, features: object) -> Callable[[], None]:
        raise ValueError("broken")

    monkeypatch.setattr(gate_sim, "World", broken)
    lived = gate_sim.live((5, True))
    assert (5, 0) == (lived.seed, lived.performed)
    assert "ValueError: broken" in lived.problems[0]
