"""Reading what holds above a session: when it is read anew, and what an append relies on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grantshelp import Bell, config, folder, opened, ringer, rings
from holdfast.adapters.store.memory import MemoryStore
from holdfast.core.authority import ScopedPolicy
from holdfast.core.errors import Stale
from holdfast.core.events import EffectStarted, Ended, Granted, Paused, Revoked, StateSet
from holdfast.core.grants import Grant
from holdfast.core.rules import Policy
from holdfast.ports.store import Assert, GrantChange
from holdfast.runtime.authority import AuthorityReader, Trust
from holdfast.runtime.grants import scopes_of
from holdfast.runtime.handle import Session
from sessionhelp import run


async def reader_of(session: Session, trust: Trust | None = None) -> AuthorityReader:
    """A reader of its own on a session."""
    journal = session.where.backend.journal(session.where.row)
    reader = AuthorityReader(journal, trust or Trust())
    await reader.refresh(await session.view())
    return reader


async def only_grant(session: Session, reader: AuthorityReader) -> Grant:
    """The one grant there is."""
    (grant,) = reader.current(await session.view()).grants
    return grant


def start(grant: Grant) -> EffectStarted:
    """An intent that rests on a grant."""
    return EffectStarted(cause=1, ordinal=1, effect="tool", grants=(grant.id,))


def test_nothing_is_read_while_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns without news read no grants; a ring makes every session read once."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell) as (sessions, session):
            await session.grant_allowance("ring")
            assert await rings(session, bell)
            reads: list[str] = []
            plain = MemoryStore.grants

            async def counted(self: MemoryStore, scope: str) -> object:
                reads.append(scope)
                return await plain(self, scope)

            monkeypatch.setattr(MemoryStore, "grants", counted)
            assert await rings(session, bell)
            assert [] == reads
            sessions.trust.ring()
            assert await rings(session, bell)
            assert reads and len(reads) == len(set(reads))

    run(work())


def test_an_append_asserts_what_its_intents_rest_on(tmp_path: Path) -> None:
    """Only the scopes of the grants that are used; others may go on granting (contract 1.7)."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (_, session):
            await session.grant_allowance("ring", "workspace")
            reader = await reader_of(session)
            grant = await only_grant(session, reader)
            assert (Assert(scope=grant.holder, revision=1),) == reader.asserts([start(grant)])
            plain = EffectStarted(cause=1, ordinal=0, effect="model")
            assert () == reader.asserts([plain, Paused()])

    run(work())


def test_a_grant_altered_in_memory_is_stale(tmp_path: Path) -> None:
    """The MAC of a row is compared on each use (rulings R12)."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (_, session):
            await session.grant_allowance("ring")
            reader = await reader_of(session)
            grant = await only_grant(session, reader)
            ((place, (mac, row, known)),) = reader._known.items()
            reader._known[place] = (mac, replace(row, body=row.body + b"!"), known)
            with pytest.raises(Stale):
                reader.asserts([start(grant)])

    run(work())


def test_events_write_and_remove_rows(tmp_path: Path) -> None:
    """Granted writes, Revoked removes, the session's end drops its own scope and no other."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (_, session):
            await session.grant_allowance("ring")
            reader = await reader_of(session)
            grant = await only_grant(session, reader)
            own = scopes_of(session.where.backend.keys, await session.view(), session.where.stream)
            (written,) = reader.grant_changes([Granted(grant=grant)])
            assert (own.session, bytes.fromhex(grant.id)) == (written.scope, written.id)
            assert written.body
            assert () == reader.grant_changes([Granted(grant=replace(grant, holder=""))])
            (gone,) = reader.grant_changes([Revoked(id=grant.id, holder="w:x")])
            assert GrantChange(scope="w:x", id=bytes.fromhex(grant.id), body=None) == gone
            dropped = GrantChange(scope=own.session, id=b"", body=None)
            for event in (StateSet(state="Completed"), Ended()):
                assert (dropped,) == reader.grant_changes([event])
            for other in (StateSet(state="Error"), Paused()):
                assert () == reader.grant_changes([other])

    run(work())


def test_a_session_without_grants_drops_none() -> None:
    """Its end writes nothing to the grants table."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            reader = await reader_of(session)
            assert () == reader.grant_changes([StateSet(state="Completed")])

    run(work())


def test_the_limit_of_a_grants_counter_is_its_uses() -> None:
    """The append that claims the first use makes the counter with that limit."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            await session.grant_allowance("ring", max_uses=4)
            reader = await reader_of(session)
            grant = await only_grant(session, reader)
            (take,) = reader.takes([replace(start(grant), takes=((grant.counter, 1),))])
            assert (grant.counter, 1, 4) == (take.counter, take.amount, take.limit)
            (other,) = reader.takes([replace(start(grant), takes=(("unknown", 1),))])
            assert other.limit is None

    run(work())


def test_an_issuer_that_is_not_trusted_any_more_counts_for_nothing(tmp_path: Path) -> None:
    """A token's grant is judged by who is trusted when it is read (astrid#AW-12)."""

    async def work() -> None:
        bell = Bell()
        (tmp_path / "a").mkdir()
        async with opened(tmp_path / "a", bell) as theirs, opened(tmp_path, bell) as ours:
            issuer = await theirs.create_session("one", config())
            token = await issuer.issue_capability("ring", expires_in_s=60, max_uses=None)
            ours.trust.install((), [issuer.where.backend.keys.audit_public_key.hex()])
            session = await ours.create_session("one", config())
            await session.add_capability(token)
            assert await rings(session, bell)
            assert 1 == len(await session.allowances())
            ours.trust.install((), [])
            assert not await rings(session, bell)
            assert [] == await session.allowances()

    run(work())


def test_readers_that_are_gone_are_not_told() -> None:
    """`Trust` keeps no reader alive."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            trust = Trust()
            reader = await reader_of(session, trust)
            assert not reader.dirty
            trust.trust(["ab"])
            assert reader.dirty
            assert frozenset({"ab"}) == trust.issuers
            del reader
            trust.ring()
            assert 0 == len(trust._readers)

    run(work())


def test_a_wiped_session_has_nothing(tmp_path: Path) -> None:
    """With its key its own grants are gone; the workspace's stay for others."""

    async def work() -> None:
        bell = Bell()
        async with ringer(bell, folder(tmp_path)) as (sessions, session):
            await session.grant_allowance("ring")
            await session.grant_allowance("ring", "workspace")
            keys, store = session.where.backend.keys, session.where.backend.store
            scopes = scopes_of(keys, await session.view(), session.where.stream)
            await sessions.terminate_session("one")
            assert [] == (await store.grants(scopes.session))[1]
            two = await sessions.create_session("two", config(folder(tmp_path)))
            assert await rings(two, bell)

    run(work())


def test_nothing_starts_under_rules_that_were_replaced_meanwhile() -> None:
    """A policy file that is read anew between the reading and the append: decided again."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            trust = Trust()
            reader = await reader_of(session, trust)
            starts = [EffectStarted(cause=1, ordinal=0, effect="model")]
            assert () == reader.asserts(starts)
            trust.install([ScopedPolicy("installation", Policy())], ())
            assert () == reader.asserts([Paused()])
            with pytest.raises(Stale):
                reader.asserts(starts)
            await reader.refresh(await session.view())
            assert () == reader.asserts(starts)

    run(work())
