"""What hypothesis draws for the tests of session files."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from holdfast.core.messages import Message, Part, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.runtime.seedmessages import IMPORTED

# Text as the log holds it: no half characters.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
# Arguments as models write them: JSON, spaced JSON, and what is none.
ARGUMENTS = st.one_of(
    st.dictionaries(TEXTS, JSON_VALUES, max_size=3).map(
        lambda value: json.dumps(value, ensure_ascii=False)
    ),
    TEXTS,
    st.sampled_from(["NaN", '{"a":1,"a":2}', "1e999", '"\\ud800"', "[" * 50_000, ""]),
    TEXTS.map(lambda text: json.dumps({"holdfast_raw_arguments": text}, ensure_ascii=False)),
)

TEXT_PARTS = TEXTS.map(Text)
TOOL_USES = st.builds(ToolUse, id=TEXTS, name=TEXTS, arguments=ARGUMENTS)


@st.composite
def conversations(draw: st.DrawFn, *, thinking: bool, mixed: bool) -> tuple[Message, ...]:
    """Draw a conversation.

    Args:
        thinking: answers may begin with thinking.
        mixed: answers may hold text and calls at once, and tool messages
            several results.
    """
    messages: list[Message] = []
    names: dict[str, str] = {}
    for role in draw(st.lists(st.sampled_from(Role), max_size=6)):
        parts: list[Part] = []
        if role in (Role.USER, Role.SYSTEM):
            parts += draw(st.lists(TEXT_PARTS, max_size=3))
        elif role is Role.ASSISTANT:
            kinds = (
                TEXT_PARTS | TOOL_USES if mixed else draw(st.sampled_from([TEXT_PARTS, TOOL_USES]))
            )
            if thinking:
                parts += draw(st.lists(TEXTS.map(lambda text: Thinking(text, None)), max_size=1))
            parts += draw(st.lists(kinds, max_size=3))
        else:
            for _ in range(draw(st.integers(1, 3 if mixed else 1))):
                call = draw(st.sampled_from(sorted(names)) if names else TEXTS)
                name = names.get(call, "unknown")
                parts.append(ToolResult(call, name, draw(TEXTS), is_error=draw(st.booleans())))
        names |= {part.id: part.name for part in parts if isinstance(part, ToolUse)}
        messages.append(Message(role=role, parts=tuple(parts), label=IMPORTED))
    return tuple(messages)
