"""Where content may be processed, and how much of a person may be told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_content import SECRET, rank, said, session, told
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.guards.sensitivity import check
from holdfast.core.inspection import NOTHING, Inspected
from holdfast.core.labels import TRUSTED, Label, Sensitivity
from holdfast.core.risk import DAY_MS, NO_RISK, UNEXPOSED, Exposure, Risk
from holdfast.core.routing import Destination
from holdfast.core.security import DataPolicy, Fallback, RoutingDecision, Security, Zone
from holdfast.core.settings import Settings
from holdfast.core.verdicts import Allow, Ask, Deny
from holdfast.core.view import CONSENT, ENCLAVE, SessionView, Turn

PUBLIC, NORMAL, SENSITIVE, HIGHLY, CRITICAL = Sensitivity
FACTS = Facts(now_ms=0)
CLOUD = Destination(zone=Zone.PUBLIC)
READY = Destination(zone=Zone.PUBLIC, enclave=True, enclave_ready=True)
MISSING = Destination(zone=Zone.PUBLIC, enclave=True)
MODEL = Action(kind=ActionKind.MODEL, name="m", to=CLOUD)
MESSAGE = Action(kind=ActionKind.ADMIT, name="message", to=CLOUD, found=NOTHING)


def risk(*kinds: str, grew_at: int = 7, last: int = 0) -> Risk:
    """What the session was told."""
    return Risk(kinds=tuple((kind, 1, last) for kind in sorted(kinds)), grew_at=grew_at)


def exposed(level: Sensitivity, *kinds: str, at: int = 7) -> Exposure:
    """What its model is told."""
    return Exposure(level=level, kinds=kinds, at=at)


def holding(
    exposure: Exposure = UNEXPOSED,
    cumulative: Risk = NO_RISK,
    *,
    consent_at: int = 0,
    **more: object,
) -> SessionView:
    """A session that holds this."""
    view = replace(session(TRUSTED, **more), exposure=exposure, risk=cumulative)
    return replace(view, consent_at=consent_at)


# --- what is judged at all ------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(ActionKind) - {ActionKind.ADMIT, ActionKind.MODEL}))
def test_only_messages_and_model_calls_are_judged(kind: ActionKind) -> None:
    """What tools are given is the affair of other guards."""
    action = Action(kind=kind, name="x", to=CLOUD, found=told(level=CRITICAL))
    assert "allow" == said(check(holding(exposed(CRITICAL)), FACTS, action))


def test_a_call_that_goes_nobody_knows_where_is_denied() -> None:
    """Of a model that is not known another guard says so; a message alone goes nowhere."""
    assert "deny:no_zone" == said(check(holding(), FACTS, replace(MODEL, to=None)))
    assert "deny:no_zone" == said(check(holding(), FACTS, replace(MODEL, to=None, by_host=True)))
    assert "allow" == said(check(holding(), FACTS, replace(MODEL, to=None, known=False)))
    assert "allow" == said(check(holding(), FACTS, replace(MESSAGE, to=None)))


def test_the_program_calls_as_it_likes() -> None:
    """What it sends is its own."""
    view = holding(exposed(CRITICAL))
    assert "allow" == said(check(view, FACTS, replace(MODEL, by_host=True)))
    assert "deny:rejected" == said(check(view, FACTS, MODEL))


# --- messages -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "to", "expected"),
    [
        (NORMAL, CLOUD, "allow"),
        (SENSITIVE, CLOUD, "allow"),
        (HIGHLY, CLOUD, "allow"),
        (CRITICAL, CLOUD, "deny:rejected"),
        (CRITICAL, Destination(zone=Zone.PRIVATE), "allow"),
        (CRITICAL, Destination(zone=Zone.LOCAL), "allow"),
        (CRITICAL, READY, "allow"),
        (SENSITIVE, MISSING, "allow"),
        (HIGHLY, MISSING, "deny:rejected"),
    ],
)
def test_a_message_is_refused_where_it_is_rejected(
    level: Sensitivity, to: Destination, expected: str
) -> None:
    """Before it is stored; what needs consent is admitted and asked about at the call."""
    action = replace(MESSAGE, found=told("email", level=level), to=to)
    for unsafe in (True, False):
        view = holding(unsafe_auto_approve=unsafe)
        assert expected == said(check(view, FACTS, action)), "nobody is asked about a denial"


def test_a_refusal_says_why_without_content() -> None:
    """By kinds, or by the level where there are none."""
    verdict = check(holding(), FACTS, replace(MESSAGE, found=told("pin", "card", level=CRITICAL)))
    assert Deny("sensitivity", "rejected", "a public model may not be told this (card, pin)") == (
        verdict
    )
    verdict = check(holding(), FACTS, replace(MESSAGE, found=Inspected(level=CRITICAL)))
    assert isinstance(verdict, Deny)
    assert verdict.detail.endswith("(critical)")


def test_a_rule_about_a_kind_refuses_a_message() -> None:
    """Of the installation, if it has its own settings."""
    data = DataPolicy(type_rules=(("email", RoutingDecision.REJECT),))
    action = replace(MESSAGE, found=told("email"))
    assert "deny:rejected" == said(check(holding(data=data), FACTS, action))
    outer = Facts(now_ms=0, security=Security(data=data))
    assert "deny:rejected" == said(check(holding(), outer, action))
    assert "allow" == said(check(holding(), FACTS, action))


FOUR = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("before", "message", "to", "expected"),
    [
        (FOUR, ("e",), CLOUD, "deny:cumulative"),
        (FOUR, ("a",), CLOUD, "allow"),
        (FOUR[:3], ("e",), CLOUD, "allow"),
        ((), (*FOUR, "e"), CLOUD, "deny:cumulative"),
        (FOUR, ("e",), Destination(zone=Zone.PRIVATE), "deny:cumulative"),
        (FOUR, ("e",), Destination(zone=Zone.LOCAL), "allow"),
        (FOUR, ("e",), Destination(zone=Zone.TEE), "allow"),
        (FOUR, ("e",), READY, "allow"),
        ((*FOUR, "e"), (), CLOUD, "allow"),
    ],
)
def test_five_kinds_are_too_many(
    before: tuple[str, ...], message: tuple[str, ...], to: Destination, expected: str
) -> None:
    """Where content leaves; an ordinary message is never refused for what was told before."""
    action = replace(MESSAGE, found=told(*message) if message else NOTHING, to=to)
    assert expected == said(check(holding(cumulative=risk(*before)), FACTS, action))


@pytest.mark.parametrize(
    ("agreed", "elsewhere", "expected"),
    [
        ((), (), "ask:cumulative"),
        (FOUR[:2], (), "ask:cumulative"),
        (FOUR[:3], (), "allow"),
        (FOUR, (), "allow"),
        (FOUR[:3], ("d",), "ask:cumulative"),
        (FOUR, ("d",), "allow"),
    ],
)
def test_a_yes_of_the_user_holds_for_the_kinds_it_was_about(
    agreed: tuple[str, ...], elsewhere: tuple[str, ...], expected: str
) -> None:
    """Wherever it was given; a further kind, here or elsewhere, is asked about again."""
    facts = Facts(now_ms=0, risk=risk(*elsewhere), agreed=frozenset(agreed))
    assert expected == said(check(holding(cumulative=risk(*FOUR[:3])), facts, MODEL))


def test_the_limits_are_the_sessions() -> None:
    """Zero means never; what the user told elsewhere counts; what is old fades."""
    action = replace(MESSAGE, found=told("e"))
    view = holding(cumulative=risk(*FOUR))
    assert "allow" == said(check(holding(cumulative=risk(*FOUR), reject_kinds=0), FACTS, action))
    assert "deny:cumulative" == said(check(holding(reject_kinds=1), FACTS, action))
    elsewhere = Facts(now_ms=0, risk=risk(*FOUR))
    assert "deny:cumulative" == said(check(holding(), elsewhere, action))
    later = Facts(now_ms=30 * DAY_MS)
    assert "deny:cumulative" == said(check(view, FACTS, action))
    assert "allow" == said(check(view, later, action))


# --- model calls ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "to", "expected"),
    [
        (NORMAL, CLOUD, "allow"),
        (SENSITIVE, CLOUD, "allow"),
        (HIGHLY, CLOUD, "ask:consent"),
        (CRITICAL, CLOUD, "deny:rejected"),
        (HIGHLY, Destination(zone=Zone.PRIVATE), "allow"),
        (CRITICAL, Destination(zone=Zone.PRIVATE), "ask:consent"),
        (CRITICAL, Destination(zone=Zone.LOCAL), "allow"),
        (SENSITIVE, MISSING, "ask:consent"),
        (HIGHLY, MISSING, "deny:rejected"),
    ],
)
def test_a_call_by_what_the_session_holds(
    level: Sensitivity, to: Destination, expected: str
) -> None:
    """All four decisions are acted on; vector 22 are the last two rows."""
    for unsafe in (True, False):
        view = holding(exposed(level), unsafe_auto_approve=unsafe)
        assert expected == said(check(view, FACTS, replace(MODEL, to=to)))


@pytest.mark.parametrize("level", [SENSITIVE, HIGHLY, CRITICAL])
def test_an_enclave_that_is_there_is_used(level: Sensitivity) -> None:
    """For what was said as for what tools found: the label counts as well."""
    action = replace(MODEL, to=READY)
    assert Allow((ENCLAVE,)) == check(holding(exposed(level)), FACTS, action)
    labelled = replace(holding(), label=Label(sensitivity=level))
    assert Allow((ENCLAVE,)) == check(labelled, FACTS, action)
    assert Allow() == check(holding(exposed(NORMAL)), FACTS, action)


def test_consent_holds_for_all_that_was_said_before_it() -> None:
    """Not for what comes after it."""
    asked = check(holding(exposed(HIGHLY, at=7), consent_at=6), FACTS, MODEL)
    assert isinstance(asked, Ask)
    assert ("sensitivity", "consent", CONSENT) == (asked.guard, asked.reason, asked.about)
    assert "allow" == said(check(holding(exposed(HIGHLY, at=7), consent_at=8), FACTS, MODEL))
    refused = check(holding(exposed(CRITICAL, at=7), consent_at=8), FACTS, MODEL)
    assert "deny:rejected" == said(refused), "consent does not lift a refusal"


@pytest.mark.parametrize(
    ("exposure", "question"),
    [
        (
            exposed(HIGHLY, "card", "ssn"),
            "the session holds card, ssn; may it go on with a public model?",
        ),
        (
            exposed(HIGHLY),
            "the session holds highly sensitive content; may it go on with a public model?",
        ),
    ],
)
def test_the_question_names_kinds_or_the_level(exposure: Exposure, question: str) -> None:
    """And no value."""
    asked = check(holding(exposure), FACTS, MODEL)
    assert isinstance(asked, Ask)
    assert question == asked.question


def test_results_need_consent_where_their_enclave_is_missing() -> None:
    """A downgrade is never silent; one consent is good for one turn."""
    action = replace(MODEL, to=MISSING)
    view = replace(holding(), label=SECRET, turn=Turn(id=9, cause=9, clock_ms=0))
    asked = check(view, FACTS, action)
    assert isinstance(asked, Ask)
    assert (
        "the session holds sensitive content; may it go on with a public model?" == asked.question
    )
    assert "allow" == said(check(replace(view, consent_at=10), FACTS, action))
    assert "ask:consent" == said(check(replace(view, consent_at=8), FACTS, action))
    said_more = replace(view, exposure=exposed(SENSITIVE, at=12), consent_at=10)
    assert "ask:consent" == said(check(said_more, FACTS, action))
    rejected = replace(view, label=Label(sensitivity=HIGHLY), consent_at=10)
    assert "deny:rejected" == said(check(rejected, FACTS, action))
    warned = DataPolicy(fallback=Fallback.WARN)
    assert "allow" == said(
        check(replace(view, settings=holding(data=warned).settings), FACTS, action)
    )


@pytest.mark.parametrize(
    ("kinds", "consent_at", "to", "expected"),
    [
        (("a", "b"), 0, CLOUD, "allow"),
        (("a", "b", "c"), 0, CLOUD, "ask:cumulative"),
        (("a", "b", "c"), 8, CLOUD, "allow"),
        ((*FOUR, "e"), 0, CLOUD, "ask:cumulative"),
        (("a", "b", "c"), 0, Destination(zone=Zone.LOCAL), "allow"),
    ],
)
def test_three_kinds_are_asked_about(
    kinds: tuple[str, ...], consent_at: int, to: Destination, expected: str
) -> None:
    """At the call, once for each kind that was new."""
    view = holding(cumulative=risk(*kinds), consent_at=consent_at)
    verdict = check(view, FACTS, replace(MODEL, to=to))
    assert expected == said(verdict)
    if isinstance(verdict, Ask):
        assert (CONSENT, True) == (verdict.about, "(a, b, c" in verdict.question)


def test_what_the_user_told_elsewhere_is_asked_about_here() -> None:
    """Once something is told here as well; zero switches it off."""
    elsewhere = Facts(now_ms=0, risk=risk("a", "b", grew_at=99))
    assert "ask:cumulative" == said(check(holding(cumulative=risk("c")), elsewhere, MODEL))
    assert "allow" == said(check(holding(), elsewhere, MODEL))
    off = holding(cumulative=risk("c"), warn_kinds=0)
    assert "allow" == said(check(off, elsewhere, MODEL))


def test_an_enclave_asks_about_no_person() -> None:
    """Nothing leaves it."""
    view = holding(exposed(SENSITIVE), risk(*FOUR))
    assert Allow((ENCLAVE,)) == check(view, FACTS, replace(MODEL, to=READY))


LEVELS = st.sampled_from(Sensitivity)
DESTINATIONS = st.builds(
    Destination,
    zone=st.sampled_from(Zone),
    sees=st.none() | LEVELS,
    enclave=st.booleans(),
)
KINDS = st.lists(st.sampled_from("abcdef"), max_size=6, unique=True)


@given(DESTINATIONS, LEVELS, LEVELS, KINDS, KINDS)
def test_it_only_gets_stricter(
    to: Destination, level: Sensitivity, more: Sensitivity, kinds: list[str], others: list[str]
) -> None:
    """With what the session holds, with what it was told, and without consent.

    Not where an enclave is ready: what is more sensitive goes there, and nobody is asked.
    """
    every = sorted({*kinds, *others})

    def judged(exposure: Exposure, cumulative: Risk, consent_at: int = 0) -> int:
        view = holding(exposure, cumulative, consent_at=consent_at)
        return rank(check(view, FACTS, replace(MODEL, to=to)))

    before = judged(exposed(level), risk(*kinds))
    assert before <= judged(exposed(max(level, more)), risk(*kinds))
    assert before <= judged(exposed(level), risk(*every))
    assert before >= judged(exposed(level), risk(*kinds), consent_at=9)
    action = replace(MESSAGE, to=to)
    found, worse = told(*kinds, level=level), told(*every, level=max(level, more))
    one, two = (check(holding(), FACTS, replace(action, found=each)) for each in (found, worse))
    assert rank(one) <= rank(two)


def test_switched_off_it_restricts_nothing() -> None:
    """Neither a message nor a call; the installation's settings hold all the same."""
    off = SessionView(settings=Settings(security=Security(enabled=False)))
    action = replace(MESSAGE, found=told("email", level=CRITICAL), to=CLOUD)
    assert "allow" == said(check(off, Facts(now_ms=0), action))
    outer = Facts(now_ms=0, security=Security())
    assert "deny:rejected" == said(check(off, outer, action))
