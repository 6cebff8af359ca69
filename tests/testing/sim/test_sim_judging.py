"""What happened outside is held against the logs."""

from __future__ import annotations

import pytest

from holdfast.core.commands import Pause
from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    EffectStarted,
    Event,
    Outcome,
)
from holdfast.core.messages import ToolUse, user
from holdfast.core.settings import QueuePolicy
from holdfast.ports.model import ModelRequest
from holdfast.runtime.host import Handled
from holdfast.runtime.normalise import prepare
from holdfast.testing.sim.judging import judge
from holdfast.testing.sim.observer import Log
from holdfast.testing.sim.outside import NATURES, Dispatch, Ledger, Seen, SimRegistry, SimTool
from holdfast.testing.sim.people import Done, Sent, Told
from simhelp import ASKS, act_of, answered, evidence_of, log_of, randomness, result, started


def intent(tool: str, attempt: int = 1) -> Event:
    """The intent of the first call of answer 4, with the digest of its action."""
    tools = [
        SimTool(name, randomness(), Ledger(), lengths_of=lambda id: (0, 0), wild=set())
        for name in NATURES
    ]
    crypto = log_of().crypto
    action = prepare(ToolUse("c1", tool, "{}"), SimRegistry(tools), "", crypto).action
    return EffectStarted(
        cause=4,
        ordinal=1,
        effect="tool",
        name=tool,
        digest=action.digest,
        attempt=attempt,
        engine="e",
    )


def called(tool: str, *further: Event) -> Log:
    """A log in which an answer calls one tool: intent at 5, then what is given."""
    return log_of(ASKS, started(2), answered(2, tool), intent(tool), *further)


def judged(log: Log, *acts: Dispatch, told: Told | None = None, asks: bool = False) -> str:
    """All that is wrong, in one text."""
    ledger = Ledger(dispatches=list(acts))
    return "\n".join(judge(evidence_of(log, ledger=ledger, told=told, asks=asks)))


def test_a_call_that_ran_once_as_it_was_judged_is_right() -> None:
    """Nothing is wrong with an honest history."""
    log = called("fire", result(4, 1, "fire"))
    assert "" == judged(log, act_of(log, 4, 1, "fire", known=5))


def test_a_tool_that_ran_without_its_intent_is_found() -> None:
    """Too early, unknown to every log, or for a call that is over."""
    log = called("fire", result(4, 1, "fire"))
    assert "without an intent" in judged(log, act_of(log, 4, 1, "fire", known=4))
    assert "not open any more" in judged(log, act_of(log, 4, 1, "fire", known=6))
    stray = act_of(log, 9, 1, "fire", known=5)
    assert "which no log knows" in judged(log, act_of(log, 4, 1, "fire", known=5), stray)


def test_a_tool_that_ran_after_the_cancel_is_found() -> None:
    """What its writer knew to be cancelled may not start."""
    cancelled = result(4, 1, "fire", outcome=Outcome.CANCELLED)
    log = called("fire", CancelAsked(why="user"), cancelled)
    assert "over or being cancelled" in judged(log, act_of(log, 4, 1, "fire", known=6))


def test_a_repeated_once_call_is_found() -> None:
    """Two dispatches need a person who said so."""
    log = called("fire", result(4, 1, "fire"))
    twice = [act_of(log, 4, 1, "fire", known=5)] * 2
    found = judged(log, *twice)
    assert "dispatched 2 times" in found and "one attempt ran twice" in found
    asked = Asked(
        cause=4,
        ordinal=1,
        about="in_doubt",
        name="fire",
        digest="",
        text="",
        choices=("run_again",),
    )
    allowed = called("fire", asked, Answered(question=6, decision="run_again"), intent("fire", 2))
    assert "dispatched" not in judged(allowed, *twice)


def test_a_result_that_lies_is_found() -> None:
    """Done although nothing happened; a result without an act."""
    log = called("fire", result(4, 1, "fire"))
    assert "says done, and nothing happened" in judged(log)


