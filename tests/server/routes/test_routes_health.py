"""Health, readiness and figures."""

from __future__ import annotations

from holdfast.ports.store import Health
from serverkit import served
from sessionhelp import run


def test_a_store_that_does_not_answer() -> None:
    """The process lives, and is not ready; strangers are told no more."""

    async def work() -> None:
        async with served() as made:

            async def ill() -> list[tuple[str, Health]]:
                return [("file", Health(ok=False, detail="disk on fire"))]

            made.sessions.store_health = ill  # type: ignore[method-assign]  # a stand-in
            found = await made.http.get("/ready")
            assert (503, False) == (found.status_code, "fire" in found.text)
            assert {"status": "ok"} == (await made.http.get("/health")).json()

    run(work())


def test_figures() -> None:
    """Routes without what stands in them, and sessions that are led."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", "/api/v1/sessions", {"id": "a"})
            await made.ok("GET", "/api/v1/sessions/a")
            text = (await made.call("GET", "/metrics")).text
            assert 'route="/api/v1/sessions/{session_id}",status="200"} 1' in text
            assert "holdfast_sessions_led 1" in text
            viewer = await made.token("user:eve", "viewer")
            assert 403 == (await made.call("GET", "/metrics", by=viewer)).status_code

    run(work())
