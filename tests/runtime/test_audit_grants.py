"""`audit verify` names what is granted without anybody having granted it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from grantshelp import Bell, config, folder, opened, ringer, rings
from holdfast.bootstrap import SessionManager
from holdfast.core.rules import Rule, RuleEffect
from holdfast.ports.store import Grant as Row
from holdfast.runtime.grants import Sealer, scopes_of
from sessionhelp import run


async def found(sessions: SessionManager) -> list[tuple[str, str, str]]:
    """Kind, severity and text of each finding."""
    report = await sessions.audit_verify()
    return [(one.kind.value, one.severity, one.text) for one in report.findings]


def test_a_workspace_grant_needs_its_event(tmp_path: Path) -> None:
    """A row that is signed but names another event, or says more than it, is a finding."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (sessions, session):
            await session.grant_allowance("ring(a)", "workspace")
            assert [] == await found(sessions)
            backend, view = session.where.backend, await session.view()
            scope = scopes_of(backend.keys, view, session.where.stream).workspace
            sealer = Sealer(backend.keys, view.tenant, os.urandom)
            (row,) = (await backend.store.grants(scope))[1]
            grant = sealer.open(row)
            wide = Rule(effect=RuleEffect.ALLOW, tool="ring")
            deny = Rule(effect=RuleEffect.DENY, tool="ring")
            for forged, text in (
                (replace(grant, rule=wide), "did not authorise"),
                (replace(grant, version=1), "did not authorise"),
                (replace(grant, version=999), "cannot be read"),
                (replace(grant, rule=deny), "does not allow"),
            ):
                body = sealer.seal(forged)
                await backend.store.put_grant(Row(scope=scope, id=row.id, body=body))
                ((kind, severity, said),) = await found(sessions)
                assert ("grant", "finding") == (kind, severity)
                assert text in said and row.id.hex() in said

    run(work())


def test_a_shared_scope_is_checked_once(tmp_path: Path) -> None:
    """Two sessions in one workspace report its row once; one that is gone leaves a note."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (sessions, session):
            await sessions.create_session("two", config(folder(tmp_path)))
            made = await session.grant_allowance("ring", "workspace")
            await sessions.destroy_session("one")
            ((kind, severity, text),) = await found(sessions)
            assert ("unproved", "note") == (kind, severity)
            assert made.id in text
            assert (await sessions.audit_verify()).ok

    run(work())


def test_a_row_that_was_put_back_is_named(tmp_path: Path) -> None:
    """Its signature verifies, but another session's log took it back (contract 2.10)."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (sessions, session):
            two = await sessions.create_session("two", config(folder(tmp_path)))
            made = await session.grant_allowance("ring", "workspace")
            backend, view = session.where.backend, await session.view()
            scope = scopes_of(backend.keys, view, session.where.stream).workspace
            (row,) = (await backend.store.grants(scope))[1]
            await two.revoke_allowance(made.id)
            assert [] == await found(sessions)
            await backend.store.put_grant(row)
            ((kind, severity, said),) = await found(sessions)
            assert ("grant", "finding") == (kind, severity)
            assert made.id in said and "revoked" in said

    run(work())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("UPDATE counter SET used = 1 WHERE id = ?", "used 2 times, and its counter says 1"),
        ("DELETE FROM counter WHERE id = ?", "used 2 times, and its counter says 0"),
        ("UPDATE counter SET ceiling = 9 WHERE id = ?", "another limit"),
    ],
)
def test_uses_that_were_given_back_are_named(tmp_path: Path, change: str, text: str) -> None:
    """The logs say how often a grant was used, whatever its counter says (contract 2.10)."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as sessions:
            session = await sessions.create_session("one", config(folder(tmp_path)))
            made = await session.grant_allowance("ring", max_uses=2)
            assert await rings(session, bell) and await rings(session, bell)
            assert [] == await found(sessions)
            other = apsw.Connection(str(tmp_path / "store" / "s.db"))
            other.set_busy_timeout(2_000)
            other.execute(change, (f"grant:{made.id}",))
            other.close()
            ((kind, severity, said),) = await found(sessions)
            assert ("grant", "finding") == (kind, severity)
            assert made.id in said and text in said

    run(work())
