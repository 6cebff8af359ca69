"""Messages coming in: what is admitted, refused or left waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import UNASKED, Talk, answer, ask_first, kinds, results
from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import AddMessage, Cancel, MoveTo, Pause, Send, Terminate
from holdfast.core.decide import Guards
from holdfast.core.decide.talk import MESSAGE_BYTES_MAX
from holdfast.core.errors import Busy, Denied, InvalidInput, NotNow
from holdfast.core.events import Admitted, EffectStarted, Outcome, Refused
from holdfast.core.facts import Facts
from holdfast.core.judge import GUARDS
from holdfast.core.labels import Integrity
from holdfast.core.messages import Message, Role, Text, Thinking, assistant, estimate_tokens, user
from holdfast.core.settings import QueuePolicy
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import SessionView


def test_message_starts_a_turn() -> None:
    """A message in; it is admitted and the model's intent follows in the same append."""
    talk = Talk()
    message = user("hello")
    admitted, started = talk.say(Send(message=message), id="c0ffee")
    assert (
        Admitted(message=message, tokens=estimate_tokens(message), turn=True, command="c0ffee")
        == admitted
    )
    expected = EffectStarted(
        cause=2, ordinal=0, effect="model", name="m", digest="d-m", attempt=1, engine="e" * 16
    )
    assert expected == started
    assert talk.view.turn is not None and 2 == talk.view.turn.id


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (assistant("x"), "role 'assistant'"),
        (Message(Role.SYSTEM, (Text("x"),)), "role 'system'"),
        (Message(Role.USER, (Thinking("x", None),)), "only text"),
        (user("  \n"), "empty"),
        (Message(Role.USER, ()), "empty"),
        (user("x" * (MESSAGE_BYTES_MAX + 1)), "longer"),
    ],
)
def test_what_is_no_users_message_is_refused(message: Message, words: str) -> None:
    """Nothing of it is recorded."""
    talk = Talk()
    with pytest.raises(InvalidInput, match=words):
        talk.say(Send(message=message))
    assert 1 == talk.view.version


@pytest.mark.parametrize("state", ["Completed", "Error"])
def test_session_that_does_not_work_takes_no_message(state: str) -> None:
    """The caller is told the state."""
    talk = Talk()
    talk.say(MoveTo(state=state))
    with pytest.raises(NotNow, match=f"the session is {state}"):
        talk.send()
    with pytest.raises(NotNow, match=f"the session is {state}"):
        talk.say(AddMessage(message=user("x")))


def test_paused_session_keeps_queued_messages() -> None:
    """One that waited goes on waiting; a new one is refused."""
    talk = Talk()
    talk.say(Pause())
    for command in (Send(message=user("x")), AddMessage(message=user("x"))):
        assert [] == talk.say(command, queued=True)
        assert talk.decision.later
        with pytest.raises(NotNow, match="Paused"):
            talk.say(command)


def test_ended_session_takes_nothing_even_from_the_queue() -> None:
    """What waited is refused once the session has ended."""
    talk = Talk()
    talk.say(Terminate())
    for command in (Send(message=user("x")), AddMessage(message=user("x"))):
        with pytest.raises(NotNow, match="Terminating"):
            talk.say(command, queued=True)


def test_enqueue_waits_for_the_turn() -> None:
    """A message that arrives mid-turn waits and comes in when the turn has ended."""
    talk = Talk()
    talk.send("one")
    assert [] == talk.send("two")
    assert talk.decision.later
    assert ["EffectEnded"] == kinds(talk.model(answer(text="done")))
    assert ["Admitted", "EffectStarted"] == kinds(talk.send("two", queued=True))


def test_nobody_overtakes() -> None:
    """A new message waits behind those that wait already."""
    talk = Talk()
    assert [] == talk.send(behind=True)
    assert talk.decision.later
    assert ["Admitted", "EffectStarted"] == kinds(talk.send())


def test_only_enqueued_messages_stand_in_line() -> None:
    """Another policy does not wait behind others."""
    talk = Talk()
    command = Send(message=user("x"), policy=QueuePolicy.STEER)
    assert ["Admitted", "EffectStarted"] == kinds(talk.say(command, behind=True))


def test_reject_refuses_mid_turn() -> None:
    """The policy may come with the message or with the session."""
    talk = Talk()
    talk.send()
    with pytest.raises(Busy):
        talk.say(Send(message=user("x"), policy=QueuePolicy.REJECT))
    rejecting = Talk(replace(UNASKED, queue_policy=QueuePolicy.REJECT))
    rejecting.send()
    with pytest.raises(Busy):
        rejecting.send()


