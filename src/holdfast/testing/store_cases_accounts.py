"""Cases of the store's contract: counters and grants that an append makes or changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from holdfast.core.errors import Conflict, CounterRefused, Stale
from holdfast.ports.store import (
    Append,
    Assert,
    Counter,
    Grant,
    GrantChange,
    NewLimit,
    Settle,
    Store,
    Take,
    counter_of,
    session_scope,
)
from holdfast.testing.store_kit import (
    Case,
    Cases,
    Harness,
    append,
    create,
    refused,
    versions_of,
)

_CASE = Cases()


def account_cases() -> list[Case]:
    """Return the cases, in a fixed order."""
    return list(_CASE)


async def _counter(store: Store, id: str) -> Counter:
    counter = await store.counter(id)
    assert counter is not None, f"there is no counter {id}"
    return counter


def _grants(scope: str, *rows: tuple[bytes, bytes | None]) -> tuple[GrantChange, ...]:
    return tuple(GrantChange(scope=scope, id=id, body=body) for id, body in rows)


@_CASE
async def _a_take_makes_its_counter(harness: Harness, store: Store) -> None:
    await create(store, 1)
    takes = (Take(counter="a", amount=4, limit=10), Take(counter="a", amount=5, limit=99))
    await store.append(append(1, 1, takes=takes))
    made = await _counter(store, "a")
    assert (made.limit, made.used, made.held) == (10, 0, 9), "the first take's limit holds"
    assert made.revision > 0
    await store.append(append(1, 2, takes=(Take(counter="a", amount=1, limit=1),)))
    again = await _counter(store, "a")
    assert (10, 10, made.revision) == (again.limit, again.held, again.revision)
    more = append(1, 3, takes=(Take(counter="a", amount=1, limit=1_000),))
    assert (await refused(CounterRefused, store.append(more))).counter == "a"
    assert again == await store.counter("a"), "an existing counter keeps its own limit"


@_CASE
async def _a_counter_is_not_made_by_what_is_refused(harness: Harness, store: Store) -> None:
    await create(store, 1)
    over = Take(counter="small", amount=2, limit=1)
    await refused(CounterRefused, store.append(append(1, 1, takes=(over,))))
    fits = Take(counter="fits", amount=1, limit=1)
    await refused(CounterRefused, store.append(append(1, 1, takes=(fits, over))))
    await refused(Conflict, store.append(append(1, 9, takes=(fits,))))
    none = Settle(counter="fits", held=0, used=0)
    await refused(CounterRefused, store.append(append(1, 1, takes=(fits,), settles=(none,))))
    assert None is await store.counter("small") and None is await store.counter("fits")
    assert await versions_of(store, 1) == [1]


@_CASE
async def _a_race_to_make_a_counter_has_one_limit(harness: Harness, store: Store) -> None:
    second = await harness.open_second()
    for stream in range(1, 21):
        await create(store if stream % 2 else second, stream)
    attempts = [
        (store if stream % 2 else second).append(
            append(stream, 1, takes=(Take(counter="a", amount=1, limit=3 + stream % 2),))
        )
        for stream in range(1, 21)
    ]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    counter = await _counter(second, "a")
    assert counter.limit in (3, 4) and counter.held == counter.limit
    assert counter.held == sum(isinstance(result, bytes) for result in results)
    assert all(isinstance(result, bytes | CounterRefused) for result in results)
    await second.aclose()


@_CASE
async def _what_was_used_counts_in_full(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await store.append(append(1, 1, takes=(Take(counter="a", amount=3, limit=10),)))
    await store.append(append(1, 2, settles=(Settle(counter="a", held=3, used=25),)))
    counter = await _counter(store, "a")
    assert (counter.limit, counter.used, counter.held) == (10, 25, 0)
    await refused(CounterRefused, store.append(append(1, 3, takes=(Take(counter="a", amount=0),))))
    await store.set_counter("a", 26)
    await store.append(append(1, 3, takes=(Take(counter="a", amount=1),)))


@_CASE
async def _a_bill_makes_its_counter(harness: Harness, store: Store) -> None:
    await create(store, 1)
    bill = Settle(counter="a", held=0, used=7, limit=5)
    await store.append(append(1, 1, settles=(bill,)))
    counter = await _counter(store, "a")
    assert (counter.limit, counter.used, counter.held) == (5, 7, 0)
    await store.append(append(1, 2, settles=(replace(bill, limit=99),)))
    counter = await _counter(store, "a")
    assert (counter.limit, counter.used) == (5, 14), "an existing counter keeps its own limit"


@_CASE
async def _an_append_raises_a_limit_for_its_own_takes(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await store.append(append(1, 1, takes=(Take(counter="a", amount=3, limit=3),)))
    before = await _counter(store, "a")
    more = append(1, 2, takes=(Take(counter="a", amount=2),))
    low = (NewLimit(counter="a", limit=4), NewLimit(counter="b", limit=1))
    await refused(CounterRefused, store.append(replace(more, limits=low)))
    assert before == await store.counter("a") and None is await store.counter("b")
    high = (NewLimit(counter="a", limit=5), NewLimit(counter="b", limit=1))
    await store.append(replace(more, limits=high))
    found = await store.counters(["b", "none", "a"])
    assert {"a", "b"} == set(found), "a new limit makes its counter"
    assert (found["a"].limit, found["a"].held) == (5, 5) and found["b"].limit == 1
    assert found["a"].revision > before.revision
    await store.append(append(1, 3, limits=(NewLimit(counter="a", limit=None),)))
    await store.append(append(1, 4, takes=(Take(counter="a", amount=99),)))
    assert await store.counters([]) == {}


@_CASE
async def _an_append_changes_grants(harness: Harness, store: Store) -> None:
    await create(store, 1)
    first = _grants("s", (b"a", b"one"), (b"b", b"two"), (b"a", b"three"))
    await store.append(append(1, 1, grants=(*first, *_grants("other", (b"x", b"y")))))
    revision, rows = await store.grants("s")
    assert revision == 3
    assert [(r.id, r.body, r.revision) for r in rows] == [(b"a", b"three", 3), (b"b", b"two", 2)]
    await store.append(append(1, 2, grants=_grants("s", (b"a", None), (b"none", None))))
    revision, rows = await store.grants("s")
    assert (revision, [row.id for row in rows]) == (5, [b"b"])
    await store.append(append(1, 3, grants=_grants("s", (b"c", b"c"), (b"", None))))
    assert await store.grants("s") == (7, [])
    assert len((await store.grants("other"))[1]) == 1, "another scope is untouched"
    assert await store.put_grant(Grant(scope="s", id=b"a", body=b"again")) == 8


@_CASE
async def _an_append_may_change_what_it_relied_on(harness: Harness, store: Store) -> None:
    await create(store, 1)
    relied = (Assert(scope="s", revision=0),)
    made = append(1, 1, asserts=relied, grants=_grants("s", (b"a", b"one")))
    await store.append(made)
    late = append(1, 2, asserts=relied, grants=_grants("s", (b"b", b"two")))
    assert (await refused(Stale, store.append(late))).scope == "s"
    assert (
        (await store.grants("s"))[0],
        [r.id for r in (await store.grants("s"))[1]],
    ) == (1, [b"a"])
    await store.append(replace(late, asserts=(Assert(scope="s", revision=1),)))
    assert (await store.grants("s"))[0] == 2


@_CASE
async def _a_refused_append_changes_no_grant(harness: Harness, store: Store) -> None:
    await create(store, 1, grants=_grants("s", (b"a", b"one")))
    before = await store.grants("s")
    bad = append(
        1,
        1,
        grants=_grants("s", (b"b", b"two"), (b"", None)),
        takes=(Take(counter="new", amount=1, limit=5), Take(counter="none", amount=1)),
    )
    assert (await refused(CounterRefused, store.append(bad))).counter == "none"
    assert before == await store.grants("s") and None is await store.counter("new")
    await refused(Conflict, store.append(replace(bad, takes=(), expected_version=4, events=())))
    assert before == await store.grants("s")


@_CASE
async def _grants_of_one_batch_are_told_apart(harness: Harness, store: Store) -> None:
    for stream in range(1, 21):
        await create(store, stream)
    attempts: list[Append] = [
        append(
            stream,
            1,
            asserts=(Assert(scope="s", revision=0),),
            grants=_grants("s", (b"g%d" % stream, b"body")),
        )
        for stream in range(1, 21)
    ]
    results = await asyncio.gather(*map(store.append, attempts), return_exceptions=True)
    won = [at for at, result in enumerate(results) if isinstance(result, bytes)]
    assert len(won) == 1, "whoever relied on the former revision is told"
    assert all(isinstance(r, Stale) for at, r in enumerate(results) if at not in won)
    revision, rows = await store.grants("s")
    assert (1, [b"g%d" % (won[0] + 1)]) == (revision, [row.id for row in rows])


@_CASE
async def _erase_takes_the_sessions_own_grants_and_counters(harness: Harness, store: Store) -> None:
    mine, others, longer = session_scope(1), session_scope(2), session_scope(0x1F)
    uses = bytes(range(16))
    own, held, theirs = counter_of(mine, "m"), counter_of(mine, "t"), counter_of(others, "m")
    near = counter_of(longer, "m")
    takes = tuple(
        Take(counter=id, amount=1, limit=9)
        for id in (own, held, theirs, near, f"grant:{uses.hex()}")
    )
    below = counter_of(mine, "taint")
    grants = (
        *_grants(mine, (uses, b"x")),
        *_grants(below, (b"t", b"z")),
        *_grants(others, (b"b", b"y")),
    )
    await create(store, 1, takes=takes, grants=grants)
    assert len((await store.grants(below))[1]) == 1
    await create(store, 2)
    free = tuple(
        Settle(counter=take.counter, held=1, used=1) for take in takes if take.counter != held
    )
    await store.append(append(1, 1, settles=free, drop_name=True))
    await store.erase(1)
    await store.erase(1)
    assert None is await store.counter(own)
    assert None is await store.counter(f"grant:{uses.hex()}"), "uses of the session's own grants"
    assert (await store.grants(mine))[1] == [] and (await store.grants(mine))[0] > 1
    assert (await store.grants(below))[1] == [], "a scope below the session's own goes with it"
    assert (await _counter(store, held)).held == 1, "a child still holds something on it"
    assert (await _counter(store, theirs)).used == 1 and (await _counter(store, near)).used == 1
    assert len((await store.grants(others))[1]) == 1
    await store.append(append(2, 1, takes=(Take(counter=own, amount=1, limit=2),)))
    assert (await _counter(store, own)).limit == 2, "a counter made anew knows nothing of the old"


@_CASE
async def _erase_and_takes_of_one_batch_agree(harness: Harness, store: Store) -> None:
    await create(store, 1)
    await create(store, 2)
    own = counter_of(session_scope(1), "m")
    takes = (Take(counter=own, amount=1, limit=5), Take(counter="shared", amount=1, limit=5))
    settles = tuple(Settle(counter=take.counter, held=1, used=1) for take in takes)
    await store.append(append(1, 1, takes=takes))
    await asyncio.gather(
        store.append(append(1, 2, settles=settles)),
        store.erase(1),
        store.append(append(2, 1, takes=takes[1:])),
    )
    shared = await _counter(store, "shared")
    assert (shared.used, shared.held) == (1, 1) and None is await store.counter(own)
