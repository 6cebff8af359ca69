"""A session's events over HTTP: history, then live, from any place, for who may."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from serverkit import Served, listening, served
from sessionhelp import run, until
from streamkit import EVENTS, MESSAGES, STREAM, Stepwise, durable, reading, spoken


async def opened(made: Served, *prompts: str) -> None:
    """Make the session `one` and say something in it."""
    await made.ok("POST", "/api/v1/sessions", {"id": "one"})
    for prompt in prompts:
        await made.ok("POST", MESSAGES, {"content": prompt})


def test_from_every_place_the_rest_comes_once() -> None:
    """Whoever is cut off after any event and shows its id gets exactly what follows."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made, "a", "b")
            async with reading(url, made.ann) as stream:
                whole = [await stream.next() for _ in range(9)]
            full = durable([one for one in whole if one])
            assert 9 == len(full)
            assert {"4", "4.2"} <= {id for id, _, _ in full}
            for number, (id, _, _) in enumerate(full[:-1], start=1):
                async with reading(url, made.ann, last_id=id) as stream:
                    rest = [await stream.next() for _ in full[number:]]
                assert full[number:] == durable([one for one in rest if one])
            for version in range(full[-1][2]["version"]):
                async with reading(url, made.ann, after=str(version)) as stream:
                    found = await stream.next()
                assert found is not None
                assert version + 1 == found.data["version"]

    run(work())


def test_who_comes_in_the_middle_of_an_answer_gets_one_delta_of_it() -> None:
    """Then the rest of it, piece by piece; the text on the screen is the answer."""

    async def work() -> None:
        model = Stepwise(*"abcdefgh", steps=3)
        async with served(model) as made, listening(made.app) as url:
            await opened(made)
            async with (
                reading(url, made.ann) as first,
                reading(url, made.ann, after="latest") as waiting,
            ):
                sending = asyncio.create_task(made.ok("POST", MESSAGES, {"content": "go"}))
                while (one := await first.next()) and one.data.get("text") != "c":
                    pass
                async with reading(url, made.ann, last_id=first.last_id) as again:
                    joined = await again.next()
                    assert joined is not None
                    assert ("text_delta", "abc", 0) == (
                        joined.type,
                        joined.data["text"],
                        joined.data["offset"],
                    )
                    model.let(5)
                    heard = [joined, *await again.rest("turn_end")]
                    assert ["abc", *"defgh"] == [
                        one.data["text"] for one in heard if one.type == "text_delta"
                    ]
                    assert "abcdefgh" == spoken(heard)
                whole = await waiting.rest("agent_end")
                assert ["agent_start", "turn_start"] == [one.type for one in whole[:2]]
                assert "abcdefgh" == spoken(whole)
                await sending

    run(work())


def test_a_message_is_answered_by_the_events_of_its_run() -> None:
    """From its start to its end; the same key again is the same run, paid once."""

    async def work() -> None:
        async with served(Stepwise(*"abcdefgh", steps=100)) as made, listening(made.app) as url:
            await opened(made, "before")
            told = {**made.ann, **STREAM, "Idempotency-Key": "k1"}
            async with httpx2.AsyncClient() as http:

                async def said(content: str) -> httpx2.Response:
                    return await http.post(url + MESSAGES, headers=told, json={"content": content})

                first = await said("go")
                assert first.headers["content-type"].startswith("text/event-stream")
                events = [line for line in first.text.splitlines() if line.startswith("event: ")]
                assert "event: agent_start" == events[0]
                assert ["event: turn_end", "event: agent_end"] == events[-2:]
                assert 8 == events.count("event: text_delta")
                again = await said("go")
                ids = [line for line in first.text.splitlines() if line.startswith("id: ")]
                assert ids[1:] == [x for x in again.text.splitlines() if x.startswith("id: ")][1:]
                other = await said("something else")
                assert 422 == other.status_code
                assert "application/problem+json" == other.headers["content-type"]
            page = await made.ok("GET", MESSAGES)
            assert 4 == page["total"]

    run(work())


def test_leaving_detaches_and_cancels_nothing() -> None:
    """The turn of a message whose sender has left ends by itself (contract 2.22)."""

    async def work() -> None:
        model = Stepwise(*"abcdefgh", steps=1)
        async with served(model) as made, listening(made.app) as url:
            await opened(made)
            told = {**made.ann, **STREAM}
            async with (
                httpx2.AsyncClient() as http,
                http.stream("POST", url + MESSAGES, headers=told, json={"content": "go"}) as left,
            ):
                assert 200 == left.status_code
                async for line in left.aiter_lines():
                    if line.startswith("event: text_delta"):
                        break
            await until(lambda: not len(made.app.api.state.streams))
            model.let(7)
            async with reading(url, made.ann) as stream:
                heard = await stream.rest("agent_end")
            assert "completed" == heard[-1].data["outcome"]
            assert "abcdefgh" == heard[-1].data["text"]

    run(work())


def test_a_refused_message_is_a_problem_and_no_stream() -> None:
    """A paused session takes no messages, however the answer would come."""

    async def work() -> None:
        async with served() as made:
            await opened(made)
            await made.ok("POST", "/api/v1/sessions/one/pause", {})
            found = await made.call("POST", MESSAGES, {"content": "go"}, headers=STREAM)
            assert (409, "application/problem+json") == (
                found.status_code,
                found.headers["content-type"],
            )
            assert not len(made.app.api.state.streams)

    run(work())


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({"Last-Event-ID": "x"}, "", 422),
        ({"Last-Event-ID": "1.0"}, "", 422),
        ({"Last-Event-ID": "9" * 65}, "", 422),
        ({"Last-Event-ID": "99"}, "", 422),
        ({}, "?after=99", 422),
        ({}, "?after=-1", 422),
        ({}, "?after=1.2", 422),
        ({}, "?after=", 422),
    ],
)
def test_a_place_that_is_none_is_refused(headers: dict[str, str], query: str, status: int) -> None:
    """A reader from the future, or with an id of its own making, is told so."""

    async def work() -> None:
        async with served() as made:
            await opened(made)
            found = await made.call("GET", EVENTS + query, headers=headers)
            assert status == found.status_code
            assert "invalid_input" == found.json()["reason"]
            assert not len(made.app.api.state.streams)

    run(work())


def test_who_may_not_read_gets_no_stream() -> None:
    """Without a token, of another workspace, bound to another session: as if it were not there."""

    async def work() -> None:
        async with served() as made:
            await opened(made)
            await made.ok("POST", "/api/v1/sessions", {"id": "two"})
            assert 401 == (await made.http.get(EVENTS)).status_code
            unknown = await made.call("GET", "/api/v1/sessions/none/events")
            bound = await made.token("user:bound", session="two")
            for who in (made.bob, bound):
                found = await made.call("GET", EVENTS, by=who)
                assert 404 == found.status_code
                assert unknown.json()["reason"] == found.json()["reason"]
                sent = await made.call("POST", MESSAGES, {"content": "x"}, by=who, headers=STREAM)
                assert 404 == sent.status_code

    run(work())
