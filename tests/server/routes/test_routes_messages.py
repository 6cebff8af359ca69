"""Messages over the app: an answer, its history by window, a key that pays once."""

from __future__ import annotations

from holdfast.testing.script import hang, say
from holdfast.testing.scripted import ScriptedModel
from serverkit import served
from sessionhelp import echo, run

API = "/api/v1/sessions"


def test_a_message_is_answered_once() -> None:
    """The same key asks the model once; the history has one window after the other."""

    async def work() -> None:
        model = ScriptedModel([say("one"), say("two")])
        async with served(model) as made:
            id = (await made.ok("POST", API, {}))["id"]
            path = f"{API}/{id}/messages"
            key = {"Idempotency-Key": "m1"}
            first = await made.ok("POST", path, {"content": "hi"}, headers=key)
            again = await made.ok("POST", path, {"content": "hi"}, headers=key)
            assert ("done", "one", first) == (first["status"], first["text"], again)
            other = await made.call("POST", path, {"content": "ho"}, headers=key)
            assert 422 == other.status_code
            await made.ok("POST", path, {"content": "hi"})
            whole = await made.ok("GET", path)
            assert ["hi", "one", "hi", "two"] == [one["text"] for one in whole["messages"]]
            part = await made.ok("GET", f"{path}?before=3&limit=2")
            assert (["one", "hi"], 1, 4) == (
                [one["text"] for one in part["messages"]],
                part["first"],
                part["total"],
            )

    run(work())


def test_who_does_not_wait_leaves_the_turn_alone() -> None:
    """When the time is up the turn runs on."""

    async def work() -> None:
        async with served(ScriptedModel([hang()])) as made:
            id = (await made.ok("POST", API, {}))["id"]
            said = await made.ok("POST", f"{API}/{id}/messages", {"content": "hi", "wait_s": 0.2})
            assert "running" == said["status"]
            assert "Processing" == (await made.ok("GET", f"{API}/{id}"))["state"]
            assert {"changed": True} == await made.ok("POST", f"{API}/{id}/cancel")

    run(work())


def test_a_message_without_an_answer() -> None:
    """It comes in untrusted."""

    async def work() -> None:
        async with served(echo()) as made:
            id = (await made.ok("POST", API, {}))["id"]
            await made.ok("POST", f"{API}/{id}/history", {"role": "user", "text": "old"})
            found = (await made.ok("GET", f"{API}/{id}/messages"))["messages"]
            assert [("old", False)] == [(one["text"], one["trusted"]) for one in found]

    run(work())
