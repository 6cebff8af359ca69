"""What crosses the channel: a byte that says what it is, and JSON.

| message | from | content |
|---|---|---|
| FACTS | enclave | what is inside: model, provider, context size, whether it is simulated |
| PING, PONG | client, enclave | bytes that come back as they are |
| REQUEST | client | a `ModelRequest` |
| EVENT | enclave | a `ModelEvent` with its name; `ModelReply` is the last of a call |
| FAILED | enclave | why a call failed, without anything of its content |
| HANDED | client | a key that the enclave is to keep, and a version that is to be passed |
| KEPT | enclave | where the kept key stands now |
| CLOSE | both | an orderly end: an end without it is a truncation |

What comes is read strictly: an unknown message, field or type is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from holdfast.core.errors import ChannelBroken, InvalidInput, ProviderFailed, ProviderTimeout
from holdfast.ports.counting import Count
from holdfast.ports.model import (
    ModelEvent,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)


class Kind(IntEnum):
    """What a message is; its first byte."""

    FACTS = 1
    PING = 2
    PONG = 3
    REQUEST = 4
    EVENT = 5
    FAILED = 6
    CLOSE = 7
    HANDED = 8
    KEPT = 9


_EVENTS: dict[str, type[ModelEvent]] = {
    kind.__name__: kind for kind in (TextDelta, ThinkingDelta, ToolUseStarted, ModelReply)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnclaveFacts:
    """What an enclave says is inside of it, once its channel stands.

    Args:
        context_tokens: size of the model's context window in tokens.
        simulated: no hardware vouches for it, by its own word.
        secret_memory: what its keys lie in.
        kept: where the key stands that it keeps sealed; None if it keeps none.
    """

    model: str
    provider: str
    context_tokens: int
    simulated: bool
    secret_memory: str
    kept: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A key that is handed over to be kept.

    Args:
        key: the key itself; not in the `repr`.
        above: a version that the next one has to pass.
    """

    key: str = field(repr=False)
    above: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a call failed."""

    message: str
    retryable: bool = False
    billable: bool = False
    timeout: bool = False


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _kind_of(value: object) -> Any:
    return type(value)


def _dump(value: ModelRequest | ModelEvent | EnclaveFacts | Handed | Count) -> bytes:
    try:
        return bytes(_adapter(_kind_of(value)).dump_json(value))
    except (PydanticSerializationError, UnicodeEncodeError):
        raise InvalidInput("a text cannot be sent to the enclave: it is no Unicode") from None


def _load(kind: type, data: bytes) -> Any:
    try:
        return _adapter(kind).validate_json(data, strict=True)
    except ValidationError:  # what it says may quote the content
        raise ChannelBroken(f"this is no {kind.__name__}", problem="message") from None


def write_request(request: ModelRequest) -> bytes:
    """Write a request.

    Raises:
        InvalidInput: a text in it is no Unicode.
    """
    return _dump(request)


def read_request(data: bytes) -> ModelRequest:
    """Read a request.

    Raises:
        ChannelBroken: it is none.
    """
    request: ModelRequest = _load(ModelRequest, data)
    return request


def write_event(event: ModelEvent) -> bytes:
    """Write an event, its name before it.

    Raises:
        InvalidInput: a text in it is no Unicode.
    """
    return type(event).__name__.encode() + b"\n" + _dump(event)


def read_event(data: bytes) -> ModelEvent:
    """Read an event.

    Raises:
        ChannelBroken: it is none.
    """
    name, _, body = data.partition(b"\n")
    kind = _EVENTS.get(name.decode("ascii", "replace"))
    if kind is None:
        raise ChannelBroken("an event of no known kind", problem="message")
    event: ModelEvent = _load(kind, body)
    return event


def write_facts(facts: EnclaveFacts) -> bytes:
    """Write what is inside."""
    return _dump(facts)


def read_facts(data: bytes) -> EnclaveFacts:
    """Read what is inside.

    Raises:
        ChannelBroken: it cannot be read.
    """
    facts: EnclaveFacts = _load(EnclaveFacts, data)
    if facts.kept is not None:
        _check_sound(facts.kept)
    return facts


def write_handed(handed: Handed) -> bytes:
    """Write a key that is handed over."""
    return _dump(handed)


def read_handed(data: bytes) -> Handed:
    """Read a key that is handed over.

    Raises:
        ChannelBroken: it cannot be read.
    """
    handed: Handed = _load(Handed, data)
    return handed


def write_kept(count: Count) -> bytes:
    """Write where a kept key stands."""
    return _dump(count)


def read_kept(data: bytes) -> Count:
    """Read where a kept key stands.

    Raises:
        ChannelBroken: it cannot be read.
    """
    count: Count = _load(Count, data)
    _check_sound(count)
    return count


def _check_sound(count: Count) -> None:
    if not count.sound:
        raise ChannelBroken("this is no count", problem="message")


def write_failure(error: BaseException) -> bytes:
    """Write why a call failed; of an unknown error only its name, for it may quote content."""
    if isinstance(error, ProviderFailed):
        failure = Failure(
            message=error.message,
            retryable=error.retryable,
            billable=error.billable,
            timeout=isinstance(error, ProviderTimeout),
        )
    else:
        name = type(error).__name__
        failure = Failure(message=f"the model in the enclave failed: {name}", billable=True)
    return json.dumps(
        {name: getattr(failure, name) for name in ("message", "retryable", "billable", "timeout")}
    ).encode()


def read_failure(data: bytes) -> ProviderFailed:
    """Read why a call failed.

    Raises:
        ChannelBroken: it cannot be read.
    """
    failure: Failure = _load(Failure, data)
    kind = ProviderTimeout if failure.timeout else ProviderFailed
    return kind(failure.message, retryable=failure.retryable, billable=failure.billable)
