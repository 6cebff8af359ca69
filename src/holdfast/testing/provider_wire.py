"""The two wire protocols a scripted provider speaks, as plain data.

Each protocol reads a request's JSON into a `ModelRequest`, says what the real
provider would refuse in it, and writes a turn as the frames of an event stream.
Frames come in groups, one group for each delta of the turn, so that a server
can fail or hang between them as the script says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

from holdfast.core.messages import Message, Part, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.tools import ToolSpec
from holdfast.ports.model import ModelRequest
from holdfast.testing.script import Call, Say, Turn

Body = Mapping[str, object]

FRAGMENT_CHARS = 7
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Refused(Exception):
    """The request is one the real provider answers with status 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """How real servers differ from the letter of their protocol.

    Args:
        crlf: lines end with CR LF.
        write_bytes: the stream is cut into pieces of that many bytes, also
            inside of a character.
        interleave: the arguments of parallel calls come in turns.
        one_index: every parallel call has index 0 (compatible servers).
        no_usage: no usage is reported.
        no_finish: the stream ends without a reason.
    """

    crlf: bool = False
    write_bytes: int | None = None
    interleave: bool = False
    one_index: bool = False
    no_usage: bool = False
    no_finish: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream; `event` is empty where the protocol names none."""

    data: str
    event: str = ""

    def encode(self, quirks: Quirks) -> bytes:
        """Return the frame's bytes."""
        end = "\r\n" if quirks.crlf else "\n"
        head = f"event: {self.event}{end}" if self.event else ""
        return f"{head}data: {self.data}{end}{end}".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A turn as frames.

    Args:
        opening: before the first delta.
        deltas: one group for each delta of the turn.
        closing: after the last one.
    """

    opening: tuple[Frame, ...]
    deltas: tuple[tuple[Frame, ...], ...]
    closing: tuple[Frame, ...]


class WireProtocol(Protocol):
    """One provider's protocol."""

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    def authorized(self, headers: Mapping[str, str]) -> bool:
        """Whether a key was sent as this provider wants it."""
        ...

    def read(self, body: Body) -> ModelRequest:
        """Read a request.

        Raises:
            Refused: the provider would answer with status 400.
        """
        ...

    def answer(self, turn: Turn, usage: Usage, model: str, body: Body, quirks: Quirks) -> Answer:
        """Write a turn."""
        ...

    def failure(self, status: int, message: str) -> dict[str, object]:
        """Return the body of an error."""
        ...

    def failure_frame(self, status: int, message: str) -> Frame:
        """Return an error inside a stream."""
        ...


def dumps(value: object) -> str:
    """Write JSON on one line, with characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def fragments(text: str) -> tuple[str, ...]:
    """Cut arguments into the pieces in which they are streamed."""
    return tuple(text[i : i + FRAGMENT_CHARS] for i in range(0, len(text), FRAGMENT_CHARS))


def take_list(value: object, what: str) -> Sequence[Body]:
    """Return a list of objects.

    Raises:
        Refused: it is not one.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused(f"{what} is not a list of objects")
    return value


def take_text(value: object, what: str) -> str:
    """Return a text.

    Raises:
        Refused: it is not one.
    """
    if not isinstance(value, str):
        raise Refused(f"{what} is not a text")
    return value


def take_object(value: object, what: str) -> Body:
    """Return an object.

    Raises:
        Refused: it is not one.
    """
    if not isinstance(value, dict):
        raise Refused(f"{what} is not an object")
    return value


