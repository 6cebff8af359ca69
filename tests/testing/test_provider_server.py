"""The loopback server, spoken to over a bare socket."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest

from holdfast.ports.clock import SystemClock
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.provider_wire import Quirks
from holdfast.testing.script import Failure, Say, Turn, fail, hang, say

USER = {"role": "user", "content": "a"}
OPENAI = ("/v1/chat/completions", "Authorization: Bearer SECRET")
ANTHROPIC = ("/v1/messages", "X-Api-Key: SECRET\r\nAnthropic-Version: 2023-06-01")
BOTH = [OPENAI, ANTHROPIC]


def raw(
    target: str, headers: str, messages: list[object] | None = None, method: str = "POST"
) -> bytes:
    """Write a request."""
    content = {
        "model": "m",
        "max_tokens": 10,
        "stream": True,
        "messages": [USER] if messages is None else messages,
    }
    body = json.dumps(content)
    head = f"{method} {target} HTTP/1.1\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, str, bytes]:
    """Return status, headers and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status = int(head.split()[1])
    body = b""
    if "chunked" not in head:
        length = int(head.lower().partition("content-length:")[2].split()[0])
        return status, head, await reader.readexactly(length)
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return status, head, body


async def send(server: ProviderServer, *requests: bytes) -> list[tuple[int, str, bytes]]:
    """Send requests one after the other on one connection."""
    address = urlsplit(server.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        answers = []
        for request in requests:
            writer.write(request)
            await writer.drain()
            answers.append(await read_answer(reader))
        return answers
    finally:
        writer.close()
        await writer.wait_closed()


def exchange(server: ProviderServer, *requests: bytes) -> list[tuple[int, str, bytes]]:
    """Run the server for these requests."""

    async def run() -> list[tuple[int, str, bytes]]:
        async with server:
            return await asyncio.wait_for(send(server, *requests), 10)

    return asyncio.run(run())


@pytest.mark.parametrize(("target", "key"), BOTH)
def test_two_turns_on_one_connection(target: str, key: str) -> None:
    """A connection is kept, and each request gets the next turn."""
    server = ProviderServer([say("Hé", "llo"), say("b")])
    first, second = exchange(server, raw(target, key), raw(target, key))
    assert (200, 200) == (first[0], second[0])
    assert "text/event-stream" in first[1]
    assert "Hé" in first[2].decode()
    assert 1 == server.connections


@pytest.mark.parametrize("size", [None, 1, 3])
def test_pieces_make_the_same_stream(size: int | None) -> None:
    """However small the pieces, the bytes are the same."""
    whole = exchange(ProviderServer([say("Hé🌍")]), raw(*OPENAI))
    cut = exchange(ProviderServer([say("Hé🌍")], quirks=Quirks(write_bytes=size)), raw(*OPENAI))
    assert whole[0][2] == cut[0][2]


@pytest.mark.parametrize(("target", "key"), BOTH)
def test_keys_are_demanded_and_never_recorded(target: str, key: str) -> None:
    """Without a key the answer is 401; with one, it is nowhere in what is recorded."""
    server = ProviderServer([say("x")])
    without, with_key = exchange(server, raw(target, "A: b"), raw(target, key))
    assert (401, 200) == (without[0], with_key[0])
    assert 1 == len(server.received)
    assert "SECRET" not in repr(server.received)


@pytest.mark.parametrize(("target", "key"), BOTH)
def test_invalid_requests_use_no_turn(target: str, key: str) -> None:
    """What a provider refuses is answered with 400 and recorded; the script stays."""
    server = ProviderServer([say("x")])
    bad = raw(target, key, [USER, {"role": "assistant", "content": "b"}])
    broken = raw(target, key).replace(b'{"model"', b'["model"')
    answers = exchange(server, bad, broken, raw(target, key))
    assert [400, 400, 200] == [status for status, _, _ in answers]
    assert ["the conversation ends with the assistant", "the body is not JSON"] == server.problems
    assert [False, True, False] == [one.body == {} for one in server.received]


def test_other_places_are_not_found() -> None:
    """Another path or method is answered with 404."""
    answers = exchange(ProviderServer(), raw("/v1/other", OPENAI[1]), raw(*OPENAI, method="PUT"))
    assert [404, 404] == [status for status, _, _ in answers]


@pytest.mark.parametrize(
    ("turn", "status"),
    [
        (fail(), 400),
        (fail(retryable=True), 503),
        (fail(status=529), 529),
        (Turn(failure=Failure(timeout=True)), 504),
    ],
)
@pytest.mark.parametrize(("target", "key"), BOTH)
def test_statuses(target: str, key: str, turn: Turn, status: int) -> None:
    """A failure before the first delta is a status."""
    [answer] = exchange(ProviderServer([turn]), raw(target, key))
    assert status == answer[0]
    assert "error" in json.loads(answer[2])


@pytest.mark.parametrize("header", ["3", "Thu, 01 Jan 2026 00:00:00 GMT"])
def test_retry_after(header: str) -> None:
    """The header is sent as the script writes it."""
    [answer] = exchange(ProviderServer([fail(status=429, retry_after=header)]), raw(*OPENAI))
    assert f"Retry-After: {header}\r\n" in answer[1]


def test_an_exhausted_script_is_an_error() -> None:
    """Without a turn the answer is 400."""
    [answer] = exchange(ProviderServer(), raw(*OPENAI))
    assert 400 == answer[0]
    assert b"script exhausted" in answer[2]


@pytest.mark.parametrize(("target", "key"), BOTH)
def test_failures_inside_the_stream(target: str, key: str) -> None:
    """After a delta a failure is an event of the stream, or a closed connection."""

    async def run() -> None:
        dropped = Turn(steps=(Say(("half", "way")),), failure=Failure(drop=True), after=1)
        async with ProviderServer([fail("broken", after_text=("half",)), dropped]) as server:
            [told] = await send(server, raw(target, key))
            assert b"half" in told[2]
            assert b"broken" in told[2]
            with pytest.raises(asyncio.IncompleteReadError):
                await send(server, raw(target, key))

    asyncio.run(asyncio.wait_for(run(), 10))


@pytest.mark.parametrize("turn", [hang(), hang("half")], ids=["before", "inside"])
def test_hanging_ends_when_the_client_leaves(turn: Turn) -> None:
    """The server shows that it hangs, and that the client has left."""

    async def run() -> None:
        async with ProviderServer([turn]) as server:
            task = asyncio.create_task(send(server, raw(*OPENAI)))
            await server.hanging.wait()
            assert not server.hung_up.is_set()
            task.cancel()
            await server.hung_up.wait()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_closing_a_server_that_hangs() -> None:
    """Leaving the block ends a hanging turn."""

    async def run() -> None:
        async with ProviderServer([hang()]) as server:
            task = asyncio.create_task(send(server, raw(*OPENAI)))
            await server.hanging.wait()
        with pytest.raises(asyncio.IncompleteReadError):
            await task

    asyncio.run(asyncio.wait_for(run(), 10))


def test_delays_use_the_clock() -> None:
    """A turn's delay is waited for on the injected clock."""
    waits: list[float] = []

    class Waits(SystemClock):
        async def sleep(self, seconds: float) -> None:
            waits.append(seconds)

    exchange(ProviderServer([say("x", delay_s=9)], clock=Waits()), raw(*OPENAI))
    assert [9] == waits
