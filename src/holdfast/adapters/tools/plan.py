"""The tool `plan`: a model declares which calls it is going to make.

What is declared before anything untrusted was read is not asked about later, as far
as it was declared. Once a stranger's words have been read the tool refuses: whatever
is declared then could be theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from holdfast.adapters.tools.files import schema
from holdfast.core.errors import InvalidInput
from holdfast.core.flows import Flow, Reads, Sink
from holdfast.core.plans import STEPS_MAX, TIMES_MAX, PlanStep
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.tool import Json, ToolContext, ToolOutcome


class PlanTool:
    """Declare a plan; the runtime fixes it (`ports.tool.PlanningTool`)."""

    _SPEC = ToolSpec(
        name="plan",
        description=(
            "Declare the tool calls you are going to make that change or send something, "
            "before you read anything from outside. Fix every argument you know already. "
            "Calls that were not declared will be asked about."
        ),
        parameters=schema(
            {
                "steps": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": STEPS_MAX,
                    "items": {
                        "type": "object",
                        "properties": {
                            "tool": {"type": "string"},
                            "arguments": {
                                "type": "object",
                                "description": "the arguments that are fixed",
                            },
                            "times": {"type": "integer", "minimum": 1, "maximum": TIMES_MAX},
                        },
                        "required": ["tool"],
                        "additionalProperties": False,
                    },
                }
            },
            "steps",
        ),
        nature=Nature.IDEMPOTENT,
        flow=Flow(reads=Reads.TRUSTED, sink=Sink.NONE),
    )

    @property
    def spec(self) -> ToolSpec:
        """What the tool declares about itself."""
        return self._SPEC

    def plan(self, arguments: Mapping[str, Json]) -> tuple[PlanStep, ...]:
        """The steps that a call declares.

        Raises:
            InvalidInput: the arguments are not those of the schema.
        """
        steps = arguments.get("steps")
        if not isinstance(steps, list):
            raise InvalidInput("steps is a list")
        return tuple(
            PlanStep(
                tool=str(step["tool"]),
                arguments=json.dumps(step.get("arguments", {})),
                times=int(step.get("times", 1)),
            )
            for step in steps
        )

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Say what was declared; the runtime has fixed it by now."""
        return ToolOutcome(content=f"The plan is fixed: {len(self.plan(arguments))} steps.")
