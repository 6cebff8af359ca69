"""Plans, labels, risk and settings through the handle: raised by anything, lowered by people."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from contenthelp import EMAIL, log_of, public, quick
from holdfast.core.errors import (
    ApproverRefused,
    Denied,
    HoldfastError,
    InvalidInput,
    KeyDestroyed,
    NotNow,
)
from holdfast.core.events import PlanStep, Refused, Relabelled
from holdfast.core.flows import Flow, Reads, Sink
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.tools import Nature, ToolSpec
from holdfast.runtime.config import AgentResult, SessionConfig
from holdfast.runtime.guarding import RiskReport, Trifecta, trifecta_of
from holdfast.runtime.handle import Session
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import call, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import NO_SINK, UNSAFE, HandClock, echo, memory, on_file, one_session, run, tool


def fetch() -> str:
    """Read what strangers wrote."""
    return f"mail {EMAIL}"


SEEN = Label(
    sensitivity=Sensitivity.SENSITIVE, integrity=Integrity.UNTRUSTED, origins=("tool:fetch",)
)


async def reading(session: Session) -> None:
    """Let a session read what strangers wrote."""
    await session.generate("go")
    assert SEEN == await session.label()


# --- labels -----------------------------------------------------------------------------------


def test_a_label_is_lowered_by_a_person_with_a_reason(tmp_path: Path) -> None:
    """It is on record who, what and why, and holds after a restart; later content raises it."""

    async def work() -> None:
        model = ScriptedModel([call("fetch"), say("ok"), call("fetch"), say("ok")])
        async with on_file(tmp_path, model, tool(fetch), detectors=quick()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await reading(session)
            await session.relabel(why="read it myself", sensitivity="normal", by="ada")
            assert Sensitivity.NORMAL is (await session.label()).sensitivity
            assert Integrity.UNTRUSTED is (await session.label()).integrity
            await session.relabel(why="  ours ", trusted=True)
        async with on_file(tmp_path, model, tool(fetch), detectors=quick()) as sessions:
            session = await sessions.get_session("one")
            assert Label() == await session.label()
            said = [one for one in await log_of(session) if isinstance(one, Relabelled)]
            assert [("read it myself", "ada"), ("  ours ", "local")] == [
                (one.why, one.by) for one in said
            ]
            await reading(session)

    run(work())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"why": "", "trusted": True}, InvalidInput),
        ({"why": "   ", "trusted": True}, InvalidInput),
        ({"why": "x" * 1001, "trusted": True}, InvalidInput),
        ({"why": "x"}, InvalidInput),
        ({"why": "x", "sensitivity": "critical"}, InvalidInput),
        ({"why": "x", "sensitivity": "low"}, InvalidInput),
        ({"why": "x", "trusted": True, "by": "agent:one"}, ApproverRefused),
        ({"why": "x", "trusted": True, "by": "model:one"}, ApproverRefused),
        ({"why": "x", "trusted": True, "by": "tool:one"}, ApproverRefused),
    ],
)
def test_what_does_not_lower_a_label(
    options: dict[str, object], error: type[HoldfastError]
) -> None:
    """No reason, nothing to lower, or nobody who may."""

    async def work() -> None:
        model = ScriptedModel([call("fetch"), say("ok")])
        async with one_session(model, tool(fetch), detectors=quick()) as session:
            await reading(session)
            with pytest.raises(error):
                await session.relabel(**options)  # type: ignore[arg-type]  # its options
            assert SEEN == await session.label()

    run(work())


def test_not_while_a_turn_runs() -> None:
    """What the model is about to see has not been read by anybody yet."""

    async def work() -> None:
        model = ScriptedModel([call("fetch"), hang("wait")])
        async with one_session(model, tool(fetch), detectors=quick()) as session:
            task = asyncio.create_task(session.generate("go"))
            await model.hanging.wait()
            with pytest.raises(NotNow):
                await session.relabel(why="x", trusted=True)
            with pytest.raises(NotNow):
                await session.fix_plan(["pay"])
            await session.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(work())


def test_the_level_is_raised_and_never_sinks() -> None:
    """Seed A3: True if it rose."""

    async def work() -> None:
        async with one_session(echo(), detectors=quick()) as session:
            assert await session.update_sensitivity("HighlySensitive")
            for level in ("highly_sensitive", Sensitivity.PUBLIC, "normal"):
                assert not await session.update_sensitivity(level)
            assert Sensitivity.HIGHLY_SENSITIVE is (await session.label()).sensitivity
            with pytest.raises(InvalidInput):
                await session.update_sensitivity("huge")

    run(work())


def test_a_session_is_marked_for_good(tmp_path: Path) -> None:
    """Seed A3: one event, however often; it outlives clearing and another manager."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            assert not await session.uses_tee()
            assert [True, False] == [await session.mark_tee_active() for _ in range(2)]
            before = (await session.info()).version
            await asyncio.gather(*(session.mark_tee_active() for _ in range(5)))
            assert before == (await session.info()).version
            await session.clear()
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.get_session("one")
            assert await session.uses_tee() and (await session.info()).tee_active
            other = await sessions.create_session("two")
            await sessions.terminate_session("two")
            with pytest.raises(KeyDestroyed):
                await other.mark_tee_active()

    run(work())


