"""What people fix beforehand and put right afterwards."""

from __future__ import annotations

import pytest

from core_talk import Talk, answer, kinds
from holdfast.core.commands import AddMessage, FixPlan, Relabel, Terminate
from holdfast.core.decide.lowering import WHY_CHARS_MAX
from holdfast.core.errors import ApproverRefused, HoldfastError, InvalidInput, NotNow
from holdfast.core.events import PlanFixed, PlanStep, Relabelled
from holdfast.core.inspection import NOTHING, Inspected
from holdfast.core.labels import TRUSTED, Integrity, Label, Sensitivity
from holdfast.core.messages import user
from holdfast.core.plans import ARGUMENTS_CHARS_MAX, STEPS_MAX, TIMES_MAX
from holdfast.core.risk import NO_RISK

STEP = PlanStep(tool="pay", arguments='{"n":1}', times=2)
PLAN = FixPlan(steps=(STEP,), by="ann")
STRANGERS = Label(Sensitivity.CRITICAL, Integrity.UNTRUSTED, ("page",))


def tainted() -> Talk:
    """A session that has read what strangers wrote, between turns."""
    talk = Talk()
    talk.say(AddMessage(message=user("x", STRANGERS)))
    assert Integrity.UNTRUSTED is talk.view.label.integrity
    return talk


def refused(talk: Talk, command: FixPlan | Relabel, error: type[HoldfastError], words: str) -> None:
    """A command comes to this error, and to nothing else."""
    before = len(talk.log)
    with pytest.raises(error, match=words):
        talk.say(command)
    assert before == len(talk.log)


# --- plans ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["user", "model"])
@pytest.mark.parametrize("in_turn", [False, True])
def test_a_plan_is_fixed_before_strangers_were_read(source: str, in_turn: bool) -> None:
    """In a turn or between two, by the user or by the model; a new one replaces it."""
    talk = Talk()
    if in_turn:
        talk.send()
    fixed = FixPlan(steps=(STEP,), source=source, by="ann")
    assert [PlanFixed(steps=(STEP,), source=source, by="ann")] == talk.say(fixed)
    assert (talk.view.version, (2,)) == (talk.view.plan_at, talk.view.plan_left)
    talk.say(FixPlan(steps=(STEP, STEP)))
    assert (2, 2) == talk.view.plan_left


def test_after_strangers_were_read_a_person_fixes_it_between_turns() -> None:
    """Not the model, not in a turn, and no agent in a person's name."""
    assert ["PlanFixed"] == kinds(tainted().say(PLAN))
    refused(tainted(), FixPlan(steps=(STEP,), source="model"), NotNow, "could be a stranger's")
    for by in ("agent:one", "Model:m", "tool:pay", "user:ann/x"):
        refused(tainted(), FixPlan(steps=(STEP,), by=by), ApproverRefused, "only a person")
    talk = tainted()
    talk.send()
    refused(talk, PLAN, NotNow, "could be a stranger's")


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (FixPlan(steps=(STEP,), source="tool"), "the user or the model"),
        (FixPlan(steps=()), f"1 to {STEPS_MAX} steps"),
        (FixPlan(steps=(STEP,) * (STEPS_MAX + 1)), f"1 to {STEPS_MAX} steps"),
        (FixPlan(steps=(PlanStep(tool=""),)), "names a tool"),
        (FixPlan(steps=(STEP, PlanStep(tool="t" * 65))), "names a tool"),
        (FixPlan(steps=(PlanStep(tool="pay", times=0),)), "how often"),
        (FixPlan(steps=(PlanStep(tool="pay", times=TIMES_MAX + 1),)), "how often"),
        (FixPlan(steps=(PlanStep(tool="pay", arguments="{"),)), "are not JSON"),
        (FixPlan(steps=(PlanStep(tool="pay", arguments="[" * 16_000),)), "are not JSON"),
        (FixPlan(steps=(PlanStep(tool="pay", arguments="[]"),)), "a JSON object"),
        (
            FixPlan(steps=(PlanStep(tool="pay", arguments='"' + "x" * ARGUMENTS_CHARS_MAX),)),
            f"at most {ARGUMENTS_CHARS_MAX}",
        ),
    ],
)
def test_a_malformed_plan_is_refused(plan: FixPlan, words: str) -> None:
    """Whole, with what is wrong."""
    refused(Talk(), plan, InvalidInput, words)


def test_a_plan_at_its_limits_passes() -> None:
    """The most steps, the longest of everything."""
    longest = '{"x":"' + "x" * (ARGUMENTS_CHARS_MAX - 8) + '"}'
    assert ARGUMENTS_CHARS_MAX == len(longest)
    step = PlanStep(tool="t" * 64, arguments=longest, times=TIMES_MAX)
    assert ["PlanFixed"] == kinds(Talk().say(FixPlan(steps=(step,) * STEPS_MAX)))


