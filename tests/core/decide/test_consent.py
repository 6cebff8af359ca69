"""Conversations about what is secret: what is told, refused, asked about and counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_content import told
from core_talk import UNASKED, Talk, answer, ended, kinds, opened, results
from holdfast.core.commands import AddMessage, Answer, Configure, Import, Relabel, Send, Tick
from holdfast.core.errors import AlreadyAnswered, ApproverRefused, Denied, UnknownDecision
from holdfast.core.events import (
    Admitted,
    Ancestor,
    Asked,
    EffectStarted,
    Imported,
    Outcome,
    Refused,
)
from holdfast.core.findings import Threat
from holdfast.core.inspection import NOTHING, Inspected
from holdfast.core.labels import UNTRUSTED, Label, Sensitivity
from holdfast.core.messages import user
from holdfast.core.risk import NO_RISK, UNEXPOSED, Exposure
from holdfast.core.routing import Destination
from holdfast.core.security import Security, Zone
from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
from holdfast.core.view import CONSENT, ENCLAVE

PUBLIC, NORMAL, SENSITIVE, HIGHLY, CRITICAL = Sensitivity
CLOUD = Destination(zone=Zone.PUBLIC)
MAIL = told("email")
CARD = told("card", level=HIGHLY)


def talking(to: Destination = CLOUD, **settings: object) -> Talk:
    """A session whose model runs there."""
    talk = Talk(replace(UNASKED, **settings))
    talk.to = to
    return talk


def asked(talk: Talk) -> Asked:
    """The last question on record."""
    return [one.event for one in talk.log if isinstance(one.event, Asked)][-1]


def goes_on(talk: Talk) -> None:
    """The model answers and the turn is over."""
    talk.model(answer(text="well"))
    assert talk.view.turn is None


# --- messages -------------------------------------------------------------------------


def test_what_was_found_is_on_record_with_the_message() -> None:
    """Its label rises, and so do what the model is told and what is known of the author."""
    talk = talking()
    events = talk.send("mail me at a@b.test", inspected=MAIL)
    admitted = events[0]
    assert isinstance(admitted, Admitted)
    assert (MAIL, SENSITIVE) == (admitted.found, admitted.message.label.sensitivity)
    assert SENSITIVE is talk.view.label.sensitivity
    assert Exposure(level=SENSITIVE, kinds=("email",), at=2) == talk.view.exposure
    assert ((("email", 1, talk.now_ms),), 2) == (talk.view.risk.kinds, talk.view.risk.grew_at)
    assert ["Admitted", "EffectStarted"] == kinds(events), "pseudonyms need no consent"


def test_where_nothing_was_found_nothing_is_written() -> None:
    """An ordinary message is on record as ever."""
    talk = talking()
    admitted = talk.send(inspected=NOTHING)[0]
    assert isinstance(admitted, Admitted)
    assert (None, Label()) == (admitted.found, admitted.message.label)
    assert (UNEXPOSED, NO_RISK) == (talk.view.exposure, talk.view.risk)


def test_a_level_without_a_kind_counts_as_well() -> None:
    """A raw match may be merged away, and its level stands."""
    talk = talking(Destination(zone=Zone.LOCAL))
    talk.send(inspected=Inspected(level=CRITICAL))
    assert Exposure(level=CRITICAL, kinds=(), at=2) == talk.view.exposure


def refusal(talk: Talk, found: Inspected | None, *, turn: bool = True) -> list[Refused]:
    """A message is refused; what is on record of it."""
    before = (talk.view.window, talk.view.risk, talk.view.exposure, talk.view.label)
    command = Send if turn else AddMessage
    events = talk.say(command(message=user("the secret words")), inspected=found)
    assert isinstance(talk.decision.error, Denied)
    assert "secret words" not in f"{events}"
    assert before == (talk.view.window, talk.view.risk, talk.view.exposure, talk.view.label)
    assert {"Refused"} == set(kinds(events))
    return [one for one in events if isinstance(one, Refused)]


@pytest.mark.parametrize(
    ("found", "guard", "reason"),
    [
        (Inspected(threat=Threat.BLOCKED, reasons=("a.b",)), "injection", "blocked"),
        (None, "injection", "not_inspected"),
        (told("pin", level=CRITICAL), "sensitivity", "rejected"),
        (told("a", "b", "c", "d", "e"), "sensitivity", "cumulative"),
    ],
)
@pytest.mark.parametrize("turn", [False, True])
def test_a_refused_message_leaves_no_content(
    found: Inspected | None, guard: str, reason: str, turn: bool
) -> None:
    """Only that it was refused, by which guard and why; it does not count as told."""
    expected = [Refused(action="admit", guard=guard, reason=reason)]
    assert expected == refusal(talking(), found, turn=turn)


# --- consent --------------------------------------------------------------------------


def test_consent_is_asked_at_the_call_before_anything_is_sent() -> None:
    """Of the author, with a yes for this once or a no."""
    talk = talking()
    events = talk.send(inspected=CARD)
    assert ["Admitted", "Asked"] == kinds(events)
    question = asked(talk)
    assert (CONSENT, 0, ("once", "deny")) == (question.about, question.ordinal, question.choices)
    assert ("sensitivity.consent",) == question.codes
    assert () == talk.view.open


def test_a_yes_lets_the_turn_go_on_and_holds_for_what_was_said() -> None:
    """It is used once; the next turn asks only about what is new."""
    talk = talking()
    talk.send(inspected=CARD)
    number = talk.view.questions[0].id
    events = talk.say(Answer(question=number, decision="once", by="u"))
    assert ["Answered", "EffectStarted"] == kinds(events)
    assert talk.view.version - 1 == talk.view.consent_at
    with pytest.raises(AlreadyAnswered):
        talk.say(Answer(question=number, decision="once", by="u"))
    talk.model(answer("look"))
    assert ["EffectEnded", "EffectStarted"] == kinds(talk.tool()), "the same turn"
    goes_on(talk)
    assert ["Admitted", "EffectStarted"] == kinds(talk.send()), "the next one"
    goes_on(talk)
    assert ["Admitted", "Asked"] == kinds(talk.send(inspected=MAIL)), "a kind that is new"


def test_a_no_fails_the_turn() -> None:
    """Nothing was sent, and the session is there for the next message."""
    talk = talking()
    talk.send(inspected=CARD)
    events = talk.say(Answer(question=3, decision="deny", by="u"))
    assert ["Answered", "EffectEnded"] == kinds(events)
    assert [(0, Outcome.REFUSED, "denied_by_person")] == results(events)
    assert talk.view.turn is None and talk.view.last_turn is not None
    assert ("failed", 0) == (talk.view.last_turn.outcome, talk.view.consent_at)
    assert ["Admitted", "Asked"] == kinds(talk.send()), "it still holds what it holds"


@pytest.mark.parametrize(
    ("by", "allowed"),
    [
        ("u", True),
        ("", True),
        ("ann", False),
        ("agent:one", False),
        ("agent:u", False),
        ("model:m", False),
    ],
)
def test_only_the_author_says_yes(by: str, allowed: bool) -> None:
    """Any other person may say no."""
    talk = talking()
    talk.send(inspected=CARD)
    if allowed:
        assert ["Answered", "EffectStarted"] == kinds(
            talk.say(Answer(question=3, decision="once", by=by))
        )
    else:
        with pytest.raises(ApproverRefused):
            talk.say(Answer(question=3, decision="once", by=by))
        assert () == talk.view.open
    other = talking()
    other.send(inspected=CARD)
    assert "Answered" in kinds(other.say(Answer(question=3, decision="deny", by="ann")))


@pytest.mark.parametrize("decision", ["session", "workspace", "always", "edit", "raise"])
def test_consent_is_never_given_for_good(decision: str) -> None:
    """There is no grant of it."""
    talk = talking()
    talk.send(inspected=CARD)
    with pytest.raises(UnknownDecision):
        talk.say(Answer(question=3, decision=decision, by="u"))


def test_nobody_says_yes_for_the_author() -> None:
    """Neither a timeout, nor a policy of approving by itself; off means no."""
    policy = ConfirmationPolicy(unattended_s=5, timeout_action=TimeoutAction.UNSAFE_AUTO_APPROVE)
    talk = talking(confirmation=policy)
    talk.send(inspected=CARD)
    talk.now_ms += 5_000
    events = talk.say(Tick())
    assert ["Lapsed", "EffectEnded"] == kinds(events)
    assert [(0, Outcome.REFUSED, "approval.expired")] == results(events)
    talk = talking(confirmation=ConfirmationPolicy(enabled=False))
    events = talk.send(inspected=CARD)
    assert [(0, Outcome.REFUSED, "confirmation.disabled")] == results(events)


def test_a_more_sensitive_message_is_asked_about_anew() -> None:
    """In the turn that runs, and in the next one."""
    talk = talking(Destination(zone=Zone.PUBLIC, enclave=True))
    talk.send(inspected=MAIL)
    talk.say(Answer(question=3, decision="once", by="u"))
    goes_on(talk)
    # What is highly sensitive would be rejected here; a public endpoint asks about it.
    talk.to = CLOUD
    assert ["Admitted", "Asked"] == kinds(talk.send(inspected=CARD))
    assert "the session holds card, email; may it go on with a public model?" == asked(talk).text
    talk.say(Answer(question=talk.view.questions[0].id, decision="once", by="u"))
    goes_on(talk)
    assert ["Admitted", "EffectStarted"] == kinds(talk.send())


def test_the_tools_of_a_manifest_expose_what_they_read() -> None:
    """A result that is more sensitive than the model may see is asked about first."""
    talk = talking()
    talk.send()
    talk.model(answer("look"))
    effect = talk.view.open[0]
    command = replace(ended(effect.ref, "c1", "look"), found=MAIL, exposes=HIGHLY)
    events = talk.say(command)
    assert ["EffectEnded", "Asked"] == kinds(events)
    assert (HIGHLY, ()) == (talk.view.exposure.level, talk.view.exposure.kinds)
    assert NO_RISK == talk.view.risk, "a result is not told by the author"
    assert "highly sensitive content" in asked(talk).text


def test_an_enclave_that_is_there_takes_the_call() -> None:
    """The intent says so, the fold keeps it, and the session is one that uses it."""
    talk = talking(Destination(zone=Zone.PUBLIC, enclave=True, enclave_ready=True))
    first = talk.send()[-1]
    assert isinstance(first, EffectStarted)
    assert ((), False, False) == (
        first.obligations,
        talk.view.open[0].enclave,
        talk.view.tee_active,
    )
    goes_on(talk)
    second = talk.send(inspected=told("pin", level=CRITICAL))[-1]
    assert isinstance(second, EffectStarted)
    assert ((ENCLAVE,), True, True) == (
        second.obligations,
        talk.view.open[0].enclave,
        talk.view.tee_active,
    )


def test_vector_22() -> None:
    """An enclave that is configured and missing: an e-mail address asks, a card is refused."""
    missing = Destination(zone=Zone.PUBLIC, enclave=True)
    talk = talking(missing)
    assert ["Admitted", "Asked"] == kinds(talk.send(inspected=MAIL))
    assert CONSENT == asked(talk).about
    assert "rejected" == refusal(talking(missing), CARD)[0].reason


# --- how much of a person -------------------------------------------------------------


def test_vector_16() -> None:
    """Five kinds over five messages: the third is asked about, the fifth refused; reset works."""
    talk = talking()
    for kind in ("email", "phone"):
        assert ["Admitted", "EffectStarted"] == kinds(talk.send(inspected=told(kind)))
        goes_on(talk)
    for kind in ("iban", "passport"):
        assert ["Admitted", "Asked"] == kinds(talk.send(inspected=told(kind)))
        assert (CONSENT, ("sensitivity.cumulative",)) == (asked(talk).about, asked(talk).codes)
        question = talk.view.questions[0].id
        talk.say(Answer(question=question, decision="once", by="u"))
        goes_on(talk)
    for _ in range(3):  # a refused message does not count, however often it is sent
        assert "cumulative" == refusal(talk, told("tax_id"))[0].reason
    assert 4 == len(talk.view.risk.kinds)
    assert ["Admitted", "EffectStarted"] == kinds(talk.send(inspected=told("email")))
    goes_on(talk)
    talk.say(Relabel(risk=True, why="another matter", by="u"))
    assert NO_RISK == talk.view.risk
    assert ["Admitted", "EffectStarted"] == kinds(talk.send(inspected=told("tax_id")))
    assert {"tax_id"} == talk.view.risk.names


def test_a_local_model_may_be_told_everything() -> None:
    """Nothing leaves; it is counted all the same."""
    talk = talking(Destination(zone=Zone.LOCAL))
    for kind in "abcdef":
        assert ["Admitted", "EffectStarted"] == kinds(talk.send(inspected=told(kind)))
        goes_on(talk)
    assert 6 == len(talk.view.risk.kinds)


# --- where sessions come from ---------------------------------------------------------


def test_forks_and_children_take_it_over() -> None:
    """What was told, and how sensitive it is; consent is the new session's own to give."""
    above = talking()
    above.send(inspected=told("a", "b", "card", level=HIGHLY))
    above.say(Answer(question=3, decision="once", by="u"))
    birth = opened(label=above.view.label, exposure=above.view.exposure, risk=above.view.risk)
    talk = Talk(birth=birth)
    talk.to = CLOUD
    assert (HIGHLY, ("a", "b", "card"), 1) == (
        talk.view.exposure.level,
        talk.view.exposure.kinds,
        talk.view.exposure.at,
    )
    assert (above.view.risk.kinds, 1, 0) == (
        talk.view.risk.kinds,
        talk.view.risk.grew_at,
        talk.view.consent_at,
    )
    assert ["Admitted", "Asked"] == kinds(talk.send())
    plain = Talk(birth=opened())
    assert (UNEXPOSED, NO_RISK) == (plain.view.exposure, plain.view.risk)


