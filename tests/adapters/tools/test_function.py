"""Tools made from functions."""

from __future__ import annotations

import threading

import pytest

from adapters.tools.toolhelp import Bench
from holdfast.adapters.tools.function import FunctionTool, tool
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.tool import Tool, ToolContext, ToolOutcome

SPEC = ToolSpec(name="add", description="", parameters='{"type": "object"}')


def test_an_async_function(bench: Bench) -> None:
    """Its result is awaited; a value that is no text becomes JSON."""

    async def add(a: int, b: int) -> dict[str, int]:
        return {"sum": a + b}

    added = FunctionTool(add, SPEC)
    assert isinstance(added, Tool)
    assert '{"sum": 3}' == bench.call(added, {"a": 1, "b": 2}).content
    assert Nature.ONCE is added.spec.nature


def test_a_sync_function_runs_in_a_thread(bench: Bench) -> None:
    """It does not hold up the event loop."""

    @tool(SPEC)
    def where() -> str:
        return threading.current_thread().name

    assert threading.main_thread().name != bench.call(where, {}).content


def test_the_context_is_given_where_it_is_wanted(bench: Bench) -> None:
    """A parameter named context gets the call's context; an outcome is passed on."""

    def fail(context: ToolContext) -> ToolOutcome:
        return ToolOutcome(content=context.effect_id, is_error=True, exit_code=7)

    outcome = bench.call(FunctionTool(fail, SPEC), {}, effect_id="e-9")
    assert ("e-9", True, 7) == (outcome.content, outcome.is_error, outcome.exit_code)


def test_an_object_with_an_async_call(bench: Bench) -> None:
    """It counts as an async function."""

    class Greeter:
        async def __call__(self, name: str) -> str:
            return f"hello {name}"

    assert "hello you" == bench.call(FunctionTool(Greeter(), SPEC), {"name": "you"}).content


def test_what_it_raises_is_passed_on(bench: Bench) -> None:
    """An exception is a bug of the tool and is left to whoever runs it."""

    def broken() -> str:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        bench.call(FunctionTool(broken, SPEC), {})


def test_large_results_are_spilled(bench: Bench) -> None:
    """They are cut like every other output."""
    outcome = bench.call(FunctionTool(lambda: "x" * 200_000, SPEC), {})
    assert "spill:1" in outcome.content
    assert 200_000 == len(bench.spilled["spill:1"])
