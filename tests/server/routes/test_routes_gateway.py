"""SafeClaw's routes over the app: the seeds' keys, get-or-create, a message, a wipe."""

from __future__ import annotations

from holdfast.bootstrap import tee_facts
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from serverkit import served
from sessionhelp import echo, memory, run, tool

GATEWAY = "/api/v1/gateway/sessions"
CHAT = {"user_id": "ann", "channel_id": "telegram", "chat_id": "7"}
KEYS = [
    "id",
    "user_id",
    "channel_id",
    "state",
    "sensitivity_level",
    "tee_active",
    "message_count",
    "created_at",
    "last_activity",
]
MORE = [
    "chat_id",
    "cumulative_risk",
    "security_level",
    "taint_count",
    "pending_confirmations",
    "metadata",
]


def test_the_nine_keys_first() -> None:
    """The seeds' nine keys, in order and type; a list is a bare array of the same."""

    async def work() -> None:
        async with served() as made:
            opened = await made.call("POST", GATEWAY, CHAT)
            assert 201 == opened.status_code
            again = await made.call("POST", GATEWAY, CHAT)
            assert (200, opened.json()["id"]) == (again.status_code, again.json()["id"])
            id = opened.json()["id"]
            found = await made.ok("GET", f"{GATEWAY}/{id}")
            assert KEYS == list(found)[:9]
            types = [str, str, str, str, str, bool, int, int, int]
            assert types == [type(found[key]) for key in KEYS]
            assert ("Active", "Normal") == (found["state"], found["sensitivity_level"])
            assert MORE == list(found)[9:]
            assert {"score": 0.0, "types": {}, "decision": "Allow"} == found["cumulative_risk"]
            assert found["security_level"] == tee_facts().partition(" ")[0]
            assert [found] == await made.ok("GET", GATEWAY)

    run(work())


def test_what_was_told_of_people_comes_to_something() -> None:
    """Three kinds of personal data ask, five refuse: the session's JSON says so."""

    async def work() -> None:
        async with served(echo()) as made:
            id = (await made.ok("POST", GATEWAY, CHAT))["id"]
            told = ["I am at jane@example.com.", "My phone is +1 415 555 2671, my SSN 536-90-4399."]
            seen = []
            for content in told:
                await made.call("POST", f"{GATEWAY}/{id}/messages", {"content": content})
                risk = (await made.ok("GET", f"{GATEWAY}/{id}"))["cumulative_risk"]
                seen.append((len(risk["types"]), risk["decision"]))
            assert [(1, "Allow"), (3, "RequireConfirmation")] == seen

    run(work())


def test_a_list_is_paged() -> None:
    """What follows a page is linked."""

    async def work() -> None:
        async with served() as made:
            for chat in "abc":
                await made.ok("POST", GATEWAY, {**CHAT, "chat_id": chat})
            first = await made.call("GET", f"{GATEWAY}?limit=2")
            link = first.headers["link"].partition(";")[0].strip("<>")
            second = await made.call("GET", link)
            ids = [one["id"] for one in (*first.json(), *second.json())]
            assert 3 == len(set(ids))
            assert "link" not in second.headers

    run(work())


def test_a_message_and_the_end() -> None:
    """A message is answered, the session pauses, resumes and is wiped."""

    async def work() -> None:
        async with served(echo()) as made:
            id = (await made.ok("POST", GATEWAY, CHAT))["id"]
            said = await made.ok("POST", f"{GATEWAY}/{id}/messages", {"content": "hello"})
            assert "ProcessLocal" == said["decision"]
            assert said["response"]
            assert ({"level": "Normal", "kinds": [], "threat": "clean"}, 0, []) == (
                said["classification"], said["redactions"], said["audit_ids"],
            )  # fmt: skip
            assert "Paused" == (await made.ok("POST", f"{GATEWAY}/{id}/pause"))["state"]
            assert [] == await made.ok("GET", GATEWAY)
            assert "Active" == (await made.ok("POST", f"{GATEWAY}/{id}/resume"))["state"]
            assert (await made.ok("GET", f"{GATEWAY}/{id}/audit"))["ok"]
            receipt = await made.ok("DELETE", f"{GATEWAY}/{id}")
            assert (id, True) == (receipt["session_id"], receipt["destroyed_at_ms"] > 0)
            assert 404 == (await made.call("GET", f"{GATEWAY}/{id}")).status_code

    run(work())


def test_a_message_says_what_became_of_it() -> None:
    """How it was classified, what of the answer is hidden, and what an auditor is told."""
    card = "4111 1111 1111 1111"

    async def work() -> None:
        model = ScriptedModel([say("so it is"), call("nothing", {}), say(f"it is {card}")])
        async with served(model) as made:
            id = (await made.ok("POST", GATEWAY, CHAT))["id"]
            path = f"{GATEWAY}/{id}/messages"
            said = await made.ok("POST", path, {"content": "my mail is ann@example.org"})
            assert {"level": "Sensitive", "kinds": ["email"], "threat": "clean"} == (
                said["classification"]
            )
            assert (0, 1) == (said["redactions"], len(said["audit_ids"]))
            before = said["audit_ids"]
            headers = {"Idempotency-Key": "once"}
            said = await made.ok("POST", path, {"content": f"and {card}"}, headers=headers)
            assert "it is [REDACTED:CREDIT_CARD]" == said["response"]
            assert (1, ["credit_card"]) == (said["redactions"], said["classification"]["kinds"])
            told = (await made.ok("GET", f"/api/v1/audit/events?session_id={id}"))["events"]
            named = [one["id"] for one in told]
            assert [*before, *said["audit_ids"]] == list(dict.fromkeys(named))[1:]  # its birth
            assert "tool_refused" in [one["kind"] for one in told if one["id"] in said["audit_ids"]]
            again = await made.ok("POST", path, {"content": f"and {card}"}, headers=headers)
            assert said == again

    run(work())


def test_a_confirmation_is_answered_once() -> None:
    """A call that must be asked about waits; a person's yes lets it run."""
    ran: list[str] = []

    def act(text: str = "") -> str:
        ran.append(text)
        return "did it"

    async def work() -> None:
        model = ScriptedModel([call("act", {"text": "x"}), say("done")])
        sessions = memory(model, tool(act, params=["text"]))
        async with served(sessions=sessions) as made:
            id = (await made.ok("POST", GATEWAY, CHAT))["id"]
            said = await made.ok("POST", f"{GATEWAY}/{id}/messages", {"content": "go"})
            assert "RequireConfirmation" == said["decision"]
            path = f"{GATEWAY}/{id}/confirmations/{said['confirmation_id']}"
            assert [] == ran
            headers = {"Idempotency-Key": "yes-1"}
            await made.ok("POST", path, {"approve": True}, headers=headers)
            await made.ok("POST", path, {"approve": True}, headers=headers)
            other = await made.call("POST", path, {"approve": False}, headers=headers)
            assert (422, "command_mismatch") == (other.status_code, other.json()["reason"])
            late = await made.call("POST", path, {"approve": True})
            assert (409, "already_answered") == (late.status_code, late.json()["reason"])
            unknown = await made.call(
                "POST", f"{GATEWAY}/{id}/confirmations/99999", {"approve": True}
            )
            assert 404 == unknown.status_code

    run(work())
    assert ["x"] == ran
