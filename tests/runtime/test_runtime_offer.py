"""What a model is told of, and spill handles."""

from __future__ import annotations

import json

import pytest

from holdfast.core.errors import BlobNotFound
from holdfast.core.rules import Policy, parse_rule
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature, ToolSpec
from holdfast.core.view import SessionView
from holdfast.ports.tool import ToolContext
from holdfast.runtime.offer import offered, read_spill
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, one_session, results, run, tool


def spec(name: str, nature: Nature, *, workspace: bool = False) -> ToolSpec:
    """A tool's declaration."""
    return ToolSpec(
        name=name, description="", parameters="{}", nature=nature, needs_workspace=workspace
    )


SPECS = (
    spec("act", Nature.ONCE),
    spec("look", Nature.READ_ONLY),
    spec("ls", Nature.READ_ONLY, workspace=True),
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(), ["act", "look"]),
        (Settings(workspace="/w"), ["act", "look", "ls"]),
        (Settings(permission=Policy(rules=(parse_rule("deny", "act"),))), ["look"]),
        (Settings(permission=Policy(rules=(parse_rule("deny", "act(x)"),))), ["act", "look"]),
        (
            Settings(permission=Policy(rules=(parse_rule("deny", "act", role="r"),))),
            ["act", "look"],
        ),
        (Settings(unsafe_auto_approve=True), ["act", "look"]),
        (Settings(unsafe_auto_approve=True, tools=("LOOK",)), ["look"]),
        (Settings(tools=()), []),
        (Settings(tools=("act",)), ["act"]),
    ],
)
def test_only_what_may_run_is_offered(settings: Settings, expected: list[str]) -> None:
    """The session's list, workspace and denials decide what the model is told of."""
    assert expected == [one.name for one in offered(SessionView(settings=settings), SPECS)]


def test_a_spill_is_readable_by_its_session_only() -> None:
    """A handle gives back what was kept; a made-up one is not found."""

    async def work() -> None:
        async def keep(context: ToolContext) -> str:
            handle = await context.spill(b"kept \xff")
            assert b"kept \xff" == await context.read_spill(handle)
            return handle

        model = ScriptedModel([call("keep"), say("done")])
        async with one_session(model, tool(keep), config=UNSAFE) as session:
            await session.generate("q")
            handle = results(await session.history())[0].content
            journal = session.where.backend.journal(session.where.row)
            assert b"kept \xff" == await read_spill(journal, handle)
            other = await session._core.create_session("two")
            foreign = other.where.backend.journal(other.where.row)
            for wrong, at in (
                (handle, foreign),
                ("spill:zz-1", journal),
                ("spill:", journal),
                (handle + "9", journal),
                ("spill:" + "00" * 16 + "-1", journal),
            ):
                with pytest.raises(BlobNotFound):
                    await read_spill(at, wrong)
            assert json.dumps(handle)

    run(work())
