"""Telemetry that fails or blocks changes no answer, over a real socket."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from holdfast.adapters.telemetry.otel import OpenTelemetry
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import TokenInvalid
from holdfast.ports.telemetry import NO_TELEMETRY, Telemetry
from holdfast.server.app import create_app
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from serverkit import Served, listening
from sessionhelp import UNSAFE, memory, run, tool
from tracefaults import CANARY, ODD, PLACES, Faulty, Odd

MESSAGES = "/api/v1/sessions/one/messages"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
REQUESTS = 50
EXPORT_S = 0.5


def look() -> str:
    """Look something up."""
    return "found"


async def evening(telemetry: Telemetry) -> list[object]:
    """What a server answers to all kinds of requests."""
    sessions = memory(ScriptedModel([call("look", {}), say("done")]), tool(look))
    sessions.telemetry = telemetry
    async with sessions:
        made = Served(create_app(sessions), sessions)
        await made.ready()
        async with listening(made.app) as url, httpx2.AsyncClient(base_url=url, timeout=30) as http:
            return await asked(http, made)


async def asked(http: httpx2.AsyncClient, made: Served) -> list[object]:
    """The answers, one after the other."""
    headers = {**made.ann, "traceparent": PARENT}

    async def ask(method: str, path: str, **more: Any) -> httpx2.Response:
        return await http.request(method, path, **{"headers": headers, **more})

    await made.sessions.create_session("one", UNSAFE, user_id="user:ann")
    said = await ask("POST", MESSAGES, json={"content": "go"})
    found = [
        await ask("GET", "/health", headers={}),
        await ask("GET", "/api/v1/sessions", headers={"Authorization": "Bearer hft_wrong"}),
        await ask("GET", "/api/v1/sessions/one"),
        await ask("GET", "/api/v1/sessions/none"),
        await ask("POST", MESSAGES, json={"content": 7}),
        await ask("GET", "/metrics", headers=made.admin),
        await ask("DELETE", "/api/v1/sessions/one"),
    ]
    return [said.status_code, said.json()["text"], *(one.status_code for one in found)]


EXPECTED = [200, "done", 200, 401, 200, 404, 422, 200, 200]


def test_without_telemetry() -> None:
    """What is to be answered."""
    assert EXPECTED == run(evening(NO_TELEMETRY))


@pytest.mark.parametrize("place", PLACES)
def test_a_telemetry_that_fails_somewhere_changes_no_answer(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it is logged but that it failed."""
    faulty = Faulty(place)
    with caplog.at_level(logging.WARNING, "holdfast"):
        assert EXPECTED == run(evening(faulty))
    assert faulty.hits
    assert 1 == caplog.text.count("telemetry failed in")
    assert CANARY not in caplog.text


def test_a_token_is_not_invalid_because_telemetry_says_so() -> None:
    """An error that means something to the server means nothing there."""
    for place in ("incoming", "start", "within", "leave", "end"):
        assert EXPECTED == run(evening(Faulty(place, TokenInvalid)))


@pytest.mark.parametrize("kind", ODD)
def test_a_telemetry_that_returns_anything_changes_no_answer(kind: str) -> None:
    """Also figures can be read of one that does not know how much it lost."""
    odd: Any = Odd(ODD[kind]())
    assert EXPECTED == run(evening(odd))


def test_what_is_lost_is_a_figure() -> None:
    """What failed, and what the telemetry says itself."""

    async def work() -> None:
        sessions = memory(ScriptedModel([]))
        sessions.telemetry = Faulty("note")
        async with sessions:
            made = Served(create_app(sessions), sessions)
            await made.ready()
            for _ in range(3):
                await made.http.get("/health")
            text = (await made.call("GET", "/metrics", by=made.admin)).text
            assert "holdfast_telemetry_lost 10\n" in text

    run(work())


class Slow(SpanExporter):
    """Takes half a second for each span, until it is let go.

    Attributes:
        spans: what it was given, in order.
    """

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait."""
        self.begun.set()
        self.go.wait(EXPORT_S)
        self.spans += spans
        return SpanExportResult.SUCCESS


async def at_once(sessions: SessionManager) -> float:
    """How long many requests at once take, in seconds."""
    made = Served(create_app(sessions), sessions)
    await made.ready()
    await made.sessions.create_session("one", UNSAFE, user_id="user:ann")
    async with (
        listening(made.app) as url,
        httpx2.AsyncClient(base_url=url, headers=made.ann, timeout=60) as http,
    ):
        await http.get("/api/v1/sessions/one")
        began = time.perf_counter()
        asking = (http.get("/api/v1/sessions/one") for _ in range(REQUESTS))
        found = await asyncio.gather(*asking)
        took_s = time.perf_counter() - began
    assert [200] * REQUESTS == [one.status_code for one in found]
    return took_s


def test_an_exporter_that_takes_its_time_holds_up_no_request() -> None:
    """It gets all spans at the close, which waits for it, in the order in which they ended."""
    slow = Slow()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(slow))

    async def work() -> tuple[float, int]:
        sessions = memory(ScriptedModel([]))
        sessions.telemetry = OpenTelemetry(tracers)
        async with sessions:
            took_s = await at_once(sessions)
            assert slow.begun.is_set()
            kept = len(slow.spans)
            slow.go.set()
        return took_s, kept

    took_s, kept = run(work())
    # One after the other they would take 25 seconds, and each request at least one of them.
    assert took_s < REQUESTS * EXPORT_S / 5
    assert kept < REQUESTS
    assert ["GET /api/v1/sessions/{session_id}"] * (REQUESTS + 1) == [
        one.name for one in slow.spans
    ]
    ends = [one.end_time or 0 for one in slow.spans]
    assert sorted(ends) == ends
    assert ends[-1] - ends[0] < REQUESTS * EXPORT_S / 5 * 1e9
