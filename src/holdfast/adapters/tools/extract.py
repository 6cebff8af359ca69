"""The tool `extract`: one value of a closed kind out of a result that nobody trusts.

A second model call reads the text, without the conversation and without tools, and may
answer only with a value of the schema (`core.extraction`). The model that called the
tool reads that value and no more.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.adapters.tools.files import schema
from holdfast.core.errors import NotNow
from holdfast.core.extraction import (
    CHOICE_CHARS_MAX,
    CHOICES_MAX,
    ID_CHARS_MAX,
    NAME_CHARS_MAX,
    WHAT_CHARS_MAX,
    ClosedKind,
    Extraction,
    extraction_of,
    question_of,
    value_in,
    written,
)
from holdfast.core.flows import Flow, Sink
from holdfast.core.tools import Nature, ToolSpec
from holdfast.ports.tool import Json, ToolContext, ToolOutcome

_NAME: dict[str, Json] = {"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX}


class ExtractTool:
    """Read one closed value; the runtime makes the call (`ports.tool.ExtractingTool`)."""

    _SPEC = ToolSpec(
        name="extract",
        description=(
            "Read one value out of the newest result of a tool. The answer is a choice, a "
            "number within bounds, a date, a boolean or an id, never a text. Put the call "
            "into your plan, word for word, with `into`, the argument that the value is "
            "for: then that argument is not asked about."
        ),
        parameters=schema(
            {
                "source": {
                    "type": "object",
                    "properties": {
                        "tool": _NAME,
                        "arguments": {
                            "type": "object",
                            "description": "arguments that its call must have had",
                        },
                    },
                    "required": ["tool"],
                    "additionalProperties": False,
                },
                "value": {
                    "type": "object",
                    "properties": {
                        "type": {"enum": [str(kind) for kind in ClosedKind]},
                        "what": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": WHAT_CHARS_MAX,
                            "description": "which value is meant",
                        },
                        "choices": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": CHOICES_MAX,
                            "items": {"type": "string", "maxLength": CHOICE_CHARS_MAX},
                        },
                        "min": {"type": "number"},
                        "max": {"type": "number"},
                        "whole": {"type": "boolean"},
                        "first": {"type": "string", "description": "of a date: the earliest"},
                        "last": {"type": "string", "description": "of a date: the latest"},
                        "time": {"type": "boolean", "description": "of a date: with hh:mm"},
                        "offset": {
                            "type": "string",
                            "description": "of a date with hh:mm: Z or as +02:00; without it "
                            "the clock of the text",
                        },
                        "characters": {"enum": ["digits", "hex", "alphanumeric"]},
                        "min_length": {"type": "integer", "minimum": 1},
                        "max_length": {"type": "integer", "maximum": ID_CHARS_MAX},
                        "issued": {
                            **_NAME,
                            "description": "of an id: the field of the result that has it",
                        },
                    },
                    "required": ["type", "what"],
                    "additionalProperties": False,
                },
                "into": {
                    "type": "object",
                    "properties": {"tool": _NAME, "argument": _NAME},
                    "required": ["tool", "argument"],
                    "additionalProperties": False,
                },
            },
            "source",
            "value",
        ),
        nature=Nature.READ_ONLY,
        flow=Flow(sink=Sink.NONE),
    )

    @property
    def spec(self) -> ToolSpec:
        """What the tool declares about itself."""
        return self._SPEC

    def extraction(self, arguments: Mapping[str, Json]) -> Extraction:
        """What a call reads, and what its value is for.

        Raises:
            InvalidInput: the arguments are not those of an extraction.
        """
        return extraction_of(arguments)

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Have the text read, and pass the value on.

        Raises:
            NotNow: it is not called in a turn.
            NotExtracted: the answer is not a value of the schema.
        """
        wanted = self.extraction(arguments)
        if context.quarantine is None:
            raise NotNow("values are extracted in a turn only")
        places, answer = await context.quarantine(question_of(wanted.schema))
        return ToolOutcome(content=written(value_in(answer, wanted.schema, places)))
