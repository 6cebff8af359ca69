"""What every store does alike: misuse checks, counter arithmetic, cursors."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.errors import CounterRefused, InvalidInput, TooLarge
from holdfast.ports.store import (
    Append,
    Counter,
    Filter,
    IndexRow,
    PendingRow,
    SealedEvent,
)

COMMAND_KEPT_MS = 7 * 24 * 3600 * 1000
"""How long the id of a carried-out command is kept (contract 1.11)."""

PART_BYTES_MAX = 1024 * 1024 + 4096
"""Largest blob part: 1 MiB of content and the overhead of sealing."""

TOKEN_BYTES = 16
_INTEGER_END = 1 << 63
_AMOUNT_END = 1 << 62


def check_append(append: Append) -> None:
    """Assert that an append is well formed; anything else is a bug of the caller."""
    assert 0 < append.stream < _INTEGER_END, "stream ids are 63-bit numbers above 0"
    assert append.expected_version >= 0, append.expected_version
    version = append.expected_version
    for event in append.events:
        version += 1
        assert event.version == version, f"version {event.version} where {version} is due"
        _check_event(event, append.epoch)
    for take in append.takes:
        assert 0 <= take.amount < _AMOUNT_END, take
        assert take.limit is None or 0 <= take.limit < _AMOUNT_END, take
    for settle in append.settles:
        assert 0 <= settle.held < _AMOUNT_END and 0 <= settle.used < _AMOUNT_END, settle
    for changed in append.limits:
        assert changed.limit is None or 0 <= changed.limit < _AMOUNT_END, changed
    for change in append.grants:
        assert change.scope and (change.id or change.body is None), "a grant has scope and id"
    ids = [done.id for done in append.done]
    assert len(set(ids)) == len(ids), "one append carries out a command once"
    for row in append.pending:
        check_pending(row)
    if append.index is not None:
        _check_index(append.index)


def check_first(first: Append) -> None:
    """Assert that an append can be the first of a stream."""
    assert first.expected_version == 0 and first.epoch == 1, "a stream begins at version 0, epoch 1"
    assert first.events, "a stream begins with an event"
    check_append(first)


def check_pending(row: PendingRow) -> None:
    """Assert that a pending row is well formed."""
    assert 0 < row.stream < _INTEGER_END, row.stream
    assert row.id, "a pending row needs an id"
    assert 0 <= row.principal < _INTEGER_END, row.principal


def check_part(part: int, body: bytes) -> None:
    """Refuse a blob part that is too large.

    Raises:
        TooLarge: `body` is over 1 MiB and overhead.
    """
    assert part >= 0, part
    if len(body) > PART_BYTES_MAX:
        raise TooLarge(f"a part has at most {PART_BYTES_MAX} bytes, not {len(body)}")


def _check_event(event: SealedEvent, epoch: int) -> None:
    assert event.epoch == epoch, "an event carries the epoch of its append"
    assert 0 <= event.actor < _INTEGER_END, event.actor
    assert 0 <= event.kind < 0x10000, event.kind
    assert event.key_id >= 0, event.key_id
    assert event.hash, "an event needs its hash"


def _check_index(index: IndexRow) -> None:
    assert all(len(token) == TOKEN_BYTES for token in index.tokens), "tokens have 16 bytes"
    assert 0 <= index.sensitivity <= 4, index.sensitivity


def charge(append: Append, load: Callable[[str], Counter | None]) -> dict[str, Counter]:
    """Compute the counters after an append's limits, settles and takes; keep nothing.

    A counter that is not there is made by a new limit or by a take that names one.

    Args:
        append: limits come first, then settles, then takes, each in id order.
        load: reads one counter.

    Raises:
        CounterRefused: a counter has not enough left, or does not exist, or
            less is held on it than is to be settled.
    """
    after: dict[str, Counter] = {}

    def current(id: str, limit: int | None = None) -> Counter:
        counter = after.get(id) or load(id)
        if counter is None and limit is not None:
            counter = with_limit(None, id, limit)
        if counter is None:
            raise CounterRefused(id)
        return counter

    for change in append.limits:
        id = change.counter
        after[id] = with_limit(after.get(id) or load(id), id, change.limit)
    for settle in sorted(append.settles, key=lambda settle: settle.counter):
        counter = current(settle.counter, settle.limit)
        if settle.held > counter.held:
            raise CounterRefused(counter.id)
        after[counter.id] = moved(counter, used=settle.used, held=-settle.held)
    for take in sorted(append.takes, key=lambda take: take.counter):
        counter = current(take.counter, take.limit)
        wanted = counter.used + counter.held + take.amount
        if counter.limit is not None and wanted > counter.limit:
            raise CounterRefused(counter.id)
        after[counter.id] = moved(counter, held=take.amount)
    return after


def moved(counter: Counter, *, used: int = 0, held: int = 0) -> Counter:
    """Return the counter with so much more used and held."""
    return Counter(
        id=counter.id,
        limit=counter.limit,
        used=counter.used + used,
        held=counter.held + held,
        revision=counter.revision,
    )


def with_limit(counter: Counter | None, id: str, limit: int | None) -> Counter:
    """Return the counter with another limit; its revision goes up if it changed."""
    assert limit is None or 0 <= limit < _AMOUNT_END, limit
    if counter is None:
        return Counter(id=id, limit=limit, revision=1)
    if counter.limit == limit:
        return counter
    return Counter(
        id=id,
        limit=limit,
        used=counter.used,
        held=counter.held,
        revision=counter.revision + 1,
    )


def folded(name: str) -> str:
    """Return the form of a name that is unique within a tenant."""
    return name.casefold()


def cursor_of(updated_ms: int, stream: int) -> str:
    """Write the cursor that stands behind a row of a listing."""
    return f"{updated_ms}.{stream}"


def cursor_at(filter: Filter) -> tuple[int, int] | None:
    """Read a filter's cursor: updated_ms and stream, or None at the beginning.

    Raises:
        InvalidInput: it is not one of ours.
    """
    if not filter.cursor:
        return None
    updated, dot, stream = filter.cursor.partition(".")
    try:
        place = (int(updated), int(stream))
    except ValueError:
        dot = ""
        place = (0, 0)
    if not dot or max(map(abs, place)) >= _INTEGER_END:
        raise InvalidInput("the cursor of this listing is not one of ours")
    return place


def page_size(filter: Filter) -> int:
    """Return a filter's limit within its bounds, 1 to 1,000."""
    return max(1, min(filter.limit, 1000))
