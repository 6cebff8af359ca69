"""The hierarchy keeps what is above a key apart, fresh and out of memory in time."""

from __future__ import annotations

import random

import pytest

from holdfast.adapters.keys.hierarchy import HierarchyKeys
from holdfast.adapters.keys.memory import MemoryKeys, MemoryShelf
from holdfast.adapters.keys.wraps import CACHED_S_MAX, Kind
from holdfast.core.errors import CorruptStore, WrongKey


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def filled(clock: Clock | None = None) -> tuple[MemoryKeys, MemoryShelf]:
    """Keys with two tenants, three users and four sessions, and their shelf."""
    keys = MemoryKeys(random.Random(1).randbytes, monotonic=clock or Clock())
    for stream, tenant, user in ((1, "a", "x"), (2, "a", "x"), (3, "a", "y"), (4, "b", "x")):
        keys.create_session_key(tenant=tenant, user=user, stream=stream)
    keys.tenant_secret("a")
    return keys, keys._disk[0]


def test_users_are_apart_by_tenant_and_not_named() -> None:
    """The same name in two tenants is two users, and neither is kept as a name."""
    _, shelf = filled()
    users = [wrap.scope for tenant in (b"a", b"b") for wrap in shelf.under(Kind.USER, tenant)]
    assert 3 == len(set(users))
    assert {16} == {len(user) for user in users}


def test_every_wrap_names_its_parent_and_epoch() -> None:
    """Sessions hang below users, users below tenants, tenants below the installation."""
    keys, shelf = filled()
    keys.rotate(now_ms=1)
    wraps = [wrap for by_id in shelf._wraps.values() for wrap in by_id.values()]
    above = {
        Kind.AUDIT: 0,
        Kind.TENANT: 0,
        Kind.BLIND: 2,
        Kind.OWN: 2,
        Kind.USER: 2,
        Kind.SESSION: 2,
    }
    assert {2} == {wrap.epoch for wrap in wraps}
    assert all(above[wrap.kind] == wrap.parent_id for wrap in wraps)
    fresh = (Kind.TENANT, Kind.USER)
    assert all((2 if wrap.kind in fresh else 1) == wrap.key_id for wrap in wraps)


def test_rotation_draws_tenant_and_user_keys_afresh() -> None:
    """No tenant or user key is the same after a rotation; all others are."""
    keys, shelf = filled()

    def secrets() -> dict[tuple[Kind, bytes], bytes]:
        return {
            (wrap.kind, wrap.scope): bytes(keys._secret(wrap))
            for by_id in shelf._wraps.values()
            for wrap in by_id.values()
        }

    before = secrets()
    keys.rotate(now_ms=1)
    after = secrets()
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert {name for name in before if name[0] in (Kind.TENANT, Kind.USER)} == changed


def test_key_without_its_parent_is_damage() -> None:
    """When a user's or a tenant's row is lost, the sessions below do not open."""
    for lost in (Kind.USER, Kind.TENANT):
        keys, shelf = filled()
        (scope,) = {wrap.parent for wrap in shelf.under(Kind.SESSION, _user_of(shelf))}
        shelf.erase(lost, scope if lost is Kind.USER else b"a")
        with pytest.raises(CorruptStore):
            keys.reopen().session_key(1)


def _user_of(shelf: MemoryShelf) -> bytes:
    wrap = shelf.find(Kind.SESSION, (1).to_bytes(8, "big"))
    assert wrap is not None
    return wrap.parent


def test_store_without_audit_key_or_with_a_foreign_vault_is_refused() -> None:
    """Both are noticed at opening."""
    keys, shelf = filled()
    other = MemoryKeys()
    with pytest.raises(WrongKey):
        HierarchyKeys(shelf, other._disk[1])
    shelf.erase(Kind.AUDIT, b"")
    with pytest.raises(WrongKey):
        keys.reopen()


def test_keys_leave_memory_in_time_and_come_back() -> None:
    """After the cache's life nothing is in memory; a key is then unwrapped anew."""
    clock = Clock()
    keys, _ = filled(clock)
    secret = bytes(keys.session_key(1).secret)
    assert len(keys._cache) > 0
    clock.now = CACHED_S_MAX
    keys._cache.sweep()
    assert 0 == len(keys._cache)
    assert secret == keys.session_key(1).secret


def test_destroyed_and_closed_keys_leave_memory_at_once() -> None:
    """Destruction overwrites the cached key, closing all of them."""
    keys, _ = filled()
    keys.session_key(1)
    entries = keys._cache._entries
    held = entries[Kind.SESSION, (1).to_bytes(8, "big"), 1][2]
    keys.destroy_session(1, now_ms=1)
    assert bytes(32) == held
    rest = [entry[2] for entry in entries.values()]
    keys.close()
    assert {bytes(32)} == {bytes(buffer) for buffer in rest}


def test_stream_out_of_range_is_a_bug() -> None:
    """A stream is an unsigned number of 64 bits."""
    keys, _ = filled()
    for stream in (-1, 2**64):
        with pytest.raises(AssertionError):
            keys.session_key(stream)
