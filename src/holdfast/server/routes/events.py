"""A session's events as they happen: server-sent events over a plain response."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from holdfast.core.errors import SessionNotFound
from holdfast.core.principals import Principal
from holdfast.runtime.handle import Session
from holdfast.server.auth import Acting, SessionId, bearer_of, principal, require
from holdfast.server.shield import STRAIGHT
from holdfast.server.sse import ALL, MEDIA_TYPE, START, Place, place_of_id
from holdfast.server.streams import OpenStream, Streams

router = APIRouter(prefix="/api/v1/sessions", tags=["events"])

LATEST = "latest"
AFTER = "0|[1-9][0-9]{0,17}|latest"
LAST_CHARS_MAX = 64
READS = "messages:read"
Who = Annotated[Principal, Depends(principal)]
After = Annotated[
    str,
    Query(
        pattern=f"^({AFTER})$",
        description="Only what comes behind this version; `latest` is what happens next.",
    ),
]
LastEventId = Annotated[
    str,
    Header(
        alias="Last-Event-ID",
        max_length=LAST_CHARS_MAX,
        description="The last id that was received.",
    ),
]
STREAMED: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The events.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


class EventStream(StreamingResponse):
    """A stream of events; who leaves it ends nothing but the stream.

    There may be thousands, so that none holds more than it needs: no group of tasks.
    """

    media_type = MEDIA_TYPE

    def __init__(self, stream: OpenStream) -> None:
        super().__init__(stream.pieces, headers={"X-Accel-Buffering": "no"})
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; what they hold is given back when the reader leaves."""
        sending = asyncio.ensure_future(self._send(scope.get(STRAIGHT, send), send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            done, _ = await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            sending.cancel()
            leaving.cancel()
            self._stream.close()
            await asyncio.wait((sending, leaving))
            await self._stream.pieces.aclose()

    async def _send(self, straight: Send, send: Send) -> None:
        """Send the events; pieces go past what only looks at the beginning and the end."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        async for piece in self._stream.pieces:
            await straight({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Wait until who reads is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def streams_of(request: Request) -> Streams:
    """The streams of the application."""
    found: Streams = request.app.state.streams
    return found


def place_of(last_event_id: str, after: str) -> Place | None:
    """Where a reader stands; None is the session's present end.

    Raises:
        InvalidInput: the id is none that a stream gave.
    """
    if last_event_id:
        return place_of_id(last_event_id)
    if after == LATEST:
        return None
    return (int(after), ALL) if int(after) else START


async def streamed(session_id: SessionId, sessions: Acting, request: Request, who: Who) -> Session:
    """The handle of a session that is streamed.

    Raises:
        KeyDestroyed: it was wiped while it was streamed here.
        SessionNotFound: there is none, or it is not the principal's.
    """
    try:
        return await sessions.get_session(session_id)
    except SessionNotFound:
        if who.session in ("", session_id):
            streams_of(request).check_not_wiped(sessions.tenant, session_id)
        raise


@router.get(
    "/{session_id}/events",
    operation_id="subscribe_events",
    status_code=200,
    response_class=EventStream,
    responses=STREAMED,
    dependencies=[require(READS)],
)
async def events(
    session: Annotated[Session, Depends(streamed)],
    request: Request,
    who: Who,
    after: After = "0",
    last_event_id: LastEventId = "",
) -> EventStream:
    """The session's events: the log behind a version, then what happens, until it ends."""
    place = place_of(last_event_id, after)
    token = bearer_of(request.scope["headers"])
    stream = await streams_of(request).events(session, place, token, who, READS)
    return EventStream(stream)


def wants_stream(request: Request) -> bool:
    """Whether the answer to a request is to be a stream of events."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(one.partition(";")[0].strip() == MEDIA_TYPE for one in accepted)


async def run(
    request: Request, session: Session, content: str, *, id: bytes, policy: str | None, scope: str
) -> EventStream:
    """Send a message and answer with the events of its run.

    Args:
        id: of the command, 16 bytes.
        scope: what the sender needs as long as it reads.

    Raises:
        HoldfastError: the message was refused.
    """
    who = await principal(request)
    token = bearer_of(request.scope["headers"])
    stream = await streams_of(request).run(
        session, content, id=id, policy=policy, token=token, who=who, scope=scope
    )
    return EventStream(stream)
