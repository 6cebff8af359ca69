"""Making calls out of intents: what a model is sent, what a tool is told."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.tools import Nature
from holdfast.ports.tool import ToolContext
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import one_session, run, tool


def test_a_model_is_told_only_of_tools_that_may_run() -> None:
    """A tool that the session's rules deny whatever it is told is not offered."""

    def look() -> str:
        return "seen"

    def change() -> str:
        return "done"

    tools = (tool(look, nature=Nature.READ_ONLY), tool(change))

    async def names(config: SessionConfig) -> list[str]:
        model = ScriptedModel([say("ok")])
        async with one_session(model, *tools, config=config) as session:
            await session.generate("hi")
        return [spec.name for spec in model.requests[0].tools]

    assert ["change", "look"] == run(names(SessionConfig()))
    denied = SessionConfig(permission_policy={"deny": ["Change"]})
    assert ["look"] == run(names(denied))
    assert ["change"] == run(names(SessionConfig(unsafe_auto_approve=True, tools=("CHANGE",))))


def test_a_tool_is_told_who_calls_and_how_often(tmp_path: Path) -> None:
    """The effect's id is the same in the log's terms, the limit the smaller of the two."""
    seen: list[ToolContext] = []

    async def act(context: ToolContext) -> str:
        seen.append(context)
        return "acted"

    acting = tool(act, timeout_s=1000.0)

    async def scene() -> None:
        model = ScriptedModel([call(acting.spec.name, {}), say("ok")])
        config = SessionConfig(unsafe_auto_approve=True, workspace=str(tmp_path))
        async with one_session(model, acting, config=config) as session:
            await session.generate("go")

    run(scene())
    (context,) = seen
    assert ("one", str(tmp_path.resolve()), 1) == (
        context.session_id,
        context.workspace,
        context.attempt,
    )
    assert context.effect_id.startswith("eff-") and 600.0 == context.timeout_s


def test_thinking_is_sent_with_its_budget() -> None:
    """And the system prompt stands apart from the conversation."""

    async def scene() -> tuple[int | None, int | None, str]:
        model = ScriptedModel([say("a"), say("b")])
        config = SessionConfig(system_prompt="be brief", thinking_budget=2048)
        async with one_session(model, config=config) as session:
            await session.generate("one")
            await session.configure(thinking=True)
            await session.generate("two")
        first, second = model.requests
        return first.thinking_tokens, second.thinking_tokens, second.system

    assert (None, 2048, "be brief") == run(scene())


def test_an_output_that_was_spilled_can_be_read_again() -> None:
    """Its handle stands for the bytes, in this session."""

    async def scene() -> tuple[str, bytes]:
        async with one_session(ScriptedModel([say("ok")])) as session:
            await session.generate("hi")
            engine = session._core.live(session.where.stream)
            assert engine is not None
            handle = await engine.workers.make._spill(b"x" * 3_000_000)
            return handle, await engine.workers.make._read_spill(handle)

    handle, data = run(scene())
    assert handle.startswith("spill:") and b"x" * 3_000_000 == data
