"""What is sent to a server, what is tried again, and what is never told."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clienthelp import IMPATIENT, QUICK, TOKEN, canned, http, line, pair, problem, told
from holdfast.client import Client
from holdfast.client.wire import Ask, Secret, Wire, checked_url, is_loopback, part
from holdfast.core.errors import (
    BadAnswer,
    Busy,
    Denied,
    HoldfastError,
    InvalidInput,
    NoModel,
    ServerUnreachable,
    SessionExists,
    StoreBusy,
    TokenInvalid,
    Unavailable,
)
from sessionhelp import run

SECRET = "hf_st_NEVER0SHOWN0ANYWHERE"
INFO = {
    "id": "one",
    "user_id": "",
    "channel_id": "",
    "chat_id": "",
    "state": "Active",
    "sensitivity_level": "Normal",
    "created_at": 1,
    "last_activity": 1,
    "message_count": 0,
    "metadata": {},
    "tee_active": False,
}

# --- where a token goes ---------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1:80",
        "http://0.0.0.0",
        "http://[::ffff:10.0.0.1]",
        "http://127.1",
        "http://2130706433",
        "HTTP://EXAMPLE.COM",
    ],
)
def test_a_token_is_never_sent_in_clear(url: str) -> None:
    """Plain HTTP is for this machine only, whatever the address looks like."""
    with pytest.raises(InvalidInput, match="in clear"):
        Client(url, token=SECRET)
    assert "Client(" in repr(Client(url))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://127.9.9.9", "https://a"],
)
def test_this_machine_and_tls_are_safe(url: str) -> None:
    """Loopback addresses need no TLS, everything else has it."""
    assert url == checked_url(f"{url}/", secret=True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://a",
        "https://",
        "https://user:pass@a",
        "https://a?x=1",
        "https://a?",
        "https://a#x",
        "https://a b",
        "https://a\n",
        "https://ä",
        "https://a:port",
        "https://[::1",
        "file:///etc",
        None,
        7,
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Neither user and password nor a query stands in an address."""
    with pytest.raises(InvalidInput) as caught:
        Client(url, token=SECRET)
    assert "pass" not in caught.value.message.replace("password", "")


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "ä", "a" * 5000, None, 7])
def test_what_is_no_token_is_refused(token: str) -> None:
    """It would end in a header."""
    with pytest.raises(InvalidInput) as caught:
        Secret(token)
    assert "aaaa" not in caught.value.message


def test_loopback_is_this_machine() -> None:
    """Names are not looked up."""
    assert is_loopback("localhost")
    assert not is_loopback("localhost.")
    assert not is_loopback("")


def test_a_redirect_is_not_followed() -> None:
    """The token is shown to the server that was named, and to nobody else."""

    async def main() -> None:
        async with canned(told(INFO)) as thief:
            moved = http(307, b"", "text/plain", f"Location: {thief.url}/api/v1/sessions/one")
            async with canned(moved) as server:
                async with Client(server.url, token=SECRET, settings=IMPATIENT) as client:
                    with pytest.raises(Unavailable, match="status 307"):
                        await client.get_session("one")
                assert f"Bearer {SECRET}" == server.requests[0].headers["authorization"]
            assert 0 == thief.connections

    run(main())


def test_the_environment_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that a variable names does not get the token."""

    async def main() -> None:
        async with canned(told(INFO)) as proxy, canned(told(INFO)) as server:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            async with Client(server.url, token=SECRET, settings=IMPATIENT) as client:
                assert "one" == (await client.get_session("one")).id
            assert (0, 1) == (proxy.connections, server.connections)

    run(main())


async def _never(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1)


FAILURES: list[tuple[str, bytes | Callable[[asyncio.StreamWriter], Awaitable[None]] | None]] = [
    ("no answer", None),
    ("half an answer", http(200, b"{}")[:-1]),
    ("no http", b"\x00\x01\x02 nonsense\r\n\r\n"),
    ("silence", _never),
    ("no json", http(200, b"{")),
    ("another shape", told({"id": 3})),
    ("refused", problem(401, "token_invalid")),
    ("a page", http(500, b"<h1>no</h1>", "text/html")),
]


@pytest.mark.parametrize(("name", "reply"), FAILURES, ids=[name for name, _ in FAILURES])
def test_a_token_is_told_to_nobody(
    name: str, reply: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an error with all that hangs on it, nor a log, nor a `repr` has the token."""
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with (
            canned(*[reply] * 10) as server,
            Client(server.url, token=SECRET, settings=IMPATIENT) as client,
        ):
            with pytest.raises(HoldfastError) as caught:
                await client.create_session("one", {"system_prompt": "x"})
            assert server.requests, "it was sent"
            error = caught.value
            frames = traceback.TracebackException.from_exception(error, capture_locals=True)
            assert SECRET not in "".join(frames.format(chain=True))
            assert error.__context__ is None
            assert SECRET not in repr((client, vars(client), client._wire, vars(client._wire)))

    run(main())
    assert SECRET not in caplog.text