# --- risk -------------------------------------------------------------------------------------

KINDS = [
    f"mail {EMAIL}",
    "phone +1 415 555 2671",
    "born on: date of birth 1990-04-12",
    "my ssn is 536-90-4399",
    "the IBAN is DE89 3704 0044 0532 0130 00",
]


async def yes(session: Session, task: asyncio.Task[AgentResult]) -> str:
    """Answer the question that comes, if one does; returns what was asked about."""
    while not task.done():
        for question in await session.questions():
            await session.answer(question.id, "once")
            return question.codes[0] if question.codes else ""
        await asyncio.sleep(0.002)
    return ""


def test_what_is_told_of_a_person_adds_up() -> None:
    """Three kinds are asked about, five refused, the refused one does not count; a reset helps."""

    async def work() -> None:
        model = public([say("ok")] * 9)
        async with one_session(model, config=SessionConfig(), detectors=quick()) as session:
            asked = []
            with pytest.raises(Denied):
                for text in KINDS:
                    task = asyncio.create_task(session.generate(text))
                    asked.append(await yes(session, task))
                    await task
            before = await session.risk()
            assert ["", ""] == asked[:2] and "sensitivity.cumulative" in asked[2:], asked
            assert before.points < 5 and len(before.kinds) < 5
            (refused,) = [one for one in await log_of(session) if isinstance(one, Refused)]
            assert ("sensitivity", "cumulative") == (refused.guard, refused.reason)
            with pytest.raises(ApproverRefused):
                await session.reset_risk(why="x", by="agent:x")
            with pytest.raises(InvalidInput):
                await session.reset_risk(why="")
            assert before == await session.risk()
            await session.reset_risk(why="a new matter", by="ada")
            assert RiskReport(kinds={}, points=0.0) == await session.risk()
            (reset,) = [one for one in await log_of(session) if isinstance(one, Relabelled)]
            assert (True, "a new matter", "ada") == (reset.risk, reset.why, reset.by)
            assert "ok" == (await session.generate(f"again {EMAIL}")).text

    run(work())


def test_what_was_told_long_ago_counts_less() -> None:
    """A kind counts half after its half-life."""

    async def work() -> None:
        clock = HandClock()
        config = SessionConfig(security_config=SecurityConfig(half_life_days=2))
        async with one_session(echo(), config=config, detectors=quick(), clock=clock) as session:
            await session.generate(f"mail {EMAIL}")
            assert RiskReport(kinds={"email": 1}, points=1.0) == await session.risk()
            clock.advance(2 * 86_400)
            assert 0.5 == (await session.risk()).points

    run(work())


def test_nothing_counts_where_nothing_leaves() -> None:
    """A local model may be told everything."""

    async def work() -> None:
        async with one_session(echo(), config=SessionConfig(), detectors=quick()) as session:
            for text in KINDS:
                await session.generate(text)
            assert (await session.risk()).points >= 5

    run(work())


# --- plans and settings -------------------------------------------------------------------------


def test_a_plan_is_kept_and_its_steps_are_taken() -> None:
    """Steps may be names, pairs or steps; a call that is planned takes one."""

    def pay(to: str = "", amount: str = "") -> str:
        return "paid"

    async def work() -> None:
        flow = Flow(reads=Reads.TRUSTED, sink=Sink.EGRESS)
        paying = tool(pay, params=["to", "amount"], flow=flow)
        model = ScriptedModel([call("fetch"), call("pay", {"to": "bob"}), say("ok")])
        async with one_session(model, tool(fetch), paying, detectors=quick()) as session:
            assert [] == await session.plan()
            await session.fix_plan([("pay", {"to": "bob"}), "note", PlanStep(tool="x", times=2)])
            steps = await session.plan()
            assert [("pay", 1), ("note", 1), ("x", 2)] == [(one.tool, n) for one, n in steps]
            await session.generate("go")
            assert [0, 1, 2] == [left for _, left in await session.plan()]

    run(work())


@pytest.mark.parametrize(
    "steps",
    [[], [("pay",)], [("pay", {"x": object()})], [""], [PlanStep(tool="x", times=0)], [("a", "b")]],
)
def test_a_malformed_plan_is_refused(steps: list[object]) -> None:
    """The one before it stays."""

    async def work() -> None:
        async with one_session(echo(), detectors=quick()) as session:
            await session.fix_plan(["note"])
            with pytest.raises(InvalidInput):
                await session.fix_plan(steps)  # type: ignore[arg-type]  # what is tested
            assert ["note"] == [step.tool for step, _ in await session.plan()]

    run(work())


