"""`sessions.tokens`: a life of tokens, and what they may never do."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import MemoryStore, SessionManager
from holdfast.core.errors import (
    Denied,
    HoldfastError,
    Interrupted,
    InvalidInput,
    ScopeDenied,
    SessionNotFound,
    TokenInvalid,
)
from holdfast.core.principals import Roles
from holdfast.core.rules import Policy, PolicyMode, parse_rule
from holdfast.core.tokens import IssuedToken, TokenSettings
from holdfast.ports.clock import SystemClock
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, memory, on_file, run, tool
from tokenhelp import dead

DAY_MS = 24 * 3600 * 1000


class Hands(SystemClock):
    """The machine's clock, with a time of day that is set by hand."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def kinds_of(events: list[Any]) -> list[tuple[str, str]]:
    """What happened, and why."""
    return [(one.kind, one.why) for one in events]


@asynccontextmanager
async def manager(folder: Path | None = None, **options: Any) -> AsyncIterator[SessionManager]:
    """A manager with an echo, in memory or on a file."""
    made = memory(echo(), **options) if folder is None else on_file(folder, echo(), **options)
    async with made as sessions:
        yield sessions


def test_a_token_is_made_validated_refreshed_and_revoked(tmp_path: Path) -> None:
    """Seed C1 to C7 in one life; each change has its event (T-40, T-41, T-46)."""

    async def work() -> None:
        async with manager(tmp_path) as sessions:
            tokens = sessions.tokens
            first = await tokens.create("ann", "agent", metadata={"for": "a tour"})
            assert first.is_valid and first.guard_token.startswith("hf_st_")
            assert first.guard_token not in repr(first) + repr(first.as_context())
            who = await tokens.validate(first.guard_token)
            assert (who.id, who.role, who.session) == ("agent:ann", "agent", first.session_id)
            assert who.token == first.id and who.workspace == "default"
            assert await sessions.get_session(first.session_id)
            assert await tokens.from_context(first.as_context()) == first
            epochs = [await tokens.epoch()]
            second = await tokens.refresh(first.guard_token)
            epochs.append(await tokens.epoch())
            assert (second.id, second.generation) == (first.id, 2)
            assert (await tokens.validate(second.guard_token)).generation == 2
            assert await tokens.active_count() == 1
            context = await tokens.get_session(first.session_id)
            assert (context.agent_id, context.token) == ("ann", "")
            await tokens.revoke(first.session_id)
            epochs.append(await tokens.epoch())
            assert epochs == sorted(set(epochs))
            assert await dead(sessions, second.guard_token)
            with pytest.raises(TokenInvalid):
                await tokens.refresh(second.guard_token)
            assert await tokens.active_count() == 0 and (await tokens.list()).tokens == ()
            await tokens.invalidate(first.session_id)
            await tokens.invalidate("nobody")
            with pytest.raises(SessionNotFound):
                await tokens.revoke("nobody")
            store = sessions.distinct_backends()[0][1].store
            assert kinds_of(await store.token_events()) == [
                ("created", ""),
                ("refreshed", ""),
                ("revoked", "asked"),
            ]
            assert (await (await sessions.get_session(first.session_id)).state()).title == "Active"

    run(work())