# --- what is tried again ------------------------------------------------------------------


def test_a_lost_answer_makes_nothing_twice() -> None:
    """The same key is sent again, and the server knows it: one session, one message."""

    async def main() -> None:
        async with pair() as found, line(found.url) as bad:
            async with found.other(bad.url) as client:
                for cut in (0, 1, 20, 200):
                    bad.cuts = [cut, cut]
                    session = await client.create_session()
                    bad.cuts = [cut, cut]
                    assert "re: hi" == (await session.generate("hi")).text
                    assert ["hi", "re: hi"] == [one.text for one in await session.history()]
            assert 4 == len((await found.client.list_sessions()).sessions)
            async with found.other(bad.url) as client:
                for made in (
                    lambda: client.create_session("named"),
                    lambda: client.fork_session("named"),
                    lambda: client.create_child_session("named"),
                ):
                    bad.cuts = [0, 30]
                    await made()
                with pytest.raises(SessionExists):
                    await client.create_session("named")
            assert 7 == len((await found.client.list_sessions()).sessions)

    run(main())


def test_a_request_that_the_server_would_not_know_again_is_sent_once() -> None:
    """A change without a key may have been carried out: the caller has to look."""

    async def main() -> None:
        async with canned(None, told(INFO)) as server:
            wire = Wire(server.url, TOKEN, settings=QUICK)
            with pytest.raises(ServerUnreachable):
                await wire.ask(Ask(method="PATCH", path="/x", body={}))
            assert 1 == server.connections
            await wire.aclose()

    run(main())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_what_may_be_repeated_is(method: str) -> None:
    """The same request comes again, byte by byte, with the same key."""

    async def main() -> None:
        async with canned(None, http(200, b"{}")[:-1], told({})) as server:
            wire = Wire(server.url, TOKEN, settings=QUICK)
            key = "k" * 32 if method == "POST" else ""
            ask = Ask(method=method, path="/x", query={"a": ["1", "2"], "b": None}, key=key)
            assert {} == (await wire.ask(ask)).json()
            await wire.aclose()
            first, *others = server.requests
            assert [first, first] == others
            assert "/x?a=1&a=2" == first.target
            assert key == first.headers.get("idempotency-key", "")

    run(main())


def test_a_server_that_is_not_there_is_tried_for_a_while() -> None:
    """Then the error says so; nothing was sent, so even a change is tried again."""

    async def main() -> None:
        async with canned() as server:
            url = server.url
        wire = Wire(url, TOKEN, settings=IMPATIENT)
        for method in ("GET", "PATCH"):
            with pytest.raises(ServerUnreachable) as caught:
                await wire.ask(Ask(method=method, path="/x"))
            assert ("server_unreachable", 503, 8) == (
                caught.value.reason,
                caught.value.status,
                caught.value.exit_code,
            )
        await wire.aclose()

    run(main())


