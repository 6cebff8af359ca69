"""`holdfast approvals`, and what `run` does where nobody can be asked."""

from __future__ import annotations

import asyncio

from clihelp import Place

from holdfast.bootstrap import SessionManager
from holdfast.core.security import Zone
from holdfast.testing.scripted import ScriptedModel, say

WRITE = {"tool_calls": [{"name": "write", "arguments": {"file_path": "a.txt", "content": "hello"}}]}


def parked(place: Place) -> str:
    """A session that waits with a question; returns its id."""
    ran = place.cli("run", "go", "-s", "one", "-w", str(place.workspace), "--script", script(place))
    assert 10 == ran.code
    found = place.cli("--json", "approvals", "list").json()
    assert isinstance(found, list) and 1 == len(found)
    id = str(found[0]["id"])
    assert f"holdfast approvals approve {id}" in ran.err
    return id


def script(place: Place) -> str:
    """Write a file, then say that it is done."""
    return place.script(WRITE, {"text": "written"})


def finish(place: Place) -> str:
    """Lead the session to the end of what it owes."""
    return place.cli(
        "run", "--resume", "-s", "one", "--script", place.script({"text": "written"})
    ).out


def test_a_run_without_a_terminal_parks_and_says_how_to_answer(place: Place) -> None:
    """Exit code 10, the id and the command; the answer is carried out by the next runner."""
    id = parked(place)
    shown = place.cli("approvals", "show", id)
    assert "write" in shown.out and "a.txt" in shown.out and "session" in shown.out
    answered = place.cli("approvals", "approve", id, "--wait", "0")
    assert (0, True) == (answered.code, "queued" in answered.err)
    assert not (place.workspace / "a.txt").exists()
    assert "written" in finish(place)
    assert "hello" == (place.workspace / "a.txt").read_text()
    assert [] == place.cli("--json", "approvals", "list").json()
    assert "nothing waits" in place.cli("approvals", "list").err


def test_a_denial_is_carried_out_now(place: Place) -> None:
    """`--now` leads the session for a moment; the model would read why."""
    id = parked(place)
    assert 0 == place.cli("approvals", "deny", id, "--note", "not here", "--now").code
    finish(place)
    assert not (place.workspace / "a.txt").exists()
    shown = place.cli("--json", "sessions", "show", "one", "--history")
    assert "denied by a person: not here" in shown.out


def test_wrong_answers_have_codes_of_their_own(place: Place) -> None:
    """Unknown ids and decisions, and options that do not go together."""
    id = parked(place)
    for args, code, reason in (
        (("show", "one:99"), 3, "question_not_found"),
        (("show", "nonsense"), 3, "question_not_found"),
        (("approve", "none:5"), 3, "session_not_found"),
        (("approve", id, "--for", "whatever"), 2, "unknown_decision"),
        (("approve", id, "--pattern", "write"), 2, "invalid_input"),
        (("approve", id, "--edit", "{}", "--for", "session"), 2, "invalid_input"),
        (("approve", id, "--edit", "no json"), 2, "invalid_input"),
        (("approve", id, "--edit", "[1]"), 2, "invalid_input"),
        (("approve", id, "--for", "session", "--pattern", "read"), 2, "invalid_input"),
        (("approve", id, "--for", "always", "--expires", str(400 * 86_400)), 2, "usage"),
        (("approve", id, "--for", "session", "--uses", "1000001"), 2, "usage"),
        (("approve", id, "--by", "agent:one"), 5, "approver_refused"),
        (("deny", id, "--by", "model:x"), 5, "approver_refused"),
    ):
        ran = place.cli("approvals", *args)
        assert (code, True) == (ran.code, f"({reason})" in ran.err), ran.err


def test_a_second_answer_is_told_what_became_of_the_question(place: Place) -> None:
    """What was answered is no unknown id."""
    id = parked(place)
    assert 0 == place.cli("approvals", "deny", id, "--now").code
    for word in ("approve", "deny", "show"):
        again = place.cli("approvals", word, id)
        assert (3, True) == (again.code, "(already_answered)" in again.err), again.err


def test_the_table_names_what_waits(place: Place) -> None:
    """One line a question."""
    id = parked(place)
    out = place.cli("approvals", "list").out
    assert id in out and "write" in out and "approval" in out


def test_consent_is_the_authors(place: Place) -> None:
    """Somebody else's yes is refused at once, their no is not; the author's goes through."""

    async def work() -> str:
        model = ScriptedModel([say("ok")], zone=Zone.PUBLIC)
        async with SessionManager.open(
            place.store, llm_client=model, installation_key=place.key
        ) as sessions:
            session = await sessions.create_session("one", user_id="ann")
            turn = asyncio.create_task(session.generate("My card is 4111 1111 1111 1111."))
            while not (waiting := await session.approvals()):
                await asyncio.sleep(0.01)
            turn.cancel()
            await asyncio.wait({turn})
            return waiting[0].id

    id = asyncio.run(work())
    shown = place.cli("approvals", "list").out
    assert "consent" in shown and "credit_card" in shown
    ran = place.cli("approvals", "approve", id)
    assert (5, True) == (ran.code, "only the author" in ran.err)
    assert 0 == place.cli("approvals", "approve", id, "--by", "ann", "--wait", "0").code