def test_what_is_imported_is_exposed_and_not_told() -> None:
    """Its kinds and its level count for where it may go."""
    talk = talking()
    events = talk.say(Import(source="json", messages=(user("x", UNTRUSTED),)), inspected=CARD)
    imported = events[0]
    assert isinstance(imported, Imported)
    assert CARD == imported.found
    assert Exposure(level=HIGHLY, kinds=("card",), at=2) == talk.view.exposure
    assert NO_RISK == talk.view.risk
    assert ["Admitted", "Asked"] == kinds(talk.send())


@pytest.mark.parametrize(
    ("level", "expected"), [(NORMAL, UNEXPOSED), (HIGHLY, Exposure(level=HIGHLY, at=2))]
)
def test_a_session_is_raised_by_hand(level: Sensitivity, expected: Exposure) -> None:
    """It is at least that sensitive from now on, label and exposure (seed A3)."""
    talk = talking()
    assert ["Configured"] == kinds(talk.say(Configure(raise_to=level)))
    assert (level, expected) == (talk.view.label.sensitivity, talk.view.exposure)
    talk.say(Configure(raise_to=PUBLIC))
    assert (level, expected) == (talk.view.label.sensitivity, talk.view.exposure)


def test_a_childs_settings_only_get_stricter() -> None:
    """A root's are replaced; what is out of range is refused by name."""
    root, child = talking(), Talk(birth=opened(lineage=(Ancestor("root", 1),)))
    wide = Security(reject_kinds=9, taints=False)
    for talk, limit in ((root, 9), (child, 5)):
        talk.say(Configure(security=wide))
        assert limit == talk.view.settings.security.reject_kinds
        talk.say(Configure(security=replace(wide, reject_kinds=2)))
        assert 2 == talk.view.settings.security.reject_kinds
