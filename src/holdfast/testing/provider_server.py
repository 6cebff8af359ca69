"""A loopback server that speaks the providers' real protocols and plays a script.

    async with ProviderServer([say("Hel", "lo")]) as server:
        settings = ModelSettings(provider="openai", model="m", base_url=server.base_url)

It answers `POST /v1/chat/completions` as OpenAI does and `POST /v1/messages` as
Anthropic does, over HTTP/1.1 with event streams. It refuses what the real
providers refuse: a missing key (401), a dangling tool call, an empty message, a
forged thought (400). A turn's failure is an HTTP error before its first delta
and an error event after it; `drop` closes the connection instead. A turn that
hangs does so before the headers when `after` is 0, else inside the stream.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from holdfast.core.errors import ProviderFailed
from holdfast.core.quantities import Usage
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.model import ModelRequest
from holdfast.testing.conversation import check_conversation
from holdfast.testing.provider_anthropic import AnthropicWire
from holdfast.testing.provider_wire import (
    Answer,
    Body,
    Frame,
    OpenAIWire,
    Quirks,
    Refused,
    WireProtocol,
)
from holdfast.testing.script import Failure, Script, ScriptItem, Turn

DEFAULT_USAGE = Usage(input_tokens=10, output_tokens=5)
BODY_BYTES_MAX = 64 * 1024 * 1024

_SECRET_HEADERS = frozenset({"authorization", "x-api-key"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it arrived.

    Args:
        provider: whose protocol it was sent in.
        path: path and query.
        headers: names in lower case; without the key.
        body: the decoded JSON.
        request: the same as a `ModelRequest`; None when it was refused.
    """

    provider: str
    path: str
    headers: Mapping[str, str]
    body: Body
    request: ModelRequest | None = None