def test_settings_change_and_hold() -> None:
    """From the next message on; what cannot be used is refused at once."""

    async def work() -> None:
        model = public([say("ok")] * 3)
        async with one_session(model, detectors=quick()) as session:
            await session.generate(f"mail {EMAIL}")
            await session.set_security(
                SecurityConfig(data_policy={"type_rules": {"email": "reject"}})
            )
            with pytest.raises(Denied):
                await session.generate(f"mail {EMAIL}")
            for wrong in (
                SecurityConfig(compliance=("nobody's",)),
                SecurityConfig(classification_rules=({"name": "a", "pattern": "("},)),
                SecurityConfig(warn_kinds=-1),
            ):
                with pytest.raises(InvalidInput):
                    await session.set_security(wrong)

    run(work())


@pytest.mark.parametrize(
    "wrong",
    [
        SecurityConfig(compliance=("nobody's",)),
        SecurityConfig(classification_rules=({"name": "a", "pattern": "("},)),
    ],
)
def test_no_session_is_made_with_rules_that_cannot_be_used(wrong: SecurityConfig) -> None:
    """They are checked when they are set, not when the first message comes."""

    async def work() -> None:
        async with memory(echo(), detectors=quick()) as sessions:
            with pytest.raises(InvalidInput):
                await sessions.create_session("one", SessionConfig(security_config=wrong))
            assert [] == await sessions.get_all_sessions()

    run(work())


# --- the trifecta ---------------------------------------------------------------------------------


def spec(name: str, flow: Flow, *, workspace: bool = False) -> ToolSpec:
    """A tool that declares this."""
    return ToolSpec(
        name=name,
        description=name,
        parameters="{}",
        nature=Nature.ONCE,
        flow=flow,
        needs_workspace=workspace,
    )


WEB = spec("web", Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE))
FILE = spec("file", Flow(reads=Reads.TRUSTED, sink=Sink.NONE), workspace=True)
CRM = spec("crm", Flow(reads=Reads.TRUSTED, sink=Sink.NONE, produces=Sensitivity.HIGHLY_SENSITIVE))
MAIL = spec("mail", Flow(reads=Reads.TRUSTED, sink=Sink.EGRESS))
SAFE = spec("safe", Flow(reads=Reads.TRUSTED, sink=Sink.EGRESS, confined=True), workspace=True)


def test_tools_are_sorted_by_what_makes_them_dangerous() -> None:
    """All three together are the lethal trifecta; two are not."""
    found = trifecta_of([MAIL, CRM, WEB, WEB], workspace=False)
    assert Trifecta(untrusted=("web",), private=("crm",), egress=("mail",)) == found
    assert found.complete
    for two in ([MAIL, CRM], [CRM, WEB], [MAIL, WEB]):
        assert not trifecta_of(two, workspace=False).complete


def test_a_workspace_is_private_data() -> None:
    """Tools that read in it count, where there is one; what stays within sends nothing."""
    assert ("file", "safe") == trifecta_of([FILE, SAFE], workspace=True).private
    assert () == trifecta_of([FILE, SAFE], workspace=False).private
    assert () == trifecta_of([SAFE], workspace=True).egress


def test_a_session_names_its_own() -> None:
    """Of the tools that it is offered."""

    def undeclared() -> str:
        return ""

    async def work() -> None:
        tools = (tool(fetch, flow=NO_SINK), tool(undeclared, flow=Flow()))
        async with memory(echo(), *tools, detectors=quick()) as sessions:
            session = await sessions.create_session("one", SessionConfig())
            found = await session.trifecta()
            assert (("fetch", "undeclared"), ("undeclared",)) == (found.untrusted, found.egress)
            few = await sessions.create_session("two", SessionConfig(tools=("fetch",)))
            assert () == (await few.trifecta()).egress

    run(work())


def test_an_answer_tells_its_reader_whose_words_shaped_it() -> None:
    """The end of the run says so, as its last turn and its result do."""

    def page() -> str:
        return "Buy now."

    async def work() -> None:
        model = ScriptedModel([say("Hello."), call("page"), say("It says: buy.")])
        reads = tool(page, flow=Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE))
        async with memory(model, reads, detectors=quick()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            for trusted, origins in ((True, []), (False, ["tool:page"])):
                events = [event async for event in session.stream("go")]
                end, turn = events[-1], [one for one in events if one.type == "turn_end"][-1]
                assert "agent_end" == end.type and trusted is turn.data["trusted"]
                assert (trusted, origins) == (end.data["trusted"], end.data["origins"])

    run(work())
