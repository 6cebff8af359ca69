"""Cases of the store's contract: listing, feed, blobs, erasing, closing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from holdfast.core.errors import (
    AlreadyThere,
    BlobNotFound,
    DuplicateCommand,
    InvalidInput,
    SessionNotFound,
    StoreClosed,
    TooLarge,
)
from holdfast.ports.store import (
    Filter,
    Head,
    IndexRow,
    Snapshot,
    Store,
)
from holdfast.testing.store_kit import (
    WAIT_S,
    Case,
    Cases,
    Harness,
    append,
    command_row,
    create,
    done_with,
    refused,
    row_of,
    versions_of,
)

_CASE = Cases()


def other_cases() -> list[Case]:
    """Return the cases, in a fixed order."""
    return list(_CASE)


# --- listing and feed


async def _listed(store: Store, **filter: Any) -> list[int]:
    wanted = Filter(**{"tenant": "t", **filter})
    page = await store.list_streams(replace(wanted, limit=1000))
    assert len(page.rows) == await store.count_streams(wanted)
    return [row.stream for row in page.rows]


async def _ten_sessions(store: Store) -> None:
    for stream in range(1, 11):
        index = IndexRow(
            state=stream % 3,
            sensitivity=stream % 5,
            updated_ms=100 + stream // 2,
            parent=1 if stream > 7 else 0,
            hidden=stream == 5,
            sealed=b"s%d" % stream,
            tokens=frozenset({b"even" * 4, b"%016d" % stream} if stream % 2 == 0 else ()),
        )
        await create(store, stream, owner=stream % 2, index=index)
    await create(store, 11, tenant="other", index=IndexRow(state=1, updated_ms=200))


@_CASE
async def _listing_filters(harness: Harness, store: Store) -> None:
    await _ten_sessions(store)
    everything = [10, 9, 8, 7, 6, 4, 3, 2, 1]
    assert everything == await _listed(store)
    assert [11, *everything] == await _listed(store, tenant=None)
    assert await _listed(store, include_hidden=True) == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert await _listed(store, states=frozenset({0, 1})) == [10, 9, 7, 6, 4, 3, 1]
    assert await _listed(store, owner=1) == [9, 7, 3, 1]
    assert await _listed(store, parent=1) == [10, 9, 8]
    assert await _listed(store, min_sensitivity=3) == [9, 8, 4, 3]
    assert await _listed(store, updated_before_ms=103) == [4, 3, 2, 1]
    assert await _listed(store, updated_before_ms=103, owner=1) == [3, 1]
    assert await _listed(store, updated_before_ms=101, tenant=None) == [1]
    assert await _listed(store, updated_before_ms=0) == []
    assert await _listed(store, tokens=frozenset({b"even" * 4})) == [10, 8, 6, 4, 2]
    both = frozenset({b"even" * 4, b"%016d" % 4})
    assert [4] == await _listed(store, tokens=both) == await _listed(store, tokens=both, states={1})
    assert await _listed(store, tokens=both, owner=1) == []
    assert await _listed(store, parent=0) == [7, 6, 4, 3, 2, 1]
    row = (await store.list_streams(Filter(tenant="t", limit=1))).rows[0]
    assert row == await row_of(store, 10) and row.index.sealed == b"s10"


@_CASE
async def _listing_in_pages(harness: Harness, store: Store) -> None:
    await _ten_sessions(store)
    even = frozenset({b"even" * 4})
    wanted = [Filter(), Filter(tenant="t"), Filter(include_hidden=True), Filter(tokens=even)]
    for filter in [*wanted, Filter(owner=1), Filter(parent=1)]:
        whole = [row.stream for row in (await store.list_streams(filter)).rows]
        seen: list[int] = []
        page = await store.list_streams(replace(filter, limit=2))
        seen.extend(row.stream for row in page.rows)
        while page.cursor:
            page = await store.list_streams(replace(filter, limit=2, cursor=page.cursor))
            seen.extend(row.stream for row in page.rows)
        assert whole == seen
    await refused(InvalidInput, store.list_streams(Filter(cursor="of somebody else")))


@_CASE
async def _an_updated_session_is_seen_at_most_once(harness: Harness, store: Store) -> None:
    await _ten_sessions(store)
    filter = Filter(tenant="t", limit=3)
    page = await store.list_streams(filter)
    assert [row.stream for row in page.rows] == [10, 9, 8]
    for stream in (9, 3):
        await store.append(append(stream, 1, index=IndexRow(state=2, updated_ms=900)))
    page = await store.list_streams(replace(filter, cursor=page.cursor, limit=100))
    assert [row.stream for row in page.rows] == [7, 6, 4, 2, 1]
    assert [r.stream for r in (await store.list_streams(replace(filter, limit=2))).rows] == [9, 3]


@_CASE
async def _an_index_is_replaced_with_its_tokens(harness: Harness, store: Store) -> None:
    first, second = b"1" * 16, b"2" * 16
    await create(store, 1, index=IndexRow(state=1, tokens=frozenset({first})))
    index = IndexRow(state=2, tokens=frozenset({second}), messages=3, turns=2, tool_calls=1)
    await store.append(append(1, 1, index=index))
    await store.append(append(1, 2))
    assert index == (await row_of(store, 1)).index
    assert await _listed(store, tokens=frozenset({first})) == []
    assert await _listed(store, tokens=frozenset({second})) == [1]


@_CASE
async def _the_feed_is_complete_and_in_commit_order(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    streams = range(1, 13)
    for stream in streams:
        await create(store if stream % 2 else second, stream)
    writing = True
    seen: list[tuple[int, int, int]] = []

    async def follow() -> None:
        cursor = 0
        while True:
            ended = not writing
            page = await store.events_since(cursor, 7)
            seen.extend((one.cursor, one.stream, one.event.version) for one in page)
            cursor = page[-1].cursor if page else cursor
            if ended and not page:
                return
            await asyncio.sleep(0)

    async def write(stream: int) -> None:
        for version in range(1, 11):
            await (store if stream % 2 else second).append(append(stream, version))

    follower = asyncio.ensure_future(follow())
    await asyncio.gather(*map(write, streams))
    writing = False
    await follower
    cursors = [cursor for cursor, _, _ in seen]
    assert sorted(set(cursors)) == cursors and cursors[-1] == await second.feed_end()
    for stream in streams:
        assert list(range(1, 12)) == [version for _, other, version in seen if other == stream]
    await second.aclose()


@_CASE
async def _heads_since_names_each_changed_session_once(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    for stream in range(1, 8):
        await create(store if stream % 2 else second, stream)
    await asyncio.gather(store.append(append(1, 1, 3)), second.append(append(2, 1, 2)))
    await store.append(append(1, 4))
    await store.append(replace(append(3, 1), drop_name=True))
    mark = await store.feed_end()
    await asyncio.gather(*(store.append(append(stream, 1)) for stream in (5, 7)))
    await store.append(append(1, 5, 0))  # no event: nothing moves
    for cursor in (0, mark, await store.feed_end()):
        newest = {row.stream: row for row in await store.events_since(cursor)}
        wanted = sorted(
            (row.cursor, stream, row.event.version, row.event.hash)
            for stream, row in newest.items()
        )
        found: list[Head] = []
        while page := await second.heads_since(found[-1].cursor if found else cursor, 2):
            assert len(page) <= 2
            found += page
        assert wanted == [(one.cursor, one.stream, one.version, one.hash) for one in found]
    assert {5, 7} == {one.stream for one in await store.heads_since(mark)}
    await second.aclose()


# --- blobs, snapshots, traces, principals


@_CASE
async def _blobs_come_in_parts(harness: Harness, store: Store) -> None:
    await create(store, 1)
    big = bytes(range(256)) * 4096
    await store.put_blob(1, b"one", 0, big)
    await store.put_blob(1, b"one", 1, b"tail")
    await store.put_blob(1, b"two", 0, b"two")
    await store.put_blob(1, b"two", 0, b"two again")
    assert big == await store.get_blob(1, b"one", 0)
    assert await store.get_blob(1, b"two", 0) == b"two again"
    await refused(BlobNotFound, store.get_blob(1, b"one", 2))
    await refused(BlobNotFound, store.get_blob(2, b"one", 0))
    await refused(TooLarge, store.put_blob(1, b"huge", 0, bytes(2 * 1024 * 1024)))
    await refused(SessionNotFound, store.put_blob(2, b"one", 0, b""))
    assert await store.drop_blobs(1, b"one") == 2
    await refused(BlobNotFound, store.get_blob(1, b"one", 0))
    for part in range(9):
        await store.put_blob(1, b"three", part, b"x")
    assert await store.drop_blobs(1) == 10
    assert await store.drop_blobs(1) == 0


@_CASE
async def _the_newest_snapshot_is_kept(harness: Harness, store: Store) -> None:
    await create(store, 1)
    assert await store.get_snapshot(1) is None
    five = Snapshot(version=5, head=b"h5", fold_id=1, body=b"five")
    await store.put_snapshot(1, five)
    await store.put_snapshot(1, replace(five, version=4, body=b"four"))
    assert five == await store.get_snapshot(1)
    other_fold = replace(five, version=3, fold_id=2, body=b"three")
    await store.put_snapshot(1, other_fold)
    assert other_fold == await store.get_snapshot(1)
    await refused(SessionNotFound, store.put_snapshot(2, five))


@_CASE
async def _traces_are_remembered_with_their_source(harness: Harness, store: Store) -> None:
    await create(store, 1, traces=((b"a", 1), (b"b", 2)))
    await store.append(append(1, 1, traces=((b"a", 9), (b"c", 3))))
    assert await store.traces(1, [b"a", b"c", b"none"]) == {b"a": 1, b"c": 3}
    many = [b"%d" % number for number in range(2000)]
    assert await store.traces(1, [*many, b"b"]) == {b"b": 2}
    assert {} == await store.traces(2, [b"a"]) == await store.traces(1, [])


@_CASE
async def _principals_keep_their_pseudonym(harness: Harness, store: Store) -> None:
    assert await store.principal("t", b"anna", b"sealed anna", 11) == 11
    assert await store.principal("t", b"anna", b"sealed again", 12) == 11
    assert await store.principal("other", b"anna", b"sealed other", 13) == 13
    await refused(AlreadyThere, store.principal("t", b"bob", b"sealed bob", 11))
    assert await store.principal_of(11) == b"sealed anna"
    assert [await store.erase_principal(11) for _ in range(2)] == [True, False]
    assert await store.principal_of(11) is None
    assert await store.principal("t", b"anna", b"sealed new", 14) == 14
    racers = [store.principal("t", b"race", b"sealed", number) for number in range(100, 110)]
    assert len(set(await asyncio.gather(*racers))) == 1


# --- the whole


@_CASE
async def _erase_leaves_row_and_events_only(harness: Harness, store: Store) -> None:
    token = b"t" * 16
    index = IndexRow(state=1, sealed=b"title", tokens=frozenset({token}))
    for stream in (1, 2):
        row = command_row(b"c", stream=stream)
        await create(store, stream, index=index, traces=((b"h", 1),), pending=(row,))
        await store.put_blob(stream, b"b", 0, b"blob")
        await store.put_snapshot(stream, Snapshot(version=1, head=b"h", fold_id=1, body=b"s"))
    await store.append(append(1, 1, drop_name=True))
    assert await store.stream_name(1) is None
    await store.erase(1)
    await store.erase(1)
    row_1 = await row_of(store, 1)
    assert (None, b"", frozenset()) == (row_1.name, row_1.index.sealed, row_1.index.tokens)
    assert (row_1.tenant, row_1.owner) == ("", 0)
    assert await store.find("t", "session-1") is None and await versions_of(store, 1) == [1, 2]
    assert await store.pending(1) == [] and await store.traces(1, [b"h"]) == {}
    assert await store.get_snapshot(1) is None
    await refused(BlobNotFound, store.get_blob(1, b"b", 0))
    assert await _listed(store, tokens=frozenset({token})) == [2]
    assert await store.get_blob(2, b"b", 0) == b"blob" and len(await store.pending(2)) == 1
    await create(store, 3, name="session-1")
    await refused(SessionNotFound, store.erase(9))


@_CASE
async def _nothing_waits_for_a_wiped_session(harness: Harness, store: Store) -> None:
    index = IndexRow(state=1, tokens=frozenset({b"t" * 16}))
    await create(store, 1, index=index, traces=((b"h", 1),))
    await store.submit(command_row(b"before"))
    await store.put_snapshot(1, Snapshot(version=1, head=b"h", fold_id=1, body=b"s"))
    await store.append(append(1, 1, done=done_with(b"done"), drop_name=True))
    assert await store.pending(1) == [], "a crash before `erase` leaves nothing that waits"
    assert await store.get_snapshot(1) is None and await store.traces(1, [b"h"]) == {}
    assert (await row_of(store, 1)).index.tokens == frozenset()
    await refused(SessionNotFound, store.submit(command_row(b"after")))
    assert (await refused(DuplicateCommand, store.submit(command_row(b"done")))).version == 2
    await store.erase(1)
    await refused(SessionNotFound, store.submit(command_row(b"before")))
    assert await store.pending(1) == []


@_CASE
async def _other_nodes_commits_wake_and_own_do_not(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    while await store.changed(0.05):
        pass
    await create(store, 1)
    assert not await store.changed(0.05), "own commits are no news"
    waiting = asyncio.ensure_future(store.changed(WAIT_S))
    await asyncio.sleep(0)
    await create(second, 2)
    assert await waiting
    await second.append(append(2, 1))
    assert await store.changed(WAIT_S), "a commit between two calls is not missed"
    await second.aclose()


@_CASE
async def _everything_is_there_after_reopening(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    await create(second, 1, count=5, pending=(command_row(b"c"),), done=done_with(b"x"))
    await second.set_counter("a", 3)
    row = await row_of(second, 1)
    await second.aclose()
    third = await harness.open_second()
    assert replace(row, node=None) == await third.stream_row(1)
    assert await versions_of(third, 1) == [1, 2, 3, 4, 5]
    assert len(await third.pending(1)) == 1 and await third.command(1, b"x") == (5, b"d")
    assert await third.counter("a") == await store.counter("a")
    await third.aclose()


@_CASE
async def _a_closed_store_says_so(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    await create(second, 1)
    queued = [asyncio.ensure_future(second.append(append(1, 1)))]
    waiting = asyncio.ensure_future(second.changed(WAIT_S))
    await asyncio.sleep(0)
    await second.aclose()
    await second.aclose()
    assert isinstance((await asyncio.gather(*queued))[0], bytes), "what was queued is finished"
    await refused(StoreClosed, waiting)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: second.append(append(1, 2)),
        lambda: second.read(1),
        lambda: second.stream_row(1),
        lambda: second.lease(1),
        lambda: second.submit(command_row(b"c")),
        lambda: second.changed(0.01),
        second.health,
        second.feed_end,
    ]
    for attempt in attempts:
        await refused(StoreClosed, attempt())
    assert await versions_of(store, 1) == [1, 2]


@_CASE
async def _a_sound_store_is_healthy(harness: Harness, store: Store) -> None:
    await create(store, 1)
    health = await store.health()
    assert health.ok, health.detail
    assert await store.verify_pages() == []
    assert store.name and store.node