def take_count(value: object, what: str) -> int:
    """Return a number of at least one.

    Raises:
        Refused: it is not one.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refused(f"{what} is not a number of at least one")
    return value


def check_name(name: str) -> str:
    """Return a tool's name.

    Raises:
        Refused: providers do not accept it.
    """
    if not _NAME.fullmatch(name):
        raise Refused(f"the tool name {name!r} does not match {_NAME.pattern}")
    return name


def make_tools(found: Sequence[tuple[str, str, object]]) -> tuple[ToolSpec, ...]:
    """Make tools of name, description and schema.

    Raises:
        Refused: a name is used twice or a schema is not one of an object.
    """
    tools = []
    for name, description, schema in found:
        if take_object(schema, f"schema of {name}").get("type") != "object":
            raise Refused(f"the schema of {name} is not one of an object")
        tools.append(
            ToolSpec(name=check_name(name), description=description, parameters=dumps(schema))
        )
    if len({tool.name for tool in tools}) != len(tools):
        raise Refused("tool names must be unique")
    return tuple(tools)


class OpenAIWire:
    """OpenAI's chat completions."""

    name = "openai"

    def authorized(self, headers: Mapping[str, str]) -> bool:
        """Whether a bearer token was sent."""
        kind, _, key = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and bool(key.strip())

    def read(self, body: Body) -> ModelRequest:
        """Read a request.

        Raises:
            Refused: OpenAI would answer with status 400.
        """
        take_text(body.get("model"), "model")
        if body.get("stream") is not True:
            raise Refused("this server only streams")
        messages: list[Message] = []
        system: list[str] = []
        for one in take_list(body.get("messages"), "messages"):
            role = one.get("role")
            if role in ("system", "developer"):
                system.append(_openai_content(one))
            else:
                messages.append(_openai_message(one, role))
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        tools = [
            take_object(one.get("function"), "function")
            for one in take_list(body.get("tools", []), "tools")
        ]
        return ModelRequest(
            system="\n\n".join(system),
            messages=tuple(messages),
            tools=make_tools(
                [
                    (
                        take_text(tool.get("name"), "tool name"),
                        take_text(tool.get("description", ""), "description"),
                        tool.get("parameters"),
                    )
                    for tool in tools
                ]
            ),
            max_output_tokens=None if limit is None else take_count(limit, "max tokens"),
        )

    def answer(self, turn: Turn, usage: Usage, model: str, body: Body, quirks: Quirks) -> Answer:
        """Write a turn."""
        groups: list[tuple[Frame, ...]] = []
        waiting: list[list[Frame]] = []
        index = -1
        for step in turn.steps:
            if isinstance(step, Call):
                index += 1
                shown = 0 if quirks.one_index else index
                rest = [_openai_fragment(model, shown, text) for text in fragments(step.arguments)]
                head = _openai_call(model, shown, step)
                groups.append((head,) if quirks.interleave else (head, *rest))
                if quirks.interleave:
                    waiting.append(rest)
            else:
                field = "content" if isinstance(step, Say) else "reasoning_content"
                groups += [(_chunk(model, {field: piece}),) for piece in step.pieces]
        mixed = tuple(f for row in zip_longest(*waiting) for f in row if f is not None)
        closing = [*mixed]
        if not quirks.no_finish:
            closing.append(_chunk(model, {}, _OPENAI_STOPS.get(turn.stop_reason, turn.stop_reason)))
        options = body.get("stream_options")
        wanted = isinstance(options, dict) and options.get("include_usage") is True
        if wanted and not quirks.no_usage:
            closing.append(_openai_usage(model, usage))
        if not quirks.no_finish:
            closing.append(Frame("[DONE]"))
        return Answer(
            opening=(_chunk(model, {"role": "assistant", "content": ""}),),
            deltas=tuple(groups),
            closing=tuple(closing),
        )

    def failure(self, status: int, message: str) -> dict[str, object]:
        """Return the body of an error."""
        kind = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status, "server_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": kind}}

    def failure_frame(self, status: int, message: str) -> Frame:
        """Return an error inside a stream."""
        return Frame(dumps(self.failure(status, message)))


_OPENAI_STOPS = {"tool_use": "tool_calls", "refusal": "content_filter"}


def _openai_content(one: Body) -> str:
    content = one.get("content")
    if isinstance(content, list):
        return "".join(take_text(part.get("text"), "text") for part in take_list(content, "parts"))
    return take_text(content, "content")


def _openai_message(one: Body, role: object) -> Message:
    if role == "user":
        return Message(role=Role.USER, parts=(Text(_openai_content(one)),))
    if role == "tool":
        call_id = take_text(one.get("tool_call_id"), "tool_call_id")
        return Message(role=Role.TOOL, parts=(ToolResult(call_id, "", _openai_content(one)),))
    if role != "assistant":
        raise Refused(f"{role!r} is not a role")
    parts: list[Part] = []
    thought = one.get("reasoning_content")
    if thought is not None:
        parts.append(Thinking(take_text(thought, "reasoning_content"), None, "openai"))
    if one.get("content") is not None:
        parts.append(Text(_openai_content(one)))
    for call in take_list(one.get("tool_calls", []), "tool_calls"):
        function = take_object(call.get("function"), "function")
        id_ = take_text(call.get("id"), "id")
        if len(id_) > 40:
            raise Refused("tool_calls[].id is longer than 40 characters")
        name = check_name(take_text(function.get("name"), "name"))
        parts.append(ToolUse(id_, name, take_text(function.get("arguments"), "arguments")))
    return Message(role=Role.ASSISTANT, parts=tuple(parts))


def _chunk(model: str, delta: Body, finish: str | None = None) -> Frame:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return Frame(dumps(_openai_head(model) | {"choices": [choice]}))


def _openai_head(model: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": model,
    }


def _openai_call(model: str, index: int, call: Call) -> Frame:
    function = {"name": call.name, "arguments": ""}
    return _chunk(
        model,
        {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]},
    )


def _openai_fragment(model: str, index: int, text: str) -> Frame:
    return _chunk(model, {"tool_calls": [{"index": index, "function": {"arguments": text}}]})


def _openai_usage(model: str, usage: Usage) -> Frame:
    found = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    return Frame(dumps(_openai_head(model) | {"choices": [], "usage": found}))