def test_interrupt_cancels_and_waits_for_what_runs() -> None:
    """The running call is surplus at once; the message comes in when it has stopped."""
    talk = Talk()
    talk.send("one")
    command = Send(message=user("two"), policy=QueuePolicy.INTERRUPT)
    assert ["CancelAsked"] == kinds(talk.say(command))
    assert talk.decision.later
    assert [] == talk.say(command, queued=True)
    talk.model(assistant("so far"), outcome=Outcome.CANCELLED)
    assert talk.view.last_turn is not None
    assert ("cancelled", "interrupt") == (
        talk.view.last_turn.outcome,
        talk.view.last_turn.reason,
    )
    assert ["Admitted", "EffectStarted"] == kinds(talk.say(command, queued=True))


def test_interrupt_of_a_turn_that_only_waits_is_immediate() -> None:
    """A turn that waits for a person ends at once and the message starts the next."""
    talk = Talk(guards=(*GUARDS, ("asker", ask_first)))
    talk.send()
    talk.model(answer("pay"))
    events = talk.say(Send(message=user("two"), policy=QueuePolicy.INTERRUPT))
    assert ["Lapsed", "CancelAsked", "EffectEnded", "Admitted", "EffectStarted"] == kinds(events)
    assert [(1, Outcome.CANCELLED, "cancelled")] == results(events)


def test_steer_joins_the_turn() -> None:
    """The message is admitted into the running turn; the model is asked again after its answer."""
    talk = Talk()
    talk.send("one")
    steer = Send(message=user("two"), policy=QueuePolicy.STEER)
    assert ["Admitted"] == kinds(talk.say(steer))
    assert talk.view.turn is not None and 2 == talk.view.turn.id
    again = talk.model(answer(text="about one"))[1]
    assert isinstance(again, EffectStarted) and (4, 0) == (again.cause, again.ordinal)
    assert talk.view.turn is not None


def test_steer_waits_while_a_turn_is_cancelled() -> None:
    """A turn that is to end takes no more messages."""
    talk = Talk()
    talk.send("one")
    talk.say(Cancel())
    assert [] == talk.say(Send(message=user("two"), policy=QueuePolicy.STEER))
    assert talk.decision.later


def no_messages(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """A guard that refuses messages."""
    return Deny("mute", "no", "not today") if action.kind is ActionKind.ADMIT else Allow()


def asked_messages(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """A guard that wants messages asked about."""
    return Ask("mute", "maybe", "really?") if action.kind is ActionKind.ADMIT else Allow()


@pytest.mark.parametrize(
    ("guards", "reason", "words"),
    [
        ((*GUARDS, ("mute", no_messages)), "no", "not today"),
        ((*GUARDS, ("mute", asked_messages)), "maybe", "really"),
    ],
)
def test_refused_message_leaves_a_trace_without_content(
    guards: Guards, reason: str, words: str
) -> None:
    """The refusal is on record, the words are not."""
    talk = Talk(guards=guards)
    assert [Refused(action="admit", guard="mute", reason=reason, command="ab")] == talk.say(
        Send(message=user("hidden")), id="ab"
    )
    assert isinstance(talk.decision.error, Denied)
    assert words in talk.decision.error.message
    assert (0, None) == (talk.view.message_count, talk.view.turn)


@pytest.mark.parametrize("message", [user("hi"), assistant("hi")])
def test_added_message_is_untrusted_and_starts_nothing(message: Message) -> None:
    """A line for the history only."""
    talk = Talk()
    (event,) = talk.say(AddMessage(message=message), id="aa")
    assert isinstance(event, Admitted)
    assert Integrity.UNTRUSTED == event.message.label.integrity
    assert (False, "aa", message.parts) == (event.turn, event.command, event.message.parts)
    assert talk.view.turn is None
    assert Integrity.UNTRUSTED == talk.view.label.integrity


def test_nothing_is_added_mid_turn() -> None:
    """Between turns only; what was queued waits."""
    talk = Talk()
    talk.send()
    with pytest.raises(NotNow, match="between turns"):
        talk.say(AddMessage(message=user("x")))
    assert [] == talk.say(AddMessage(message=user("x")), queued=True)
    assert talk.decision.later


def test_tools_may_not_be_added() -> None:
    """Only a user's or an assistant's line."""
    with pytest.raises(InvalidInput):
        Talk().say(AddMessage(message=Message(Role.TOOL, (Text("x"),))))
