"""Extracted: closed values that the plan wanted read, and for which argument each is.

A value counts only if the very call that read it stands in the plan, with its source, its
schema and the argument that it is for, and only as often as the plan says: whoever steers
a model later can neither widen the schema nor read until a value suits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.core.closeddates import when_of
from holdfast.core.context import Entry
from holdfast.core.errors import HoldfastError
from holdfast.core.events import PlanStep
from holdfast.core.extraction import Extracted, Extraction, value_in
from holdfast.core.flows import Role
from holdfast.core.messages import ToolResult, ToolUse
from holdfast.ports.registry import Registry
from holdfast.ports.tool import ExtractingTool
from holdfast.runtime.extracting import arguments_of, same
from holdfast.runtime.grounding import Value, switch, value_of


@dataclass(frozen=True, slots=True)
class For:
    """A value, and the argument that it is for."""

    tool: str
    argument: str
    value: Extracted

    def is_given(self, role: Role, value: Value, written: str) -> bool:
        """Whether a value of that argument is this one.

        Args:
            written: how the argument writes it.
        """
        as_switch = switch(self.argument)
        if isinstance(self.value, bool):
            return value == as_switch and written == str(self.value).lower()
        if value == as_switch and written in ("true", "false"):
            return False
        when = when_of(str(self.value))
        if when is not None:  # of which each tool has its own way of writing
            return when == when_of(value.key if value.kind == "date" else written)
        return value == value_of(self.value, as_id=role is Role.ID)


def extracted(
    entries: Sequence[Entry], steps: Sequence[PlanStep], plan_at: int, registry: Registry
) -> Iterator[For]:
    """The values that were read as the plan has it, in order.

    Args:
        entries: what is visible.
        plan_at: version of the event that fixed the plan; what was read before does not count.
    """
    planned = [(step, json.loads(step.arguments)) for step in steps]
    left = [step.times for step in steps]
    uses: dict[str, ToolUse] = {}
    for entry in entries:
        for part in entry.message.parts:
            if isinstance(part, ToolUse):
                uses[part.id] = part  # an id is good for one answer and its results
            if not isinstance(part, ToolResult) or part.is_error or entry.version <= plan_at:
                continue
            use, tool = uses.get(part.tool_use_id), registry.get(part.name)
            if use is None or not isinstance(tool, ExtractingTool):
                continue
            given = arguments_of(use)
            for place, (step, fixed) in enumerate(planned):
                fits = step.tool.casefold() == tool.spec.name.casefold() and same(fixed, given)
                if fits and left[place]:
                    left[place] -= 1
                    yield from _value(part.content, tool, fixed)
                    break


def _value(content: str, tool: ExtractingTool, fixed: dict[str, object]) -> Iterator[For]:
    """The value of a result, checked once more against the schema that the plan fixed."""
    try:
        wanted: Extraction = tool.extraction(fixed)
        value = value_in(content, wanted.schema)
    except HoldfastError:
        return
    if wanted.into_tool:
        yield For(wanted.into_tool.casefold(), wanted.into_argument, value)
