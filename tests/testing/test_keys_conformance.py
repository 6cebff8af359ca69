"""The conformance suite of the keys port finds what breaks the contract."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.errors import HoldfastError, KeyMissing
from holdfast.ports.keys import DataKey, DestroyReceipt, TokenKey
from holdfast.testing import keys_conformance
from holdfast.testing.keys_conformance import CHECKS


class Sharing(MemoryKeys):
    """Gives every caller the same buffer."""

    shared: dict[int, DataKey]

    def session_key(self, stream: int, key_id: int = 1) -> DataKey:
        """Hand out one buffer for all."""
        self.shared = getattr(self, "shared", {})
        return self.shared.setdefault(stream, super().session_key(stream, key_id))


class Undying(MemoryKeys):
    """Gives a receipt and keeps the key."""

    def destroy_session(self, stream: int, *, now_ms: int) -> DestroyReceipt:
        """Lie."""
        return DestroyReceipt(stream=stream, destroyed_at_ms=now_ms, epoch=1)


class Forgetful(MemoryKeys):
    """Says of a destroyed key that it never was."""

    def session_key(self, stream: int, key_id: int = 1) -> DataKey:
        """Raise the wrong one of two related errors."""
        try:
            return super().session_key(stream, key_id)
        except KeyMissing:
            raise KeyMissing("no such key") from None


class OneForAll(MemoryKeys):
    """Has the same blind key for every tenant."""

    def blind_key(self, tenant: str) -> bytes:
        """Ignore the tenant."""
        return super().blind_key("")


class Still(MemoryKeys):
    """Says that it rotates."""

    def rotate(self, *, now_ms: int) -> int:
        """Do nothing."""
        return 2


class Brief(MemoryKeys):
    """Does not note until when a key has to verify."""

    def token_key(self, *, until_ms: int, now_ms: int) -> TokenKey:
        """Forget the time."""
        return super().token_key(until_ms=0, now_ms=now_ms)


class NeverClosed(MemoryKeys):
    """Goes on after `close`."""

    def close(self) -> None:
        """Do nothing."""


def failed_checks(make: Callable[[], MemoryKeys]) -> set[str]:
    """Names of the checks that an implementation does not pass."""
    failed = set()
    for check in CHECKS:
        kept = make()

        def opened(kept: MemoryKeys = kept) -> MemoryKeys:
            return type(kept)(disk=kept._disk)

        try:
            check(opened)
        except (AssertionError, HoldfastError):
            failed.add(check.__name__)
    return failed


def test_every_check_is_listed_and_described() -> None:
    """No check is forgotten in the list, and each states its fact."""
    names = {name for name in vars(keys_conformance) if name.startswith("check_")}
    assert names == {check.__name__ for check in CHECKS}
    assert all(check.__doc__ for check in CHECKS)


def test_good_keys_pass() -> None:
    """The memory keys themselves fail nothing."""
    assert set() == failed_checks(MemoryKeys)


@pytest.mark.parametrize(
    ("bad", "found_by"),
    [
        (Sharing, "check_every_caller_owns_its_buffer"),
        (Undying, "check_destruction_is_final_and_idempotent"),
        (Undying, "check_destruction_is_seen_by_others"),
        (Forgetful, "check_destruction_is_final_and_idempotent"),
        (OneForAll, "check_tenant_keys_are_stable_and_distinct"),
        (Still, "check_rotation_keeps_all_that_lives"),
        (Brief, "check_token_keys_outlive_what_they_signed"),
        (NeverClosed, "check_closed_refuses"),
    ],
)
def test_broken_keys_are_found(bad: type[MemoryKeys], found_by: str) -> None:
    """Each planted fault is found by the check that is meant for it."""
    assert found_by in failed_checks(bad)
