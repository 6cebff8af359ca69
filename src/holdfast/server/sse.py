"""Server-sent events: how a session's events are written, and where a reader stands.

- An event's id is its version. Of several events that one version stands for, the
  second has the id `<version>.2`, and so on: a reader that was cut off between two of
  them gets the rest, and none twice. `<version>.all` stands behind all of them.
- What is live only (deltas) has no id: it is not in the log.
- A problem that ends a stream is an event `problem`; its data is the problem's JSON.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from pydantic_core import to_json
from starlette.responses import Response

from holdfast.core.errors import HoldfastError, InvalidInput
from holdfast.runtime.stream import StreamEvent
from holdfast.server.problems import internal, problem_of

MEDIA_TYPE = "text/event-stream"
RETRY_MS = 1000
HEARTBEAT = b": alive\n\n"
END = b"\n\n"
"""What ends an event, and stands nowhere within one."""
ALL = math.inf
_ID = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([1-9][0-9]{0,8}|all))?", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)

Place = tuple[int, float]
"""A version, and how many of its events were seen; `ALL` is all of them."""

START: Place = (0, ALL)


@dataclass(frozen=True, slots=True)
class Frame:
    """An event as it is written, once for all its readers.

    Args:
        place: where a reader stands that has it.
        text: the bytes.
    """

    event: StreamEvent
    place: Place
    text: bytes


def frame_of(event: StreamEvent, place: Place) -> Frame:
    """Write an event.

    Args:
        place: the event's own if it is durable, else the one it follows.
    """
    lines: list[bytes] = []
    if not event.live:
        lines.append(b"id: " + id_of(place).encode())
    if _TYPE.fullmatch(event.type):
        lines.append(b"event: " + event.type.encode())
    lines.append(b"data: " + _json(event.to_json()))
    return Frame(event, place, b"\n".join(lines) + b"\n\n")


def _json(found: dict[str, object]) -> bytes:
    """JSON on one line; what is none of it, which only the embedding program emits, is named."""
    try:
        return to_json(found, inf_nan_mode="null", fallback=_named)
    except ValueError:  # a text that is no Unicode, such as half a surrogate pair
        return to_json(_whole(found), inf_nan_mode="null", fallback=_named)


def _named(value: object) -> str:
    return type(value).__name__


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return value


def id_of(place: Place) -> str:
    """The id that a reader at a place shows when it comes again."""
    version, seen = place
    if not version or seen == 1:
        return str(version)
    return f"{version}.all" if seen == ALL else f"{version}.{seen:.0f}"


def place_of_id(text: str) -> Place:
    """Where a reader stands that shows an id.

    Raises:
        InvalidInput: it is none of ours.
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise InvalidInput("an event id is a version, as the stream gave it")
    version, seen = int(found[1]), found[2] or "1"
    if not version:
        return START
    return (version, ALL if seen == "all" else int(seen))


def opening(place: Place) -> bytes:
    """What a stream begins with: how soon to come again, and where the reader stands."""
    return f"retry: {RETRY_MS}\nid: {id_of(place)}\n\n".encode()


def ending(error: HoldfastError | Exception) -> bytes:
    """The last event of a stream that a problem ends."""
    answer: Response = problem_of(error) if isinstance(error, HoldfastError) else internal(error)
    return b"event: problem\ndata: " + bytes(answer.body) + b"\n\n"
