"""Requests in traces: where one belongs is believed of who has a token, and handed on."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from holdfast.bootstrap import SessionManager
from holdfast.core.settings import ModelSettings
from holdfast.runtime.config import SessionConfig
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import say
from serverkit import BASE, Served, served
from sessionhelp import echo, memory, run
from tracekit import Kept

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
BAGGAGE = "user=canary"


def told(kept: Kept) -> list[tuple[str, dict[str, object]]]:
    """The requests that were told of, and their attributes."""
    return [
        (one.name, dict(one.attributes or {})) for one in kept.spans if one.kind is SpanKind.SERVER
    ]


def traced(kept: Kept) -> SessionManager:
    """A manager in memory that tells."""
    sessions = memory(echo())
    sessions.telemetry = kept.telemetry
    return sessions


def test_a_trace_goes_through_from_the_client_to_the_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One trace: the client's, the request, the run, the call, and what the provider is told."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")
    kept = Kept()

    async def work() -> None:
        async with (
            ProviderServer([say("hello")]) as provider,
            served(sessions=traced(kept)) as made,
        ):
            model = ModelSettings(provider="openai", model="m", base_url=provider.base_url)
            await made.sessions.create_session(
                "one", SessionConfig(model=model), user_id="user:ann"
            )
            headers = {"traceparent": PARENT, "tracestate": "v=1", "baggage": BAGGAGE}
            path = "/api/v1/sessions/one/messages"
            await made.ok("POST", path, {"content": "go"}, headers=headers)
            (sent,) = provider.received
            await kept.telemetry.flush()
            call = kept.one("chat m")
            span = f"{call.context.span_id:016x}"
            assert f"00-{TRACE}-{span}-01" == sent.headers["traceparent"]
            assert "v=1" == sent.headers["tracestate"]
            assert "baggage" not in sent.headers

    run(work())
    request, agent, call = kept.spans
    assert ["POST /api/v1/sessions/{session_id}/messages", "invoke_agent", "chat m"] == [
        one.name for one in kept.spans
    ]
    assert request.parent is not None
    assert "b7ad6b7169203331" == f"{request.parent.span_id:016x}"
    assert {TRACE} == {f"{one.context.trace_id:032x}" for one in (request, agent, call)}
    assert agent.parent is not None
    assert request.context.span_id == agent.parent.span_id
    assert {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/api/v1/sessions/{session_id}/messages",
        "url.scheme": "http",
    } == dict(request.attributes or {})
    assert "canary" not in kept.text()


FOR_THE_PROCESS = """
import asyncio, json
from opentelemetry import metrics, trace
from serverkit import served
from sessionhelp import echo, memory
from tracekit import Kept

kept = Kept()
trace.set_tracer_provider(kept.tracers)
metrics.set_meter_provider(kept.meters)

async def work():
    sessions = memory(echo())
    sessions.telemetry = kept.telemetry
    async with served(sessions=sessions) as made:
        await made.ok("POST", "/api/v1/sessions", {"id": "one"})
        await made.ok("GET", "/api/v1/sessions?canary=1")
        assert 404 == (await made.call("GET", "/api/v1/sessions/canary")).status_code

asyncio.run(work())
assert "canary" not in kept.text()
print(json.dumps(kept.tree()))
"""


def test_the_framework_tells_nothing_of_its_own() -> None:
    """It would tell paths and queries to what is set for the whole process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", FOR_THE_PROCESS]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert {
        "POST /api/v1/sessions": "",
        "GET /api/v1/sessions": "",
        "GET /api/v1/sessions/{session_id}": "",
    } == json.loads(done.stdout)


async def odd(made: Served) -> None:
    """Requests that are refused, of strangers and others."""
    claim = {"traceparent": PARENT}
    bearer = {"Authorization": "Bearer hft_canary"}
    path = "/api/v1/sessions/canary?token=canary"
    assert 401 == (await made.call("GET", path, by=bearer, headers=claim)).status_code
    assert 401 == (await made.call("CANARY", path, by=bearer, headers=claim)).status_code
    assert 404 == (await made.call("GET", path)).status_code
    assert 200 == (await made.call("GET", "/health", by={}, headers=claim)).status_code
    wrong = {"traceparent": "00-canary-canary-01"}
    assert 200 == (await made.call("GET", "/api/v1/sessions", headers=wrong)).status_code


def test_nothing_of_a_stranger_is_believed_and_nothing_they_send_is_told() -> None:
    """Neither which trace a request belongs to, nor its path, query, token or method."""
    kept = Kept()

    async def work() -> None:
        async with served(sessions=traced(kept)) as made:
            await odd(made)

    run(work())
    assert [
        ("GET", 401),
        ("HTTP", 401),
        ("GET /api/v1/sessions/{session_id}", 404),
        ("GET /health", 200),
        ("GET /api/v1/sessions", 200),
    ] == [(name, found["http.response.status_code"]) for name, found in told(kept)]
    assert all(one.parent is None for one in kept.spans)
    text = kept.text()
    assert [] == [word for word in ("canary", "CANARY", "hft_", TRACE, BASE[7:]) if word in text]


def test_a_bug_is_an_error_of_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told is its status, no more."""
    kept = Kept()

    async def work() -> None:
        async with served(sessions=traced(kept)) as made:

            async def broken(*args: object, **more: object) -> None:
                raise RuntimeError("canary")

            monkeypatch.setattr(type(made.sessions), "get_session", broken)
            assert 500 == (await made.call("GET", "/api/v1/sessions/one")).status_code

    run(work())
    (span,) = (one for one in kept.spans if one.kind is SpanKind.SERVER)
    assert StatusCode.ERROR is span.status.status_code
    assert "500" == (span.attributes or {})["error.type"]
    assert "canary" not in kept.text()
