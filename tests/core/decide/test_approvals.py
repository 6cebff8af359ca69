"""What people are asked, of whom, for how long, and what an answer covers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import ASKING, UNASKED, Talk, action_of, answer, ask_first, kinds, results
from holdfast.core.actions import Action
from holdfast.core.authority import Authority
from holdfast.core.commands import Answer, Pause, Resume, Tick
from holdfast.core.decide.approvals import TIMEOUT, may_answer, settled
from holdfast.core.decide.common import Draft
from holdfast.core.events import Answered, Asked, Lapsed, Outcome
from holdfast.core.facts import Facts
from holdfast.core.judge import GUARDS
from holdfast.core.owed import owed
from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
from holdfast.core.verdicts import Allow, Ask, Verdict
from holdfast.core.view import CONSENT, SessionView

HERE = Authority(attended=True)


def asking(policy: ConfirmationPolicy | None = None, *calls: str, **facts: object) -> Talk:
    """A session in which a person has just been asked about `pay`."""
    settings = replace(UNASKED, confirmation=policy or ConfirmationPolicy())
    talk = Talk(settings, guards=ASKING)
    talk.send()
    talk.model(answer(*(calls or ("pay",))), **facts)
    return talk


def asked(talk: Talk) -> Asked:
    """The last question on record."""
    return [r.event for r in talk.log if isinstance(r.event, Asked)][-1]


def test_a_question_waits_for_ever_where_nobody_is_there() -> None:
    """Unattended, the default holds it for days."""
    assert asked(asking()).due_ms is None


def test_a_question_is_due_where_somebody_is_there() -> None:
    """Attended, it has 120 seconds."""
    talk = Talk(guards=ASKING)
    talk.send()
    command_facts = {"authority": HERE}
    talk.model(answer("pay"))
    talk.now_ms += 5
    talk.say(
        Answer(question=5, decision="edit", arguments='{"n":1}'), edited=edited(), **command_facts
    )
    assert talk.now_ms + 120_000 == asked(talk).due_ms


def edited(**fields: object) -> Action:
    """A `pay` with other arguments."""
    use = replace(answer("pay").tool_uses[0], arguments='{"n":1}')
    return replace(action_of(use), **fields)


def due(talk: Talk, after_s: int) -> None:
    """Let time pass."""
    talk.now_ms += after_s * 1000


HOLDS = ConfirmationPolicy(unattended_s=60)


def test_a_question_that_nobody_answers_is_a_denial() -> None:
    """Its time runs out, it lapses and the model reads that (astrid#AW-21)."""
    talk = asking(HOLDS)
    assert talk.now_ms + 60_000 == owed(talk.view).question_lapses_ms
    due(talk, 59)
    assert [] == talk.say(Tick())
    due(talk, 1)
    events = talk.say(Tick())
    assert ["Lapsed", "EffectEnded", "EffectStarted"] == kinds(events)
    assert Lapsed(question=5, why="expired") == events[0]
    assert [(1, Outcome.REFUSED, "approval.expired")] == results(events)


def test_a_paused_session_lets_nothing_lapse() -> None:
    """It does when the session goes on."""
    talk = asking(HOLDS)
    talk.say(Pause())
    due(talk, 100)
    assert [] == talk.say(Tick())
    assert ["Resumed", "Lapsed", "EffectEnded", "EffectStarted"] == kinds(talk.say(Resume()))


def test_a_timeout_may_approve_and_says_so() -> None:
    """Only where the policy is called unsafe; the log names who answered: nobody."""
    policy = replace(HOLDS, timeout_action=TimeoutAction.UNSAFE_AUTO_APPROVE)
    talk = asking(policy)
    due(talk, 60)
    events = talk.say(Tick())
    assert ["Answered", "EffectStarted"] == kinds(events)
    given = events[0]
    assert isinstance(given, Answered)
    assert ("once", TIMEOUT, True) == (given.decision, given.by, "unsafe" in given.note)


def test_identical_calls_are_asked_about_once() -> None:
    """One question, and its answer covers all of them (astrid#AW-38)."""
    talk = asking(None, "pay", "pay", "pay")
    assert 1 == len(talk.view.questions)
    assert (2, 3) == asked(talk).also
    events = talk.say(Answer(question=5, decision="once", by="bob"))
    assert ["Answered", "EffectStarted"] == kinds(events)
    assert (2, 3) == events[0].also
    for ordinal in (1, 2):
        assert "EffectStarted" in kinds(talk.tool(ordinal))
        assert () == talk.view.questions
    talk.tool(3)
    assert 3 == talk.view.tool_call_count


def test_other_calls_are_asked_about_on_their_own() -> None:
    """A yes is for the digest it was given for."""
    talk = Talk(guards=(*GUARDS, ("asker", _ask_all)))
    talk.send()
    talk.model(answer("pay", "sync"))
    assert () == asked(talk).also
    talk.say(Answer(question=5, decision="once"))
    talk.tool()
    assert "sync" == talk.view.questions[0].name


def _ask_all(view: SessionView, facts: Facts, action: Action) -> Verdict:
    return Ask("asker", "careful", "may it?") if action.name in ("pay", "sync", "look") else Allow()


def test_parallel_calls_of_one_question_wait_together() -> None:
    """Read-only calls that are asked about side by side are coalesced as well (astrid#AW-38)."""
    talk = Talk(guards=(*GUARDS, ("asker", _ask_all)))
    talk.send()
    talk.model(answer("look", "look"))
    assert 1 == len(talk.view.questions)
    assert (2,) == asked(talk).also
    events = talk.say(Answer(question=5, decision="once"))
    assert ["Answered", "EffectStarted", "EffectStarted"] == kinds(events)


def test_a_denial_covers_identical_calls() -> None:
    """All of them get it as their result."""
    talk = asking(None, "pay", "pay")
    events = talk.say(Answer(question=5, decision="deny", note="no"))
    expected = [(1, Outcome.REFUSED, "denied_by_person"), (2, Outcome.REFUSED, "denied_by_person")]
    assert expected == results(events)


def test_two_kinds_of_question_are_asked_one_after_the_other() -> None:
    """The second yes does not undo the first."""

    def both(view: SessionView, facts: Facts, action: Action) -> Verdict:
        return Ask("a", "way", "outside?", about="escape") if action.name == "pay" else Allow()

    talk = Talk(guards=(*GUARDS, ("asker", ask_first), ("way", both)))
    talk.send()
    talk.model(answer("pay"))
    assert ("approval", ("asker.careful",)) == (asked(talk).about, asked(talk).codes)
    assert ["Answered", "Asked"] == kinds(talk.say(Answer(question=5, decision="once")))
    assert ("escape", ("a.way",)) == (asked(talk).about, asked(talk).codes)
    events = talk.say(Answer(question=7, decision="once"))
    assert ["Answered", "EffectStarted"] == kinds(events)


def test_nobody_is_asked_where_confirmation_is_off() -> None:
    """What would have to be asked is denied."""
    talk = Talk(replace(UNASKED, confirmation=ConfirmationPolicy(enabled=False)), guards=ASKING)
    talk.send()
    events = talk.model(answer("pay"))
    assert (1, Outcome.REFUSED, "confirmation.disabled") == results(events)[1]


def _quorum(view: SessionView, facts: Facts, action: Action) -> Verdict:
    ask = Ask("critical", "quorum", "sure?", quorum=2)
    return ask if action.name == "pay" else Allow()


def test_a_quorum_takes_different_people() -> None:
    """The first yes waits for the second, and grants are not offered (astrid#AW-21)."""
    talk = Talk(guards=(*GUARDS, ("critical", _quorum)))
    talk.send()
    talk.model(answer("pay"))
    assert (2, ("once", "deny", "edit")) == (asked(talk).quorum, asked(talk).choices)
    assert ["Answered"] == kinds(talk.say(Answer(question=5, decision="once", by="ann")))
    assert ("ann",) == talk.view.questions[0].yes
    events = talk.say(Answer(question=5, decision="once", by="bob"))
    assert ["Answered", "EffectStarted"] == kinds(events)
    assert 1 == talk.view.approval_count


@pytest.mark.parametrize(
    ("by", "quorum", "allowed"),
    [
        ("ann", 1, True),
        ("local", 1, True),
        ("local", 2, False),
        ("ann", 2, True),
        ("", 2, False),
        ("agent:one", 1, False),
        ("Agent:other", 1, False),
        ("user:ann", 2, True),
        ("user:ann/second", 1, False),
        ("user:ann/second", 2, False),
        ("model:m", 1, False),
        ("tool:bash", 1, False),
        (TIMEOUT, 1, False),
        ("token-7", 1, False),
    ],
)
def test_who_may_answer(by: str, quorum: int, allowed: bool) -> None:
    """People only, never the run's own token, and not the requester where several must."""
    said = may_answer(by, requester="local", acting="token-7", quorum=quorum)
    assert allowed == (said == "")


def test_a_call_that_may_have_happened_is_not_edited_into_another() -> None:
    """Nor does its expiry say that it was not run."""
    policy = replace(HOLDS)
    talk = Talk(replace(UNASKED, confirmation=policy))
    talk.send()
    talk.model(answer("put"))
    talk.guards = (
        *GUARDS,
        ("asker", lambda v, f, a: ask_first(v, f, a) if a.kind != "tool" else Ask("x", "y", "?")),
    )
    assert ["Asked"] == kinds(talk.crash())
    assert "edit" not in asked(talk).choices
    due(talk, 60)
    assert (1, Outcome.LOST, "approval.expired") == results(talk.say(Tick()))[0]


def test_a_yes_is_for_one_form_of_a_call() -> None:
    """What a link leads to may change after the answer: the new form is asked about."""
    talk = asking()
    [call] = talk.view.calls
    said_yes = replace(call, approved="another form", codes=("asking.asks",))
    view = replace(talk.view, calls=(said_yes,), questions=())
    draft = Draft(view, talk.facts())
    ref, action = next(iter(talk.facts().actions.items()))
    verdict = Ask("asking", "asks", "may it?")
    assert isinstance(settled(draft, ref, verdict, action), Ask)
    same = replace(said_yes, approved=action.digest)
    draft = Draft(replace(view, calls=(same,)), talk.facts())
    assert isinstance(settled(draft, ref, verdict, action), Allow)


@pytest.mark.parametrize(
    ("by", "about", "allowed"),
    [
        ("ann", CONSENT, False),
        ("local", CONSENT, True),
        ("", CONSENT, True),
        ("ann", "", True),
        ("ann", "approval", True),
        ("agent:one", CONSENT, False),
        ("token-7", CONSENT, False),
    ],
)
def test_consent_is_its_authors_to_give(by: str, about: str, allowed: bool) -> None:
    """Of a person who is not named there is one, the installation's own user."""
    said = may_answer(by, requester="local", acting="token-7", about=about)
    assert allowed == (said == "")
    own_token = may_answer("agent:one", requester="agent:one", about=CONSENT)
    assert "" != own_token, "an agent whose session it is is no person either"
