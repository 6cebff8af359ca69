"""What every implementation of the keys port must do; run by each one's own test.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check):
        check(lambda: MyKeys.open(...))

A check is given a function that opens the same kept keys again and again, as a
new process would. It raises `AssertionError` where the contract is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.core.errors import (
    AlreadyThere,
    HoldfastError,
    KeyDestroyed,
    KeyMissing,
    SessionSealed,
    StoreClosed,
)
from holdfast.ports.keys import DestroyReceipt, Keys

Open = Callable[[], Keys]
Check = Callable[[Open], None]


@contextmanager
def _refused(kind: type[HoldfastError]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        assert type(error) is kind, f"{kind.__name__} was expected, not {type(error).__name__}"
        return
    raise AssertionError(f"{kind.__name__} was expected")


@contextmanager
def _opened(open_keys: Open) -> Iterator[Keys]:
    keys = open_keys()
    try:
        yield keys
    finally:
        keys.close()


def _create(keys: Keys, stream: int, tenant: str = "acme", user: str = "ada") -> bytes:
    return bytes(keys.create_session_key(tenant=tenant, user=user, stream=stream).secret)


def check_session_key_comes_back(open_keys: Open) -> None:
    """A created key is 32 random bytes with id 1 and is the same after reopening."""
    streams = (1, 2**63, 2**64 - 1)
    with _opened(open_keys) as keys:
        made = {stream: _create(keys, stream) for stream in streams}
        assert {32} == {len(secret) for secret in made.values()}
        assert len(set(made.values())) == 3
        assert keys.session_key(1).key_id == 1
    with _opened(open_keys) as keys:
        assert made == {stream: bytes(keys.session_key(stream).secret) for stream in streams}
        assert frozenset(streams) == keys.living_streams()
        at_once = keys.session_keys((*streams, 5))
        assert made == {stream: bytes(key.secret) for stream, key in at_once.items()}


def check_every_caller_owns_its_buffer(open_keys: Open) -> None:
    """Wiping one caller's key leaves everybody else's alone."""
    with _opened(open_keys) as keys:
        first = keys.create_session_key(tenant="acme", user="ada", stream=7)
        secret = bytes(first.secret)
        first.wipe()
        second, third = keys.session_key(7), keys.session_key(7)
        second.wipe()
        keys.session_keys((7,))[7].wipe()
        assert bytes(32) == first.secret == second.secret
        assert secret == third.secret == keys.session_key(7).secret


def check_unknown_is_missing(open_keys: Open) -> None:
    """An unknown stream or key id is `KeyMissing`, also to destroy."""
    with _opened(open_keys) as keys:
        _create(keys, 1)
        with _refused(KeyMissing):
            keys.session_key(2)
        with _refused(KeyMissing):
            keys.session_key(1, key_id=2)
        with _refused(KeyMissing):
            keys.destroy_session(2, now_ms=5)
        assert keys.receipt(2) is None


def check_key_is_never_replaced(open_keys: Open) -> None:
    """A stream gets a key once in its life."""
    with _opened(open_keys) as keys:
        secret = _create(keys, 1)
        with _refused(AlreadyThere):
            _create(keys, 1, user="bob")
        assert secret == keys.session_key(1).secret
        keys.destroy_session(1, now_ms=5)
        with _refused(KeyDestroyed):
            _create(keys, 1)


def check_destruction_is_final_and_idempotent(open_keys: Open) -> None:
    """After destruction the key is gone, here and after reopening, with one receipt."""
    receipt = DestroyReceipt(stream=1, destroyed_at_ms=5, epoch=1)
    with _opened(open_keys) as keys:
        _create(keys, 1)
        other = _create(keys, 2)
        assert keys.receipt(1) is None
        assert receipt == keys.destroy_session(1, now_ms=5)
        assert receipt == keys.destroy_session(1, now_ms=99)
        with _refused(KeyDestroyed):
            keys.session_key(1)
        assert {2} == set(keys.session_keys((1, 2)))
    with _opened(open_keys) as keys:
        with _refused(KeyDestroyed):
            keys.session_key(1)
        assert receipt == keys.receipt(1) == keys.destroy_session(1, now_ms=99)
        assert frozenset({2}) == keys.living_streams()
        assert other == keys.session_key(2).secret


def check_destruction_is_seen_by_others(open_keys: Open) -> None:
    """Another opening that had the key cached refuses it at once."""
    with _opened(open_keys) as one, _opened(open_keys) as two:
        secret = _create(one, 1)
        assert secret == two.session_key(1).secret
        one.destroy_session(1, now_ms=5)
        with _refused(KeyDestroyed):
            two.session_key(1)


def check_tenant_keys_are_stable_and_distinct(open_keys: Open) -> None:
    """Blind key and secret differ, per tenant, and outlive reopening and rotation."""

    def all_of(keys: Keys) -> list[bytes]:
        return [made(tenant) for made in (keys.blind_key, keys.tenant_secret) for tenant in "ab"]

    with _opened(open_keys) as keys:
        made = all_of(keys)
        assert len(set(made)) == 4
        assert {32} == {len(secret) for secret in made}
        _create(keys, 1, tenant="a")
        assert made == all_of(keys)
        keys.rotate(now_ms=5)
        assert made == all_of(keys)
    with _opened(open_keys) as keys:
        assert made == all_of(keys)


def check_audit_key_signs(open_keys: Open) -> None:
    """Signatures verify under one public key that outlives reopening and rotation."""
    with _opened(open_keys) as keys:
        public, installation = keys.audit_public_key, keys.installation
        assert (len(public), len(installation)) == (32, 16)
        signature = keys.sign(b"said")
        keys.rotate(now_ms=5)
        assert signature == keys.sign(b"said")
    with _opened(open_keys) as keys:
        assert (public, installation) == (keys.audit_public_key, keys.installation)
        assert signature == keys.sign(b"said")
    verifier = Ed25519PublicKey.from_public_bytes(public)
    verifier.verify(signature, b"said")
    try:
        verifier.verify(signature, b"not said")
    except InvalidSignature:
        return
    raise AssertionError("a signature holds for one message only")


def check_rotation_keeps_all_that_lives(open_keys: Open) -> None:
    """Rotation raises the epoch and changes no key; the destroyed stay destroyed."""
    with _opened(open_keys) as keys:
        made = {s: _create(keys, s, f"t{s % 2}", f"u{s % 3}") for s in range(1, 13)}
        keys.destroy_session(1, now_ms=3)
        del made[1]
        assert [keys.rotate(now_ms=5), keys.rotate(now_ms=6)] == [2, 3]
        made[20] = _create(keys, 20, "t0", "u0")
        assert made == {stream: bytes(keys.session_key(stream).secret) for stream in made}
        assert keys.destroy_session(20, now_ms=7).epoch == 3
        assert DestroyReceipt(stream=1, destroyed_at_ms=3, epoch=1) == keys.receipt(1)
        del made[20]
    with _opened(open_keys) as keys:
        assert made == {stream: bytes(keys.session_key(stream).secret) for stream in made}
        assert frozenset(made) == keys.living_streams()
        assert keys.rotate(now_ms=8) == 4


def check_rotation_by_another_is_followed(open_keys: Open) -> None:
    """An opening from before a rotation reads, creates and destroys after it."""
    with _opened(open_keys) as one, _opened(open_keys) as two:
        first = _create(one, 1)
        assert first == two.session_key(1).secret
        two.rotate(now_ms=5)
        second = _create(one, 2)
        assert first == one.session_key(1).secret
        assert second == two.session_key(2).secret
        assert one.destroy_session(2, now_ms=6).epoch == 2
        assert one.rotate(now_ms=7) == 3
        assert first == two.session_key(1).secret


def check_sealed_is_given_to_its_host_only(open_keys: Open) -> None:
    """Whoever made it has it; others only once they host it; a rotation and an end reach it."""
    with _opened(open_keys) as one, _opened(open_keys) as two:
        made = one.create_session_key(tenant="acme", user="ada", stream=1, sealed=True)
        secret, plain = bytes(made.secret), _create(one, 2)
        assert [two.is_sealed(stream) for stream in (1, 2, 3)] == [True, False, False]
        with _refused(SessionSealed):
            two.session_key(1)
        assert {2: plain} == {s: bytes(k.secret) for s, k in two.session_keys((1, 2)).items()}
        assert secret == one.session_key(1).secret == one.session_keys((1,))[1].secret
        with _refused(AlreadyThere):
            _create(two, 1)
        two.rotate(now_ms=5)
        with _refused(SessionSealed):
            two.session_key(1)
        two.host(1)
        assert secret == two.session_key(1).secret == two.session_keys((1,))[1].secret
        assert frozenset({1, 2}) == two.living_streams()
        assert two.destroy_session(1, now_ms=6).epoch == 2
        assert not one.is_sealed(1)
        for keys in (one, two):
            with _refused(KeyDestroyed):
                keys.session_key(1)
        assert frozenset({2}) == one.living_streams()


def check_closed_refuses(open_keys: Open) -> None:
    """After `close`, which may be called twice, everything is `StoreClosed`."""
    keys = open_keys()
    _create(keys, 1)
    keys.close()
    keys.close()
    uses: tuple[Callable[[], object], ...] = (
        lambda: _create(keys, 2),
        lambda: keys.session_key(1),
        lambda: keys.destroy_session(1, now_ms=5),
        lambda: keys.receipt(1),
        lambda: keys.blind_key("acme"),
        lambda: keys.tenant_secret("acme"),
        lambda: keys.sign(b"x"),
        lambda: keys.rotate(now_ms=5),
        keys.living_streams,
        lambda: keys.is_sealed(1),
    )
    for use in uses:
        with _refused(StoreClosed):
            use()


def check_token_keys_outlive_what_they_signed(open_keys: Open) -> None:
    """The newest signs; one that was followed verifies until its last token ends, then is gone."""
    with _opened(open_keys) as keys:
        assert keys.token_keys(0) == ()
        first = keys.token_key(until_ms=10_000, now_ms=1_000)
        assert first.until_ms >= 10_000
        signed = keys.sign_token(first.number, b"said")
        Ed25519PublicKey.from_public_bytes(first.public).verify(signed, b"said")
        later = keys.token_key(until_ms=first.until_ms + 1, now_ms=2_000)
        assert (first.number, first.public) == (later.number, later.public)
        assert later.until_ms > first.until_ms
        keys.rotate(now_ms=5)
    with _opened(open_keys) as keys, _opened(open_keys) as other:
        assert keys.token_keys(1_000) == (later,)
        assert signed == keys.sign_token(later.number, b"said")
        second = keys.rotate_token_key(now_ms=3_000)
        assert (second, later) == other.token_keys(later.until_ms - 1)
        assert signed == other.sign_token(later.number, b"said")
        signs = other.token_key(until_ms=4_000, now_ms=3_000)
        assert (second.number, second.public) == (signs.number, signs.public)
        assert len({first.public, second.public}) == 2
        assert (signs,) == other.token_keys(later.until_ms)
        with _refused(KeyMissing):
            keys.sign_token(later.number, b"said")
        third = keys.rotate_token_key(now_ms=3_000, at_once=True)
        assert (third,) == other.token_keys(3_000)
        assert third.number > second.number
        with _refused(KeyMissing):
            other.sign_token(second.number, b"said")


CHECKS: tuple[Check, ...] = (
    check_session_key_comes_back,
    check_every_caller_owns_its_buffer,
    check_unknown_is_missing,
    check_key_is_never_replaced,
    check_destruction_is_final_and_idempotent,
    check_destruction_is_seen_by_others,
    check_tenant_keys_are_stable_and_distinct,
    check_audit_key_signs,
    check_token_keys_outlive_what_they_signed,
    check_rotation_keeps_all_that_lives,
    check_rotation_by_another_is_followed,
    check_sealed_is_given_to_its_host_only,
    check_closed_refuses,
)