def test_what_a_retired_text_shows_revokes_the_family() -> None:
    """Two have the token: it and all that was made with it is revoked."""

    async def work() -> None:
        async with manager() as sessions:
            tokens = sessions.tokens
            first = await tokens.create("ann", "operator")
            second = await tokens.refresh(first.guard_token)
            child = await tokens.create("bob", by=await tokens.validate(second.guard_token))
            assert await dead(sessions, first.guard_token)
            assert await dead(sessions, second.guard_token)
            assert await dead(sessions, child.guard_token)

    run(work())


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    """Live ones stay live and revoked ones revoked (CW-5)."""

    async def work() -> None:
        async with manager(tmp_path) as sessions:
            live = await sessions.tokens.create("ann")
            gone = await sessions.tokens.create("bob")
            await sessions.tokens.revoke(gone.id)
        async with manager(tmp_path) as sessions:
            assert (await sessions.tokens.validate(live.guard_token)).id == "agent:ann"
            assert await dead(sessions, gone.guard_token)

    run(work())


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"role": "king"}, InvalidInput),
        ({"role": "viewer", "scopes": ["sessions:fly"]}, InvalidInput),
        ({"role": "viewer", "scopes": ["messages:send"]}, InvalidInput),
        ({"role": "admin"}, ScopeDenied),
        ({"role": "operator"}, ScopeDenied),
        ({"role": "approver"}, ScopeDenied),
        ({"workspace": "other"}, ScopeDenied),
        ({"workspace": "*", "session": ""}, ScopeDenied),
        ({"session": ""}, ScopeDenied),
        ({"session": "theirs"}, SessionNotFound),
        ({"agent_id": "user:boss"}, ScopeDenied),
        ({"agent_id": "bob"}, ScopeDenied),
        ({"agent_id": "Ann/sub"}, ScopeDenied),
        ({"agent_id": "annette/sub"}, ScopeDenied),
        ({"agent_id": "user:ann/sub"}, ScopeDenied),
        ({"agent_id": "agent:agent:ann/sub"}, ScopeDenied),
        ({"agent_id": "ann/../bob"}, InvalidInput),
        ({"agent_id": "ann/"}, InvalidInput),
        ({"expires_in": 7200}, ScopeDenied),
        ({"expires_in": 0.5}, InvalidInput),
        ({"expires_in": float("nan")}, InvalidInput),
        ({"expires_in": -(2**63)}, InvalidInput),
        ({"task_type": "Not A Name"}, InvalidInput),
        ({"agent_id": "../x"}, InvalidInput),
        ({"metadata": {"x": "y" * 5000}}, InvalidInput),
        ({"metadata": {"x": "\ud800"}}, InvalidInput),
        ({"metadata": {"\udfff": 1}}, InvalidInput),
        ({"metadata": {"x": json.loads("[" * 400 + "]" * 400)}}, InvalidInput),
    ],
)
def test_minting_only_narrows(wanted: dict[str, Any], error: type[HoldfastError]) -> None:
    """More than the minter has is denied, what nobody knows is malformed (CW-8, CW-22)."""

    async def work() -> None:
        async with manager() as sessions:
            tokens = sessions.tokens
            await sessions.create_session("theirs")
            mine = await tokens.create("ann", "agent", session="mine")
            by = await tokens.validate(mine.guard_token)
            with pytest.raises(error):
                await tokens.create(**{"agent_id": "ann/sub", "role": "viewer", **wanted}, by=by)
            child = await tokens.create("ann/sub", "agent", by=by)
            who = await tokens.validate(child.guard_token)
            assert who.scopes <= by.scopes and who.session == "mine"
            assert child.expires_at <= mine.expires_at

    run(work())


def test_no_way_leads_to_another_name() -> None:
    """Neither a refresh nor a context, nor a session that is opened for it, changes whose it is."""

    async def work() -> None:
        async with manager() as sessions:
            tokens = sessions.tokens
            await sessions.create_session("theirs", user_id="agent:bob")
            made = await tokens.create("ann", "agent", session="")
            by = await tokens.validate(made.guard_token)
            view = sessions.acting_as(by)
            for name in ("bob", "user:bob"):
                for id in (None, "", "theirs", "fresh"):
                    with pytest.raises(ScopeDenied):
                        await view.tokens.create(name, session=id, by=view.acts)
            assert 1 == len(await sessions.get_all_sessions()), "none was opened for it"
            child = await tokens.create("ann/sub", "agent", session="", by=by)
            for issued, name in ((made, "agent:ann"), (child, "agent:ann/sub")):
                again = await tokens.refresh(issued.guard_token)
                lying = replace(again.as_context(), agent_id="bob", role="admin")
                found = await tokens.from_context(lying)
                assert (again.agent_id, again.role) == (found.agent_id, found.role)
                assert name == (await tokens.validate(again.guard_token)).id
            assert 2 == await tokens.revoke_all_for_agent("ann"), "its own, and what it made"

    run(work())


def test_a_viewer_mints_nothing_and_revokes_only_itself() -> None:
    """Without the scope there is only one's own (CW-8)."""

    async def work() -> None:
        async with manager() as sessions:
            tokens = sessions.tokens
            viewer = await tokens.create("ann", "viewer", session="one")
            other = await tokens.create("bob", "agent", session="one")
            by = await tokens.validate(viewer.guard_token)
            with pytest.raises(ScopeDenied):
                await tokens.create("ann/sub", "viewer", by=by)
            with pytest.raises(ScopeDenied):
                await tokens.revoke(other.id, by=by)
            with pytest.raises(ScopeDenied):
                await tokens.revoke_all_for_agent("bob", by=by)
            far = await tokens.create("eve", "admin", session="", workspace="far")
            with pytest.raises(SessionNotFound):
                await tokens.revoke(far.id, by=by)
            await tokens.revoke(viewer.id, by=by)
            assert await dead(sessions, viewer.guard_token)
            assert not await dead(sessions, other.guard_token)

    run(work())


