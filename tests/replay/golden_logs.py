"""What the golden logs were written from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from golden_asides import asides

from core_talk import ASKING, ENGINE, Talk, answer, kept, opened
from holdfast.core.accounts import BudgetSettings, Holder, Limit, Unit
from holdfast.core.commands import (
    AddMessage,
    Answer,
    Cancel,
    Configure,
    GitSeen,
    HostCall,
    HostEnded,
    Import,
    KeyGone,
    MoveTo,
    NoteExport,
    Pause,
    Resume,
    Send,
    SetContext,
    Terminate,
    Tick,
)
from holdfast.core.events import (
    Admitted,
    Ancestor,
    Answered,
    Asked,
    CancelAsked,
    ChildOpened,
    Configured,
    ContextSet,
    CostRecord,
    Details,
    EffectEnded,
    EffectStarted,
    Ended,
    Event,
    Granted,
    Imported,
    Lapsed,
    Modified,
    Origin,
    Outcome,
    Paused,
    PlanFixed,
    PlanStep,
    Refused,
    Relabelled,
    Resumed,
    Revoked,
    StateSet,
    Totals,
    Warned,
    Wiped,
    WipeStarted,
)
from holdfast.core.findings import Threat
from holdfast.core.gitstate import GitState
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import Inspected
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import (
    Message,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    assistant,
    tool_result,
    user,
)
from holdfast.core.principals import Bearer
from holdfast.core.quantities import Usage
from holdfast.core.risk import Exposure, Risk
from holdfast.core.rules import Policy, PolicyMode, parse_rule
from holdfast.core.security import (
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    RoutingDecision,
    Security,
    Zone,
)
from holdfast.core.settings import (
    ConfirmationPolicy,
    Limits,
    ModelSettings,
    QueuePolicy,
    Settings,
    StorageType,
    TimeoutAction,
)
from holdfast.core.tools import Lane, Operation

USAGE = Usage(
    input_tokens=101,
    output_tokens=42,
    cache_read_tokens=7,
    cache_write_tokens=8,
    reasoning_tokens=9,
    cost_micros=1_234,
    estimated=True,
)
ANN = Bearer(token="0a" * 16, role="agent", task_type="review")
LABEL = Label(Sensitivity.SENSITIVE, Integrity.UNTRUSTED, ("import", "tool:grep", "…"))
SETTINGS = Settings(
    name="näme \u202e",
    workspace="/w/ü",
    max_context_length=9_000,
    auto_compact=True,
    auto_compact_threshold=0.5,
    storage_type=StorageType.CUSTOM,
    parent_id="p",
    model=ModelSettings(provider="p", model="m", base_url="http://localhost:1", key="env:K"),
    thinking=True,
    thinking_tokens=512,
    tools=("look", "pay"),
    unsafe_auto_approve=True,
    queue_policy=QueuePolicy.STEER,
    limits=Limits(max_rounds=3, turn_s=60, tool_s=5, parallel_tools=2),
    extra='{"later":true}',
)
TOTALS = Totals(
    messages=1,
    turns=2,
    rounds=3,
    tool_calls=4,
    approvals=5,
    usage=USAGE,
    last_prompt_tokens=66,
)
ANSWER = Message(
    Role.ASSISTANT,
    (
        Thinking("hm", "sig", "p"),
        Text("I will"),
        ToolUse("c1", "look", '{"a": "\\u0000é"}'),
        ToolUse("c2", "pay", "not json"),
        ToolUse("c3", "put"),
    ),
    LABEL,
)


def _result(ordinal: int, *, is_error: bool = False) -> Message:
    part = ToolResult(f"c{ordinal}", "look", "out\0put", is_error)
    return Message(Role.TOOL, (part,), LABEL)


def every_field() -> list[tuple[int, Event]]:
    """Each kind with all of its fields set, in an order that makes sense."""
    birth = opened(
        SETTINGS,
        user_id="u",
        system_prompt="be brief",
        details=Details(title="T", tags=("a", "b"), custom='{"k":[1,null]}'),
        channel_id="ch",
        chat_id="cc",
        git=GitState("main", "c0ffee"),
        origin=Origin(session_id="p", stream=2**63 - 1, version=9, head="ab" * 32),
        messages=(user("from the parent", LABEL), ANSWER),
        tokens=21,
        totals=TOTALS,
        label=LABEL,
    )
    asked = Asked(
        cause=7,
        ordinal=2,
        about="approval",
        name="pay",
        digest="d2",
        text="may it?",
        choices=("approve", "deny"),
        due_ms=99_000,
    )
    events: list[Event] = [
        birth,
        Configured(
            settings=SETTINGS,
            system_prompt="be long",
            details=Details(title="U"),
            git=GitState(None, None),
            git_checked=True,
            touched=True,
        ),
        Imported(
            source="json",
            head="cd" * 32,
            messages=(user("old"), tool_result("x", "y", "z", label=LABEL)),
            tokens=5,
            totals=TOTALS,
            records=(CostRecord(model="m", provider="p", usage=USAGE, time_ms=3),),
            created_ms=4,
            updated_ms=5,
            inert='{"grants":[]}',
        ),
        Refused(action="admit", guard="g", reason="r", command="aa"),
        Admitted(message=user("go", LABEL), tokens=5, turn=True, command="bb"),
        _started(5, 0, "model"),
        _ended(5, 0, "model", ANSWER),
        _started(7, 1, "tool"),
        asked,
        _ended(7, 1, "tool", _result(1)),
        Answered(question=9, decision="approve", note="ok", by="7"),
        _started(7, 2, "tool"),
        _started(7, 2, "tool", attempt=2),
        Asked(
            cause=7,
            ordinal=2,
            about="in_doubt",
            name="pay",
            digest="d2",
            text="?",
            choices=("skip",),
        ),
        Lapsed(question=14, why="cancelled"),
        _started(99, 1, "host_tool"),
        Paused(why="lunch"),
        Resumed(),
        CancelAsked(why="user", by="7"),
        _ended(99, 1, "host_tool", None),
        _ended(7, 2, "tool", _result(2, is_error=True)),
        _ended(7, 3, "tool", _result(3)),
        ContextSet(
            reason="compact", window=((1, 3), (5, 5)), tokens=8, count=4, summary=user("so far")
        ),
        StateSet(state="Terminating", reason="bye", tombstone=True),
        WipeStarted(),
        Wiped(destroyed_at_ms=77, key_epoch=3),
        Ended(tombstone=True),
    ]
    return [(1_000 * (1 + place), event) for place, event in enumerate(events)]


def _started(cause: int, ordinal: int, effect: str, attempt: int = 1) -> EffectStarted:
    return EffectStarted(
        cause=cause,
        ordinal=ordinal,
        effect=effect,
        name="n",
        digest=f"d{ordinal}",
        attempt=attempt,
        engine="e" * 16,
        revisions=(("user:u", 3),),
        obligations=("route:x",),
    )


def _ended(cause: int, ordinal: int, effect: str, message: Message | None) -> EffectEnded:
    return EffectEnded(
        cause=cause,
        ordinal=ordinal,
        effect=effect,
        outcome=Outcome.DONE,
        message=message,
        tokens=11,
        parallel=(1, 3),
        usage=USAGE,
        model="m",
        provider="p",
        stop="end",
        exit_code=1,
        duration_ms=12,
        reason="r",
        detail="d",
        metadata='{"x":1}',
    )


def life() -> list[tuple[int, Event]]:
    """A whole life as the core decides it: turns, doubts, pauses, rewinds, the end."""
    talk = Talk(guards=ASKING)

    def tick() -> None:
        talk.now_ms += 10

    talk.send("one")
    talk.model(answer("look", "look", "nosuch", "put", text="let me see"), usage=USAGE)
    tick()
    talk.tool(2)
    talk.tool(1)
    talk.tool(4)
    talk.say(Send(message=user("also"), policy=QueuePolicy.STEER))
    talk.model(answer("pay"), usage=USAGE)
    talk.say(Answer(question=talk.view.questions[0].id, decision="approve", by="7"))
    tick()
    talk.crash()
    talk.say(Answer(question=talk.view.questions[0].id, decision="run_again", note="again"))
    talk.tool(1)
    tick()
    talk.crash()
    talk.model(answer(text="done"), usage=USAGE)
    talk.say(AddMessage(message=assistant("a line")))
    talk.send("two")
    talk.say(Pause(why="lunch"))
    talk.model(answer(text="half"), outcome=Outcome.CANCELLED)
    tick()
    talk.say(Resume())
    talk.say(Cancel(why="user"), by="7")
    talk.model(answer(text="so far"), outcome=Outcome.CANCELLED)
    talk.say(SetContext(reason="rewind", to_version=9), kept=kept(talk, 9))
    talk.say(Configure(title="T", tags=("a",), custom=(("k", "1"),), system_prompt="be brief"))
    talk.say(GitSeen(git=GitState("main", "c0")))
    talk.say(Import(source="json", messages=(user("old"),), totals=TOTALS))
    talk.send("three")
    talk.model(outcome=Outcome.FAILED, reason="provider_failed", detail="503")
    host = talk.facts().model
    assert host is not None
    talk.say(HostCall(action=host))
    talk.say(HostEnded(ref=EffectRef(talk.view.version, 1), outcome=Outcome.DONE, usage=USAGE))
    talk.say(MoveTo(state="Completed", reason="over"))
    talk.say(MoveTo(state="Active"))
    talk.say(SetContext(reason="clear"))
    talk.send("four")
    talk.say(Terminate(why="bye", tombstone=True))
    talk.model(outcome=Outcome.CANCELLED)
    talk.say(KeyGone(destroyed_at_ms=5, key_epoch=1))
    return [(recorded.time_ms, recorded.event) for recorded in talk.log]


def gate() -> list[tuple[int, Event]]:
    """What the gate brought: its kinds and fields, each with a value of its own."""
    rule = parse_rule("allow", "bash(git status:*)", literal=False, role="agent", task_type="fix")
    policy = Policy(mode=PolicyMode.STRICT, rules=(rule, parse_rule("deny", "write(secret/**)")))
    settings = replace(
        SETTINGS,
        permission=policy,
        hook_engine="hooks",
        confirmation=ConfirmationPolicy(
            attended_s=5,
            unattended_s=6,
            timeout_action=TimeoutAction.UNSAFE_AUTO_APPROVE,
            unsafe_auto_approve=(Lane.QUERY,),
            quorum=3,
            critical=("bash(rm:*)",),
        ),
        budget=BudgetSettings(
            micros=5, action_micros=4, limits=(Limit(holder=Holder.RUN, unit=Unit.CALLS, amount=3),)
        ),
    )
    grant = Grant(
        id="ab" * 16,
        kind=GrantKind.ESCAPE,
        scope=GrantScope.WORKSPACE,
        holder="w:1",
        rule=rule,
        operations=(Operation.READ,),
        created_ms=1,
        expires_ms=99,
        uses_max=2,
        by="ann",
        session="s",
        version=4,
        issuer="cd" * 32,
    )
    asked = Asked(
        cause=3,
        ordinal=1,
        about="approval",
        name="bash",
        digest="d",
        text="may it?",
        choices=("once", "deny", "edit"),
        due_ms=9_000,
        codes=("permission.default", "boundary.path_escape"),
        policy="0123456789abcdef",
        label="2.0",
        preview='{"command":"git status"}',
        patterns=("bash(git status:*)",),
        quorum=2,
        also=(2,),
        samples=(("git status -s", "git status .", "git status -b"),),
    )
    events: list[Event] = [
        opened(settings, lineage=(Ancestor("root", 7), Ancestor("mid", 8))),
        Admitted(message=user("go"), tokens=3),
        EffectEnded(
            cause=2, ordinal=0, effect="model", outcome=Outcome.DONE, message=ANSWER, tokens=5
        ),
        asked,
        Answered(question=4, decision="once", by="ann"),
        Answered(
            question=4,
            decision="edit",
            note="so",
            by="bob",
            arguments='{"command":"git status -s"}',
            also=(2,),
            amount=7,
            limits=(("s.m", 7), ("r2.c", None)),
        ),
        Modified(cause=3, ordinal=2, arguments='{"a":1}', by="hook"),
        Granted(grant=grant),
        EffectStarted(
            cause=3,
            ordinal=1,
            effect="tool",
            name="bash",
            digest="e",
            engine=ENGINE,
            takes=(("s.m", 4), ("grant:" + "ab" * 16, 1)),
            grants=("ab" * 16,),
            settles=(("s.t", 1, 2),),
        ),
        Warned(about="budget", subject="s.m", detail="80 % of the session's money is spent"),
        EffectEnded(
            cause=3,
            ordinal=1,
            effect="tool",
            outcome=Outcome.DONE,
            message=_result(1),
            tokens=2,
            settles=(("s.m", 4, 3),),
        ),
        Revoked(id="ab" * 16, holder="w:1", why="over", by="ann"),
        Configured(settings=SETTINGS, limits=(("s.m", 9),)),
        ChildOpened(session_id="child"),
        CancelAsked(why="user", by="ann"),
    ]
    return [(1_000 + place, event) for place, event in enumerate(events)]


def content() -> list[tuple[int, Event]]:
    """What content security brought: its kinds and fields, each with a value of its own."""
    security = Security(
        flow=FlowMode.STRICT,
        injection=InjectionDefense.ALL,
        reader=Sensitivity.NORMAL,
        redaction="hash",
        rules=(CustomRule(name="badge", pattern="B[0-9]{6}", level=Sensitivity.CRITICAL),),
        packs=("gdpr", "hipaa"),
        hosts=("api.test",),
        dangerous=("bash(curl:*)",),
        data=DataPolicy(
            name="house",
            tee_threshold=Sensitivity.HIGHLY_SENSITIVE,
            allow_highly_sensitive=False,
            type_rules=(("email", RoutingDecision.REQUIRE_CONFIRMATION),),
            fallback=Fallback.WARN,
        ),
        warn_kinds=2,
        reject_kinds=9,
        half_life_days=7,
        taints=False,
    )
    model = ModelSettings(
        provider="p",
        model="m",
        input_usd="1",
        output_usd="2.50",
        zone=Zone.PRIVATE,
        sees=Sensitivity.SENSITIVE,
    )
    found = Inspected(
        level=Sensitivity.SENSITIVE,
        kinds=(("email", 2), ("phone", 0)),
        values=("ab" * 16, "cd" * 16),
        threat=Threat.SUSPICIOUS,
        score=55,
        reasons=("role_override.ignore",),
        weak=("presidio: timed out",),
    )
    way = ("route:enclave",)
    more = replace(found, level=Sensitivity.HIGHLY_SENSITIVE, kinds=(("card", 1),))
    email, phone = ("email", 3, 700), ("phone", 1, 800)
    asked = Asked(
        cause=4,
        ordinal=0,
        about="consent",
        name="m",
        digest="d",
        text="the session holds email; may a public model be told?",
        choices=("once", "deny"),
        codes=("sensitivity.consent",),
    )
    call = EffectStarted(
        cause=8, ordinal=1, effect="tool", name="look", digest="e", engine=ENGINE, step=2
    )
    events: list[Event] = [
        opened(
            replace(SETTINGS, security=security, model=model),
            label=Label(Sensitivity.SENSITIVE),
            exposure=Exposure(level=Sensitivity.SENSITIVE, kinds=("email",), at=77),
            risk=Risk(kinds=(email, phone), grew_at=76),
        ),
        Imported(source="json", messages=(user("old", LABEL),), tokens=3, found=found),
        PlanFixed(
            steps=(
                PlanStep(tool="pay", arguments='{"to":"bob"}', times=3),
                PlanStep(tool="look", times=2),
            ),
            source="model",
            by="ann",
        ),
        Admitted(message=user("go", LABEL), tokens=3, found=more),
        asked,
        Answered(question=5, decision="once", by="u"),
        EffectStarted(cause=4, ordinal=0, effect="model", name="m", engine=ENGINE, obligations=way),
        EffectEnded(
            cause=4, ordinal=0, effect="model", outcome=Outcome.DONE, message=ANSWER, tokens=5
        ),
        call,
        replace(call, attempt=2),
        EffectEnded(
            cause=8,
            ordinal=1,
            effect="tool",
            outcome=Outcome.DONE,
            message=_result(1),
            tokens=2,
            found=found,
            exposes=4,
        ),
        CancelAsked(why="user", by="ann"),
        Relabelled(
            label=Label(Sensitivity.SENSITIVE, Integrity.UNTRUSTED, ("tool:grep",)),
            why="looked through",
            by="ann",
        ),
        Admitted(message=user("more"), tokens=3, turn=False, found=more),
        Configured(raise_to=Sensitivity.CRITICAL),
        Relabelled(label=Label(), risk=True, why="another matter", by="ann"),
        PlanFixed(steps=(PlanStep(tool="put"),)),
        Admitted(message=user("again"), tokens=3, found=found),
    ]
    return [(1_000 + place, event) for place, event in enumerate(events)]


def audit() -> list[tuple[int, Event]]:
    """A wipe that names the checkpoint over the log before it."""
    talk = Talk(replace(SETTINGS, name="audit"))
    talk.say(Terminate(why="bye"), finalised=None)
    talk.say(Tick(), finalised=7)
    talk.say(KeyGone(destroyed_at_ms=5, key_epoch=1))
    return [(recorded.time_ms, recorded.event) for recorded in talk.log]


def bearers() -> list[tuple[int, Event]]:
    """Turns that tokens began, and one that another token's message joined."""
    events: list[Event] = [
        opened(SETTINGS),
        Admitted(message=user("go"), tokens=3, bearer=ANN),
        CancelAsked(why="token_revoked"),
        Admitted(message=user("again"), tokens=3),
        Admitted(message=user("more"), tokens=3, bearer=Bearer(token="0b" * 16, role="operator")),
    ]
    return [(1_000 + place, event) for place, event in enumerate(events)]


