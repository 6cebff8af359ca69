"""What a person's decision on a question comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import ASKING, Talk, action_of, answer, ended, kinds
from holdfast.core.actions import Action, ActionKind
from holdfast.core.authority import Authority
from holdfast.core.commands import Answer, Cancel
from holdfast.core.decide import decide
from holdfast.core.errors import (
    AlreadyAnswered,
    ApprovalExpired,
    ApprovalWithdrawn,
    ApproverRefused,
    HoldfastError,
    InvalidInput,
    NotNow,
    QuestionNotFound,
    UnknownDecision,
)
from holdfast.core.events import Granted
from holdfast.core.facts import Facts
from holdfast.core.grants import GrantScope
from holdfast.core.ids import EffectRef
from holdfast.core.judge import GUARDS
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import ToolUse
from holdfast.core.verdicts import Allow, Ask, Verdict
from holdfast.core.view import SessionView, changed

HOLDERS = Authority(holders={GrantScope.SESSION: "s1"})
REF = EffectRef(4, 1)


def asking() -> Talk:
    """A session that waits with question 5 about `pay`."""
    talk = Talk(guards=ASKING)
    talk.send()
    talk.model(answer("pay"))
    return talk


def refused(talk: Talk, command: Answer, **facts: object) -> HoldfastError:
    """The error an answer comes to; nothing is on record then."""
    before = len(talk.log)
    with pytest.raises(HoldfastError) as caught:
        talk.say(command, **facts)
    assert before == len(talk.log)
    return caught.value


def test_each_wrong_answer_has_its_own_code() -> None:
    """Unknown question, unknown decision, double and late."""
    talk = asking()
    assert type(refused(talk, Answer(question=99, decision="once"))) is QuestionNotFound
    assert type(refused(talk, Answer(question=5, decision="maybe"))) is UnknownDecision
    talk.say(Answer(question=5, decision="once"))
    assert type(refused(talk, Answer(question=5, decision="deny"))) is AlreadyAnswered
    other = asking()
    other.say(Cancel())
    assert type(refused(other, Answer(question=5, decision="once"))) is ApprovalWithdrawn


def test_an_answer_after_the_time_is_late_before_the_timer_fires() -> None:
    """The moment counts, not when somebody noticed (astrid#AW-21)."""
    talk = asking()
    question = replace(talk.view.questions[0], due_ms=talk.now_ms)
    talk.view = changed(talk.view, questions=(question,))
    with pytest.raises(ApprovalExpired):
        talk.say(Answer(question=5, decision="once"))


def test_an_answer_is_bound_to_the_policies() -> None:
    """Changed rules: the question lapses and is asked anew under them (astrid#AW-23)."""
    talk = asking()
    now = Authority(version="2")
    events = talk.say(Answer(question=5, decision="once"), id="ab", authority=now)
    assert ["Lapsed", "Refused", "Asked"] == kinds(events)
    assert "approval_stale" == talk.decision.error.reason
    assert ("approval_stale", "ab") == (events[1].reason, events[1].command)
    again = talk.view.questions[0].id
    events = talk.say(Answer(question=again, decision="once"), authority=now)
    assert ["Answered", "EffectStarted"] == kinds(events)


def test_an_answer_is_bound_to_what_the_session_has_seen() -> None:
    """A stranger's text came in between: asked anew."""
    talk = asking()
    view = changed(talk.view, label=talk.view.label.join(UNTRUSTED))
    command = Answer(question=5, decision="once")
    decision = decide(view, talk.facts(), command, guards=talk.guards)
    assert ["Lapsed", "Refused", "Asked"] == kinds(list(decision.events))


def test_a_yes_holds_only_under_the_policies_it_was_given_under() -> None:
    """A yes that could not be used at once is asked for again when rules have changed."""
    talk = Talk(guards=ASKING)
    talk.send()
    talk.model(answer("pay", "pay"))
    talk.say(Answer(question=5, decision="once"))
    first = next(one for one in talk.view.open if one.effect == "tool")
    done = ended(first.ref, "c1", "pay")
    assert "Asked" in kinds(talk.say(done, authority=Authority(version="2")))


def test_a_yes_is_not_carried_on_by_a_later_one_under_other_conditions() -> None:
    """What was said yes to before a stranger's text came in is asked about again."""
    granted = [False]

    def first(view: SessionView, facts: Facts, action: Action) -> Verdict:
        covered = granted[0] or action.kind is not ActionKind.TOOL
        return Allow() if covered else Ask("a", "first", "?")

    def second(view: SessionView, facts: Facts, action: Action) -> Verdict:
        return Ask("b", "second", "?", "escape") if action.kind is ActionKind.TOOL else Allow()

    talk = Talk(guards=(("a", first), ("b", second)))
    talk.send()
    talk.model(answer("pay"))
    talk.say(Answer(question=5, decision="once"))
    talk.view = changed(talk.view, label=talk.view.label.join(UNTRUSTED))
    granted[0] = True  # so that only the second one is asked about anew
    talk.say(Answer(question=talk.view.questions[0].id, decision="once"))
    granted[0] = False
    (question,) = talk.view.questions
    assert ("b.second",) == question.codes
    assert ["Answered", "Asked"] == kinds(talk.say(Answer(question=question.id, decision="once")))
    (question,) = talk.view.questions
    assert ("a.first",) == question.codes
    events = talk.say(Answer(question=question.id, decision="once"))
    assert ["Answered", "EffectStarted"] == kinds(events)


def test_a_no_holds_in_any_case() -> None:
    """Whatever has changed: nobody is asked again about what was denied."""
    talk = asking()
    changed = {REF: replace(action_of(ToolUse("c1", "pay")), digest="other")}
    events = talk.say(Answer(question=5, decision="deny"), actions=changed)
    assert ["Answered", "EffectEnded", "EffectStarted"] == kinds(events)


def test_an_edit_is_judged_from_the_start() -> None:
    """The new form is asked about as if it were another call; its yes lets just it run."""
    talk = asking()
    other = replace(action_of(ToolUse("c1", "pay")), digest="other")
    command = Answer(question=5, decision="edit", arguments='{"n":2}', by="ann")
    events = talk.say(command, edited=other)
    assert ["Answered", "Asked"] == kinds(events)
    assert ('{"n":2}', "other") == (events[0].arguments, events[1].digest)
    events = talk.say(Answer(question=7, decision="once"), actions={REF: other})
    assert "other" == events[1].digest


@pytest.mark.parametrize(
    ("arguments", "problem", "kind"),
    [("", "", InvalidInput), ("{}", "n is missing", InvalidInput), ("{}", None, NotNow)],
)
def test_a_wrong_edit_leaves_the_question_open(
    arguments: str, problem: str | None, kind: type[HoldfastError]
) -> None:
    """No arguments, arguments that are wrong, or a process that cannot tell."""
    talk = asking()
    action = None if problem is None else replace(action_of(ToolUse("c1", "pay")), problem=problem)
    command = Answer(question=5, decision="edit", arguments=arguments)
    assert type(refused(talk, command, edited=action)) is kind


def test_a_tool_that_is_unknown_here_can_still_be_approved() -> None:
    """Who answers need not offer it; but granting and editing need to see the call."""
    talk = asking()
    unknown = {REF: replace(action_of(ToolUse("c1", "pay")), known=False, digest="raw")}
    answered = talk.say(Answer(question=5, decision="once"), actions=unknown)
    assert "Answered" == kinds(answered)[0]
    other = asking()
    command = Answer(question=5, decision="session")
    assert type(refused(other, command, actions=unknown)) is NotNow


def _default(view: SessionView, facts: Facts, action: Action) -> Verdict:
    asks = action.name == "pay" and not list(facts.authority.grants)
    return Ask("permission", "default", "may it?") if asks else Allow()


def test_a_session_answer_grants() -> None:
    """The call runs now, and the grant is on record with who gave it (astrid#AW-23)."""
    talk = Talk(guards=(*GUARDS, ("permission", _default)))
    talk.send()
    talk.model(answer("pay"))
    action = replace(action_of(ToolUse("c1", "pay")), subject='{"n":1}')
    command = Answer(question=5, decision="session", by="ann")
    events = talk.say(command, actions={REF: action}, authority=HOLDERS)
    assert ["Answered", "Granted", "EffectStarted"] == kinds(events)
    given = events[1]
    assert isinstance(given, Granted)
    assert ("ann", GrantScope.SESSION, "pay") == (
        given.grant.by,
        given.grant.scope,
        given.grant.rule.tool,
    )


@pytest.mark.parametrize("by", ["agent:one", "model:x", "tool:bash"])
def test_a_program_never_answers(by: str) -> None:
    """The approver is a person (astrid#AW-21)."""
    found = refused(asking(), Answer(question=5, decision="once", by=by))
    assert type(found) is ApproverRefused
