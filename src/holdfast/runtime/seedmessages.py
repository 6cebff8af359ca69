"""Messages of the seeds' session files, to and from our own form.

Rules
- Whatever a file says is untrusted: each message carries `IMPORTED`.
- A role, a block or a content this program does not know is refused with its
  place; no message is left out and none is given another speaker.
- Two spellings of one thing are read as that thing: results of tools stand in
  `user` messages in the block form, and are ours in `tool` messages. A message
  that mixes results and text becomes one message of each.
- Arguments that are not JSON keep their text under `RAW_ARGUMENTS`.

The forms have no place for everything we know. The block form (seed D15) loses
signatures of thinking, the other one (seed E9) all thinking; neither has labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from holdfast.core.labels import Integrity, Label
from holdfast.core.messages import Message, Part, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.runtime.seedjson import (
    Fields,
    Json,
    JsonObject,
    as_flag,
    as_object,
    as_text,
    parse,
    refuse,
    write,
)

IMPORTED = Label(integrity=Integrity.UNTRUSTED, origins=("import",))
RAW_ARGUMENTS = "holdfast_raw_arguments"
UNKNOWN_TOOL = "unknown"

_PARTS_OF: dict[Role, tuple[type, ...]] = {
    Role.USER: (Text, ToolResult),
    Role.SYSTEM: (Text,),
    Role.ASSISTANT: (Text, Thinking, ToolUse),
    Role.TOOL: (ToolResult,),
}


# --- reading --------------------------------------------------------------------


def from_blocks(raw: Sequence[Json]) -> tuple[Message, ...]:
    """Read messages of seed D15: a role and a list of blocks tagged by type.

    Raises:
        ImportRefused: a message is malformed; its index is named.
    """
    names: dict[str, str] = {}
    messages: list[Message] = []
    for index, item in enumerate(raw):
        fields = Fields(as_object(item, f"messages[{index}]"), f"messages[{index}]")
        parts: list[Part] = []
        reasoning = fields.maybe("reasoning_content", as_text)
        if reasoning is not None:
            parts.append(Thinking(reasoning, signature=None))
        where = fields.at("content")
        for place, block in enumerate(fields.list("content")):
            parts.append(_block(as_object(block, f"{where}[{place}]"), f"{where}[{place}]", names))
        messages += _messages(_role(fields), parts, fields.where)
    return tuple(messages)


def from_contents(raw: Sequence[Json]) -> tuple[Message, ...]:
    """Read messages of seed E9: a role and a content of one of four shapes.

    The shapes are tried in this order: text, list of tool calls, result of a
    tool call, list of parts. An empty list is "no tool calls".

    Raises:
        ImportRefused: a message is malformed; its index is named.
    """
    names: dict[str, str] = {}
    messages: list[Message] = []
    for index, item in enumerate(raw):
        fields = Fields(as_object(item, f"messages[{index}]"), f"messages[{index}]")
        if "content" not in fields.data:
            raise refuse(fields.at("content"), "missing")
        parts = _content(fields.data["content"], fields.at("content"), names)
        messages += _messages(_role(fields), parts, fields.where)
    return tuple(messages)


def _role(fields: Fields) -> Role:
    name = fields.text("role")
    try:
        return Role(name)
    except ValueError:
        raise refuse(fields.at("role"), f"unknown role {name[:32]!r}") from None


def _block(block: JsonObject, where: str, names: dict[str, str]) -> Part:
    fields = Fields(block, where)
    kind = fields.text("type")
    match kind:
        case "text":
            return Text(fields.text("text"))
        case "tool_use":
            return _tool_use(fields, "input", names)
        case "tool_result":
            return _tool_result(fields, "tool_use_id", names)
        case _:
            raise refuse(fields.at("type"), f"unknown block type {kind[:32]!r}")


def _content(value: Json, where: str, names: dict[str, str]) -> list[Part]:
    if isinstance(value, str):
        return [Text(value)]
    if isinstance(value, dict):
        return [_tool_result(Fields(value, where), "call_id", names)]
    if not isinstance(value, list):
        raise refuse(where, "neither text, tool calls, a tool's result nor parts")
    items = [
        Fields(as_object(item, f"{where}[{place}]"), f"{where}[{place}]")
        for place, item in enumerate(value)
    ]
    if all({"id", "name", "arguments"} <= fields.data.keys() for fields in items):
        return [_tool_use(fields, "arguments", names) for fields in items]
    return [_part(fields) for fields in items]


def _part(fields: Fields) -> Part:
    kind = fields.text("type")
    if kind == "text":
        return Text(fields.text("text"))
    what = "an image cannot be taken over" if kind == "image" else f"unknown type {kind[:32]!r}"
    raise refuse(fields.at("type"), what)


def _tool_use(fields: Fields, arguments: str, names: dict[str, str]) -> ToolUse:
    if arguments not in fields.data:
        raise refuse(fields.at(arguments), "missing")
    use = ToolUse(
        id=fields.text("id"),
        name=fields.text("name"),
        arguments=_arguments_text(fields.data[arguments]),
    )
    names[use.id] = use.name
    return use


def _tool_result(fields: Fields, call: str, names: dict[str, str]) -> ToolResult:
    call_id = fields.text(call)
    is_error = fields.maybe("is_error", as_flag)
    return ToolResult(
        tool_use_id=call_id,
        name=names.get(call_id, UNKNOWN_TOOL),
        content=fields.text("content"),
        is_error=bool(is_error),
    )


def _messages(role: Role, parts: Sequence[Part], where: str) -> list[Message]:
    """Make the message, or two where results and text stand in one."""
    for part in parts:
        if not isinstance(part, _PARTS_OF[role]):
            raise refuse(where, f"a {part.type} part in a message of role {role}")
    if role is not Role.USER or not parts:
        return [Message(role=role, parts=tuple(parts), label=IMPORTED)]
    return [
        Message(role=Role.TOOL if result else Role.USER, parts=tuple(run), label=IMPORTED)
        for result, run in groupby(parts, lambda part: isinstance(part, ToolResult))
    ]


# --- writing --------------------------------------------------------------------


def to_blocks(messages: Iterable[Message]) -> list[JsonObject]:
    """Write messages in the form of seed D15."""
    written: list[JsonObject] = []
    for message in messages:
        role = Role.USER if message.role is Role.TOOL else message.role
        blocks: list[Json] = []
        for part in message.parts:
            block = _block_of(part)
            if block is not None:
                blocks.append(block)
        item: JsonObject = {"role": role.value, "content": blocks}
        thoughts = [part.text for part in message.parts if isinstance(part, Thinking)]
        if thoughts:
            item["reasoning_content"] = "\n\n".join(thoughts)
        written.append(item)
    return written


def _block_of(part: Part) -> JsonObject | None:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case ToolUse(id=call, name=name, arguments=arguments):
            value = _arguments_value(arguments)
            return {"type": "tool_use", "id": call, "name": name, "input": value}
        case ToolResult(tool_use_id=call, content=content, is_error=is_error):
            block: JsonObject = {"type": "tool_result", "tool_use_id": call, "content": content}
            if is_error:
                block["is_error"] = True
            return block
        case Thinking():
            return None


def to_contents(messages: Iterable[Message]) -> list[JsonObject]:
    """Write messages in the form of seed E9, one per kind of content."""
    written: list[JsonObject] = []
    for message in messages:
        parts = [part for part in message.parts if not isinstance(part, Thinking)]
        if not parts:
            written.append({"role": message.role.value, "content": []})
        for _, run in groupby(parts, lambda part: part.type):
            contents = _contents_of(list(run))
            written += [{"role": message.role.value, "content": content} for content in contents]
    return written


def _contents_of(run: Sequence[Part]) -> list[Json]:
    """Write parts of one kind: results each alone, the rest together."""
    calls: list[Json] = []
    texts: list[Json] = []
    results: list[Json] = []
    for part in run:
        match part:
            case ToolUse(id=call, name=name, arguments=arguments):
                calls.append({"id": call, "name": name, "arguments": _arguments_value(arguments)})
            case ToolResult(tool_use_id=call, content=content, is_error=is_error):
                results.append({"call_id": call, "content": content, "is_error": is_error})
            case Text(text=text):
                texts.append({"type": "text", "text": text})
            case Thinking():
                continue
    if len(run) == 1 and isinstance(run[0], Text):
        return [run[0].text]
    return [*([calls] if calls else []), *([texts] if texts else []), *results]


# --- arguments ------------------------------------------------------------------


def _arguments_text(value: Json) -> str:
    """Return the JSON text of a call's arguments, or the raw text kept in a marker."""
    if isinstance(value, dict) and list(value) == [RAW_ARGUMENTS]:
        raw = value[RAW_ARGUMENTS]
        if isinstance(raw, str):
            return raw
    return write(value)


def _arguments_value(text: str) -> Json:
    """Return what the arguments mean; text with no exact meaning goes into a marker."""
    try:
        value = parse(text)
    except ValueError:
        return {RAW_ARGUMENTS: text}
    # A model may have written the marker itself: then it is marked as well.
    if isinstance(value, dict) and list(value) == [RAW_ARGUMENTS]:
        return {RAW_ARGUMENTS: text}
    return value
