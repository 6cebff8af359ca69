"""Complete mediation: planted starts that nobody permitted are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    Configured,
    EffectStarted,
    Event,
    Granted,
    Opened,
    Revoked,
)
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import Message, Role, Text
from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, parse_rule
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature
from holdfast.testing.sim.mediation import Files, permitted, rules_say
from holdfast.testing.sim.observer import Log
from simhelp import ASKS, OPENED, answered, log_of, started

DEFAULT = ("permission.default",)


def rule(effect: RuleEffect, tool: str = "put", *, always: bool = False) -> Rule:
    """A rule for a tool, whatever its arguments."""
    return parse_rule(effect, tool, always_ask=always)


def policy(*rules: Rule, mode: PolicyMode = PolicyMode.DEFAULT) -> Policy:
    """A policy of these rules."""
    return Policy(mode=mode, rules=rules)


ALLOWS, DENIES, ASKS_FOR = (policy(rule(e)) for e in (RuleEffect.ALLOW, RuleEffect.DENY, "ask"))
ALWAYS = policy(rule(RuleEffect.ASK, always=True), rule(RuleEffect.ALLOW))
STRICT, OPEN = policy(mode=PolicyMode.STRICT), policy(mode=PolicyMode.UNSAFE_PERMISSIVE)


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ((None,), "ask"),
        ((ALLOWS,), "allow"),
        ((DENIES,), "deny"),
        ((ALWAYS,), "ask"),
        ((ASKS_FOR,), "ask"),
        ((STRICT,), "grant"),
        ((OPEN,), "allow"),
        ((ALLOWS, DENIES), "deny"),
        ((ALLOWS, Policy()), "ask"),
        ((OPEN, STRICT), "grant"),
        ((None, ALLOWS), "allow"),
        ((Policy(), OPEN), "ask"),
    ],
)
def test_what_the_rules_come_to(policies: Sequence[Policy | None], said: str) -> None:
    """Of a call that changes things: denials first, and a parent has to permit by itself."""
    assert said == rules_say("put", Nature.IDEMPOTENT, Settings(), policies)


def test_what_reads_only_is_allowed_unless_a_rule_says_else() -> None:
    """As long as the mode is not strict."""
    assert "allow" == rules_say("put", Nature.READ_ONLY, Settings(), (None,))
    assert "ask" == rules_say("put", Nature.READ_ONLY, Settings(), (ASKS_FOR,))
    assert "allow" == rules_say("put", Nature.ONCE, Settings(unsafe_auto_approve=True), (None,))


def asked(codes: tuple[str, ...] = DEFAULT, digest: str = "d") -> Asked:
    """A question about the one call of these histories."""
    return Asked(
        cause=4,
        ordinal=1,
        about="approval",
        name="put",
        digest=digest,
        text="",
        choices=("once", "deny"),
        codes=codes,
    )


def start(attempt: int = 1, grants: tuple[str, ...] = ()) -> Event:
    """The intent of that call."""
    event = started(4, 1, name="put", attempt=attempt)
    assert isinstance(event, EffectStarted)
    return replace(event, digest="d", grants=grants)


def problems(*events: Event, guard: str = "") -> str:
    """What is found of a session that asks about what changes things, after these events."""
    first = (ASKS, started(2), answered(2, "put"))
    log = _log(*first, *events)
    starts = [
        recorded
        for recorded in log.of(EffectStarted)
        if isinstance(recorded.event, EffectStarted) and recorded.event.ordinal == 1
    ]
    files = Files((log,))
    guards = [lambda view, name: guard] if guard else []
    given = {"nature": Nature.IDEMPOTENT, "asked_by": guards, "files": files}
    return "\n".join(permitted(log, (4, 1), "put", starts, **given))  # type: ignore[arg-type]  # of the dict


def _log(*events: Event) -> Log:
    """A history of a session whose settings ask."""
    assert isinstance(OPENED, Opened)
    log = log_of(*events)
    for version, view in enumerate(log.views):
        settings = replace(view.settings, unsafe_auto_approve=False)
        log.views[version] = replace(view, settings=settings)
    return log


YES = Answered(question=5, decision="once")


def test_a_start_with_a_yes_of_its_own_is_right() -> None:
    """Asked, answered, started."""
    assert "" == problems(asked(), YES, start())


@pytest.mark.parametrize(
    "events",
    [
        (start(),),
        (asked(), start()),
        (asked(), Answered(question=5, decision="deny"), start()),
        (asked(digest="other"), YES, start()),
        (asked(("sim.asked",)), YES, start()),
    ],
)
def test_a_start_without_a_yes_is_found(events: tuple[Event, ...]) -> None:
    """Nobody asked, nobody answered, a no, another call, another question."""
    assert "nobody had permitted it" in problems(*events)


def test_a_yes_is_good_for_one_start() -> None:
    """Another attempt needs another."""
    assert "nobody had permitted it" in problems(asked(), YES, start(), start(2))


def test_a_yes_to_other_codes_is_found() -> None:
    """What a guard asks about now has to be among what was asked."""
    assert "sim.second_look" in problems(asked(), YES, start(), guard="sim.second_look")
    both = (*DEFAULT, "sim.second_look")
    assert "" == problems(asked(both), YES, start(), guard="sim.second_look")


def test_a_yes_under_other_rules_is_found() -> None:
    """The policy of the question is that of the start."""
    changed = Configured(settings=Settings(permission=policy(rule(RuleEffect.ASK, "fire"))))
    assert "nobody had permitted it" in problems(asked(), YES, changed, start())


def test_a_yes_under_another_label_is_found() -> None:
    """What the session has seen since may have changed what the yes was worth."""
    brought = Admitted(message=Message(Role.USER, (Text("m2"),), UNTRUSTED), tokens=1)
    assert "nobody had permitted it" in problems(asked(), YES, brought, start())


def granted(id: str = "aa") -> Granted:
    """An allowance for the tool."""
    grant = Grant(
        id=id,
        kind=GrantKind.ALLOWANCE,
        scope=GrantScope.SESSION,
        holder="s1",
        rule=rule(RuleEffect.ALLOW),
    )
    return Granted(grant=grant)


def test_a_start_on_a_grant_needs_one_that_holds() -> None:
    """Granted before, not revoked, and named by the intent."""
    gone = Revoked(id="aa", holder="s1")
    assert "" == problems(granted(), start(grants=("aa",)))
    for events in (
        (start(grants=("aa",)), granted()),
        (granted(), gone, start(grants=("aa",))),
        (granted(), start()),
        (granted("bb"), start(grants=("aa",))),
    ):
        assert "nobody had permitted it" in problems(*events)


def test_a_start_that_a_rule_denies_is_found() -> None:
    """Whatever anybody said."""
    denied = Configured(settings=Settings(permission=DENIES))
    assert "a rule denies it" in problems(denied, asked(), YES, start())


def test_files_know_what_was_committed_before() -> None:
    """Another session is seen as it was when an event was committed."""
    one, other = log_of(ASKS), log_of(ASKS, Admitted(message=ASKS.message, tokens=1))
    other.stream = 2
    order = {(1, 1): 1, (2, 1): 2, (2, 2): 3, (1, 2): 4, (2, 3): 5}
    files = Files((one, other), order)
    then = files.then(one, 2, 2)
    assert then is not None and 2 == then.version
    assert None is files.then(one, 2, 9)
    assert 4 == files.place(one, 2) and 7 == files.place(one, 7)