def test_a_task_type_only_takes_away() -> None:
    """It narrows the scopes, and what is below it has it too."""

    async def work() -> None:
        roles = Roles(task_types={"review": frozenset({"sessions:read", "tokens:create"})})
        async with manager(tokens=TokenSettings(roles=roles)) as sessions:
            tokens = sessions.tokens
            made = await tokens.create("ann", "agent", task_type="review")
            assert made.scopes == ("sessions:read", "tokens:create")
            by = await tokens.validate(made.guard_token)
            child = await tokens.create("ann/sub", "agent", by=by)
            assert (child.task_type, child.scopes) == ("review", made.scopes)
            with pytest.raises(ScopeDenied):
                await tokens.create("ann/sub", "agent", task_type="build", by=by)

    run(work())


def test_all_of_an_agent_die_with_those_that_are_being_made() -> None:
    """What is made while they are revoked is dead, or was made after (CW-7)."""

    async def work() -> None:
        async with manager() as sessions:
            tokens = sessions.tokens
            for _ in range(25):
                making = [tokens.create("ann", session="") for _ in range(3)]
                killing = tokens.revoke_all_for_agent("ann")
                *made, count = await asyncio.gather(*making, killing, return_exceptions=True)
                live = [one for one in made if isinstance(one, IssuedToken)]
                alive = [one for one in live if not await dead(sessions, one.guard_token)]
                assert isinstance(count, int) and len(alive) + count == len(live)
                await tokens.revoke_all_for_agent("ann")
                assert await tokens.active_count() == 0

    run(work())


def test_expiry_is_strict_has_one_event_and_leaves_the_session() -> None:
    """A second lives a second; nothing brings it back (T-42, CW-6, CW-13)."""

    async def work() -> None:
        clock = Hands()
        async with manager(clock=clock) as sessions:
            tokens = sessions.tokens
            made = await tokens.create("ann", expires_in=1)
            assert not await dead(sessions, made.guard_token)
            clock.ahead_ms = 1_500
            assert await dead(sessions, made.guard_token) and not made.is_valid
            assert await tokens.active_count() == 0
            await tokens.prune_expired()
            await tokens.prune_expired()
            clock.ahead_ms = 0  # a clock that goes back revives nothing
            assert await dead(sessions, made.guard_token)
            with pytest.raises(TokenInvalid):
                await tokens.refresh(made.guard_token)
            store = sessions.distinct_backends()[0][1].store
            assert kinds_of(await store.token_events()) == [("created", ""), ("expired", "")]
            assert await (await sessions.get_session(made.session_id)).is_active()

    run(work())


def test_no_refresh_leads_beyond_the_end() -> None:
    """Absolute lifetime: 30 days, however often it is refreshed (CW-4)."""

    async def work() -> None:
        clock = Hands()
        async with manager(clock=clock) as sessions:
            tokens = sessions.tokens
            made = await tokens.create("ann", expires_in=24 * 3600, session="")
            end = made.created_at.timestamp() + 30 * 24 * 3600
            for day in range(1, 30):
                clock.ahead_ms = round((day - 0.01 * day) * DAY_MS)
                made = await tokens.refresh(made.guard_token)
                assert made.expires_at.timestamp() <= end + 1
            clock.ahead_ms = 30 * DAY_MS + 1000
            assert await dead(sessions, made.guard_token)

    run(work())


