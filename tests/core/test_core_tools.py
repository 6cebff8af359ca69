"""What tools declare."""

from __future__ import annotations

import pytest

from holdfast.core.tools import LANE_ALIASES, LANE_OF_TOOL, Lane, Nature, ToolSpec, lane_of


@pytest.mark.parametrize(("tool", "lane"), LANE_OF_TOOL.items())
def test_table_of_lanes(tool: str, lane: Lane) -> None:
    """The table is read without regard to case."""
    assert lane == lane_of(tool.upper())


def test_unknown_tool_executes() -> None:
    """What is not in the table belongs to `execute`."""
    assert Lane.EXECUTE == lane_of("whatever")
    assert {"skill": Lane.EXECUTE, "prompt": Lane.GENERATE} == LANE_ALIASES


@pytest.mark.parametrize(
    ("name", "nature", "lane"),
    [
        ("anything", Nature.READ_ONLY, Lane.QUERY),
        ("anything", Nature.ONCE, Lane.EXECUTE),
        ("grep", Nature.ONCE, Lane.QUERY),
    ],
)
def test_lane_of_a_spec(name: str, nature: Nature, lane: Lane) -> None:
    """A read-only tool is a query whatever its name."""
    spec = ToolSpec(name=name, description="", parameters="{}", nature=nature)
    assert lane == spec.lane
