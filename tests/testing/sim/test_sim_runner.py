"""Many seeds: the summary, a replay, and the command line."""

from __future__ import annotations

import pytest

from holdfast.testing.sim import runner
from holdfast.testing.sim.runner import Result, Summary, main, replay, run_many, run_one


def test_many_seeds_are_summed_up() -> None:
    """Runs, events and features are counted; nothing failed."""
    summary = run_many(range(5))
    assert (5, []) == (summary.runs, summary.failed)
    assert sum(run_one(seed).events for seed in range(5)) == summary.events
    assert summary.features and "5 worlds" in summary.text()
    assert "0 with violations" in summary.text()


def test_two_processes_come_to_the_same() -> None:
    """Spreading seeds over processes changes nothing."""
    alone, spread = run_many(range(4)), run_many(range(4), jobs=2)
    assert (alone.runs, alone.events, alone.failed) == (spread.runs, spread.events, spread.failed)


def test_a_failing_seed_is_named_and_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop_at_first` stops there; a world that breaks is a violation as well."""

    def bad(seed: int, features: object = None) -> Result:
        problems = ("it is bad",) if seed == 2 else ()
        return Result(seed, problems, "", 1, frozenset())

    monkeypatch.setattr(runner, "run_one", bad)
    summary = run_many(range(10), stop_at_first=True)
    assert (3, [2]) == (summary.runs, [one.seed for one in summary.failed])
    assert "seed 2: it is bad" in summary.text()
    assert 1 == run_many(range(10), seconds=0.0).runs


def test_enough_actions_end_a_run() -> None:
    """They are counted over all worlds; the features can be given."""
    summary = run_many(range(100), performed=1, features=frozenset_of)
    assert summary.runs < 100 and 1 <= summary.performed
    assert {"busy": summary.runs} == summary.features


def frozenset_of(seed: int) -> frozenset[str]:
    """The same features for every seed."""
    return frozenset({"busy"})


def test_a_world_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raises is told with its place."""

    def broken(seed: int, features: object) -> None:
        raise ZeroDivisionError("in the world")

    monkeypatch.setattr(runner, "run_seed", broken)
    (problem,) = run_one(1).problems
    assert problem.startswith("ZeroDivisionError: in the world (broken, line ")


def test_a_replay_tells_the_history() -> None:
    """Features, what people did, every log, the digest, the verdict."""
    lines = list(replay(3))
    assert lines[0].startswith("seed 3: ")
    assert any("the log of s1" in line for line in lines)
    assert any("Opened(session_id='s1'" in line for line in lines)
    assert f"digest {run_one(3).digest}" in lines
    assert "no violations" == lines[-1]


def test_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It prints the summary and returns 1 when something was violated."""
    assert 0 == main(["--runs", "2", "--seed", "7"])
    assert "2 worlds" in capsys.readouterr().out
    assert 0 == main(["--replay", "7"])
    assert "no violations" in capsys.readouterr().out
    failed = Summary(runs=1, failed=[Result(7, ("bad",), "", 1, frozenset())])
    monkeypatch.setattr(runner, "run_many", lambda *given, **options: failed)
    assert 1 == main(["--runs", "1", "--first"])
    out = capsys.readouterr().out
    assert "1 with violations" in out and "the log of s1" in out