def test_an_ended_session_takes_neither() -> None:
    """There is nothing left to plan or to lower."""
    talk = tainted()
    talk.say(Terminate())
    refused(talk, PLAN, NotNow, "the session is")
    refused(talk, Relabel(integrity=Integrity.TRUSTED, why="w"), NotNow, "the session is")


# --- labels ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "label"),
    [
        (
            Relabel(sensitivity=Sensitivity.NORMAL, why="w"),
            Label(Sensitivity.NORMAL, Integrity.UNTRUSTED, ("page",)),
        ),
        (
            Relabel(integrity=Integrity.TRUSTED, why="w"),
            Label(Sensitivity.CRITICAL, Integrity.TRUSTED, ()),
        ),
        (
            Relabel(sensitivity=Sensitivity.NORMAL, integrity=Integrity.TRUSTED, why="w"),
            TRUSTED,
        ),
        (
            Relabel(sensitivity=Sensitivity.PUBLIC, integrity=Integrity.UNTRUSTED, why="w"),
            Label(Sensitivity.PUBLIC, Integrity.UNTRUSTED, ("page",)),
        ),
    ],
)
def test_a_person_lowers_a_label(command: Relabel, label: Label) -> None:
    """In one respect or both; the log says why, and what was lowered to what."""
    talk = Talk()
    talk.say(AddMessage(message=user("x", STRANGERS)))
    # What is added from outside has an origin of its own as well.
    before = talk.view.label
    events = talk.say(command)
    assert ["Relabelled"] == kinds(events)
    event = events[0]
    assert isinstance(event, Relabelled) and event.label is not None
    assert ("w", "", False) == (event.why, event.by, event.risk)
    assert (label.sensitivity, label.integrity) == (event.label.sensitivity, event.label.integrity)
    assert (label.origins and before.origins) == event.label.origins
    assert event.label == talk.view.label
    expected = (talk.view.version, Label(label.sensitivity, label.integrity))
    assert expected == talk.view.endorsed, "its origins are in the event"


def test_the_risk_begins_anew() -> None:
    """Of a session that has nothing to lower as well (vector 16: reset works)."""
    talk = Talk()
    found = Inspected(level=Sensitivity.SENSITIVE, kinds=(("email", 1),))
    talk.say(AddMessage(message=user("x")), inspected=found)
    assert NO_RISK != talk.view.risk
    label = talk.view.label
    expected = [Relabelled(label=None, risk=True, why="asked for", by="ann")]
    assert expected == talk.say(Relabel(risk=True, why="asked for", by="ann"))
    assert (NO_RISK, label) == (talk.view.risk, talk.view.label)


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        (Relabel(integrity=Integrity.TRUSTED), InvalidInput, "needs a reason"),
        (Relabel(integrity=Integrity.TRUSTED, why=" \n"), InvalidInput, "needs a reason"),
        (
            Relabel(integrity=Integrity.TRUSTED, why="x" * (WHY_CHARS_MAX + 1)),
            InvalidInput,
            f"at most {WHY_CHARS_MAX}",
        ),
        (Relabel(why="w"), InvalidInput, "lower nothing"),
        (Relabel(sensitivity=Sensitivity.CRITICAL, why="w"), InvalidInput, "lower nothing"),
        (Relabel(integrity=Integrity.UNTRUSTED, why="w"), InvalidInput, "lower nothing"),
        (Relabel(integrity=Integrity.TRUSTED, why="w", by="agent:one"), ApproverRefused, "person"),
        (Relabel(risk=True, why="w", by="Model:m"), ApproverRefused, "only a person"),
        (Relabel(risk=True, why="w", by="tool:pay"), ApproverRefused, "only a person"),
    ],
)
def test_what_lowers_nothing_or_is_no_persons_is_refused(
    command: Relabel, error: type[HoldfastError], words: str
) -> None:
    """A label is never raised by it, and never lowered without a reason."""
    refused(tainted(), command, error, words)


def test_a_label_is_never_raised_by_it() -> None:
    """What is asked for above what holds is what holds."""
    talk = Talk()
    refused(talk, Relabel(sensitivity=Sensitivity.CRITICAL, why="w"), InvalidInput, "nothing")
    assert TRUSTED == talk.view.label


def test_labels_are_lowered_between_turns() -> None:
    """While one runs, what it reads might come in between."""
    talk = tainted()
    talk.send()
    refused(talk, Relabel(risk=True, why="w"), NotNow, "between turns")
    talk.model(answer(text="done"))
    assert ["Relabelled"] == kinds(talk.say(Relabel(risk=True, why="w"), inspected=NOTHING))