class ProviderServer:
    """A scripted provider on a loopback port.

    Args:
        script: what is played, in the order in which requests arrive.
        model: the model's name in answers; None for the name that was asked.
        usage: what a turn without a usage of its own reports.
        quirks: how it differs from the letter of the protocol.
        clock: carries out a turn's delay.

    Attributes:
        received: the requests, refused ones too, in order.
        problems: why requests were refused, in order.
        hanging: set while a turn hangs.
        hung_up: set when a client left before its answer was complete.
        connections: how many connections were opened.
    """

    def __init__(
        self,
        script: Script | Iterable[ScriptItem] = (),
        *,
        model: str | None = None,
        usage: Usage = DEFAULT_USAGE,
        quirks: Quirks | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.script = script if isinstance(script, Script) else Script(script)
        self.received: list[Received] = []
        self.problems: list[str] = []
        self.hanging = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.connections = 0
        self._model = model
        self._usage = usage
        self._quirks = quirks or Quirks()
        self._clock: Clock = clock or SystemClock()
        self._protocols: dict[str, WireProtocol] = {
            "/v1/chat/completions": OpenAIWire(),
            "/v1/messages": AnthropicWire(),
        }
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """The server's address, without a path."""
        assert self._server is not None, "the server runs inside `async with`"
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hung_up.set()
        except asyncio.CancelledError:
            # The server is closing; a cancelled handler would be logged as an error.
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is at its end."""
        head = await _read_head(reader)
        if head is None:
            return False
        method, target, headers = head
        length = int(headers.get("content-length", "0"))
        raw = await reader.readexactly(min(length, BODY_BYTES_MAX))
        protocol = self._protocols.get(target.partition("?")[0])
        if protocol is None or method != "POST":
            await _send(writer, 404, {"error": {"message": "not found"}})
            return True
        if not protocol.authorized(headers):
            await _send(writer, 401, protocol.failure(401, "no key was sent"))
            return True
        try:
            body, request = self._read(protocol, target, headers, raw)
        except Refused as problem:
            self.problems.append(str(problem))
            await _send(writer, 400, protocol.failure(400, str(problem)))
            return True
        try:
            turn = self.script.next_turn(request)
        except ProviderFailed as failed:
            turn = Turn(failure=Failure(message=failed.message, retryable=failed.retryable))
        return await self._play(protocol, turn, body, reader, writer)

    def _read(
        self, protocol: WireProtocol, target: str, headers: Mapping[str, str], raw: bytes
    ) -> tuple[Body, ModelRequest]:
        """Judge and record a request."""
        kept = {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
        request: ModelRequest | None = None
        body: Body = {}
        try:
            try:
                found = json.loads(raw)
            except ValueError:
                raise Refused("the body is not JSON") from None
            if not isinstance(found, dict):
                raise Refused("the body is not an object")
            body = found
            request = protocol.read(body)
            problems = check_conversation(request.messages)
            if problems:
                raise Refused("; ".join(problems))
        finally:
            self.received.append(
                Received(
                    provider=protocol.name, path=target, headers=kept, body=body, request=request
                )
            )
        return body, request

    async def _play(
        self,
        protocol: WireProtocol,
        turn: Turn,
        body: Body,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Play a turn; False when the connection is at its end."""
        if turn.delay_s:
            await self._clock.sleep(turn.delay_s)
        if turn.after == 0 and turn.hang:
            return await self._hang(reader)
        if turn.after == 0 and turn.failure is not None:
            return await _fail(protocol, turn.failure, writer)
        model = self._model or str(body.get("model"))
        usage = self._usage if turn.usage is None else turn.usage
        answer = protocol.answer(turn, usage, model, body, self._quirks)
        writer.write(_head(200, {"Content-Type": "text/event-stream; charset=utf-8"}))
        if turn.failure is None and not turn.hang:
            await self._write(writer, _all_frames(answer))
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            return True
        sent = [*answer.opening, *(f for group in answer.deltas[: turn.after] for f in group)]
        await self._write(writer, sent)
        if turn.hang:
            return await self._hang(reader)
        assert turn.failure is not None
        if not turn.failure.drop:
            status = _status(turn.failure)
            frame = protocol.failure_frame(status, turn.failure.message)
            await self._write(writer, [frame])
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return False

    async def _write(self, writer: asyncio.StreamWriter, frames: Iterable[Frame]) -> None:
        """Write frames as chunks, each frame its own unless they are cut smaller."""
        size = self._quirks.write_bytes
        for frame in frames:
            raw = frame.encode(self._quirks)
            step = size or len(raw)
            for start in range(0, len(raw), step):
                piece = raw[start : start + step]
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()

    async def _hang(self, reader: asyncio.StreamReader) -> bool:
        """Say nothing more until the client leaves."""
        self.hanging.set()
        try:
            await reader.read()
            self.hung_up.set()
        finally:
            self.hanging.clear()
        return False


def _all_frames(answer: Answer) -> list[Frame]:
    return [*answer.opening, *(f for group in answer.deltas for f in group), *answer.closing]


def _status(failure: Failure) -> int:
    if failure.status is not None:
        return failure.status
    if failure.timeout:
        return 504
    return 503 if failure.retryable else 400


async def _fail(protocol: WireProtocol, failure: Failure, writer: asyncio.StreamWriter) -> bool:
    if failure.drop:
        return False
    extra = {} if failure.retry_after is None else {"Retry-After": failure.retry_after}
    status = _status(failure)
    await _send(writer, status, protocol.failure(status, failure.message), extra)
    return True


async def _read_head(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str]] | None:
    """Read a request's first line and headers; None at the end of the connection."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    first, *lines = raw.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} scripted", *(f"{name}: {text}" for name, text in headers.items())]
    if "Content-Length" not in headers:
        lines.append("Transfer-Encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: object,
    extra: Mapping[str, str] | None = None,
) -> None:
    raw = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(raw))}
    writer.write(_head(status, headers | dict(extra or {})) + raw)
    await writer.drain()