@pytest.mark.parametrize(
    ("reply", "connections", "kind"),
    [
        (problem(429, "rate_limited", "Wait.", "Retry-After: 0"), 4, Unavailable),
        (problem(429, "rate_limited"), 4, Unavailable),
        (problem(503, "store_busy", "Busy.", "Retry-After: 0"), 4, StoreBusy),
        (problem(503, "store_busy"), 1, StoreBusy),
        (problem(503, "store_busy", "Busy.", "Retry-After: 3600"), 1, StoreBusy),
        (
            problem(503, "store_busy", "x", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
            1,
            StoreBusy,
        ),
        (problem(503, "no_model", "None.", "Retry-After: 0"), 1, NoModel),
        (problem(401, "token_invalid", "No.", "Retry-After: 0"), 1, TokenInvalid),
        (problem(403, "denied"), 1, Denied),
        (problem(409, "busy", "Busy.", "Retry-After: 0"), 1, Busy),
        (problem(409, "session_exists"), 1, SessionExists),
        (problem(500, "internal"), 1, HoldfastError),
        (http(502, b"x", "text/html"), 1, HoldfastError),
    ],
)
def test_only_what_passes_is_waited_for(
    reply: bytes, connections: int, kind: type[HoldfastError]
) -> None:
    """429, and 503 with a time to come again, as often as the settings say; nothing else."""

    async def main() -> None:
        async with canned(*[reply] * 9) as server:
            wire = Wire(server.url, TOKEN, settings=IMPATIENT)
            with pytest.raises(kind):
                await wire.ask(Ask(method="PATCH", path="/x", body={}))
            assert connections == server.connections
            await wire.aclose()

    run(main())


def test_the_servers_own_limit_is_waited_out() -> None:
    """A principal that asks too often is told when to come again, and does."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            rates = found.served.app._shield._principals
            before = rates._full
            rates._buckets.clear()
            rates._full = 1.0
            try:
                states = await asyncio.gather(session.info(), session.info())
            finally:
                rates._full = before
            assert ["Active", "Active"] == [one.state for one in states]

    run(main())


# --- what an answer is worth -----------------------------------------------------------------


def test_no_answer_is_read_without_end() -> None:
    """One that is over the limit is not taken, and its connection is closed."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    small = IMPATIENT.__class__(answer_bytes_max=100_000, patience_s=1.0)

    async def main() -> None:
        async with canned(endless, endless) as server:
            async with Client(server.url, token=TOKEN, settings=small) as client:
                with pytest.raises(BadAnswer, match="over 100000 bytes"):
                    await client.get_session("one")
            huge = problem(404, "session_not_found", "x" * 200_000)
            server.replies = [huge]
            async with Client(server.url, token=TOKEN, settings=small) as client:
                with pytest.raises(HoldfastError) as caught:
                    await client.get_session("one")
            assert len(str(caught.value)) < 2000

    run(main())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200),
    status=st.sampled_from([200, 201, 204, 304, 404, 503]),
    cut=st.integers(0, 300),
    flip=st.integers(0, 120),
)
def test_a_hostile_server_does_nothing_but_fail(
    body: bytes, status: int, cut: int, flip: int
) -> None:
    """Whatever bytes come back, the caller gets one of our errors."""

    async def main() -> None:
        whole = bytearray(http(status, body, "application/problem+json"))
        whole[flip % len(whole)] ^= 0x55
        once = IMPATIENT.__class__(tries_max=1, silence_s=0.5)
        async with (
            canned(bytes(whole[: max(1, cut)])) as server,
            Client(server.url, token=TOKEN, settings=once) as client,
        ):
            with pytest.raises(HoldfastError):
                await client.get_session("one")

    run(main())


def test_what_is_sent_is_json_and_stays_in_its_place() -> None:
    """Ids cannot lead to another path, nor values to another header."""

    async def main() -> None:
        async with canned(*[told(INFO)] * 9) as server:
            wire = Wire(server.url, TOKEN, settings=IMPATIENT)
            await wire.ask(Ask(method="GET", path=f"/a/{part('../x?y#z é')}/b"))
            assert "/a/..%2Fx%3Fy%23z%20%C3%A9/b" == server.requests[0].target
            for bad in ({"a": float("nan")}, {"a": object()}, {"a": "\ud800"}):
                with pytest.raises(InvalidInput):
                    await wire.ask(Ask(method="POST", path="/x", body=bad, key="k"))
            for bad_part in ("", ".", "..", 3, "\ud800"):
                with pytest.raises(InvalidInput):
                    part(bad_part)  # type: ignore[arg-type]  # the point of the test
            for bad_query in ("x" * 100_000, "\ud800"):
                with pytest.raises(InvalidInput):
                    await wire.ask(Ask(method="GET", path="/x", query={"title": bad_query}))
            await wire.ask(Ask(method="POST", path="/x", body={"a": "é"}, key="k"))
            assert {"a": "é"} == json.loads(server.requests[1].body)
            assert 2 == server.connections
            await wire.aclose()
        for workspace in ("a\r\nb", "é", " a", "a" * 200, None):
            with pytest.raises(InvalidInput):
                Client("https://a", token=TOKEN, workspace=workspace)  # type: ignore[arg-type]  # the point of the test

    run(main())
