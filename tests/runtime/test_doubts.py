"""Effects in doubt: what was cut off is settled by its nature, never twice by our own decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.hooks import HookCall, HookEvent
from holdfast.core.tools import Nature
from holdfast.ports.tool import Json, Reconciled, Reconciliation, ToolContext, ToolOutcome
from holdfast.runtime.hooks import Hook
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, on_file, registry, results, run, texts, tool

# --- doubts ---------------------------------------------------------------------------


async def cut_off(folder: Path, nature: Nature, ran: list[str]) -> None:
    """Leave a session whose tool call was cut off together with its process."""
    started = asyncio.Event()

    async def act() -> str:
        ran.append("first")
        started.set()
        await asyncio.Event().wait()
        return "never"

    sessions = on_file(folder, ScriptedModel([call("act")]), tool(act, nature=nature))
    async with sessions:
        session = await sessions.create_session("one", UNSAFE)
        task = asyncio.create_task(session.generate("q"))
        await started.wait()
        engine = sessions.live(session.where.stream)
        assert engine is not None
        # The process dies here: nothing is decided any more, the lease is gone.
        engine.workers.reconcile = lambda: None
        engine._stopping = True
        for task_ in [task, *(r.task for r in engine.workers._running.values())]:
            task_.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("decision", "times", "words"),
    [("happened", 1, "confirmed"), ("run_again", 2, "again"), ("skip", 1, "outcome unknown")],
)
def test_a_cut_off_once_call_is_a_persons_to_decide(
    tmp_path: Path, decision: str, times: int, words: str
) -> None:
    """A `once` call in doubt is asked about; each answer does what it says."""

    async def work() -> None:
        ran: list[str] = []
        await cut_off(tmp_path, Nature.ONCE, ran)

        async def act() -> str:
            ran.append("again")
            return "again"

        model = ScriptedModel([say("done")])
        async with on_file(tmp_path, model, tool(act)) as sessions:
            found = await sessions.resume_interrupted()
            assert ["one"] == [session.id for session in found]
            session = found[0]
            while not await session.questions():
                await asyncio.sleep(0.002)
            question = (await session.questions())[0]
            assert "in_doubt" == question.about
            assert ["first"] == ran
            await session.answer(question.id, decision)
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.002)
            assert times == len(ran)
            assert words in results(await session.history())[0].content
            assert [] == model.problems
            assert "done" == texts(await session.history())[-1]

    run(work())


@pytest.mark.parametrize("nature", [Nature.READ_ONLY, Nature.IDEMPOTENT])
def test_a_cut_off_harmless_call_is_repeated(tmp_path: Path, nature: Nature) -> None:
    """Read-only and idempotent calls are run again without a question."""

    async def work() -> None:
        ran: list[str] = []
        await cut_off(tmp_path, nature, ran)

        async def act(context: ToolContext) -> str:
            ran.append(str(context.attempt))
            return "again"

        model = ScriptedModel([say("done")])
        async with on_file(tmp_path, model, tool(act, nature=nature)) as sessions:
            session = (await sessions.resume_interrupted())[0]
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.002)
            assert ["first", "2"] == ran
            assert "done" == texts(await session.history())[-1]

    run(work())


@pytest.mark.parametrize("nature", [Nature.IDEMPOTENT, Nature.ONCE])
def test_hooks_look_at_a_cut_off_call_before_it_is_repeated(tmp_path: Path, nature: Nature) -> None:
    """By itself or because a person said so: it waits for the hooks, and not for ever."""

    async def work() -> None:
        ran: list[str] = []
        await cut_off(tmp_path, nature, ran)
        spoke = asyncio.Event()

        async def act() -> str:
            ran.append("again")
            return "again"

        async def look(call: HookCall) -> None:
            await spoke.wait()

        model = ScriptedModel([say("done")])
        async with on_file(tmp_path, model, tool(act, nature=nature)) as sessions:
            event = HookEvent.PRE_TOOL_USE
            sessions.hooks.register(Hook(id="look", event=event, handler=look))
            session = (await sessions.resume_interrupted())[0]
            await asyncio.sleep(0)
            assert ["first"] == ran
            spoke.set()
            while nature is Nature.ONCE and not (questions := await session.questions()):
                await asyncio.sleep(0.002)
            if nature is Nature.ONCE:
                await session.answer(questions[0].id, "run_again")
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.002)
            assert ["first", "again"] == ran

    run(work())


def test_a_tool_that_is_gone_is_in_doubt_for_a_person(tmp_path: Path) -> None:
    """What the registry does not know today is treated as `once`."""

    async def work() -> None:
        ran: list[str] = []
        await cut_off(tmp_path, Nature.IDEMPOTENT, ran)
        async with on_file(tmp_path, ScriptedModel([say("done")])) as sessions:
            session = (await sessions.resume_interrupted())[0]
            while not await session.questions():
                await asyncio.sleep(0.002)
            assert ["happened", "run_again", "skip"] == list((await session.questions())[0].choices)
            assert await session.cancel()
            assert [] == await session.questions()
            assert "outcome unknown" in results(await session.history())[0].content

    run(work())


# --- reconcilable ---------------------------------------------------------------------


class Ship:
    """A reconcilable tool."""

    def __init__(self, spec: object, said: object) -> None:
        self.spec = spec
        self._said = said
        self.runs = 0

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Run."""
        self.runs += 1
        return ToolOutcome(content="ran again")

    async def reconcile(self, arguments: Mapping[str, Json], context: ToolContext) -> object:
        """Answer, or fail."""
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


def _said_cases() -> list[object]:
    done = Reconciled(state=Reconciliation.DONE, outcome=ToolOutcome(content="it did"))
    return [
        pytest.param(done, 0, "it did", id="done"),
        pytest.param(Reconciled(state=Reconciliation.NOT_DONE), 1, "ran again", id="not_done"),
        pytest.param(Reconciled(state=Reconciliation.UNKNOWN), 0, None, id="unknown"),
        pytest.param(RuntimeError("the tool's own bug"), 0, None, id="bug"),
    ]


@pytest.mark.parametrize(("said", "runs", "content"), _said_cases())
def test_a_cut_off_reconcilable_call_is_the_tools_to_say(
    tmp_path: Path,
    said: object,
    runs: int,
    content: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Done is not repeated, not done is; a tool that does not know leaves it to a person.

    What a failing tool says may quote what it was given: no log has it.
    """

    async def work() -> None:
        ran: list[str] = []
        await cut_off(tmp_path, Nature.RECONCILABLE, ran)
        spec = tool(cut_off_act, nature=Nature.RECONCILABLE).spec
        ship = Ship(spec, said)
        model = ScriptedModel([say("done")])
        offered = registry()
        offered.register(ship)
        sessions = SessionManager.open(
            tmp_path / "store" / "s.db",
            llm_client=model,
            tool_executor=offered,
            installation_key=tmp_path / "installation.key",
        )
        async with sessions:
            session = (await sessions.resume_interrupted())[0]
            if content is None:
                while not await session.questions():
                    await asyncio.sleep(0.002)
            else:
                while (await session.info()).turn_count == 0:
                    await asyncio.sleep(0.002)
                assert content == results(await session.history())[0].content
            assert runs == ship.runs

    run(work())
    failed = [line for line in caplog.messages if "could not say what became" in line]
    assert len(failed) == int(isinstance(said, Exception))
    assert "the tool's own bug" not in caplog.text


async def cut_off_act() -> str:
    """Stand for the tool `act`."""
    return ""


cut_off_act.__name__ = "act"
