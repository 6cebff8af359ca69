"""The fold is at most 64 KB, whatever the history (contract 1.12)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core_talk import ASKING, ENGINE, Talk, answer, opened
from holdfast.core.accounts import AMOUNT_MAX, HOLDS_MAX
from holdfast.core.commands import AddMessage, Configure, HostCall, MoveTo, SetContext
from holdfast.core.decide.content import (
    SETTINGS_BYTES_MAX,
    check_birth,
    check_permission,
    check_settings,
)
from holdfast.core.decide.effects import CALL_NAME_BYTES_MAX
from holdfast.core.errors import InvalidInput, TooLarge
from holdfast.core.events import (
    Admitted,
    Details,
    EffectEnded,
    EffectStarted,
    Origin,
    Outcome,
    Totals,
)
from holdfast.core.gitstate import GitState
from holdfast.core.inspection import KIND_BYTES_MAX, KINDS_MAX
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import Message, assistant, tool_result, user
from holdfast.core.plans import STEPS_MAX, TIMES_MAX
from holdfast.core.quantities import Usage
from holdfast.core.risk import Exposure, Risk
from holdfast.core.rules import Policy, Rule, RuleEffect
from holdfast.core.security import (
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    Security,
)
from holdfast.core.session import evolve
from holdfast.core.settings import Limits, Settings
from holdfast.core.view import (
    CALLS_MAX,
    HOST_CALLS_MAX,
    RANGES_MAX,
    WARNED_MAX,
    Recorded,
    SessionView,
)
from holdfast.runtime.codec import encode_view

BYTES_MAX = 64 * 1024
HUGE = 10**15
HIGHLY = Sensitivity.HIGHLY_SENSITIVE
TAKES = tuple((f"w.m{20_000 + place}", AMOUNT_MAX) for place in range(HOLDS_MAX // 48))
"""What each of 48 calls that run holds, when all together hold the most."""


def fullest_settings() -> Settings:
    """As many tools as the settings have room for, asked side by side."""
    limits = Limits(parallel_tools=16)
    tools: tuple[str, ...] = ()
    while True:
        more = Settings(
            name="\x01" * 500, limits=limits, tools=(*tools, "t" * 128), unsafe_auto_approve=True
        )
        try:
            check_birth(opened(more))
        except InvalidInput:
            assert len(tools) * 128 > SETTINGS_BYTES_MAX / 2
            return replace(more, tools=(*tools, "look", "pay"))
        tools = more.tools or ()


def fullest_policy() -> Policy:
    """As many rules as there is room for."""
    rules: tuple[Rule, ...] = ()
    while True:
        more = (*rules, Rule(effect=RuleEffect.ALLOW, tool="bash", pattern=f"run {len(rules)}:*"))
        try:
            check_permission(Policy(rules=more))
        except TooLarge:
            assert len(rules) > 140
            return Policy(rules=rules)
        rules = more


def fullest_security() -> Security:
    """As many rules as there may be, nothing as by default, and no room left."""
    rules = tuple(
        CustomRule(name=f"{place:02}".rjust(KIND_BYTES_MAX, "k"), pattern="x", level=HIGHLY)
        for place in range(20)
    )
    security = Security(
        flow=FlowMode.STRICT,
        injection=InjectionDefense.ALL,
        reader=HIGHLY,
        redaction="hash",
        rules=rules,
        dangerous=("bash(curl:*)",),
        data=DataPolicy(
            name="own", tee_threshold=HIGHLY, allow_highly_sensitive=False, fallback=Fallback.WARN
        ),
        warn_kinds=2,
        reject_kinds=4,
        half_life_days=99,
        taints=False,
        extraction=False,
    )
    hosts = ""
    while True:
        more = replace(security, hosts=(f"{hosts}x",))
        try:
            check_settings(Settings(security=more))
        except InvalidInput:
            assert len(hosts) > 100
            return replace(security, hosts=(hosts,))
        hosts = more.hosts[0]


def most_told(view: SessionView) -> SessionView:
    """All that is known of content, each list at its limit."""
    kinds = tuple(f"{place:02}".rjust(KIND_BYTES_MAX, "k") for place in range(KINDS_MAX))
    return replace(
        view,
        exposure=Exposure(level=HIGHLY, kinds=kinds, at=HUGE),
        risk=Risk(kinds=tuple((kind, HUGE, HUGE) for kind in kinds), grew_at=HUGE),
        consent_at=HUGE,
        plan_at=HUGE,
        plan_left=(TIMES_MAX,) * STEPS_MAX,
        endorsed=(HUGE, Label(HIGHLY, Integrity.UNTRUSTED)),
        tee_active=True,
    )


def test_fullest_session_fits() -> None:
    """Every list at its limit at the same time, every text as long as it may be."""
    settings = replace(
        fullest_settings(),
        tools=None,
        permission=fullest_policy(),
        security=fullest_security(),
    )
    origins = tuple(f"tool:{n}" + "é" * 58 for n in range(16))
    birth = opened(
        settings,
        session_id="s" * 128,
        user_id="u" * 1000,
        system_prompt="p",
        git=GitState("\x01" * 9_999, "c" * 64),
        origin=Origin(session_id="p" * 128, stream=HUGE, version=HUGE, head="a" * 64),
        label=Label(origins=origins),
        totals=Totals(messages=HUGE, usage=Usage(HUGE, HUGE, HUGE, HUGE, HUGE, HUGE, True)),
    )
    check_birth(birth)
    talk = Talk(birth=birth, guards=ASKING)
    talk.say(Configure(title="\x01" * 500, tags=("t" * 120,) * 50))
    with pytest.raises(InvalidInput):
        talk.say(Configure(custom=(("k", json.dumps("x" * 8_000)),)))
    for _ in range(RANGES_MAX):
        talk.say(AddMessage(message=user("x")))
        talk.say(SetContext(reason="rewind", to_version=talk.view.version), kept=(HUGE, HUGE))
    talk.say(MoveTo(state="Error", reason="\x01" * 9_999))
    talk.say(MoveTo(state="Active", reason="\x01" * 9_999))
    talk.send()
    talk.model(outcome=Outcome.FAILED, reason="\x01" * 999, detail="\x01" * 9_999)
    host = talk.facts().model
    assert host is not None
    host = replace(host, name="m" * 64, digest="d" * 64)
    for _ in range(HOST_CALLS_MAX):
        talk.say(HostCall(action=host))
    talk.send()
    calls = [("look", f"{n}".rjust(64, "c")) for n in range(CALLS_MAX)]
    talk.model(answer(*calls))
    view = talk.view
    assert CALLS_MAX == len(view.calls) and 16 == len(view.open)
    # What the gate may add later, at its longest: all approved, all asked about.
    question = {"id": HUGE, "name": "n" * 64, "digest": "d" * 64, "asked_ms": HUGE}
    view = replace(
        view,
        calls=tuple(
            replace(call, name="\U0001f600" * (CALL_NAME_BYTES_MAX // 4), approved="d" * 64)
            for call in view.calls
        ),
        open=tuple(
            replace(
                one, name="n" * 64, engine=ENGINE, version=HUGE, takes=TAKES, enclave=place == 0
            )
            for place, one in enumerate(view.open)
        ),
        host_open=tuple(replace(one, takes=TAKES) for one in view.host_open),
        warned=tuple(f"{place:02d}.m20597" for place in range(WARNED_MAX)),
    )
    view = most_told(view)
    asked = len(json.dumps(question)) + 120
    size = len(encode_view(view)) + len(view.open) * asked
    assert size <= BYTES_MAX, f"{size} bytes"


@pytest.mark.slow
def test_fold_of_a_long_history_fits() -> None:
    """A hundred thousand events leave no more than 64 KB, and no more than a short history."""
    view = evolve(SessionView(), Recorded(version=1, time_ms=0, event=opened()))
    sizes = []
    while view.version < 100_000:
        for event in _exchange(view.version):
            version = view.version + 1
            view = evolve(view, Recorded(version=version, time_ms=version, event=event))
        sizes.append(len(encode_view(view)) if view.version % 10_000 < 7 else 0)
    assert None is view.turn
    assert max(sizes) <= 2_000 < BYTES_MAX


def _exchange(version: int) -> list[Admitted | EffectStarted | EffectEnded]:
    """A question, two tools, an answer."""
    sent, said = version + 1, version + 3
    label = Label(origins=(f"tool:{version}",))
    said_what: Message = answer("look", "look")
    events: list[Admitted | EffectStarted | EffectEnded] = [
        Admitted(message=user("x" * 200, label), tokens=60, command="ab" * 16),
        EffectStarted(cause=sent, ordinal=0, effect="model", name="m", engine=ENGINE),
        EffectEnded(
            cause=sent, ordinal=0, effect="model", outcome=Outcome.DONE, message=said_what, tokens=9
        ),
    ]
    for ordinal in (1, 2):
        result = tool_result(f"c{ordinal}", "look", "y" * 500, label=label)
        events += [
            EffectStarted(cause=said, ordinal=ordinal, effect="tool", name="look", engine=ENGINE),
            EffectEnded(
                cause=said,
                ordinal=ordinal,
                effect="tool",
                outcome=Outcome.DONE,
                message=result,
                tokens=130,
            ),
        ]
    last = version + len(events)
    return [
        *events,
        EffectStarted(cause=last, ordinal=0, effect="model", name="m", engine=ENGINE),
        EffectEnded(
            cause=last,
            ordinal=0,
            effect="model",
            outcome=Outcome.DONE,
            message=assistant("done"),
            tokens=5,
            usage=Usage(input_tokens=9, cost_micros=3),
        ),
    ]


def test_details_default_is_small() -> None:
    """A session nobody described takes almost nothing."""
    talk = Talk(birth=opened(Settings(), details=Details()))
    assert len(encode_view(talk.view)) < 300
