"""A server's sessions under the names of the manager."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

import holdfast.client
from clienthelp import QUICK, TOKEN, canned, http, line, pair, token_of
from holdfast.bootstrap import SessionManager
from holdfast.client import Client, RemoteSession
from holdfast.client.wire import Ask
from holdfast.core.agentconfig import CallSettings
from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.errors import (
    BadAnswer,
    ImportRefused,
    InvalidInput,
    InvalidSessionId,
    QuestionNotFound,
    ScopeDenied,
    ServerUnreachable,
    SessionExists,
    SessionNotFound,
    TokenInvalid,
    VersionMismatch,
)
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings
from holdfast.runtime.audit_file import verify_answer
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.tokens import SessionTokens
from sessionhelp import run

OWN = {"Client": {"tokens"}, "RemoteSession": set(), "RemoteTokens": set()}
"""Names that the library's class has as a property, or does not have."""


def public(kind: type) -> dict[str, object]:
    """The public methods of a class."""
    return {
        name: found
        for name, found in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("mine", "its"),
    [
        (Client, SessionManager),
        (RemoteSession, Session),
        (holdfast.client.tokens.RemoteTokens, SessionTokens),
    ],
)
def test_the_names_are_the_librarys(mine: type, its: type) -> None:
    """Every method has the name, and its arguments the names and the order, of the library's.

    Arguments that no server takes are left out: who says so (the token tells), files of
    this machine, waiters.
    """
    theirs = public(its)
    for name, method in public(mine).items():
        assert name in theirs, f"{mine.__name__}.{name} is not a name of the library"
        ours = list(inspect.signature(method).parameters)
        wanted = list(inspect.signature(theirs[name]).parameters)
        assert ours == [one for one in wanted if one in ours], name
        left_out = set(wanted) - set(ours)
        assert left_out <= {"by", "answers", "workspace", "storage_type", "reason", "about",
                            "token", "config"}, (name, left_out)  # fmt: skip


SERVED_OTHERWISE = {
    "clear_session_allowances", "export_workspace_allowances", "import_workspace_allowances",
    "issue_capability", "add_capability", "escapes", "escape_allowed", "allow_escape",
    "revoke_escape", "export_escapes", "imported_escapes", "accept_imported_escapes",
    "imported_rules", "accept_imported_rules", "cost_records", "system_prompt", "view",
    "state_of", "set_state", "set_error", "set_completed", "touch", "emit", "submit", "send",
    "on_approval", "questions", "set_security", "mark_tee_active", "facts",
}  # fmt: skip
"""Methods of a handle that the server has no route for, or that need this process."""


def test_what_is_not_offered_is_known() -> None:
    """A method that a handle gets is offered here too, or said not to be."""
    missing = set(public(Session)) - set(public(RemoteSession))
    assert SERVED_OTHERWISE == missing


