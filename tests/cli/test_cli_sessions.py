"""`holdfast sessions list|show`."""

from __future__ import annotations

import asyncio

from clihelp import Place

from holdfast.bootstrap import SessionManager


def test_listing(place: Place) -> None:
    """Newest first, with filters, a limit and a hint that there are more."""
    for id in ("a", "b", "c"):
        place.say(id, "x", "-w", str(place.workspace))
    place.cli("sessions", "end", "a", "--now")

    def ids(*args: str) -> list[str]:
        rows = place.cli("sessions", "list", "--json", *args).json()
        assert isinstance(rows, list)
        return [row["id"] for row in rows]

    assert (["a", "c", "b"], ["a"]) == (ids(), ids("--state", "completed"))
    assert (["a", "c"], ["a", "c", "b"]) == (ids("--limit", "2"), ids("--limit", "1", "--all"))
    assert ([], []) == (ids("--user", "nobody"), ids("--title", "none", "--tag", "x"))
    text = place.cli("sessions", "list", "--limit", "1")
    assert ("session", True) == (text.out.split()[0], "there are more" in text.err)
    assert 2 == place.cli("sessions", "list", "--state", "bogus").code
    assert "no sessions\n" == place.cli("sessions", "list", "--tag", "x").err


def test_a_session_that_used_an_enclave_says_so(place: Place) -> None:
    """Once it is marked, to people and to programs."""
    place.say("one")
    assert "enclave" not in place.cli("sessions", "show", "one").out

    async def mark() -> None:
        async with SessionManager.open(place.store, installation_key=place.key) as sessions:
            assert await (await sessions.get_session("one")).mark_tee_active()

    asyncio.run(mark())
    assert "enclave        used" in place.cli("sessions", "show", "one").out
    found = place.cli("sessions", "show", "one", "--json").json()
    assert isinstance(found, dict) and found["tee_active"]


def test_showing(place: Place) -> None:
    """Facts, conversation and events, for people and for programs."""
    look = {"name": "ls", "arguments": {}}
    script = place.script({"text": "\x1b[2J", "tool_calls": [look]}, {"text": "ok"})
    place.cli("run", "go", "-s", "one", "--script", script, "-w", str(place.workspace))
    text = place.cli("sessions", "show", "ONE", "--history", "--events").out
    for part in ("workspace", "[user] go", "[assistant] ␛[2J", "calls ls]", "session_created",
                 "tool_end"):  # fmt: skip
        assert part in text
    assert "\x1b" not in text
    found = place.cli("sessions", "show", "one", "--history", "--events", "--json").json()
    assert isinstance(found, dict)
    roles = [message["role"] for message in found["history"]]
    assert (["user", "assistant", "tool", "assistant"], 1) == (roles, found["tool_call_count"])
    assert "agent_end" == found["events"][-1]["type"]
    assert 3 == place.cli("sessions", "show", "none").code
