"""Rows of the grants table: whatever is altered in one, it is never honoured."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from grantshelp import Bell, config, folder, opened, ringer, rings
from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.errors import Unreadable
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.view import SessionView
from holdfast.ports.store import Grant as Row
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.grants import (
    Scopes,
    Sealer,
    check_grant,
    scopes_of,
    user_scope,
    workspace_scope,
)
from sessionhelp import run

ALLOW = Rule(effect=RuleEffect.ALLOW, tool="ring", pattern="a", literal=True)


def made(**changes: object) -> Grant:
    """A grant of the session `one` for its workspace."""
    plain = Grant(
        id="ab" * 16,
        kind=GrantKind.ALLOWANCE,
        scope=GrantScope.WORKSPACE,
        holder="w:1",
        rule=ALLOW,
        created_ms=1,
        expires_ms=10,
        uses_max=2,
        by="ann",
        session="one",
        version=3,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # any field of the class


def row_of(sealer: Sealer, grant: Grant) -> Row:
    """The row a grant is kept as."""
    return Row(scope=grant.holder, id=bytes.fromhex(grant.id), body=sealer.seal(grant))


def sealer_of(keys: MemoryKeys, tenant: str = "t") -> Sealer:
    """A sealer without a session."""
    return Sealer(keys, tenant, os.urandom)


def test_a_row_opens_to_what_was_sealed() -> None:
    """Every field comes back."""
    sealer = sealer_of(MemoryKeys())
    assert made() == sealer.open(row_of(sealer, made()))


def test_no_byte_of_a_row_may_change() -> None:
    """Each byte of the body, the scope and the id is covered (astrid#AW-14, IMP-12)."""
    sealer = sealer_of(MemoryKeys())
    row = row_of(sealer, made())
    mac = sealer.mac(row)
    altered = [
        replace(row, body=row.body[:at] + bytes([row.body[at] ^ 1]) + row.body[at + 1 :])
        for at in range(len(row.body))
    ]
    altered += [replace(row, body=row.body[:-1]), replace(row, body=b""), replace(row, scope="w:2")]
    altered += [replace(row, id=bytes.fromhex("ac" + "ab" * 15)), replace(row, scope="u:1")]
    for one in altered:
        with pytest.raises(Unreadable):
            sealer.open(one)
        assert mac != sealer.mac(one)


def test_a_row_of_another_tenant_or_installation_is_not_one() -> None:
    """Keys, tenant and signature all have to fit."""
    keys, other = MemoryKeys(), MemoryKeys()
    row = row_of(sealer_of(keys), made())
    for sealer in (sealer_of(keys, "u"), sealer_of(other)):
        with pytest.raises(Unreadable):
            sealer.open(row)


def test_a_signature_of_somebody_else_is_refused() -> None:
    """Whoever has the tenant's key but not the audit key makes no grants."""

    class Forger(MemoryKeys):
        """Signs with another key than the one that is published."""

        def sign(self, data: bytes) -> bytes:
            """Sign something else."""
            return super().sign(data + b"!")

    keys = Forger()
    sealer = sealer_of(keys)
    with pytest.raises(Unreadable, match="signature"):
        sealer.open(row_of(sealer, made()))


def test_a_sessions_own_rows_go_with_its_key() -> None:
    """They are sealed under the session's key; without it they neither open nor are made."""
    keys = MemoryKeys()
    key = keys.create_session_key(tenant="t", user="u", stream=7)
    crypto = Crypto(key, os.urandom)
    own = Sealer(keys, "t", os.urandom, own="s7", crypto=crypto)
    row = row_of(own, made(holder="s7"))
    assert made(holder="s7") == own.open(row)
    gone = Sealer(keys, "t", os.urandom, own="s7", crypto=None)
    with pytest.raises(Unreadable):
        gone.open(row)
    with pytest.raises(Unreadable):
        gone.seal(made(holder="s7"))
    with pytest.raises(Unreadable):
        sealer_of(keys).open(row)


def test_scopes_tell_tenants_and_folders_apart() -> None:
    """A workspace's scope is of tenant and path together, and shows neither."""
    keys = MemoryKeys()
    found = {
        workspace_scope(keys, "a", "/x"),
        workspace_scope(keys, "b", "/x"),
        workspace_scope(keys, "a", "/y"),
        user_scope(keys, "a", "x"),
        user_scope(keys, "b", "x"),
        user_scope(keys, "a", "y"),
    }
    assert 6 == len(found)
    assert all("/" not in one and len(one) == 34 for one in found)
    assert "" == workspace_scope(keys, "a", "")


def test_a_session_has_four_scopes_or_three() -> None:
    """Session, workspace, user and tenant; no workspace where there is none."""
    scopes = scopes_of(MemoryKeys(), SessionView(tenant="t", user_id="u"), 0xAB)
    assert isinstance(scopes, Scopes)
    assert ("sab", "", "t:t") == (scopes.session, scopes.workspace, scopes.tenant)
    assert 3 == len(scopes.all)
    assert {GrantScope.SESSION, GrantScope.ALWAYS} == set(scopes.holders)


def test_what_verifies_may_still_not_be_honoured() -> None:
    """A denial, an unknown issuer, no uses, a rule that does not parse."""
    assert "" == check_grant(made(), frozenset())
    deny = Rule(effect=RuleEffect.DENY, tool="ring")
    assert check_grant(made(rule=deny), frozenset())
    token = made(kind=GrantKind.CAPABILITY, issuer="aa")
    assert check_grant(token, frozenset()) and not check_grant(token, frozenset({"aa"}))
    assert check_grant(made(uses_max=0), frozenset())
    odd = Rule(effect=RuleEffect.ALLOW, tool="ring", pattern="")
    assert check_grant(made(rule=odd), frozenset())


@pytest.mark.parametrize("scope", ["session", "workspace", "always"])
def test_a_row_altered_in_the_store_is_ignored_and_reported(
    tmp_path: Path, scope: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The call is refused, `audit verify` names the row, and it is said once in the log."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as sessions:
            session = await sessions.create_session("one", config(folder(tmp_path)))
            made = await session.grant_allowance("ring", scope)
            assert await rings(session, bell)
            assert (await sessions.audit_verify()).ok
        async with opened(tmp_path, bell) as sessions:
            session = await sessions.get_session("one")
            store = session.where.backend.store
            view = await session.view()
            scopes = scopes_of(session.where.backend.keys, view, session.where.stream)
            (row,) = [one for s in scopes.all for one in (await store.grants(s))[1]]
            for at in (0, len(row.body) // 2, len(row.body) - 1):
                body = bytearray(row.body)
                body[at] ^= 0x80
                await store.put_grant(replace(row, body=bytes(body)))
                assert [] == await session.allowances()
                assert not await rings(session, bell)
                report = await sessions.audit_verify()
                assert ["grant"] == [one.kind.value for one in report.findings]
                assert made.id in report.findings[0].text
            await store.put_grant(row)
            assert [made.id] == [one.id for one in await session.allowances()]

    with caplog.at_level(logging.WARNING, logger="holdfast"):
        run(work())
    assert any("is ignored" in record.message for record in caplog.records)


def test_a_row_copied_elsewhere_holds_for_nobody(tmp_path: Path) -> None:
    """A session's own grant put under another session's scope is not honoured there."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as sessions:
            one = await sessions.create_session("one", config(folder(tmp_path)))
            two = await sessions.create_session("two", config(folder(tmp_path, "b")))
            keys, store = one.where.backend.keys, one.where.backend.store
            mine = scopes_of(keys, await one.view(), one.where.stream)
            theirs = scopes_of(keys, await two.view(), two.where.stream)
            await one.grant_allowance("ring")
            await one.grant_allowance("ring", "workspace")
            for source, targets in (
                (mine.session, theirs.all),
                (mine.workspace, (theirs.session, theirs.workspace)),
            ):
                (row,) = (await store.grants(source))[1]
                for target in targets:
                    await store.put_grant(replace(row, scope=target))
            assert [] == await two.allowances()
            assert not await rings(two, bell)

    run(work())


def test_an_old_row_put_back_after_revocation_is_found_by_the_audit_only_if_unproved(
    tmp_path: Path,
) -> None:
    """A row that names no event of this session is not honoured, though its signature verifies
    (astrid#AW-43)."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell, folder(tmp_path)) as (sessions, session):
            made = await session.grant_allowance("ring")
            backend = session.where.backend
            view = await session.view()
            scopes = scopes_of(backend.keys, view, session.where.stream)
            sealer = Sealer(
                backend.keys,
                view.tenant,
                os.urandom,
                own=scopes.session,
                crypto=backend.journal(session.where.row).crypto,
            )
            (row,) = (await backend.store.grants(scopes.session))[1]
            grant = sealer.open(row)
            await session.revoke_allowance(made.id)
            invented = replace(grant, version=1, id="cd" * 16)
            for forged in (invented, replace(invented, version=99), replace(invented, session="x")):
                await backend.store.put_grant(row_of(sealer, forged))
                assert [] == await session.allowances()
                assert not await rings(session, bell)
                assert not (await sessions.audit_verify()).ok or forged.session == "x"

    run(work())