def test_what_was_not_allowed_is_found() -> None:
    """An unknown tool that starts, an unapproved one, a refusal without a reason."""
    assert "there is no such tool" in judged(called("nothing"))
    log = called("fire", result(4, 1, "fire"))
    act = act_of(log, 4, 1, "fire", known=5)
    assert "nobody had approved it" in judged(log, act, asks=True)
    refused = result(4, 1, "look", outcome=Outcome.REFUSED, reason="offer.not_listed")
    refused_log = log_of(ASKS, started(2), answered(2, "look"), refused)
    assert "refused for no reason" in judged(refused_log)


@pytest.mark.parametrize(("why", "found"), [("turn_time", True), ("user", False)])
def test_a_call_in_doubt_that_nobody_was_asked_about_is_found(why: str, found: bool) -> None:
    """A turn may not run out of time over it; a person may cancel it."""
    lost = result(4, 1, "fire", outcome=Outcome.LOST, reason="lost")
    log = called("fire", CancelAsked(why=why), lost)
    assert found is ("nobody was asked" in judged(log))


def test_a_request_that_the_log_does_not_show_is_found() -> None:
    """A model call has an intent, a valid conversation, and the window of its time."""
    log = log_of(ASKS, started(2), answered(2))
    right, wrong = (ModelRequest(system="", messages=(user(t),), tools=()) for t in ("m1", "x"))
    key = log.crypto.effect_id(1, 2, 0)
    for seen, problem in (
        (Seen(key, right, ()), ""),
        (Seen(key, wrong, ()), "is not what the log shows"),
        (Seen("eff-other", right, ()), "without an intent"),
        (Seen(key, right, ("odd",)), "invalid conversation: odd"),
    ):
        ledger = Ledger(requests=[seen])
        text = "\n".join(judge(evidence_of(log, ledger=ledger)))
        assert problem in text and bool(problem) is bool(text)


@pytest.mark.parametrize(
    ("id", "told", "problem"),
    [
        ("c1", {"acked": True}, ""),
        ("c2", {"acked": True}, "acknowledged and not admitted"),
        ("c2", {"queued": True}, "queued and lost"),
        ("c2", {"waited": True, "uncertain": True}, "waited its turn and was lost"),
        ("c2", {"uncertain": True}, ""),
        ("c1", {"refused": "busy"}, "admitted all the same"),
    ],
)
def test_what_a_sender_was_told_holds(id: str, told: dict[str, object], problem: str) -> None:
    """An acknowledged message is in the log, a refused one is not."""
    sent = Sent(session_id="s1", text="m1", id=id, policy=None, **told)  # type: ignore[arg-type]  # of the table
    log = log_of(ASKS, started(2), answered(2))
    text = judged(log, told=Told(sent=[sent]))
    assert problem in text and bool(problem) is bool(text)


def test_a_message_that_joins_a_turn_against_its_policy_is_found() -> None:
    """Only steering joins what runs."""
    log = log_of(ASKS, Admitted(message=user("m2"), tokens=1, command="c2"))
    sent = Sent(session_id="s1", text="m2", id="c2", policy=QueuePolicy.ENQUEUE, acked=True)
    assert "joined a running turn" in judged(log, told=Told(sent=[sent]))


def test_an_inbox_out_of_order_is_found() -> None:
    """Who was told first that a message is safe is admitted first."""
    second = Admitted(message=user("m2"), tokens=1, command="c2")
    turn = (started(2), answered(2))
    log = log_of(ASKS, *turn, second)
    late, early = (
        Sent(session_id="s1", text=t, id=i, policy=QueuePolicy.ENQUEUE, queued_order=o)
        for t, i, o in (("m1", "c1", (3, 4)), ("m2", "c2", (1, 2)))
    )
    assert "m1 overtook m2" in judged(log, told=Told(sent=[late, early]))


def test_a_command_that_is_not_where_its_sender_was_told_is_found() -> None:
    """An acknowledged pause is a `Paused` there."""
    log = log_of(ASKS, started(2), answered(2))
    done = Done(session_id="s1", command=Pause(), handled=Handled(2, 3))
    assert "do not show it" in judged(log, told=Told(done=[done]))
