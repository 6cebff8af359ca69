"""`holdfast allowances list|revoke`."""

from __future__ import annotations

import asyncio

from clihelp import Place

from holdfast.bootstrap import SessionManager


def grant(place: Place, rule: str, scope: str = "session", uses: int | None = None) -> str:
    """Grant something to the session `one`; returns its id."""

    async def work() -> str:
        async with SessionManager.open(place.store, installation_key=place.key) as sessions:
            session = await sessions.get_session("one")
            return (await session.grant_allowance(rule, scope, max_uses=uses)).id

    return asyncio.run(work())


def test_what_is_granted_is_listed(place: Place) -> None:
    """Plain and as JSON, the most specific first; nothing granted is said."""
    place.say("one")
    assert "nothing is granted" in place.cli("allowances", "list", "one").err
    wide = grant(place, "write", "always", 3)
    narrow = grant(place, "write(src/**)")
    rows = place.cli("allowances", "list", "one", "--json").json()
    assert isinstance(rows, list)
    assert [narrow, wide] == [row["id"] for row in rows]
    assert (3, "always", "write") == (rows[1]["uses_left"], rows[1]["scope"], rows[1]["rule"])
    shown = place.cli("allowances", "list", "one")
    assert (0, True) == (shown.code, "write(src/**)" in shown.out and "3 of 3 left" in shown.out)
    assert 3 == place.cli("allowances", "list", "none").code


def test_what_is_granted_is_taken_back(place: Place) -> None:
    """Queued for whoever leads, or at once with --now; an unknown id is said."""
    place.say("one")
    id = grant(place, "write")
    assert 3 == place.cli("allowances", "revoke", "one", "0" * 32, "--now").code
    ran = place.cli("allowances", "revoke", "one", id, "--why", "enough", "--now", "--json")
    assert (0, "revoked") == (ran.code, ran.json()["status"])  # type: ignore[index]  # JSON is an object
    assert [] == place.cli("allowances", "list", "one", "--all", "--json").json()
    again = grant(place, "write")
    queued = place.cli("allowances", "revoke", "one", again, "--wait", "0")
    assert (0, True) == (queued.code, "nobody runs this session now" in queued.err)
    assert 0 == place.cli("audit", "verify").code
