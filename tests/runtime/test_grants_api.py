"""Allowances through a session: what holds for whom, for how long, and what ends it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from grantshelp import Bell, config, folder, opened, ringer, ringing, rings
from holdfast.core.errors import (
    ApproverRefused,
    GrantNotFound,
    InvalidInput,
    MalformedRule,
)
from holdfast.core.events import EffectStarted, Granted, Revoked
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import call, calls, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import HandClock, memory, run, until_async


async def events(session: Session) -> list[object]:
    """The session's events."""
    journal = session.where.backend.journal(session.where.row)
    return [recorded.event async for recorded in journal.replay()]


def test_a_grant_lets_a_call_run_unasked() -> None:
    """Without it the call is refused; with it it runs, and its intent names the grant."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell) as (_, session):
            assert not await rings(session, bell)
            made = await session.grant_allowance("ring")
            assert await rings(session, bell)
            log = await events(session)
            (granted,) = [one for one in log if isinstance(one, Granted)]
            assert (made.id, "one", log.index(granted) + 1) == (
                granted.grant.id,
                granted.grant.session,
                granted.grant.version,
            )
            starts = [one for one in log if isinstance(one, EffectStarted) and one.effect == "tool"]
            assert [(made.id,)] == [one.grants for one in starts]

    run(work())


def test_uses_are_counted() -> None:
    """Three uses let three calls run and no fourth (astrid#T-13)."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell) as (_, session):
            await session.grant_allowance("ring", max_uses=3)
            assert [True, True, True, False, False] == [
                await rings(session, bell) for _ in range(5)
            ]
            (shown,) = await session.allowances()
            assert (3, 0, False) == (shown.uses_max, shown.uses_left, shown.active)

    run(work())


def test_an_unlimited_grant_is_used_before_a_limited_one() -> None:
    """A use is not spent while another grant covers the call as well (astrid#AW-39)."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell) as (_, session):
            limited = await session.grant_allowance("ring", max_uses=1)
            free = await session.grant_allowance("ring")
            assert await rings(session, bell)
            left = {one.id: one.uses_left for one in await session.allowances()}
            assert {limited.id: 1, free.id: None} == left

    run(work())


def test_two_calls_of_one_answer_share_a_single_use() -> None:
    """Both are judged in one append; one runs, the other is refused, nothing is stuck."""

    async def work() -> None:
        bell = Bell()
        two = calls(make_call("ring", {"tone": "a"}), make_call("ring", {"tone": "b"}))
        async with memory(ScriptedModel([two, say("done")]), bell.tool()) as sessions:
            session = await sessions.create_session("one", config())
            await session.grant_allowance("ring", max_uses=1)
            assert "done" == (await session.generate("go")).text
            assert 1 == len(bell.rang)

    run(work())


def test_a_grant_ends_with_its_time() -> None:
    """It covers calls before its end and none after (astrid#T-15)."""

    async def work() -> None:
        bell, clock = Bell(), HandClock()
        async with ringer(bell, clock=clock, idle_s=10_000) as (_, session):
            await session.grant_allowance("ring", expires_in_s=60)
            clock.advance(59)
            assert await rings(session, bell)
            clock.advance(2)
            assert not await rings(session, bell)
            (shown,) = await session.allowances()
            assert not shown.active

    run(work())


def test_always_has_an_end_in_any_case(tmp_path: Path) -> None:
    """30 days unless something shorter is said, 366 days at most."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell) as (_, session):
            made = await session.grant_allowance("ring", "always")
            assert made.expires_ms is not None
            assert 30 * 24 * 3600 * 1000 == made.expires_ms - made.created_ms
            with pytest.raises(InvalidInput, match="366"):
                await session.grant_allowance("ring", "always", expires_in_s=367 * 24 * 3600)
            with pytest.raises(InvalidInput):
                await session.grant_allowance("ring", expires_in_s=0)

    run(work())


def test_a_workspace_grant_is_for_that_workspace(tmp_path: Path) -> None:
    """Other sessions there have it; those elsewhere and without one have not (astrid#T-16)."""

    async def work() -> None:
        bell = Bell()
        here, there = folder(tmp_path, "a"), folder(tmp_path, "b")
        link = tmp_path / "link"
        link.symlink_to(here)
        async with memory(ringing(), bell.tool()) as sessions:
            first = await sessions.create_session("first", config(here))
            await first.grant_allowance("ring", "workspace")
            assert await rings(await sessions.create_session("same", config(link)), bell)
            assert not await rings(await sessions.create_session("other", config(there)), bell)
            assert not await rings(await sessions.create_session("none", config()), bell)
            with pytest.raises(InvalidInput, match="workspace"):
                session = await sessions.get_session("none")
                await session.grant_allowance("ring", "workspace")

    run(work())


def test_a_running_session_learns_of_a_grant_of_another(tmp_path: Path) -> None:
    """What one session is granted for the workspace holds in one that runs already."""

    async def work() -> None:
        bell = Bell()
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config(folder(tmp_path)))
            two = await sessions.create_session("two", config(folder(tmp_path)))
            assert not await rings(two, bell)
            made = await one.grant_allowance("ring", "workspace")
            assert await rings(two, bell)
            await two.revoke_allowance(made.id, "enough")
            assert not await rings(one, bell)
            assert [] == await one.allowances()

    run(work())


def test_another_tenant_has_nothing_of_it(tmp_path: Path) -> None:
    """The same directory, user and store under another tenant share no grant."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as sessions:
            one = await sessions.create_session("one", config(folder(tmp_path)))
            await one.grant_allowance("ring", "workspace")
            await one.grant_allowance("ring", "always")
            assert await rings(one, bell)
            sessions.tenant = "other"
            assert not await rings(
                await sessions.create_session("two", config(folder(tmp_path))), bell
            )

    run(work())


def test_always_is_for_the_user() -> None:
    """All sessions of the user have it, none of another user."""

    async def work() -> None:
        bell = Bell()
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config(), user_id="ann")
            await one.grant_allowance("ring", "always")
            assert await rings(await sessions.create_session("two", config(), user_id="ann"), bell)
            other = await sessions.create_session("three", config(), user_id="bob")
            assert not await rings(other, bell)

    run(work())


def test_what_holds_survives_a_restart_between_every_two_steps(tmp_path: Path) -> None:
    """Session, workspace and always grants and their uses are the same after each opening;
    ending the session ends what was for it alone (seeds E7, E11; astrid#T-17)."""

    async def work() -> None:
        bell, ws = Bell(), folder(tmp_path)
        async with opened(tmp_path, bell) as sessions:
            one = await sessions.create_session("one", config(ws))
            await one.grant_allowance("ring", max_uses=2)
        async with opened(tmp_path, bell) as sessions:
            await (await sessions.get_session("one")).grant_allowance("ring(x)", "workspace")
        async with opened(tmp_path, bell) as sessions:
            await (await sessions.get_session("one")).grant_allowance("ring(y)", "always")
        for left in (2, 1, 0, 0):
            async with opened(tmp_path, bell) as sessions:
                one = await sessions.get_session("one")
                uses = [one.uses_left for one in await one.allowances() if one.rule == "ring"]
                assert [left] == uses
                assert (left > 0) == await rings(one, bell)
        async with opened(tmp_path, bell) as sessions:
            await sessions.end_session("one")
        async with opened(tmp_path, bell) as sessions:
            left_over = await (await sessions.get_session("one")).allowances()
            assert {"workspace", "always"} == {one.scope for one in left_over}
            assert (await sessions.audit_verify()).ok
        assert 2 == len(bell.rang)

    run(work())


def test_an_answer_grants_what_it_says(tmp_path: Path) -> None:
    """ "session" covers the same arguments from then on, and nothing else (astrid#AW-1, T-17)."""

    async def work() -> None:
        bell = Bell()
        turns = [
            turn for tone in ("*", "*", "b") for turn in (call("ring", {"tone": tone}), say("done"))
        ]
        async with opened(tmp_path, bell) as sessions:
            await sessions.set_default_llm(ScriptedModel(turns))
            one = await sessions.create_session("one", SessionConfig())
            going = asyncio.create_task(one.generate("go"))

            async def asked() -> bool:
                return bool(await one.questions())

            await until_async(asked)
            await one.answer((await one.questions())[0].id, "session")
            await going
            await one.generate("again")
            assert ["*", "*"] == bell.rang
            going = asyncio.create_task(one.generate("another"))
            await until_async(asked)
            await one.answer((await one.questions())[0].id, "deny")
            await going
            assert ["*", "*"] == bell.rang
            assert (await sessions.audit_verify()).ok

    run(work())


def test_taking_back_is_on_record_and_unknown_ids_are_refused() -> None:
    """A revocation is an event; another id, or the same again, is `GrantNotFound`."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell) as (_, session):
            made = await session.grant_allowance("ring")
            await session.revoke_allowance(made.id, "no more", by="ann")
            (gone,) = [one for one in await events(session) if isinstance(one, Revoked)]
            assert (made.id, "no more", "ann") == (gone.id, gone.why, gone.by)
            assert not await rings(session, bell)
            for id in (made.id, "0" * 32, "", "x"):
                with pytest.raises(GrantNotFound):
                    await session.revoke_allowance(id)

    run(work())


def test_clearing_takes_back_what_is_for_the_session_only(tmp_path: Path) -> None:
    """Workspace grants and those for the user stay (seed E7, astrid#T-13)."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell, folder(tmp_path)) as (_, session):
            for scope in ("session", "session", "workspace", "always"):
                await session.grant_allowance(f"ring({scope})", scope)
            assert 2 == await session.clear_session_allowances()
            assert 0 == await session.clear_session_allowances()
            assert {"workspace", "always"} == {one.scope for one in await session.allowances()}

    run(work())


def test_one_sessions_end_takes_nothing_from_another(tmp_path: Path) -> None:
    """Each session's own grants are its own."""

    async def work() -> None:
        bell = Bell()
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config(folder(tmp_path)))
            two = await sessions.create_session("two", config(folder(tmp_path)))
            await one.grant_allowance("ring")
            assert not await rings(two, bell)
            await two.end()
            assert await rings(one, bell)

    run(work())


def test_denials_and_forced_asks_hold_against_a_grant() -> None:
    """A deny rule denies whatever was granted (rulings R11)."""

    async def work() -> None:
        bell = Bell()
        rules = {"mode": "default", "deny": ["ring"]}
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config(permission_policy=rules))
            await one.grant_allowance("ring")
            assert not await rings(one, bell)

    run(work())


@pytest.mark.parametrize("rule", ["", "ring(", "bash()", "ring(x", "a b"])
def test_malformed_rules_are_refused(rule: str) -> None:
    """A rule that does not parse grants nothing."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            with pytest.raises(MalformedRule):
                await session.grant_allowance(rule)
            assert [] == await session.allowances()

    run(work())


def test_bad_terms_are_refused() -> None:
    """Unknown scopes, "once", uses below one and unknown permissions grant nothing."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            for scope in ("once", "tenant", ""):
                with pytest.raises(InvalidInput):
                    await session.grant_allowance("ring", scope)
            for uses in (0, -1):
                with pytest.raises(InvalidInput):
                    await session.grant_allowance("ring", max_uses=uses)
            with pytest.raises(InvalidInput):
                await session.grant_allowance("ring", permissions=["fly"])
            assert [] == await session.allowances()

    run(work())


def test_no_agent_grants_itself_anything() -> None:
    """Principals that are models, tools or agents grant nothing."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            for who in ("agent:a", "Model:m", "tool:t", "runtime:x"):
                with pytest.raises(ApproverRefused):
                    await session.grant_allowance("ring", by=who)
            assert [] == await session.allowances()

    run(work())


# --- moving -------------------------------------------------------------------------


def test_an_imported_list_acts_only_after_it_was_confirmed(tmp_path: Path) -> None:
    """It is shown first, confirmed by just that list, then signed here (seed E4)."""

    async def work() -> None:
        bell = Bell()
        here, there = folder(tmp_path, "a"), folder(tmp_path, "b")
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config(here))
            await one.grant_allowance("ring", "workspace", max_uses=3)
            await one.grant_allowance("ring(session)")
            assert await rings(one, bell)
            data = await sessions.export_allowances(str(here))
            assert [2] == [row["uses_max"] for row in json.loads(data)["allowances"]]

            two = await sessions.create_session("two", config(there))
            plan = await sessions.import_allowances(str(there), data)
            assert (["ring"], 0) == ([row.rule for row in plan.shown], plan.imported)
            assert not await rings(two, bell)
            with pytest.raises(InvalidInput, match="confirmed"):
                await sessions.import_allowances(str(there), data, confirm="0" * 16)
            altered = data.replace('"uses_max": 2', '"uses_max": 9')
            with pytest.raises(InvalidInput, match="confirmed"):
                await sessions.import_allowances(str(there), altered, confirm=plan.confirm)
            assert [] == await two.allowances()
            done = await sessions.import_allowances(str(there), data, confirm=plan.confirm)
            assert 1 == done.imported
            assert [True, True, False] == [await rings(two, bell) for _ in range(3)]

    run(work())


def test_an_import_never_widens_what_is_there(tmp_path: Path) -> None:
    """The same rule stays as it was granted here, with its limit."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell, folder(tmp_path)) as (_, session):
            await session.grant_allowance("ring", "workspace", max_uses=1)
            row = {"rule": "ring", "literal": False}
            data = json.dumps({"format": "holdfast-allowances", "version": 1, "allowances": [row]})
            plan = await session.import_workspace_allowances(data)
            assert ((), 1) == (plan.shown, len(plan.skipped))
            await session.import_workspace_allowances(data, confirm=plan.confirm)
            assert [1] == [one.uses_max for one in await session.allowances()]

    run(work())


def test_a_session_parks_and_resumes_with_its_grants(tmp_path: Path) -> None:
    """A grant given by a process that only submits is decided by whoever leads."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as leads, opened(tmp_path, bell) as other:
            session = await leads.create_session("one", config())
            assert not await rings(session, bell)
            made = await (await other.get_session("one")).grant_allowance("ring")
            assert await rings(session, bell)
            await other.revoke_allowance("one", made.id)
            assert not await rings(session, bell)

    run(work())


def test_revoking_elsewhere_reaches_a_session_before_its_next_effect(tmp_path: Path) -> None:
    """Another process takes a workspace grant back: the next call here is not started."""

    async def work() -> None:
        bell, ws = Bell(), folder(tmp_path)
        async with opened(tmp_path, bell) as here, opened(tmp_path, bell) as there:
            one = await here.create_session("one", config(ws))
            two = await there.create_session("two", config(ws))
            for _ in range(5):
                made = await one.grant_allowance("ring", "workspace")
                assert await rings(one, bell)
                await two.revoke_allowance(made.id)
                assert not await rings(one, bell)

    run(work())


def test_a_written_session_shows_its_allowances_and_grants_nothing(tmp_path: Path) -> None:
    """Its form carries them (seed E9); whoever reads it in has to grant them anew."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as sessions:
            one = await sessions.create_session("one", config())
            await one.grant_allowance("ring")
            form = await sessions.to_serializable("one")
            assert ["ring"] == [row["rule"] for row in form.allowances]
            path = tmp_path / "session.json"
            path.write_text(await sessions.export_text("one", "serializable_session"))
            imported = await sessions.import_file(path, "two")
            two = await sessions.get_session(imported.id)
            assert [] == await two.allowances()
            again = await sessions.to_serializable(imported.id)
            assert ["ring"] == [row["rule"] for row in again.allowances]

    run(work())
