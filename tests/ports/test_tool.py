"""The tools port: what satisfies it."""

from __future__ import annotations

from holdfast.adapters.tools.registry import builtin_tools
from holdfast.core.tools import Nature
from holdfast.ports.tool import ReconcilableTool, Tool, ToolOutcome


def test_every_built_in_tool_satisfies_the_port() -> None:
    """And exactly those that say they are reconcilable can be asked."""
    tools = builtin_tools()
    assert all(isinstance(tool, Tool) for tool in tools)
    assert {tool.spec.name for tool in tools if isinstance(tool, ReconcilableTool)} == {
        tool.spec.name for tool in tools if tool.spec.nature is Nature.RECONCILABLE
    }


def test_an_outcome_is_a_success_unless_it_says_otherwise() -> None:
    """Exit code 0, no error, no facts."""
    outcome = ToolOutcome(content="x")
    assert (False, 0, {}) == (outcome.is_error, outcome.exit_code, dict(outcome.metadata))
