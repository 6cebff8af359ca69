"""Verification over the app: one's own session; the whole store is the administrator's."""

from __future__ import annotations

from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"


def test_who_may_verify_what() -> None:
    """A workspace's operator proves its own sessions only."""

    async def work() -> None:
        async with served() as made:
            id = (await made.ok("POST", API, {}))["id"]
            path = f"/api/v1/audit/verify?session_id={id}"
            assert (await made.ok("GET", path))["ok"]
            assert 404 == (await made.call("GET", path, by=made.bob)).status_code
            whole = await made.call("GET", "/api/v1/audit/verify")
            assert (403, "scope_denied") == (whole.status_code, whole.json()["reason"])
            found = await made.ok("GET", "/api/v1/audit/verify", by=made.admin)
            assert (True, 1) == (found["ok"], found["sessions"])

    run(work())
