"""Cases of the store's contract: sessions, appends, leases, counters, commands."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from holdfast.core.errors import (
    CommandMismatch,
    Conflict,
    CounterRefused,
    DuplicateCommand,
    Fenced,
    LeaseHeld,
    SessionExists,
    SessionNotFound,
    Stale,
)
from holdfast.ports.store import (
    Append,
    Assert,
    Grant,
    IndexRow,
    PendingKind,
    PendingRow,
    Settle,
    Store,
    Take,
)
from holdfast.testing.store_kit import (
    Case,
    Cases,
    Harness,
    append,
    command_row,
    create,
    done_with,
    event,
    refused,
    row_of,
    versions_of,
)

_CASE = Cases()


def append_cases() -> list[Case]:
    """Return the cases, in a fixed order."""
    return list(_CASE)


# --- sessions and events


@_CASE
async def _create_leases_to_the_creator(harness: Harness, store: Store) -> None:
    lease = await create(store, 1, count=2)
    row = await row_of(store, 1)
    assert (1, 2, event(2, body=b"stream 1").hash) == (lease.epoch, lease.version, lease.head)
    assert (store.node, 1, 2, lease.head) == (row.node, row.epoch, row.version, row.head)
    assert (row.tenant, row.owner, row.name) == ("t", 1, "session-1")
    assert await store.stream_name(1) == "session-1" and await store.stream_name(2) is None
    assert lease.margin_s is None or lease.margin_s > 0


@_CASE
async def _names_are_unique_without_case_per_tenant(harness: Harness, store: Store) -> None:
    await create(store, 1, name="Straße")
    await refused(SessionExists, create(store, 2, name="STRASSE"))
    assert await store.stream_row(2) is None
    await create(store, 3, name="strasse", tenant="other")
    found = await store.find("t", "sTRASSE")
    assert found is not None and (found.stream, found.name) == (1, "Straße")
    assert await store.find("t", "stras") is None


@_CASE
async def _stream_ids_are_unique(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await refused(SessionExists, create(store, 1, name="another"))
    assert await store.find("t", "another") is None


@_CASE
async def _a_refused_first_append_creates_nothing(harness: Harness, store: Store) -> None:
    await refused(CounterRefused, create(store, 1, takes=(Take(counter="none", amount=1),)))
    assert await store.stream_row(1) is None and await store.find("t", "session-1") is None
    assert await store.events_since(0) == []


@_CASE
async def _append_returns_the_new_head_and_keeps_bytes(harness: Harness, store: Store) -> None:
    await create(store, 1)
    wanted = [
        event(2, body=bytes(range(256)), kind=0x8001),
        replace(event(3, body=b""), key_id=0, actor=(1 << 63) - 1),
    ]
    made = Append(stream=1, expected_version=1, epoch=1, events=tuple(wanted))
    assert wanted[-1].hash == await store.append(made)
    assert wanted == await store.read(1, after=1)
    assert (3, wanted[-1].hash) == ((await row_of(store, 1)).version, (await row_of(store, 1)).head)


@_CASE
async def _an_append_without_events_leaves_the_head(harness: Harness, store: Store) -> None:
    lease = await create(store, 1)
    made = append(1, 1, count=0, pending=(command_row(b"q"),), index=IndexRow(state=3))
    assert lease.head == await store.append(made)
    row = await row_of(store, 1)
    assert (row.version, row.index.state, [p.id for p in await store.pending(1)]) == (1, 3, [b"q"])


@_CASE
async def _reading_forwards_backwards_and_in_pages(harness: Harness, store: Store) -> None:
    await create(store, 1, count=9)

    async def versions(after: int, limit: int, backwards: bool = False) -> list[int]:
        found = await store.read(1, after, limit, backwards=backwards)
        return [one.version for one in found]

    assert await versions(0, 3) == [1, 2, 3]
    assert await versions(7, 100) == [8, 9]
    assert await versions(9, 100) == []
    assert await versions(0, 2, backwards=True) == [9, 8]
    assert await versions(4, 100, backwards=True) == [3, 2, 1]
    assert await versions(1, 100, backwards=True) == []
    assert list(range(1, 10)) == await versions(0, 1000)
    assert await store.read(2) == []


@_CASE
async def _appending_to_nothing_is_not_found(harness: Harness, store: Store) -> None:
    await refused(SessionNotFound, store.append(append(5, 0)))


# --- conditions


@_CASE
async def _epoch_is_tested_before_version(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await refused(Fenced, store.append(append(1, 7, epoch=2)))
    await refused(Conflict, store.append(append(1, 7)))
    await refused(Conflict, store.append(append(1, 0)))
    assert await versions_of(store, 1) == [1]


@_CASE
async def _conditions_are_tested_in_order(harness: Harness, store: Store) -> None:
    await create(store, 1, done=done_with(b"c"))
    asserts = (Assert(scope="s", revision=4),)
    takes = (Take(counter="none", amount=1),)
    bad = append(1, 6, done=done_with(b"c"), asserts=asserts, takes=takes)
    await refused(Fenced, store.append(replace(bad, epoch=9, events=())))
    await refused(Conflict, store.append(bad))
    bad = append(1, 1, done=done_with(b"c"), asserts=asserts, takes=takes)
    assert (await refused(DuplicateCommand, store.append(bad))).version == 1
    await refused(CommandMismatch, store.append(replace(bad, done=done_with(b"c", b"other"))))
    bad = append(1, 1, asserts=asserts, takes=takes)
    assert (await refused(Stale, store.append(bad))).scope == "s"
    bad = append(1, 1, takes=takes)
    assert (await refused(CounterRefused, store.append(bad))).counter == "none"
    assert await versions_of(store, 1) == [1]


@_CASE
async def _a_refused_append_writes_nothing_at_all(harness: Harness, store: Store) -> None:
    await create(store, 1, pending=(command_row(b"keep"),))
    await store.set_counter("rich", 100)
    await store.set_counter("poor", 1)
    before = await row_of(store, 1)
    bad = append(
        1,
        1,
        takes=(Take(counter="rich", amount=5), Take(counter="poor", amount=2)),
        pending=(command_row(b"new"),),
        settled=((PendingKind.COMMAND, b"keep"),),
        done=done_with(b"c"),
        index=IndexRow(state=9, tokens=frozenset({b"t" * 16})),
        traces=((b"h", 1),),
        drop_name=True,
    )
    assert (await refused(CounterRefused, store.append(bad))).counter == "poor"
    assert before == await row_of(store, 1)
    assert [row.id for row in await store.pending(1)] == [b"keep"]
    assert await store.command(1, b"c") is None and await store.traces(1, [b"h"]) == {}
    rich = await store.counter("rich")
    assert rich is not None and (rich.used, rich.held) == (0, 0)
    assert await store.feed_end() == 1


@_CASE
async def _others_of_a_batch_are_unaffected(harness: Harness, store: Store) -> None:
    for stream in range(1, 31):
        await create(store, stream)
    await store.set_counter("money", 10)
    attempts = []
    for stream in range(1, 31):
        match stream % 3:
            case 0:
                attempts.append(append(stream, 5))
            case 1:
                attempts.append(append(stream, 1, takes=(Take(counter="money", amount=11),)))
            case _:
                attempts.append(append(stream, 1, takes=(Take(counter="money", amount=1),)))
    results = await asyncio.gather(*map(store.append, attempts), return_exceptions=True)
    for stream, result in enumerate(results, start=1):
        kind = (Conflict, CounterRefused, bytes)[stream % 3]
        assert isinstance(result, kind), (stream, result)
        assert ([1, 2] if stream % 3 == 2 else [1]) == await versions_of(store, stream)
    money = await store.counter("money")
    assert money is not None and (money.used, money.held) == (0, 10)


@_CASE
async def _one_of_many_racing_appends_wins(harness: Harness, store: Store) -> None:
    await create(store, 1)
    bodies = [b"racer %d" % racer for racer in range(20)]
    racers = [
        Append(stream=1, expected_version=1, epoch=1, events=(event(2, body=body),))
        for body in bodies
    ]
    results = await asyncio.gather(*map(store.append, racers), return_exceptions=True)
    winners = [at for at, result in enumerate(results) if isinstance(result, bytes)]
    assert len(winners) == 1
    assert all(isinstance(r, Conflict) for at, r in enumerate(results) if at not in winners)
    assert [bodies[winners[0]]] == [found.body for found in await store.read(1, after=1)]


@_CASE
async def _a_cancelled_caller_leaves_all_or_nothing(harness: Harness, store: Store) -> None:
    await store.set_counter("money", 1000)
    for stream in range(1, 21):
        await create(store, stream)
    made = [
        append(stream, 1, 3, takes=(Take(counter="money", amount=7),), pending=(command_row(b"p"),))
        for stream in range(1, 21)
    ]
    made = [replace(one, pending=(replace(one.pending[0], stream=one.stream),)) for one in made]
    tasks = [asyncio.ensure_future(store.append(one)) for one in made]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, bytes) for result in results[1::2])
    whole = 0
    for stream in range(1, 21):
        versions, waiting = await versions_of(store, stream), await store.pending(stream)
        assert (versions, len(waiting)) in (([1, 2, 3, 4], 1), ([1], 0))
        whole += len(waiting)
    money = await store.counter("money")
    assert money is not None and whole * 7 == money.held


# --- leases


@_CASE
async def _an_unleased_or_lost_session_is_fenced(harness: Harness, store: Store) -> None:
    lease = await create(store, 1)
    await store.release(1, lease.epoch)
    assert (await row_of(store, 1)).node is None
    await refused(Fenced, store.append(append(1, 1)))
    again = await store.lease(1)
    assert (2, 1, lease.head) == (again.epoch, again.version, again.head)
    await refused(Fenced, store.append(append(1, 1)))
    await store.append(append(1, 1, epoch=2))


@_CASE
async def _leasing_again_raises_the_epoch(harness: Harness, store: Store) -> None:
    await create(store, 1)
    assert [(await store.lease(1)).epoch for _ in range(2)] == [2, 3]
    await refused(SessionNotFound, store.lease(2))
    await store.release(1, 2)
    assert store.node == (await row_of(store, 1)).node, "an old epoch releases nothing"
    await store.release(2, 1)


@_CASE
async def _a_live_node_keeps_its_lease(harness: Harness, store: Store) -> None:
    await create(store, 1)
    second = await harness.open_second()
    assert second.node != store.node
    await refused(LeaseHeld, second.lease(1))
    await refused(Fenced, second.append(append(1, 1)))
    await second.release(1, 1)
    await store.append(append(1, 1))
    await store.release(1, 1)
    assert ((lease := await second.lease(1)).epoch, lease.version) == (2, 2)
    await refused(LeaseHeld, store.lease(1))
    await refused(Fenced, store.append(append(1, 2)))
    await second.aclose()


@_CASE
async def _a_dead_nodes_lease_is_taken_over(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    await create(second, 1, count=3)
    await harness.kill(second)
    lease = await store.lease(1)
    assert (lease.epoch, lease.version) == (2, 3) and lease.grace_s >= 0
    await store.append(append(1, 3, epoch=2))
    third = await harness.open_second()
    assert third.node not in (second.node, store.node)
    await refused(LeaseHeld, third.lease(1))
    await third.aclose()


@_CASE
async def _closing_gives_leases_up(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    await create(second, 1)
    await second.aclose()
    assert (await row_of(store, 1)).node is None
    assert (await store.lease(1)).epoch == 2


# --- counters, asserts, grants


@_CASE
async def _takes_and_settles_add_up(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await store.set_counter("a", 10)
    twice = (Take(counter="a", amount=4), Take(counter="a", amount=4))
    await store.append(append(1, 1, takes=twice))
    await refused(CounterRefused, store.append(append(1, 2, takes=(Take(counter="a", amount=3),))))
    await store.append(append(1, 2, settles=(Settle(counter="a", held=4, used=1),)))
    counter = await store.counter("a")
    assert counter is not None and (counter.limit, counter.used, counter.held) == (10, 1, 4)
    both = append(
        1,
        3,
        settles=(Settle(counter="a", held=4, used=0),),
        takes=(Take(counter="a", amount=9),),
    )
    await store.append(both)
    over = Settle(counter="a", held=9, used=15)
    await store.append(append(1, 4, settles=(over,)))
    counter = await store.counter("a")
    assert counter is not None and (counter.used, counter.held) == (16, 0), "facts are kept"
    await refused(CounterRefused, store.append(append(1, 5, settles=(over,))))
    nothing = Settle(counter="none", held=0, used=1)
    assert (
        await refused(CounterRefused, store.append(append(1, 5, settles=(nothing,))))
    ).counter == "none"


@_CASE
async def _a_limit_can_change_or_be_none(harness: Harness, store: Store) -> None:
    await create(store, 1)
    assert await store.counter("a") is None
    first = await store.set_counter("a", 5)
    await store.append(append(1, 1, takes=(Take(counter="a", amount=5),)))
    lower = await store.set_counter("a", 2)
    assert (lower.limit, lower.used, lower.held) == (2, 0, 5) and lower == await store.counter("a")
    assert first.revision < lower.revision
    assert lower == await store.set_counter("a", 2)
    await refused(CounterRefused, store.append(append(1, 2, takes=(Take(counter="a", amount=1),))))
    await store.set_counter("a", None)
    await store.append(append(1, 2, takes=(Take(counter="a", amount=10**15),)))


@_CASE
async def _concurrent_takes_never_pass_the_limit(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    for stream in range(1, 31):
        await create(store if stream % 2 else second, stream)
    await store.set_counter("money", 20)
    take = (Take(counter="money", amount=2),)
    attempts = [
        (store if stream % 2 else second).append(append(stream, 1, takes=take))
        for stream in range(1, 31)
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(result, bytes) for result in results) == 10
    assert sum(isinstance(result, CounterRefused) for result in results) == 20
    money = await second.counter("money")
    assert money is not None and money.held == 20
    await second.aclose()


@_CASE
async def _asserts_see_every_change_of_a_scope(harness: Harness, store: Store) -> None:
    await create(store, 1)
    assert await store.grants("s") == (0, [])
    await store.append(append(1, 1, asserts=(Assert(scope="s", revision=0),)))
    assert await store.put_grant(Grant(scope="s", id=b"b", body=b"one")) == 1
    assert await store.put_grant(Grant(scope="s", id=b"a", body=b"two")) == 2
    assert await store.put_grant(Grant(scope="s", id=b"b", body=b"three")) == 3
    assert await store.put_grant(Grant(scope="other", id=b"b", body=b"x")) == 1
    revision, rows = await store.grants("s")
    assert (
        revision,
        [(row.id, row.body, row.revision) for row in rows],
    ) == (3, [(b"a", b"two", 2), (b"b", b"three", 3)])
    old = append(1, 2, asserts=(Assert(scope="other", revision=1), Assert(scope="s", revision=2)))
    assert (await refused(Stale, store.append(old))).scope == "s"
    await store.append(append(1, 2, asserts=(Assert(scope="s", revision=3),)))
    assert await store.drop_grant("s", b"a") == 4
    assert (await store.grants("s"))[0] == 4 and len((await store.grants("s"))[1]) == 1
    await refused(Stale, store.append(append(1, 3, asserts=(Assert(scope="s", revision=3),))))


# --- commands and pending rows


@_CASE
async def _commands_are_carried_out_once(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await create(store, 2)
    seq = await store.submit(command_row(b"c"))
    assert seq == await store.submit(command_row(b"c")), "the same again is a no-op"
    await refused(CommandMismatch, store.submit(command_row(b"c", b"other")))
    await refused(CommandMismatch, store.append(append(1, 1, done=done_with(b"c", b"other"))))
    await store.append(append(1, 1, 2, done=done_with(b"c")))
    assert await store.pending(1) == [] and await store.command(1, b"c") == (3, b"d")
    assert (await refused(DuplicateCommand, store.submit(command_row(b"c")))).version == 3
    await refused(CommandMismatch, store.submit(command_row(b"c", b"other")))
    again = append(1, 3, done=done_with(b"c"))
    assert (await refused(DuplicateCommand, store.append(again))).version == 3
    assert await store.command(2, b"c") is None
    await store.append(append(2, 1, done=done_with(b"c")))
    await refused(SessionNotFound, store.submit(command_row(b"c", stream=9)))


@_CASE
async def _pending_rows_keep_their_order(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await create(store, 2)
    seqs = [await store.submit(command_row(id)) for id in (b"z", b"a")]
    seqs.append(await store.submit(command_row(b"m", stream=2)))
    timer = PendingRow(stream=1, kind=PendingKind.TIMER, id=b"a", due_ms=50, claim="w", principal=3)
    await store.append(append(1, 1, pending=(timer,)))
    rows = await store.pending()
    assert [row.id for row in rows] == [b"z", b"a", b"m", b"a"]
    assert seqs == [row.seq for row in rows][:3] and sorted(seqs) == seqs and seqs[0] > 0
    assert (rows[0].payload, rows[0].digest) == (b"pz", b"d")
    assert timer == replace(rows[3], seq=0, created_ms=0)
    changed = replace(command_row(b"z", b"new"), payload=b"changed")
    await store.append(append(1, 2, pending=(changed,)))
    assert [row.payload for row in await store.pending(1, limit=2)] == [b"changed", b"pa"]
    assert [row.id for row in await store.pending(kind=PendingKind.TIMER)] == [b"a"]
    first, second, third, _ = await store.pending()
    assert [row.id for row in await store.pending(after=first.seq, limit=2)] == [b"a", b"m"]
    assert [row.id for row in await store.pending(1, after=second.seq)] == [b"a"]
    assert await store.pending(2, after=third.seq) == []
    settled = ((PendingKind.COMMAND, b"a"), (PendingKind.QUESTION, b"none"))
    await store.append(append(1, 3, settled=settled))
    assert [row.id for row in await store.pending(1)] == [b"z", b"a"]
    assert [await store.drop_pending(1, PendingKind.COMMAND, b"z") for _ in range(2)] == [
        True,
        False,
    ]
    assert seqs[-1] < await store.submit(command_row(b"last")), "places are not used again"


@_CASE
async def _due_rows_come_in_order_of_time(harness: Harness, store: Store) -> None:
    await create(store, 1)
    for id, due in ((b"late", 90), (b"soon", 10), (b"now", 50), (b"never", None)):
        await store.submit(PendingRow(stream=1, kind=PendingKind.TIMER, id=id, due_ms=due))
    assert [row.id for row in await store.pending(due_before_ms=50)] == [b"soon", b"now"]
    assert [row.id for row in await store.pending(1, due_before_ms=100, limit=1)] == [b"soon"]
