"""Issued values: what a service itself gives out within a result of strangers' words.

An id that a service issued says nothing of whom its object is from, and of several
objects a model that read strangers' words may choose the wrong one. So an issued
value grounds a later call only where nobody but the user led to its object:

- the call that brought it was wanted before anything untrusted was read, or all its
  arguments but free text were said; asking for an object by its id proves nothing;
- it is the only such value there, or the only one whose object the user named in
  quotes: one of its other fields is, as a whole, what stands there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from holdfast.core.context import Entry
from holdfast.core.flows import Flow, Role
from holdfast.core.labels import Integrity
from holdfast.core.messages import Message, ToolResult, ToolUse
from holdfast.ports.registry import Registry
from holdfast.runtime.grounding import Said, folded, leaves, value_of, words_of

DEPTH_MAX = 16

Wanted = tuple[ToolUse, bool]
"""A call, and whether it was wanted while all was trusted."""

Issue = tuple[ToolResult, Flow]
"""A result with strangers' words in which a service issues values, and its tool's manifest."""


def calls_in(entries: Iterable[Entry]) -> dict[str, Wanted]:
    """The visible calls by their ids."""
    return {
        part.id: (part, entry.message.label.integrity is Integrity.TRUSTED)
        for entry in entries
        for part in entry.message.parts
        if isinstance(part, ToolUse)
    }


def issues_in(message: Message, registry: Registry) -> Iterator[Issue]:
    """Where a stranger's message holds what a service issued."""
    for part in message.parts:
        if isinstance(part, ToolResult) and not part.is_error:
            tool = registry.get(part.name)
            if tool is not None and tool.spec.flow.trusted_fields:
                yield part, tool.spec.flow


def issued(issues: Iterable[Issue], calls: Mapping[str, Wanted], said: Said) -> Iterator[object]:
    """The issued values that strangers' words did not lead to.

    Args:
        issues: where values are issued.
        calls: the visible calls by their ids.
        said: what the user and trusted sources said.
    """
    for part, flow in issues:
        if _led(calls.get(part.tool_use_id), flow, said):
            yield from _in_result(part.content, frozenset(flow.trusted_fields), said)


def _in_result(content: str, names: frozenset[str], said: Said) -> Iterator[object]:
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return
    for name in sorted(names):
        found: list[object] = list(fields_of(value, frozenset((name,))))
        if len(found) > 1:  # of several, the model chose one among strangers' words
            found = named_of(value, name, names, said)
        if len(found) == 1:
            yield found[0]


def issued_in(content: str, name: str) -> list[object]:
    """What a field holds within a result, wherever it stands; nothing if that is no JSON."""
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return list(fields_of(value, frozenset((name,))))


def _led(call: Wanted | None, flow: Flow, said: Said) -> bool:
    """Whether only what was said led to what a call brought."""
    if call is None:
        return False
    use, trusted = call
    if trusted:
        return True
    try:
        arguments: object = json.loads(use.arguments)
    except (ValueError, RecursionError):
        return False
    return isinstance(arguments, dict) and all(
        said.says(value_of(leaf, as_id=flow.role(name) is Role.ID))
        for name, value in arguments.items()
        if flow.role(name) is not Role.PAYLOAD
        for leaf in leaves(value)
    )


def named_of(value: object, name: str, others: frozenset[str], said: Said) -> list[object]:
    """What a field of this name holds in the objects that somebody named in quotes.

    Args:
        others: fields that name no object; what the rest hold is compared as a whole.
    """
    return [
        one[name]
        for one in _objects(value)
        if isinstance(one.get(name), str | int)
        and any(
            words_of(folded(inner)) in said.quoted
            for field_name, inner in one.items()
            if isinstance(inner, str) and field_name not in others
        )
    ]


def _objects(value: object, depth: int = DEPTH_MAX) -> Iterator[dict[str, object]]:
    """The objects within a JSON value."""
    if depth < 0:
        return
    inner: Iterable[object] = ()
    if isinstance(value, dict):
        yield value
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    for one in inner:
        yield from _objects(one, depth - 1)


def fields_of(value: object, names: frozenset[str], depth: int = DEPTH_MAX) -> Iterator[object]:
    """The values of fields of these names, wherever they stand in a JSON value."""
    if depth < 0:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names:
                yield from leaves(inner)
            else:
                yield from fields_of(inner, names, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from fields_of(inner, names, depth - 1)
