"""What is said of a sealed session between the process that hosts it and its manager.

Content is written into bodies, which are buffers; ids and numbers stand in `meta`.
Both ends are this program, of one version: the forms are not kept anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core import errors
from holdfast.core.errors import HoldfastError, Unavailable, Unreadable
from holdfast.core.labels import Label
from holdfast.core.messages import Message
from holdfast.core.quantities import Usage
from holdfast.runtime import codec
from holdfast.runtime.asking import Approval
from holdfast.runtime.config import AgentResult
from holdfast.runtime.stream import StreamEvent

_ERRORS: dict[str, type[HoldfastError]] = {
    kind.reason: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, HoldfastError)
}
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An `AgentResult` as it is written."""

    text: str
    messages: tuple[Message, ...]
    usage: Usage
    tool_calls: int
    version: int
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Messages as they are written."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Questions as they are written."""

    approvals: tuple[Approval, ...]


def wipe(body: bytearray) -> None:
    """Overwrite a body with zeros."""
    body[:] = bytes(len(body))


def error_meta(error: HoldfastError) -> dict[str, object]:
    """Describe an error: its reason, its line, and what else it carries that is plain."""
    more = {name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)}
    return {"reason": error.reason, "message": error.message, "more": more}


def error_of(meta: Mapping[str, object]) -> HoldfastError:
    """Make the error again; one that is not known is `Unavailable`."""
    kind = _ERRORS.get(str(meta.get("reason")), Unavailable)
    error = kind.__new__(kind)
    HoldfastError.__init__(error, str(meta.get("message", "")))
    more = meta.get("more")
    for name, value in more.items() if isinstance(more, dict) else ():
        setattr(error, str(name), value)
    return error


def result_body(result: AgentResult) -> bytearray:
    """Write a result."""
    written = Result(
        text=result.text,
        messages=tuple(result.messages),
        usage=result.usage,
        tool_calls=result.tool_calls_count,
        version=result.version,
        label=result.label,
    )
    return bytearray(codec.dump(written))


def result_of(body: bytearray) -> AgentResult:
    """Read a result; the body is overwritten.

    Raises:
        Unreadable: it is none.
    """
    found = codec.load(Result, _text(body))
    return AgentResult(
        text=found.text,
        messages=found.messages,
        usage=found.usage,
        tool_calls_count=found.tool_calls,
        version=found.version,
        label=found.label,
    )


def event_body(event: StreamEvent) -> bytearray:
    """Write a stream event."""
    head = [event.type, event.session, event.version, event.time_ms, event.run, event.live]
    return bytearray(json.dumps([head, dict(event.data)], ensure_ascii=False).encode())


def event_of(body: bytearray) -> StreamEvent:
    """Read a stream event; the body is overwritten.

    Raises:
        Unreadable: it is none.
    """
    try:
        (type_, session, version, time_ms, run, live), data = json.loads(_text(body))
    except (ValueError, TypeError):
        raise Unreadable("this is no stream event") from None
    return StreamEvent(
        type=type_,
        session=session,
        version=version,
        time_ms=time_ms,
        run=run,
        data=data,
        live=live,
    )


def _text(body: bytearray) -> str:
    try:
        return body.decode("utf-8", "surrogatepass")
    finally:
        wipe(body)


def read(kind: type[codec.T], body: bytearray) -> codec.T:
    """Read a plain dataclass; the body is overwritten.

    Raises:
        Unreadable: it is none.
    """
    return codec.load(kind, _text(body))