def test_a_revoked_tokens_turn_stops_and_starts_nothing() -> None:
    """A running turn ends with its reason; what waits for it is refused (contract 2.13)."""

    async def work() -> None:
        begun, go, ran = asyncio.Event(), asyncio.Event(), []

        async def slow() -> str:
            ran.append("slow")
            begun.set()
            await go.wait()
            return "done"

        model = ScriptedModel([call("slow"), call("slow"), say("never")])
        async with memory(model, tool(slow)) as sessions:
            made = await sessions.tokens.create("ann", session="one")
            await sessions.destroy_session("one")
            await sessions.create_session("two", UNSAFE)
            made = await sessions.tokens.create("ann", session="two")
            view = sessions.acting_as(await sessions.tokens.validate(made.guard_token))
            session = await view.get_session("two")
            turn = asyncio.create_task(session.generate("go"))
            await begun.wait()
            await sessions.tokens.revoke(made.id)
            with pytest.raises(Interrupted, match="token_revoked"):
                await turn
            go.set()
            with pytest.raises(Denied, match="revoked"):
                await session.generate("again")
            assert ran == ["slow"]
            assert "re:" not in (await (await sessions.get_session("two")).info()).id

    run(work())


def test_rules_bound_to_a_role_hold_for_the_token() -> None:
    """The role of whoever a turn runs for reaches the gate, and no other's does."""

    async def work() -> None:
        ran: list[str] = []

        def note() -> str:
            ran.append("note")
            return "noted"

        model = ScriptedModel([call("note"), say("one"), call("note"), say("two")])
        async with memory(model, tool(note)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            rule = parse_rule("deny", "note", role="agent")
            mode = PolicyMode.UNSAFE_PERMISSIVE
            await session.set_permission_policy(Policy(mode=mode, rules=(rule,)))
            made = await sessions.tokens.create("ann", session="one")
            view = sessions.acting_as(await sessions.tokens.validate(made.guard_token))
            await (await view.get_session("one")).generate("go")
            assert ran == []
            await session.generate("go")  # the program itself has no role
            assert ran == ["note"]

    run(work())


def test_an_expired_token_leaves_a_question_open() -> None:
    """Expired for 30 days, answered, and the turn resumes (rulings R4)."""

    async def work() -> None:
        clock = Hands()
        ran: list[str] = []

        def note() -> str:
            ran.append("note")
            return "noted"

        model = ScriptedModel([call("note"), say("done")])
        async with memory(model, tool(note), clock=clock) as sessions:
            made = await sessions.tokens.create("ann", session="one")
            view = sessions.acting_as(await sessions.tokens.validate(made.guard_token))
            session = await view.get_session("one")
            turn = asyncio.create_task(session.generate("go"))
            while not (open_ := await session.questions()):
                await asyncio.sleep(0.01)
            clock.ahead_ms = 29 * DAY_MS
            assert await dead(sessions, made.guard_token)
            await sessions.tokens.prune_expired()
            await (await sessions.get_session("one")).answer(open_[0].id, "once")
            assert (await turn).text == "done" and ran == ["note"]

    run(work())


FORGERIES = 220


def test_every_forgery_has_the_same_answer() -> None:
    """Truncated, altered, foreign, padded, of another kind: one error, one message."""

    async def work() -> None:
        rng = random.Random(7)
        async with manager() as sessions, manager() as others:
            tokens = sessions.tokens
            good = (await tokens.create("ann")).guard_token
            foreign = (await others.tokens.create("ann")).guard_token
            tries: list[Any] = [foreign, "", " ", good + " ", " " + good, good + "=", None, 7, b"x"]
            tries += [
                good.upper(),
                good.lower(),
                good[6:],
                "Bearer " + good,
                good + "\x00",
                "é" * 49,
            ]
            tries += [good[:cut] for cut in range(len(good))]
            tries += [f"eyJhbGciOiJub25lIn0.{good}.", "x" * 5000, "{}", "hf_st_" + "0" * 43]
            while len(tries) < FORGERIES:
                place = rng.randrange(len(good))
                letter = rng.choice("0123456789abcXYZ")
                forged = good[:place] + letter + good[place + 1 :]
                tries += [forged] if forged != good else []
            for one in tries:
                assert await dead(sessions, one), one
            assert not await dead(sessions, good)

    run(work())


def test_a_row_that_somebody_altered_is_worth_nothing() -> None:
    """Who writes to the store but has no key cannot move an expiry (contract 1.3)."""

    async def work() -> None:
        async with manager() as sessions:
            made = await sessions.tokens.create("ann", expires_in=5)
            store = sessions.distinct_backends()[0][1].store
            assert isinstance(store, MemoryStore)
            tables: Any = store.disk.tokens
            id = bytes.fromhex(made.id)
            for name, value in {"expires_ms": 2**50, "tenant": "other", "stream": 0}.items():
                kept = tables.rows[id]
                tables.rows[id] = type(kept)(
                    **{f: getattr(kept, f) for f in kept.__slots__} | {name: value}
                )
                tables.epoch += 1
                assert await dead(sessions, made.guard_token)
                tables.rows[id] = kept
            tables.epoch += 1
            assert not await dead(sessions, made.guard_token)

    run(work())


OTHER = """
import asyncio, sys
from pathlib import Path
from holdfast.bootstrap import SessionManager
async def main():
    key = Path(sys.argv[1]) / "installation.key"
    store = Path(sys.argv[1]) / "store" / "s.db"
    async with SessionManager.open(store, installation_key=key) as sessions:
        for line in sys.stdin:
            await sessions.tokens.revoke(line.strip())
            print("revoked", flush=True)
asyncio.run(main())
"""


def test_another_process_is_believed_before_the_next_answer(tmp_path: Path) -> None:
    """Its revocation counts at once: no cache outlives it (rulings §3.4)."""

    async def work() -> None:
        async with manager(tmp_path) as sessions:
            made = [await sessions.tokens.create("ann", session="") for _ in range(5)]
            for one in made:
                assert not await dead(sessions, one.guard_token)
            other = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                OTHER,
                str(tmp_path),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert other.stdin is not None and other.stdout is not None
            for place, one in enumerate(made):
                other.stdin.write(f"{one.id}\n".encode())
                assert await other.stdout.readline() == b"revoked\n"
                assert await dead(sessions, one.guard_token)
                for later in made[place + 1 :]:
                    assert not await dead(sessions, later.guard_token)
            other.stdin.close()
            await other.wait()

    run(work())


def test_no_text_of_a_token_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the store's files, not in a log, an error or an export (CW-16)."""

    async def work() -> list[str]:
        async with manager(tmp_path) as sessions:
            made = await sessions.tokens.create("agent-name-7", session="one", task_type="chore-7")
            texts = [made.guard_token]
            texts.append((await sessions.tokens.refresh(made.guard_token)).guard_token)
            by = await sessions.tokens.validate(texts[-1])
            await (await sessions.acting_as(by).get_session("one")).generate("hello")
            exported = await sessions.export_text("one")
            report = await sessions.audit_verify()
            with pytest.raises(TokenInvalid) as raised:
                await sessions.tokens.validate(texts[0])
            told = repr(raised.value) + exported + repr(report) + repr(by) + caplog.text
            assert not any(text in told for text in texts)
            return texts

    texts = run(work())
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for needle in [*texts, *(text[6:] for text in texts), "agent-name-7", "chore-7"]:
        assert needle.encode() not in kept


def test_hosts_hear_of_every_change() -> None:
    """A subscription has each change once and in order."""

    async def work() -> None:
        async with manager() as sessions:
            tokens, seen = sessions.tokens, []

            async def listen() -> None:
                async for one in tokens.events():
                    seen.append(one.kind)
                    if len(seen) == 3:
                        return

            listening = asyncio.create_task(listen())
            made = await tokens.create("ann")
            made = await tokens.refresh(made.guard_token)
            await tokens.revoke(made.id)
            await listening
            assert seen == ["created", "refreshed", "revoked"]

    run(work())


def test_lists_are_pages_without_texts() -> None:
    """A page leads to the next; what is dead is not there."""

    async def work() -> None:
        async with manager() as sessions:
            tokens = sessions.tokens
            made = [await tokens.create(f"a{n % 2}", session="") for n in range(5)]
            await tokens.create("far", session="", workspace="far")
            await tokens.revoke(made[0].id)
            seen, cursor = [], ""
            while True:
                page = await tokens.list(limit=2, cursor=cursor)
                seen += page.tokens
                cursor = page.cursor
                if not cursor:
                    break
            assert {one.id for one in seen} == {one.id for one in made[1:]}
            assert made[1].guard_token not in repr(seen)
            assert len((await tokens.list(agent_id="a1")).tokens) == 2
            assert (await tokens.info(made[1].id)).agent_id == "a1"
            for wrong in ({"limit": 0}, {"limit": 9999}, {"cursor": "zz"}):
                with pytest.raises(InvalidInput):
                    await tokens.list(**wrong)
            assert json.loads(json.dumps(dict((await tokens.info(made[1].id)).metadata))) == {}

    run(work())
