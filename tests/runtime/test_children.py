"""Children: narrower than their parent at every moment, stopped with it (seeds B7, E2)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.bootstrap import FunctionTool, SessionManager
from holdfast.core.children import DEPTH_MAX, LIVING_MAX
from holdfast.core.errors import Denied, HoldfastError, InvalidInput, NotNow, SessionExists
from holdfast.core.hooks import HookAnswer, HookCall, HookEvent, block
from holdfast.core.lifecycle import SessionState
from holdfast.core.quantities import Usage
from holdfast.core.settings import ConfirmationPolicy
from holdfast.core.tools import Nature
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.hooks import Hook
from holdfast.testing.script import call, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, memory, on_file, results, run, tool


def acts(done: list[str]) -> FunctionTool:
    """A tool that notes that it ran."""

    def act(text: str = "") -> str:
        done.append(text)
        return "did it"

    return tool(act, nature=Nature.ONCE, params=["text"])


def test_a_child_has_what_its_parent_has() -> None:
    """Workspace, model, user; and no message of it (seed test 004 L553-590)."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            parent = await sessions.create_session("up", user_id="ann")
            await parent.generate("secret of the parent")
            child = await sessions.create_child_session("up", "down")
            assert [] == await child.history()
            view = await child.view()
            assert ("ann", "up") == (view.user_id, view.settings.parent_id)
            assert "re: hello" == (await child.generate("hello")).text
            assert ["down"] == await sessions.get_child_sessions("up")
            assert [] == await sessions.get_child_sessions("down")
            assert [] == await sessions.get_child_sessions("nobody")
            assert await sessions.is_child_session("down")
            assert not await sessions.is_child_session("up")
            assert "up" == await sessions.parent_session_id("down")

    run(work())