def test_the_client_needs_nothing_of_the_library_but_its_core() -> None:
    """Neither a store nor cryptography is loaded by who only asks a server."""
    script = (
        "import sys, holdfast.client\n"
        "heavy = {'apsw', 'cryptography', 'fastapi', 'pydantic', 'typer', 'uvicorn'}\n"
        "layers = {name.split('.')[1] for name in sys.modules if name.startswith('holdfast.')}\n"
        "print(sorted(heavy & set(sys.modules)), sorted(layers))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[] ['client', 'core']" == ran.stdout.strip()


def test_without_its_part_it_says_so() -> None:
    """The error names what is to be installed."""
    script = (
        "import sys; sys.modules['httpx2'] = None\n"
        "from holdfast.core.errors import MissingExtra\n"
        "try:\n    import holdfast.client\nexcept MissingExtra as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "holdfast[client]" in ran.stdout


def test_sessions_are_opened_and_found() -> None:
    """Created with the library's own configuration, listed, paged, found by their user."""

    async def main() -> None:
        async with pair() as found:
            client = found.client
            config = SessionConfig(name="First", system_prompt="Be brief.", thinking=True)
            one = await client.create_session("one", config, user_id="u", channel_id="c")
            two = await client.create_session(config={"tools": ["read"]})
            assert ("one", "First") == (one.id, (await one.info()).title)
            with pytest.raises(SessionExists):
                await client.create_session("one")
            await two.set_tags(["red"])
            page = await client.list_sessions(limit=1)
            assert [two.id] == [row.id for row in page.sessions]
            rest = await client.list_sessions(limit=1, cursor=page.cursor)
            assert (["one"], "") == ([row.id for row in rest.sessions], rest.cursor)
            tagged = await client.list_sessions(tags=["red"], states=["Active"])
            assert [two.id] == [row.id for row in tagged.sessions]
            assert ["one"] == [
                row.id for row in (await client.list_sessions(title="first")).sessions
            ]
            assert {"one", two.id} == {str(one) for one in await client.get_all_sessions()}
            mine = await client.get_or_create_session("u", "c", "d")
            assert mine.id == (await client.get_or_create_session("u", "c", "d")).id
            assert "one" == (await client.get_session("one")).id
            for wrong in ("../one", "", "a" * 200, "one/pause", "one?x"):
                with pytest.raises(InvalidSessionId):
                    await client.get_session(wrong)
            with pytest.raises(InvalidInput):
                await client.create_session("three", {"hook_engine": "x"})
            with pytest.raises(InvalidInput):
                await client.create_session("three", 7)

    run(main())


def test_families_are_opened() -> None:
    """Children and forks, under ids that are drawn here."""

    async def main() -> None:
        async with pair() as found:
            client = found.client
            one = await client.create_session("one")
            await client.generate("one", "hi")
            child = await client.create_child_session("one", config={"tools": ["read"]})
            assert [child.id] == await client.get_child_sessions("one")
            assert ("one", None) == (
                await client.parent_session_id(child.id),
                await client.parent_session_id("one"),
            )
            assert await client.is_child_session(child.id)
            fork = await client.fork_session("one", name="Copy")
            assert ["hi", "re: hi"] == [each.text for each in await fork.history()]
            receipt = await client.terminate_session(one.id, keep=[fork.id])
            assert ("one", (fork.id,)) == (receipt.session_id, receipt.kept)
            assert [fork.id] == [
                row.id for row in (await client.list_sessions(states=["Active"])).sessions
            ]
            assert fork.id == (await client.destroy_session(fork.id)).session_id
            with pytest.raises(SessionNotFound):
                await fork.info()

    run(main())


def test_everything_by_id_is_the_handles() -> None:
    """The seeds' words for it lead to the same."""

    async def main() -> None:
        async with pair() as found:
            client = found.client
            await client.create_session("one")
            events, result = await client.generate_streaming("one", "hi")
            kinds = [event.type async for event in events if not event.live]
            assert ["agent_start", "turn_start", "turn_end", "agent_end"] == kinds
            assert "re: hi" == (await result).text
            assert ["hi", "re: hi"] == [each.text for each in await client.history("one")]
            assert 15 == (await client.context_usage("one")).used_tokens
            assert await client.pause_session("one")
            assert not await client.pause_session("one")
            assert await client.resume_session("one")
            assert not await client.cancel_operation("one")
            await client.configure("one", thinking=True)
            await client.rewind("one", 2)
            await client.clear("one")
            assert [] == await client.history("one")
            subscribed = await client.subscribe_events("one", 0)
            assert "session_created" == (await anext(subscribed)).type
            await subscribed.aclose()
            await client.end_session("one")
            await client.reopen_session("one")
            assert "Active" == (await (await client.get_session("one")).info()).state
            report = await client.audit_verify("one")
            assert (True, 1, ()) == (report.ok, report.sessions, report.findings)
            with pytest.raises(ScopeDenied):
                await client.audit_verify()

    run(main())


def test_sessions_are_moved(tmp_path: Path) -> None:
    """An export is taken in again, under another id."""

    async def main() -> None:
        async with pair() as found:
            client = found.client
            await client.create_session("one")
            await client.generate("one", "héllo")
            file = tmp_path / "one.jsonl"
            await asyncio.to_thread(file.write_text, await client.export_text("one"), "utf-8")
            made = await client.import_file(file, "two")
            assert ("two", 2) == (made.id, made.messages)
            assert "héllo" == (await client.history("two"))[0].text
            async with line(found.url) as bad, found.other(bad.url) as other:
                bad.cuts = [0, 30, 300]
                again = await other.import_file(file)
            assert "one" != again.id and 3 == len(await client.get_all_sessions())
            await asyncio.to_thread(file.write_text, "nothing of ours", "utf-8")
            with pytest.raises(ImportRefused):
                await client.import_file(file)
            with pytest.raises(InvalidInput, match="cannot be read"):
                await client.import_file(tmp_path / "gone")

    run(main())


def test_shared_budgets_and_approvals_by_id() -> None:
    """Accounts of a user; an approval that there is not is not found."""

    async def main() -> None:
        async with pair() as found:
            client = found.client
            await client.create_session("one")
            admin = found.served.admin["Authorization"].removeprefix("Bearer ")
            async with Client(found.url, token=admin, settings=QUICK) as root:
                await root.set_budget("user", "user:ann", {"calls": 7})
                await root.set_budget("session", "one", {"calls": 5})
                limits = {one.limit for one in await root.budget("user", "user:ann")}
            assert {7} == limits
            assert 5 in {one.limit for one in await client.budget("session", "one")}
            assert [] == await client.list_approvals()
            for wrong in ("one", "one:x", ":3", "one:99"):
                with pytest.raises(QuestionNotFound):
                    await client.answer_approval(wrong, "once")
            assert not await client.confirm_tool("one", "call-1", True)

    run(main())


def test_a_workspace_sees_its_own() -> None:
    """Another workspace's session is not there; an administrator picks the workspace."""

    async def main() -> None:
        async with pair() as found:
            await found.client.create_session("one")
            bob = found.served.bob["Authorization"].removeprefix("Bearer ")
            async with Client(found.url, token=bob, settings=QUICK) as other:
                with pytest.raises(SessionNotFound):
                    await other.get_session("one")
            admin = found.served.admin["Authorization"].removeprefix("Bearer ")
            for workspace, count in (("other", 0), ("default", 1), ("", 1)):
                async with Client(
                    found.url, token=admin, workspace=workspace, settings=QUICK
                ) as root:
                    assert count == len((await root.list_sessions()).sessions)
            async with Client(found.url, settings=QUICK) as nobody:
                with pytest.raises(TokenInvalid):
                    await nobody.get_session("one")
            assert token_of(found.served) not in repr(found.client)

    run(main())


def test_the_agents_configuration_goes_over_the_wire() -> None:
    """As the library has it: set, kept, stale, removed; its key is in no repr of a request."""
    secret = "sk-" + "canary-client-0123456789"
    model = ModelSettings(
        provider="openai",
        model="m",
        base_url="https://models.example/v1",
        zone=Zone.LOCAL,
        sees=Sensitivity.NORMAL,
    )

    async def work() -> None:
        async with pair() as found:
            with pytest.raises(ScopeDenied):
                await found.client.agent_config()
            token = found.served.admin["Authorization"].removeprefix("Bearer ")
            async with Client(found.url, token=token, settings=QUICK) as client:
                calls = CallSettings(total_s=30)
                one = await client.set_agent_config(model, api_key=secret, calls=calls, expected=0)
                assert one == await client.agent_config()
                assert one == await found.served.sessions.agent_config()
                assert ("Normal", calls, True) == (one.sees, one.calls, one.key.set)
                two = await client.set_agent_config(replace(model, model="x"))
                assert one.key == two.key
                with pytest.raises(VersionMismatch):
                    await client.set_agent_config(model, expected=1)
                with pytest.raises(InvalidInput):
                    await client.set_agent_config(replace(model, base_url="http://h.example/"))
                three = await client.set_agent_config(None)
                assert ("process", 3) == (three.source, three.version)
        assert secret not in repr(Ask(method="PUT", path="/", body={"api_key": secret}))

    run(work())


def test_an_export_comes_piece_by_piece_and_answers_the_question() -> None:
    """It is tried again until it begins; what breaks off, or is something else, is no answer."""
    kind = "application/x-ndjson"
    question = AuditQuestion(nonce=bytes(32), session_id="one")

    async def taken(client: Client, asked: AuditQuestion = question) -> bytes:
        return b"".join([piece async for piece in client.audit_export(asked)])

    async def work() -> None:
        async with pair() as found:
            await found.client.create_session("one")
            key = found.served.sessions.distinct_backends()[0][1].keys.audit_public_key
            report = await verify_answer(found.client.audit_export(question), key, question)
            assert (True, 1) == (report.ok, report.sessions)
            with pytest.raises(InvalidInput, match="workspace"):
                await taken(found.client, replace(question, workspace="other"))
            with pytest.raises(SessionNotFound):
                await taken(found.client, replace(question, session_id="none"))
        body = b"x" * 100_000
        broken = http(200, body, kind)[:-1]
        replies = (None, http(503, b"{}", "application/json", "Retry-After: 0"))
        async with (
            canned(*replies, http(200, body, kind), broken, http(200, body, "text/html")) as server,
            Client(server.url, token=TOKEN, settings=QUICK) as client,
        ):
            assert body == await taken(client)
            assert 3 == server.connections
            assert {("GET", f"/api/v1/audit/export?nonce={'00' * 32}&session_id=one")} == {
                (one.method, one.target) for one in server.requests
            }
            with pytest.raises(ServerUnreachable, match="whole"):
                await taken(client)
            with pytest.raises(BadAnswer, match="x-ndjson"):
                await taken(client)

    run(work())


def test_a_token_is_not_replaced_while_an_export_is_read() -> None:
    """Who leaves it in its middle lets the next request through."""

    async def work() -> None:
        async with pair() as found:
            await found.client.create_session("one")
            question = AuditQuestion(nonce=bytes(32), session_id="one")
            async with aclosing(found.client.audit_export(question)) as pieces:
                await anext(pieces)
                refreshing = asyncio.create_task(found.client.tokens.refresh())
                for _ in range(50):
                    await asyncio.sleep(0)
                assert not refreshing.done()
            await asyncio.wait_for(refreshing, 10)
            assert (await (await found.client.get_session("one")).info()).id == "one"

    run(work())
