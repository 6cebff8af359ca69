"""The application on a real socket: who is let in, and what a refusal looks like."""

from __future__ import annotations

import httpx2

from serverkit import listening, served
from sessionhelp import run


def test_a_client_over_a_socket() -> None:
    """Health is public, figures need a token, and an unknown route is no exception."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url, httpx2.AsyncClient() as http:
            found = await http.get(f"{url}/health")
            assert (200, {"status": "ok"}) == (found.status_code, found.json())
            assert "nosniff" == found.headers["x-content-type-options"]
            assert "server" not in found.headers
            assert 200 == (await http.get(f"{url}/ready")).status_code
            refused = await http.get(f"{url}/metrics")
            assert 401 == refused.status_code
            assert refused.content == (await http.get(f"{url}/nowhere")).content
            counted = await http.get(f"{url}/metrics", headers=made.admin)
            assert 200 == counted.status_code
            assert 'route="/health",status="200"} 1' in counted.text
            missing = await http.get(f"{url}/nowhere", headers=made.admin)
            assert (404, "not_found") == (missing.status_code, missing.json()["reason"])

    run(work())


def test_draining_is_not_ready() -> None:
    """A server that is about to stop says so to balancers, and still lives."""

    async def work() -> None:
        async with served() as made:
            made.app.drain()
            found = await made.http.get("/ready")
            assert (503, "draining") == (found.status_code, found.json()["reason"])
            assert 200 == (await made.http.get("/health")).status_code

    run(work())