def test_a_fork_is_no_child() -> None:
    """It has a life of its own."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("up")
            await sessions.fork_session("up", "fork")
            await sessions.create_session("two", SessionConfig(parent_id="up"))
            assert ["two"] == await sessions.get_child_sessions("up")
            assert not await sessions.is_child_session("fork")

    run(work())


def test_what_binds_a_child_binds_its_fork() -> None:
    """Denials and accounts are those of the head, also the ones from above (contract 1.4)."""
    done: list[str] = []

    async def work() -> None:
        async with memory(ScriptedModel([call("act"), say("1")]), acts(done)) as sessions:
            parent = await sessions.create_session("up", UNSAFE)
            await sessions.create_child_session("up", "down", UNSAFE)
            fork = await sessions.fork_session("down", "fork")
            await parent.add_deny_rule("act")
            await fork.generate("go")
            assert "a rule of the parent:up" in results(await fork.history())[0].content
            assert (await fork.view()).lineage[0].session_id == "up"

    run(work())
    assert [] == done


def test_how_a_childs_people_are_asked_only_gets_stricter() -> None:
    """What its parent calls critical stays so, whatever it is set to afterwards."""

    async def work() -> None:
        async with memory(echo(), acts([])) as sessions:
            critical = ConfirmationPolicy(critical=("act",), quorum=3)
            await sessions.create_session("up", SessionConfig(confirmation_policy=critical))
            child = await sessions.create_child_session("up", "down")
            assert critical == await child.set_confirmation_policy(ConfirmationPolicy())
            now = await child.set_confirmation_policy(ConfirmationPolicy(critical=("bash",)))
            assert (("act", "bash"), 3) == (now.critical, now.quorum)

    run(work())


def test_a_child_is_never_wider(tmp_path: Path) -> None:
    """In workspace, tools, limits and what runs unasked (a3s#A15)."""
    inner = tmp_path / "in"
    inner.mkdir()

    async def work() -> None:
        async with memory(echo(), acts([])) as sessions:
            config = SessionConfig(workspace=str(inner), tools=("act",))
            await sessions.create_session("up", config)
            with pytest.raises(Denied, match="workspace"):
                await sessions.create_child_session(
                    "up", "a", SessionConfig(workspace=str(tmp_path))
                )
            with pytest.raises(InvalidInput, match="parent's tools"):
                await sessions.create_child_session("up", "b", SessionConfig(tools=("bash",)))
            child = await sessions.create_child_session("up", "c", UNSAFE)
            settings = (await child.view()).settings
            assert (str(inner), ("act",)) == (settings.workspace, settings.tools)
            assert not settings.unsafe_auto_approve
            assert ["c"] == await sessions.get_child_sessions("up")

    run(work())


def test_what_a_parent_denies_its_children_may_not_do() -> None:
    """Also a rule that is added while the child lives; and not after it is gone again."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act"), say("1"), call("act"), say("2")])
        async with memory(model, acts(done)) as sessions:
            parent = await sessions.create_session("up", UNSAFE)
            child = await sessions.create_child_session("up", "down", UNSAFE)
            await child.generate("go")
            assert 1 == len(done)
            await parent.add_deny_rule("act")
            await child.generate("go")
            assert "denied" in results(await child.history())[-1].content
            assert 1 == len(done)

    run(work())


def test_a_denial_reaches_a_child_in_another_process(tmp_path: Path) -> None:
    """Two managers on one file: the next call is judged under the parent's new rules."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act"), say("1"), call("act"), say("2")])
        async with on_file(tmp_path, None, acts(done)) as one:
            parent = await one.create_session("up", UNSAFE)
            await one.create_child_session("up", "down", UNSAFE)
            child_engine = one.live((await one.get_session("down")).where.stream)
            assert child_engine is not None
            await child_engine.stop()
            del one._engines[child_engine.journal.stream]
            async with on_file(tmp_path, model, acts(done)) as two:
                child = await two.get_session("down")
                await child.generate("go")
                assert 1 == len(done)
                await parent.add_deny_rule("act")
                await child.generate("go")
                assert "denied" in results(await child.history())[-1].content
                assert 1 == len(done)

    run(work())


def test_a_cancel_stops_the_whole_subtree() -> None:
    """Children and theirs; a session beside them goes on."""

    async def work() -> None:
        model = ScriptedModel([hang(), hang(), hang(), hang()])
        async with memory(model) as sessions:
            await sessions.create_session("up")
            await sessions.create_child_session("up", "down")
            await sessions.create_child_session("down", "deep")
            await sessions.create_session("beside")
            names = ["up", "down", "deep", "beside"]
            handles = {name: await sessions.get_session(name) for name in names}
            turns = {
                name: asyncio.create_task(handle.generate("go")) for name, handle in handles.items()
            }
            for handle in handles.values():
                while not (await handle.view()).open:
                    await asyncio.sleep(0.002)
            assert await handles["up"].cancel()
            for name in ("up", "down", "deep"):
                with pytest.raises(HoldfastError):
                    await turns[name]
            assert not turns["beside"].done()
            await handles["beside"].cancel()
            with pytest.raises(HoldfastError):
                await turns["beside"]

    run(work())


def test_a_cancel_leaves_nothing_waiting_for_a_child_at_rest(tmp_path: Path) -> None:
    """Nobody leads it: a cancel in its inbox would wait there for ever."""

    async def first() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            await sessions.create_session("top", UNSAFE)
            await sessions.create_child_session("top", "below")

    async def second() -> None:
        model = ScriptedModel([hang("x")])
        async with on_file(tmp_path, model) as sessions:
            top = await sessions.get_session("top")
            turn = asyncio.create_task(top.generate("go"))
            await model.hanging.wait()
            await top.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            engine = sessions.live(top.where.stream)
            assert engine is not None
            while engine.workers.busy:
                await asyncio.sleep(0.002)
            below = await sessions.locate("below")
            assert [] == await below.backend.store.pending(below.stream)

    run(first())
    run(second())


def test_depth_and_number_are_limited() -> None:
    """The refusal is on record; the child does not exist (astrid#AW-34, T-33)."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("0")
            for depth in range(DEPTH_MAX):
                await sessions.create_child_session(str(depth), str(depth + 1))
            with pytest.raises(Denied, match="deep"):
                await sessions.create_child_session(str(DEPTH_MAX), "too-deep")
            for number in range(LIVING_MAX - 1):
                await sessions.create_child_session("0", f"c{number}")
            with pytest.raises(Denied, match="living"):
                await sessions.create_child_session("0", "one-more")
            await (await sessions.get_session("c0")).end()
            await sessions.create_child_session("0", "one-more")

    run(work())


def test_a_child_of_what_has_ended() -> None:
    """Neither an ended nor a missing parent opens one; a taken id leaves no trace."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            parent = await sessions.create_session("up")
            with pytest.raises(SessionExists):
                await sessions.create_child_session("up", "up")
            version = await parent.version()
            with pytest.raises(HoldfastError):
                await sessions.create_child_session("nobody", "x")
            assert version == await parent.version()
            await parent.end()
            with pytest.raises(NotNow):
                await sessions.create_child_session("up", "x")

    run(work())


def test_a_childs_end_clears_nothing_of_its_parents() -> None:
    """And a wipe of the parent takes the children along (astrid#AW-16)."""

    async def work() -> None:
        async with memory(echo(), acts([])) as sessions:
            parent = await sessions.create_session("up")
            await parent.grant_allowance("act", "session")
            child = await sessions.create_child_session("up", "down")
            await child.end()
            assert 1 == len(await parent.allowances())
            await sessions.terminate_session("up")
            row = await child.where.backend.store.stream_row(child.where.stream)
            assert row is not None
            assert int(SessionState.TERMINATED) == row.index.state

    run(work())


def test_a_child_uses_what_its_parent_was_granted_and_keeps_its_own() -> None:
    """Later grants of the parent too; the child's never go up."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act"), say("ok"), call("act"), say("ok")])
        async with memory(model, acts(done)) as sessions:
            parent = await sessions.create_session("up")
            child = await sessions.create_child_session("up", "down")
            await parent.grant_allowance("act", "session")
            await child.generate("go")
            assert 1 == len(done)
            await child.grant_allowance("other", "session")
            assert ["act"] == [one.rule for one in await parent.allowances()]

    run(work())


def test_hooks_before_and_after_a_child() -> None:
    """One may refuse it; the end is told."""
    seen: list[tuple[str, object]] = []

    async def before(call: HookCall) -> HookAnswer | None:
        seen.append((call.event.value, call.data["child"]))
        return block("no") if call.data["child"] == "bad" else None

    async def after(call: HookCall) -> None:
        seen.append((call.event.value, call.data["child"]))

    async def work(sessions: SessionManager) -> None:
        hooks = sessions.hooks
        hooks.register(Hook(id="b", event=HookEvent.SUBAGENT_START, handler=before))
        hooks.register(Hook(id="a", event=HookEvent.SUBAGENT_STOP, handler=after))
        await sessions.create_session("up")
        with pytest.raises(Denied, match="no"):
            await sessions.create_child_session("up", "bad")
        child = await sessions.create_child_session("up", "good")
        await child.end()
        while len(seen) < 3:
            await asyncio.sleep(0.002)

    async def outer() -> None:
        async with memory(echo()) as sessions:
            await work(sessions)

    run(outer())
    expected = [("subagent_start", "bad"), ("subagent_start", "good"), ("subagent_stop", "good")]
    assert expected == seen


def test_what_parent_and_child_spend_is_one_sum() -> None:
    """10 and 5 read 15 in both (seed test 004 L553-590)."""

    async def work() -> None:
        ten, five = Usage(cost_micros=10), Usage(cost_micros=5)
        model = ScriptedModel([say("a", usage=ten), say("b", usage=five)])
        async with memory(model) as sessions:
            parent = await sessions.create_session("up")
            child = await sessions.create_child_session("up", "down")
            await parent.generate("go")
            await child.generate("go")
            for session in (parent, child):
                account = {one.name: one for one in await session.budget()}["session total micros"]
                assert 15 == account.used

    run(work())


def test_questions_of_a_child_surface_at_the_root() -> None:
    """Whoever watches the root sees them, and answers them there."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act"), say("ok")])
        async with memory(model, acts(done)) as sessions:
            root = await sessions.create_session("up")
            await sessions.create_child_session("up", "mid")
            child = await sessions.create_child_session("mid", "down")
            turn = asyncio.create_task(child.generate("go"))
            while not (await root.approvals()):
                await asyncio.sleep(0.005)
            [asked] = await root.approvals()
            assert ("down", "act") == (asked.session_id, asked.tool)
            await sessions.answer_approval(asked.id, "once")
            assert "ok" == (await turn).text

    run(work())
    assert 1 == len(done)
