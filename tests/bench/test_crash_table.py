"""The crash table judges what was stored, shown and done; one crash runs from end to end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).parents[2] / "bench" / "crash"
sys.path.insert(0, str(CRASH))

import crashtable  # noqa: E402 - bench is not a package

A, B = ("user", "A"), ("user", "B")
RE_A, RE_B = ("assistant", "re: A"), ("assistant", "re: B")
CHARGE = ("user", "charge 42")
CALL = ("call", "charge 42")


def test_a_race_in_order_has_no_fault() -> None:
    """Both exchanges kept, one after the other, the second with the first in sight."""
    found = crashtable.judge_race([B, RE_B, A, RE_A], [[B], [B, RE_B, A]], ["", ""])
    assert 0 == found.faults
    assert "both kept, in order, second turn saw the first answer" == found.words()


def test_a_race_that_interleaves_is_seen() -> None:
    """Everything is stored, but an answer does not stand behind its question."""
    found = crashtable.judge_race([A, B, RE_A, RE_B], [[A], [A, B]], ["", ""])
    assert ((), False, True) == (found.lost, found.contiguous, found.stale)
    assert 2 == found.faults


def test_a_race_that_loses_a_message_is_seen() -> None:
    """The last writer won; that it was told is no further fault."""
    found = crashtable.judge_race([B, RE_B], [[A], [B]], ["", "Stale: reload"])
    assert ("A", "re: A") == found.lost
    assert 3 == found.faults
    assert found.words().endswith("told: Stale")


def test_a_sender_that_is_turned_away_without_a_loss_is_a_fault() -> None:
    """An error for something that was done is not true."""
    found = crashtable.judge_race([A, RE_A, B, RE_B], [[A], [A, RE_A, B]], ["", "Busy"])
    assert 1 == found.faults


def test_a_crash_told_truthfully_has_no_fault() -> None:
    """One effect, the message kept, the call and its result in the next request."""
    shown = [CHARGE, CALL, ("result", "charged 42")]
    found = crashtable.judge_crash([CHARGE], [shown], effects=1)
    assert 0 == found.faults
    assert "right; the model reads 'charged 42'" == found.words()


@pytest.mark.parametrize(
    ("history", "shown", "effects", "words"),
    [
        ([CHARGE], [CHARGE, CALL, ("result", "ok")], 2, "effect happened 2 times"),
        ([CHARGE], [CHARGE], 1, "call forgotten"),
        ([], [CHARGE, CALL, ("result", "ok")], 1, "user's message lost"),
        (
            [CHARGE],
            [CHARGE, CALL, ("error", "interrupted")],
            1,
            "misreported as failed: 'interrupted'",
        ),
        (
            [CHARGE],
            [CHARGE, CALL],
            1,
            "next request has a call without a result, which providers refuse",
        ),
    ],
)
def test_each_fault_of_a_crash_is_seen(
    history: list[tuple[str, str]], shown: list[tuple[str, str]], effects: int, words: str
) -> None:
    """Repeated, forgotten, lost, misreported, invalid: each is one fault with its words."""
    found = crashtable.judge_crash(history, [shown], effects=effects)
    assert (1, words) == (found.faults, found.words())


def test_a_crash_after_which_nothing_goes_on_is_a_fault() -> None:
    """No request after the crash: the model does not know, and the caller's error is shown."""
    found = crashtable.judge_crash([CHARGE], [], effects=1, error="LookupError: gone")
    assert 2 == found.faults
    assert "told: LookupError: gone" in found.words()


@pytest.mark.slow
def test_a_session_of_our_own_survives_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scripts of the table run: killed in a tool that happens once, nothing goes wrong."""
    monkeypatch.syspath_prepend(str(CRASH.parent))
    import crashrun  # lazy: it needs the path above

    side = next(one for one in crashrun.SIDES if one.ours)
    found = crashrun.crash(crashrun.Bench(side, tmp_path / "crash"), "next message")
    assert (0, True) == (found.faults, found.asked), found.words()
