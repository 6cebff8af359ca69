"""Between our messages and those of the library that speaks to the providers.

- Thinking goes back only to the provider it came from, and to Anthropic only
  with its signature; any other provider never sees it.
- Tool arguments are kept as the model wrote them. A provider that demands an
  object is given malformed text inside one, so that the model sees its mistake.
- Ids and names are put into the form every provider accepts, by a fixed rule,
  so that a call and its result always agree.
- Blank texts and messages that would be empty are left out: providers refuse them.
- System messages are joined to the system prompt, in order.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.messages import ModelRequest as WireRequest
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    estimate_tokens,
)
from holdfast.core.quantities import Usage
from holdfast.core.tools import ToolSpec
from holdfast.ports.model import ModelRequest

EMPTY_RESULT = "(no output)"

_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")
_KEPT_ID = re.compile(r"id=([a-z_]+);(.*)", re.DOTALL)

_STOPS = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "tool_use": "tool_use",
    "length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
}


def wire_id(id_: str) -> str:
    """Return a tool call's id in a form every provider accepts; the same for the same id."""
    if _ID.fullmatch(id_):
        return id_
    return "call_" + hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def wire_name(name: str) -> str:
    """Return a tool's name in a form every provider accepts.

    A model may call a tool that does not exist by any name; its call stays in
    the conversation and must not make every later request invalid.
    """
    return _NOT_NAME.sub("_", name)[:64] or "unknown"


def parameters(request: ModelRequest) -> ModelRequestParameters:
    """Return the system prompt and the tools of a request."""
    system = [request.system] if request.system.strip() else []
    system += [m.text for m in request.messages if m.role is Role.SYSTEM and m.text.strip()]
    text = "\n\n".join(system)
    return ModelRequestParameters(
        function_tools=[_tool(spec) for spec in request.tools],
        instruction_parts=[InstructionPart(content=text)] if text else None,
    )


def _tool(spec: ToolSpec) -> ToolDefinition:
    return ToolDefinition(
        name=spec.name,
        description=spec.description,
        parameters_json_schema=json.loads(spec.parameters),
        # The schema is sent as declared; our own validation is what counts.
        strict=False,
    )


def to_wire(messages: Sequence[Message], provider: str, system: str) -> list[ModelMessage]:
    """Translate a conversation.

    Args:
        messages: our messages.
        provider: our name of the provider they go to.
        system: the library's name of it.
    """
    wire: list[ModelMessage] = []
    asked: list[ModelRequestPart] = []
    texts: list[str] = []

    def close_request() -> None:
        # Texts in a row become one message: some servers insist that roles alternate.
        if texts:
            asked.append(UserPromptPart(content="\n\n".join(texts)))
            texts.clear()
        if asked:
            wire.append(WireRequest(parts=list(asked)))
            asked.clear()

    for message in messages:
        match message.role:
            case Role.USER:
                texts += [p.text for p in message.parts if isinstance(p, Text) and p.text.strip()]
            case Role.TOOL:
                asked += [_result(p) for p in message.parts if isinstance(p, ToolResult)]
            case Role.ASSISTANT:
                said = _said(message.parts, provider, system)
                close_request()
                if said:
                    wire.append(ModelResponse(parts=said, provider_name=system))
            case Role.SYSTEM:
                continue
    close_request()
    return wire


def _result(part: ToolResult) -> ToolReturnPart:
    return ToolReturnPart(
        tool_name=wire_name(part.name),
        content=part.content if part.content.strip() else EMPTY_RESULT,
        tool_call_id=wire_id(part.tool_use_id),
        outcome="failed" if part.is_error else "success",
    )


def _said(parts: Iterable[Part], provider: str, system: str) -> list[ModelResponsePart]:
    said: list[ModelResponsePart] = []
    for part in parts:
        match part:
            case Text(text=text) if text.strip():
                said.append(TextPart(content=text))
            case Thinking() if part.provider == provider:
                thought = _thought(part, system)
                if thought is not None:
                    said.append(thought)
            case ToolUse(id=id_, name=name, arguments=arguments):
                said.append(
                    ToolCallPart(
                        tool_name=wire_name(name), args=arguments, tool_call_id=wire_id(id_)
                    )
                )
            case _:
                continue
    # An answer of nothing but thinking is refused by providers.
    return [] if all(isinstance(part, ThinkingPart) for part in said) else said


def _thought(part: Thinking, system: str) -> ThinkingPart | None:
    """Return a thought as its provider wants it back, or None when it takes none."""
    if part.signature is None:
        return None
    kept = _KEPT_ID.fullmatch(part.signature)
    if kept is None:
        return ThinkingPart(content=part.text, signature=part.signature, provider_name=system)
    return ThinkingPart(
        content=part.text, id=kept[1], signature=kept[2] or None, provider_name=system
    )


def from_wire(
    parts: Iterable[ModelResponsePart], provider: str, ids: Sequence[str]
) -> tuple[Part, ...]:
    """Translate an answer.

    Args:
        parts: the library's parts.
        provider: our name of the provider.
        ids: the ids under which the tool calls were announced, in order.
    """
    ours: list[Part] = []
    left = iter(ids)
    for part in parts:
        match part:
            case TextPart(content=content) if content:
                ours.append(Text(content))
            case ThinkingPart() if part.content or part.signature:
                ours.append(Thinking(part.content, _signature(part), provider))
            case ToolCallPart():
                ours.append(ToolUse(next(left), part.tool_name, _arguments(part.args)))
            case _:
                continue
    return tuple(ours)


def _signature(part: ThinkingPart) -> str | None:
    """Keep what a provider needs with its thought: the signature and the kind of block."""
    if part.id is None or part.id == "content":
        return part.signature
    return f"id={part.id};{part.signature or ''}"


def _arguments(args: object) -> str:
    if isinstance(args, str) and args:
        return args
    return json.dumps(args, ensure_ascii=False) if args else "{}"


def stop_word(finish: str, parts: Sequence[Part]) -> str:
    """Map a provider's word for why it stopped; an unknown word is kept."""
    word = _STOPS.get(finish, finish)
    called = any(isinstance(part, ToolUse) for part in parts)
    # Compatible servers often say "stop" after tool calls, and some the reverse.
    if word == "stop" and called:
        return "tool_use"
    if word == "tool_use" and not called:
        return "stop"
    return word


def usage_of(found: RequestUsage, request: ModelRequest, parts: Sequence[Part]) -> Usage:
    """Return the usage a provider reported, or an estimate when it reported none."""
    if found.input_tokens or found.output_tokens:
        reasoning = found.details.get("reasoning_tokens") or found.details.get("thinking_tokens")
        return Usage(
            input_tokens=found.input_tokens,
            output_tokens=found.output_tokens,
            cache_read_tokens=found.cache_read_tokens,
            cache_write_tokens=found.cache_write_tokens,
            reasoning_tokens=min(reasoning or 0, found.output_tokens),
        )
    told = sum(len(s.description) + len(s.parameters) + len(s.name) for s in request.tools)
    told = (told + len(request.system.encode("utf-8", "surrogatepass"))) // 4
    answer = Message(role=Role.ASSISTANT, parts=tuple(parts))
    return Usage(
        input_tokens=told + sum(estimate_tokens(message) for message in request.messages),
        output_tokens=estimate_tokens(answer),
        estimated=True,
    )
