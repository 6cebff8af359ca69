"""What every provider demands of a conversation, checked without a provider.

The checks are the strictest of the providers' rules together, so that a
conversation that passes is accepted by each of them:

- it begins with a user's message and does not end with the assistant's;
- the assistant does not speak twice in a row (a user may: providers join that);
- each tool call has exactly one result, in the tool messages right after it,
  and there are no results without a call;
- ids of tool calls are not empty and unique in the whole conversation;
- no message is empty, no text is blank, and an assistant's message has text or
  a tool call beside its thinking.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from holdfast.core.messages import Message, Role, Text, Thinking, ToolResult, ToolUse

_PARTS_ALLOWED: dict[Role, tuple[type, ...]] = {
    Role.USER: (Text,),
    Role.SYSTEM: (Text,),
    Role.ASSISTANT: (Text, Thinking, ToolUse),
    Role.TOOL: (ToolResult,),
}


def check_conversation(messages: Sequence[Message]) -> list[str]:
    """Return what a provider would refuse in `messages`; empty when it is valid."""
    problems = _check_order(messages)
    for index, message in enumerate(messages):
        problems += [f"message {index}: {text}" for text in _check_content(message)]
    return problems + _check_pairs(messages)


def _check_order(messages: Sequence[Message]) -> list[str]:
    """Check who speaks when; system messages do not count."""
    spoken = [message.role for message in messages if message.role is not Role.SYSTEM]
    if not spoken:
        return ["the conversation is empty"]
    problems = []
    if spoken[0] is not Role.USER:
        problems.append(f"the conversation begins with a message of role {spoken[0]}")
    if spoken[-1] is Role.ASSISTANT:
        problems.append("the conversation ends with the assistant")
    for earlier, later in pairwise(spoken):
        if earlier is later is Role.ASSISTANT:
            problems.append("two assistant messages in a row")
    return problems


def _check_content(message: Message) -> list[str]:
    """Check that one message has content, of kinds its role may have."""
    if not message.parts:
        return ["no content"]
    problems = []
    for part in message.parts:
        if not isinstance(part, _PARTS_ALLOWED[message.role]):
            problems.append(f"a {part.type} part in a message of role {message.role}")
        if isinstance(part, Text) and not part.text.strip():
            problems.append("blank text")
        if isinstance(part, ToolUse) and not (part.id and part.name):
            problems.append("a tool call without id or name")
    if all(isinstance(part, Thinking) for part in message.parts):
        problems.append("nothing but thinking")
    return problems


def _check_pairs(messages: Sequence[Message]) -> list[str]:
    """Check that calls and results are paired and adjacent and ids unique."""
    problems: list[str] = []
    seen: set[str] = set()
    waiting: set[str] = set()
    for index, message in enumerate(messages):
        if message.role is not Role.TOOL and waiting:
            problems.append(f"message {index}: before it, no result for {sorted(waiting)}")
            waiting = set()
        for part in message.parts:
            if isinstance(part, ToolUse):
                if part.id in seen:
                    problems.append(f"message {index}: tool call id {part.id!r} is used twice")
                seen.add(part.id)
                waiting.add(part.id)
            elif isinstance(part, ToolResult):
                if part.tool_use_id not in waiting:
                    problems.append(
                        f"message {index}: result {part.tool_use_id!r} without a call right before"
                    )
                waiting.discard(part.tool_use_id)
    if waiting:
        problems.append(f"no result for {sorted(waiting)}")
    return problems
