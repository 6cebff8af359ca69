"""What tools declare of the flow of information."""

from __future__ import annotations

from holdfast.core.flows import UNDECLARED, Flow, Reads, Role, Sink
from holdfast.core.labels import Sensitivity
from holdfast.core.tools import ToolSpec


def test_a_tool_that_declares_nothing_is_taken_for_the_worst() -> None:
    """Untrusted in what it reads, and a sink whose every argument is a target."""
    flow = ToolSpec(name="x", description="", parameters="{}").flow
    assert UNDECLARED is flow
    assert (Reads.UNTRUSTED, Sink.EGRESS, False) == (flow.reads, flow.sink, flow.confined)
    assert Role.TARGET == flow.role("anything")
    assert Sensitivity.SENSITIVE == flow.accepts


def test_roles_are_found_by_argument() -> None:
    """A declared argument has its role; another one beside it is still a target."""
    flow = Flow(roles=(("body", Role.PAYLOAD), ("sum", Role.AMOUNT)))
    assert [Role.PAYLOAD, Role.AMOUNT, Role.TARGET] == [
        flow.role(name) for name in ("body", "sum", "to")
    ]
