"""Anthropic's messages protocol, as a scripted provider speaks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import zip_longest

from holdfast.core.messages import Message, Part, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelRequest
from holdfast.testing.provider_wire import (
    Answer,
    Body,
    Frame,
    Quirks,
    Refused,
    check_name,
    dumps,
    fragments,
    make_tools,
    take_count,
    take_list,
    take_object,
    take_text,
)
from holdfast.testing.script import Call, Say, Step, Think, Turn

THINKING_TOKENS_MIN = 1024

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_STOPS = {"stop": "end_turn", "length": "max_tokens"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicWire:
    """Anthropic's messages.

    Signatures are checked: a thought that comes back must be one that was
    given, unchanged.
    """

    name = "anthropic"

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def authorized(self, headers: Mapping[str, str]) -> bool:
        """Whether a key and a version were sent."""
        _, _, bearer = headers.get("authorization", "").partition(" ")
        key = headers.get("x-api-key") or bearer.strip()
        return bool(key) and bool(headers.get("anthropic-version"))

    def read(self, body: Body) -> ModelRequest:
        """Read a request.

        Raises:
            Refused: Anthropic would answer with status 400.
        """
        take_text(body.get("model"), "model")
        if body.get("stream") is not True:
            raise Refused("this server only streams")
        limit = take_count(body.get("max_tokens"), "max_tokens")
        budget = _budget(body.get("thinking"), limit)
        messages: list[Message] = []
        for one in take_list(body.get("messages"), "messages"):
            messages += self._messages(one)
        if budget is not None:
            _check_thinking(messages)
        return ModelRequest(
            system=_system(body.get("system", "")),
            messages=tuple(messages),
            tools=make_tools(
                [
                    (
                        take_text(tool.get("name"), "tool name"),
                        take_text(tool.get("description", ""), "description"),
                        tool.get("input_schema"),
                    )
                    for tool in take_list(body.get("tools", []), "tools")
                ]
            ),
            thinking_tokens=budget,
            max_output_tokens=limit,
        )

    def answer(self, turn: Turn, usage: Usage, model: str, body: Body, quirks: Quirks) -> Answer:
        """Write a turn; one block for each step."""
        groups: list[tuple[Frame, ...]] = []
        waiting: list[list[Frame]] = []
        for index, step in enumerate(turn.steps):
            frames = self._block(index, step)
            if isinstance(step, Call) and quirks.interleave:
                groups.append(frames[0])
                waiting.append([frame for group in frames[1:] for frame in group])
            elif isinstance(step, Call):
                groups.append(tuple(frame for group in frames for frame in group))
            else:
                groups += frames
        mixed = tuple(f for row in zip_longest(*waiting) for f in row if f is not None)
        closing = [*mixed]
        if not quirks.no_finish:
            reason = _STOPS.get(turn.stop_reason, turn.stop_reason)
            told = {} if quirks.no_usage else _usage(usage)
            delta = {"stop_reason": reason, "stop_sequence": None}
            closing.append(_frame("message_delta", delta=delta, usage=told))
            closing.append(_frame("message_stop"))
        return Answer(
            opening=(_start(model, usage, quirks), _frame("ping")),
            deltas=tuple(groups),
            closing=tuple(closing),
        )

    def failure(self, status: int, message: str) -> dict[str, object]:
        """Return the body of an error."""
        kind = _ERRORS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}

    def failure_frame(self, status: int, message: str) -> Frame:
        """Return an error inside a stream."""
        return Frame(dumps(self.failure(status, message)), "error")

    def _block(self, index: int, step: Step) -> list[tuple[Frame, ...]]:
        """Return a block's frames, one group for each delta; a call's fragments apart."""
        match step:
            case Say(pieces=pieces):
                block: dict[str, object] = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
            case Think(pieces=pieces, signature=signature):
                block = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
                if signature is not None:
                    self._given[signature] = "".join(pieces)
            case Call(name=name, arguments=arguments, id=id_):
                block = {"type": "tool_use", "id": id_, "name": name, "input": {}}
                deltas = [
                    {"type": "input_json_delta", "partial_json": text}
                    for text in fragments(arguments)
                ]
        start = _frame("content_block_start", index=index, content_block=block)
        groups: list[tuple[Frame, ...]] = [
            (_frame("content_block_delta", index=index, delta=delta),) for delta in deltas
        ]
        if isinstance(step, Call):
            groups.insert(0, ())
        groups = groups or [()]
        if isinstance(step, Think) and step.signature is not None:
            sign = {"type": "signature_delta", "signature": step.signature}
            groups[-1] += (_frame("content_block_delta", index=index, delta=sign),)
        groups[0] = (start, *groups[0])
        groups[-1] = (*groups[-1], _frame("content_block_stop", index=index))
        return groups

    def _messages(self, one: Body) -> list[Message]:
        role = one.get("role")
        if role not in ("user", "assistant"):
            raise Refused(f"{role!r} is not a role")
        content = one.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks = take_list(content, "content")
        parts = [self._part(block) for block in blocks]
        if role == "assistant":
            return [Message(role=Role.ASSISTANT, parts=tuple(parts))]
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        texts = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results and parts[: len(results)] != list(results):
            raise Refused("tool_result blocks must come first in the message")
        found = [Message(role=Role.TOOL, parts=results)] if results else []
        return found + ([Message(role=Role.USER, parts=texts)] if texts or not results else [])

    def _part(self, block: Body) -> Part:
        match block.get("type"):
            case "text":
                return Text(take_text(block.get("text"), "text"))
            case "thinking":
                text = take_text(block.get("thinking"), "thinking")
                signature = take_text(block.get("signature"), "signature")
                if self._given.get(signature) != text:
                    raise Refused("invalid signature in a thinking block")
                return Thinking(text, signature, "anthropic")
            case "tool_use":
                id_ = take_text(block.get("id"), "id")
                if not _ID.fullmatch(id_):
                    raise Refused(f"tool_use.id should match {_ID.pattern}")
                arguments = take_object(block.get("input"), "tool_use.input")
                name = check_name(take_text(block.get("name"), "name"))
                return ToolUse(id_, name, dumps(arguments))
            case "tool_result":
                return _result(block)
            case other:
                raise Refused(f"{other!r} is not a kind of block")


def _result(block: Body) -> ToolResult:
    content = block.get("content", "")
    if isinstance(content, list):
        texts = [take_text(p.get("text"), "text") for p in take_list(content, "content")]
        if not all(texts):
            raise Refused("text content blocks must be non-empty")
        content = "".join(texts)
    return ToolResult(
        take_text(block.get("tool_use_id"), "tool_use_id"),
        "",
        take_text(content, "content"),
        block.get("is_error") is True,
    )


def _system(found: object) -> str:
    if isinstance(found, str):
        return found
    return "\n\n".join(take_text(p.get("text"), "text") for p in take_list(found, "system"))


def _budget(found: object, limit: int) -> int | None:
    if found is None:
        return None
    thinking = take_object(found, "thinking")
    if thinking.get("type") != "enabled":
        return None
    budget = take_count(thinking.get("budget_tokens"), "budget_tokens")
    if not THINKING_TOKENS_MIN <= budget < limit:
        raise Refused("budget_tokens must be at least 1024 and less than max_tokens")
    return budget


def _check_thinking(messages: list[Message]) -> None:
    """With thinking on, an open round of tool calls begins with a thought."""
    for message in reversed(messages):
        if message.role is Role.USER:
            return
        if message.role is Role.ASSISTANT:
            if not isinstance(message.parts[0], Thinking):
                raise Refused("expected a thinking block first in the last assistant message")
            return


def _frame(kind: str, **fields: object) -> Frame:
    return Frame(dumps({"type": kind, **fields}), kind)


def _usage(usage: Usage) -> dict[str, object]:
    details = {"thinking_tokens": usage.reasoning_tokens}
    return {"output_tokens": usage.output_tokens, "output_tokens_details": details}


def _start(model: str, usage: Usage, quirks: Quirks) -> Frame:
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    told = {
        "input_tokens": 0 if quirks.no_usage else usage.input_tokens - cached,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": 0 if quirks.no_usage else 1,
    }
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": told,
    }
    return _frame("message_start", message=message)
