"""Cases of the store's contract: tokens, their generations, revocation, the chain."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

from holdfast.core.errors import AlreadyThere, Stale
from holdfast.ports.store import Assert, Store
from holdfast.ports.tokens import (
    GENESIS,
    NO_EVENT,
    Doing,
    Revocation,
    Rotation,
    TokenFilter,
    TokenRow,
    TokenState,
    Why,
    chained,
    token_scope,
)
from holdfast.testing.store_kit import Case, Cases, Harness, append, create, refused

_CASE = Cases()
_KEY = bytes(range(32))


def token_cases() -> list[Case]:
    """Return the cases, in a fixed order."""
    return list(_CASE)


def doing(now_ms: int = 1_000, actor: int = 9) -> Doing:
    """Who changes tokens in these cases."""
    return Doing(now_ms=now_ms, actor=actor, key=_KEY)


def digest(number: int, generation: int = 1) -> bytes:
    """The digest of a generation of a token."""
    return hashlib.sha256(b"%d.%d" % (number, generation)).digest()


def token(number: int, **more: Any) -> TokenRow:
    """A row of tenant "t" and agent 5 that lives from 1,000 to 2,000 and ends at 9,000."""
    given: dict[str, Any] = {
        "id": number.to_bytes(16),
        "tenant": "t",
        "agent": 5,
        "digest": digest(number),
        "created_ms": 1_000,
        "expires_ms": 2_000,
        "ends_ms": 9_000,
        "span_ms": 1_000,
        "sealed": b"sealed",
    }
    return TokenRow(**{**given, **more})


def rotation(number: int, follows: int = 1, expires_ms: int = 3_000) -> Rotation:
    """The generation after `follows` of a token."""
    return Rotation(
        id=number.to_bytes(16),
        generation=follows,
        digest=digest(number, follows + 1),
        expires_ms=expires_ms,
        sealed=b"again",
    )


async def _state(store: Store, number: int) -> TokenState | None:
    row = await store.token_row(number.to_bytes(16))
    return None if row is None else row.state


async def _kinds(store: Store) -> list[tuple[int, str, str]]:
    events = await store.token_events()
    return [(int.from_bytes(one.token), one.kind, one.why) for one in events]


@_CASE
async def _a_token_is_found_by_its_digest(harness: Harness, store: Store) -> None:
    row = token(1, stream=7, sealed=b"x" * 300)
    await store.token_add(row, doing())
    assert await store.token_find(digest(1)) == (row, 1, None)
    assert await store.token_row(row.id) == row
    assert await store.token_find(digest(2)) is None and await store.token_row(b"2" * 16) is None
    await refused(AlreadyThere, store.token_add(row, doing()))
    await refused(AlreadyThere, store.token_add(replace(row, id=b"o" * 16), doing()))
    second = await harness.open_second()
    assert await second.token_find(digest(1)) == (row, 1, None)
    await second.aclose()


@_CASE
async def _a_token_is_found_with_the_name_of_its_session(harness: Harness, store: Store) -> None:
    await create(store, 7, name="Straße")
    row = token(1, stream=7)
    await store.token_add(row, doing())
    assert await store.token_find(digest(1)) == (row, 1, "Straße")
    await store.append(append(7, 1, drop_name=True))
    found = await store.token_find(digest(1))
    assert found is not None and found.session is None


@_CASE
async def _a_refresh_follows_the_generation_that_is_in_place(
    harness: Harness, store: Store
) -> None:
    row = token(1)
    await store.token_add(row, doing())
    before = await store.token_epoch()
    tries = [store.token_rotate(rotation(1), doing()) for _ in range(2)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Stale", "TokenRow"]
    after = await store.token_row(row.id)
    assert after is not None and after.generation == 2 and after.expires_ms == 3_000
    assert await store.token_find(digest(1, 2)) == (after, 2, None)
    assert await store.token_find(digest(1)) == (after, 1, None), (
        "the digest before is not forgotten"
    )
    assert await store.token_epoch() > before
    await refused(Stale, store.token_rotate(rotation(2), doing()))
    await refused(Stale, store.token_rotate(rotation(1, 2), doing(now_ms=3_000)))


@_CASE
async def _a_revoked_token_cannot_be_refreshed(harness: Harness, store: Store) -> None:
    await store.token_add(token(1), doing())
    before = await store.token_epoch()
    assert await store.token_revoke(Revocation(id=token(1).id), doing()) == [token(1).id]
    assert await store.token_epoch() > before
    await refused(Stale, store.token_rotate(rotation(1), doing()))
    assert await store.token_revoke(Revocation(id=token(1).id), doing()) == []
    assert await store.token_revoke(Revocation(id=token(2).id), doing()) == []
    assert await _kinds(store) == [(1, "created", ""), (1, "revoked", "asked")]


@_CASE
async def _revoking_takes_descendants_along(harness: Harness, store: Store) -> None:
    await store.token_add(token(1), doing())
    await store.token_add(token(2, parent=token(1).id, agent=6), doing())
    await store.token_add(token(3, parent=token(2).id, agent=7), doing())
    await store.token_add(token(4, agent=6), doing())
    revoked = await store.token_revoke(Revocation(id=token(1).id, why=Why.REUSED), doing())
    assert sorted(revoked) == [token(number).id for number in (1, 2, 3)]
    assert await _state(store, 4) is TokenState.LIVE
    assert (await _kinds(store))[4:] == [
        (1, "revoked", "reused"),
        (2, "revoked", "parent"),
        (3, "revoked", "parent"),
    ]
    await refused(Stale, store.token_add(token(5, parent=token(3).id), doing()))
    await refused(Stale, store.token_add(token(6, parent=b"unknown" * 2), doing()))
    late = store.token_add(token(7, parent=token(4).id), doing(now_ms=2_000))
    await refused(Stale, late)


@_CASE
async def _a_child_is_not_refreshed_below_a_dead_parent(harness: Harness, store: Store) -> None:
    await store.token_add(token(1, expires_ms=1_500), doing())
    await store.token_add(token(2, parent=token(1).id), doing())
    await refused(Stale, store.token_rotate(rotation(2), doing(now_ms=1_600)))


@_CASE
async def _revoking_an_agent_beats_what_is_being_made(harness: Harness, store: Store) -> None:
    await store.token_add(token(1, stream=3), doing())
    await store.token_add(token(2, agent=6, stream=3), doing())
    await store.token_add(token(3, tenant="u"), doing())
    made_before = token(4, agent_epoch=await store.agent_epoch("t", 5))
    agent = Revocation(tenant="t", agent=5, why=Why.AGENT)
    assert await store.token_revoke(agent, doing()) == [token(1).id]
    await refused(Stale, store.token_add(made_before, doing()))
    assert await store.agent_epoch("t", 5) == 1 and await store.agent_epoch("u", 5) == 0
    await store.token_add(replace(made_before, agent_epoch=1), doing())
    assert await store.token_revoke(Revocation(stream=3), doing()) == [token(2).id]
    assert await store.token_revoke(Revocation(stream=3), doing()) == []


@_CASE
async def _what_is_made_and_revoked_at_once_is_dead(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    for turn in range(20):
        epoch = await store.agent_epoch("t", 5)
        row = token(turn + 1, agent_epoch=epoch)
        made = store.token_add(row, doing())
        gone = second.token_revoke(Revocation(tenant="t", agent=5), doing())
        await asyncio.gather(made, gone, return_exceptions=True)
        found = await store.token_row(row.id)
        assert found is None or found.state is TokenState.REVOKED
    await second.aclose()


@_CASE
async def _an_intent_of_a_revoked_token_is_stale(harness: Harness, store: Store) -> None:
    await create(store, 1)
    row = token(1)
    await store.token_add(row, doing())
    await store.token_rotate(rotation(1), doing())
    claim = (Assert(scope=token_scope(row.id.hex()), revision=0),)
    await store.append(append(1, 1, asserts=claim))
    await store.token_revoke(Revocation(id=row.id), doing())
    await refused(Stale, store.append(append(1, 2, asserts=claim)))
    assert (await store.grants(token_scope(row.id.hex())))[0] == 1


@_CASE
async def _expiry_is_noted_once_and_the_end_removes(harness: Harness, store: Store) -> None:
    await store.token_add(token(1), doing())
    await store.token_add(token(2, expires_ms=5_000), doing())
    await store.token_add(token(3, ends_ms=2_500), doing())
    assert await store.token_sweep(doing(now_ms=1_999)) == 0
    assert await store.token_sweep(doing(now_ms=2_000)) == 2
    assert await store.token_sweep(doing(now_ms=2_001)) == 0
    assert await _state(store, 1) is TokenState.EXPIRED
    await refused(Stale, store.token_rotate(rotation(1), doing(now_ms=1_500)))
    assert await store.token_revoke(Revocation(id=token(1).id), doing()) == []
    assert await store.token_sweep(doing(now_ms=2_500)) == 0
    assert await _state(store, 3) is None and await store.token_find(digest(3)) is None
    assert await _state(store, 2) is TokenState.LIVE
    kinds = [(number, kind) for number, kind, _ in await _kinds(store)]
    assert kinds == [(1, "created"), (2, "created"), (3, "created"), (1, "expired"), (3, "expired")]


@_CASE
async def _the_epoch_goes_up_when_it_is_told_to(harness: Harness, store: Store) -> None:
    await store.token_add(token(1), doing())
    before = await store.token_epoch()
    second = await harness.open_second()
    await second.token_stir()
    assert await store.token_epoch() == before + 1 == await second.token_epoch()
    await second.aclose()
    assert len(await store.token_events()) == 1 and await _state(store, 1) is TokenState.LIVE


@_CASE
async def _tokens_are_listed_and_counted(harness: Harness, store: Store) -> None:
    for number in range(1, 8):
        more = {"agent": 5 + number % 2, "stream": number % 3, "expires_ms": 1_000 + 100 * number}
        await store.token_add(token(number, **more), doing(now_ms=500))
    await store.token_add(token(8, tenant="u"), doing())
    await store.token_revoke(Revocation(id=token(7).id), doing())

    async def found(**wanted: Any) -> list[int]:
        filter = TokenFilter(**wanted)
        rows = await store.token_list(filter)
        assert len(rows) == await store.token_count(filter)
        return [int.from_bytes(row.id) for row in rows]

    assert await found() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert await found(tenant="t", agent=5) == [2, 4, 6]
    assert await found(tenant="t", stream=0) == [3, 6]
    assert await found(tenant="t", live_ms=1_300) == [4, 5, 6]
    rows = await store.token_list(TokenFilter(after=token(2).id, limit=3))
    assert [int.from_bytes(row.id) for row in rows] == [3, 4, 5]
    assert await store.token_count(TokenFilter(after=token(7).id, limit=1)) == 8


@_CASE
async def _the_chain_of_events_holds(harness: Harness, store: Store) -> None:
    assert await store.token_head() == NO_EVENT
    await store.token_add(token(1), doing())
    await store.token_add(token(2, parent=token(1).id), doing(actor=3))
    await store.token_rotate(rotation(1), doing(now_ms=1_200))
    second = await harness.open_second()
    await second.token_revoke(Revocation(id=token(1).id), doing(now_ms=1_300))
    await second.aclose()
    events = await store.token_events()
    assert [one.seq for one in events] == [1, 2, 3, 4, 5]
    before = GENESIS
    for one in events:
        assert one.hash == chained(before, one, _KEY)
        assert one.hash != chained(before, replace(one, time_ms=one.time_ms + 1), _KEY)
        before = one.hash
    assert await store.token_events(3, 1) == events[3:4]
    assert await store.token_head() == (5, before)
    assert events[2].expires_ms == 3_000 and events[2].generation == 2 and events[1].actor == 3


@_CASE
async def _tokens_outlive_a_killed_process(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    await second.token_add(token(1), doing())
    await second.token_revoke(Revocation(id=token(1).id), doing())
    await second.token_add(token(2), doing())
    await harness.kill(second)
    assert await _state(store, 1) is TokenState.REVOKED
    assert await _state(store, 2) is TokenState.LIVE
    assert len(await store.token_events()) == 3