def exports() -> list[tuple[int, Event]]:
    """A session that is written out, and ended but for some that stand below it."""
    talk = Talk(replace(SETTINGS, name="exports"))
    for form in ("jsonl", "session_data"):
        talk.say(NoteExport(form=form))
    talk.say(Terminate(why="bye", keep=("fork", "Child")), finalised=None)
    talk.say(Terminate(keep=("other",)), finalised=None)
    talk.say(Tick(), finalised=0)
    talk.say(KeyGone(destroyed_at_ms=5, key_epoch=1))
    return [(recorded.time_ms, recorded.event) for recorded in talk.log]


def enclaves() -> list[tuple[int, Event]]:
    """A program says that it used an enclave, once and again."""
    talk = Talk(replace(SETTINGS, name="enclaves"))
    for title in (None, None, "later"):
        talk.say(Configure(title=title, tee_active=True))
    return [(recorded.time_ms, recorded.event) for recorded in talk.log]


LOGS: dict[str, Callable[[], list[tuple[int, Event]]]] = {
    "v1_every_field": every_field,
    "v1_life": life,
    "v2_gate": gate,
    "v3_content": content,
    "v4_audit": audit,
    "v4_bearers": bearers,
    "v5_exports": exports,
    "v6_enclaves": enclaves,
    "v6_asides": lambda: asides(opened(SETTINGS)),
}
