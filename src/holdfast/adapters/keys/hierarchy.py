"""The hierarchy of keys, over any place that keeps rows (contract 1.1, 2.7).

    installation key (epochs, in the vault)
    ├── audit key, keys that tokens are signed with
    └── tenant key
        ├── blind key, tenant secret
        └── user key
            └── session's data keys

Rules
- The vault holds the epochs of the installation key, the shelf holds wraps. The
  shelf alone opens nothing.
- A user's name is not kept: the user's scope is a keyed digest under the
  tenant's blind key.
- A sealed session's key is of a kind of its own, so that every older reader of this
  shelf finds none: it is given to the object that made it or was told to host it.
- Destroying a session erases its wraps and leaves a receipt, in one transaction.
- Rotation: the new epoch is durable in the vault before any wrap names it; one
  transaction draws tenant and user keys afresh and wraps everything that lives
  anew; only then the old epoch leaves the vault. At any point before the
  transaction the old epoch opens everything, at any point after it the new one.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.keys.tokenkeys import TokenKeys
from holdfast.adapters.keys.wraps import (
    ABOVE,
    DATA,
    NONCE_BYTES,
    SECRET_BYTES,
    KeyCache,
    Kind,
    Random,
    Wrap,
    framed,
    open_wrap,
    seal_wrap,
    wipe,
)
from holdfast.core.errors import (
    AlreadyThere,
    CorruptStore,
    KeyDestroyed,
    KeyMissing,
    SessionSealed,
    StoreClosed,
    WrongKey,
)
from holdfast.ports.keys import DataKey, DestroyReceipt

FailPoint = Callable[[str], None]


def no_fail_point(_name: str) -> None:
    """Pass; tests put something deadly here."""


class Vault(Protocol):
    """Where the epochs of the installation key are kept."""

    @property
    def installation(self) -> bytes:
        """The installation's random 16-byte id."""
        ...

    def key(self, epoch: int) -> bytearray:
        """Copy out an epoch's key.

        Raises:
            WrongKey: the vault has no such epoch.
        """
        ...

    def holds(self, epoch: int) -> bool:
        """Whether an epoch's key still exists."""
        ...

    def add(self, epoch: int) -> None:
        """Draw an epoch's key and keep it durably, unless it is there already."""
        ...

    def retire(self, below: int) -> None:
        """Destroy all epochs below this one, durably; idempotent."""
        ...

    def close(self) -> None:
        """Forget what is in memory."""
        ...


class Shelf(Protocol):
    """Where wraps and receipts are kept; used only inside `reading` or `writing`."""

    def reading(self) -> AbstractContextManager[None]:
        """Hold one consistent view."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Hold the only writer's transaction; durable at its end, or undone."""
        ...

    def find(self, kind: Kind, scope: bytes, key_id: int | None = None) -> Wrap | None:
        """Read one wrap; without a key id the newest."""
        ...

    def under(self, kind: Kind, parent: bytes) -> list[Wrap]:
        """Read all wraps of a kind below a parent's scope."""
        ...

    def put(self, wrap: Wrap) -> None:
        """Keep a wrap, in place of one with the same kind, scope and key id."""
        ...

    def erase(self, kind: Kind, scope: bytes) -> None:
        """Overwrite and remove all wraps of a scope."""
        ...

    def receipt(self, stream: int) -> DestroyReceipt | None:
        """Read a receipt."""
        ...

    def put_receipt(self, receipt: DestroyReceipt) -> None:
        """Keep a receipt."""
        ...

    def epoch(self) -> int:
        """The installation key's epoch that all wraps stand under."""
        ...

    def set_epoch(self, epoch: int, now_ms: int) -> None:
        """Go over to an epoch; the one before counts as retired from `now_ms`."""
        ...

    def retired_ms(self, epoch: int) -> int | None:
        """When an epoch was retired, or None."""
        ...

    def streams(self) -> frozenset[int]:
        """Streams that have a data key."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def stream_scope(stream: int) -> bytes:
    """The scope of a session's keys."""
    assert 0 <= stream < 2**64, "a stream is an unsigned number of 64 bits"
    return stream.to_bytes(8, "big")


class HierarchyKeys(TokenKeys):
    """All of `holdfast.ports.keys.Keys`, over a shelf and a vault; thread-safe.

    Args:
        shelf: keeps the wraps; one that `found` has prepared.
        vault: keeps the installation key.
        random: source of unpredictable bytes.
        monotonic: a clock that never goes back, in seconds.
        fail_point: called with a name between the steps of a rotation.

    Raises:
        WrongKey: the vault does not open the shelf.
    """

    def __init__(
        self,
        shelf: Shelf,
        vault: Vault,
        *,
        random: Random = secrets.token_bytes,
        monotonic: Callable[[], float] = time.monotonic,
        fail_point: FailPoint = no_fail_point,
    ) -> None:
        self._shelf = shelf
        self._vault = vault
        self._random = random
        self._fail_point = fail_point
        self._cache = KeyCache(monotonic)
        self._hosted: set[int] = set()
        self._lock = threading.RLock()
        self._closed = False
        self._public = self._check_key()
        self._finish()

    # --- sessions

    @property
    def installation(self) -> bytes:
        """The installation's random 16-byte id."""
        return self._vault.installation

    def create_session_key(
        self, *, tenant: str, user: str, stream: int, sealed: bool = False
    ) -> DataKey:
        """Draw, wrap and durably keep a session's first data key.

        Args:
            sealed: it is given to nobody but this object, and those that `host` is said to.

        Raises:
            AlreadyThere: the stream has a key.
            KeyDestroyed: the stream had one and was wiped.
        """
        scope = stream_scope(stream)
        with self._writing():
            if self._shelf.receipt(stream) is not None:
                raise KeyDestroyed(f"the key of stream {stream} has been destroyed")
            if any(self._shelf.find(kind, scope) is not None for kind in DATA):
                raise AlreadyThere(f"stream {stream} has a key already")
            owner = self._user(tenant, user)
            secret = bytearray(self._random(SECRET_BYTES))
            wrap = self._make(Kind.SEALED if sealed else Kind.SESSION, scope, owner, secret)
        with self._lock:
            self._cache.put(wrap, secret)
            if sealed:
                self._hosted.add(stream)
        return DataKey(key_id=wrap.key_id, secret=secret)

    def session_key(self, stream: int, key_id: int = 1) -> DataKey:
        """Unwrap a session's data key; the buffer is the caller's.

        Raises:
            KeyDestroyed: the session was wiped, here or by another process.
            KeyMissing: there never was such a key here.
            SessionSealed: it is a sealed session's, which is hosted elsewhere.
        """
        scope = stream_scope(stream)
        with self._reading():
            wrap = self._data_wrap(stream, key_id)
            if wrap is not None and not self._given(wrap, stream):
                raise SessionSealed("a sealed session's key is only with the process it lives in")
            if wrap is not None:
                return DataKey(key_id=key_id, secret=self._secret(wrap))
            if self._shelf.receipt(stream) is None:
                raise KeyMissing(f"stream {stream} has no key {key_id} here")
            self._forget(scope)
            raise KeyDestroyed(f"the key of stream {stream} has been destroyed")

    def _data_wrap(self, stream: int, key_id: int | None = None) -> Wrap | None:
        scope = stream_scope(stream)
        return self._shelf.find(Kind.SESSION, scope, key_id) or self._shelf.find(
            Kind.SEALED, scope, key_id
        )

    def _given(self, wrap: Wrap, stream: int) -> bool:
        return wrap.kind is Kind.SESSION or stream in self._hosted

    def _forget(self, scope: bytes) -> None:
        for kind in DATA:
            self._cache.forget(kind, scope)

    def is_sealed(self, stream: int) -> bool:
        """Whether there is a key, and it is a sealed session's."""
        with self._reading():
            return self._shelf.find(Kind.SEALED, stream_scope(stream)) is not None

    def host(self, stream: int) -> None:
        """Give a sealed session's key to callers of this object from now on."""
        with self._lock:
            self._hosted.add(stream)

    def session_keys(self, streams: Iterable[int]) -> dict[int, DataKey]:
        """Unwrap the first data keys of several sessions in one read of the shelf.

        Whoever has none, or one that does not open, is left out; `session_key` tells why.
        """
        keys: dict[int, DataKey] = {}
        with self._reading():
            for stream in streams:
                wrap = self._data_wrap(stream, 1)
                if wrap is not None and self._given(wrap, stream):
                    with suppress(CorruptStore):
                        keys[stream] = DataKey(key_id=1, secret=self._secret(wrap))
        return keys

    def destroy_session(self, stream: int, *, now_ms: int) -> DestroyReceipt:
        """Destroy all data keys of a session, durably; idempotent.

        Raises:
            KeyMissing: there never was a key of this session here.
        """
        scope = stream_scope(stream)
        with self._writing():
            receipt = self._shelf.receipt(stream)
            if receipt is None:
                wrap = self._data_wrap(stream)
                if wrap is None:
                    raise KeyMissing(f"stream {stream} has no key here")
                receipt = DestroyReceipt(stream=stream, destroyed_at_ms=now_ms, epoch=wrap.epoch)
                for kind in DATA:
                    self._shelf.erase(kind, scope)
                self._shelf.put_receipt(receipt)
            self._forget(scope)
        return receipt

    def receipt(self, stream: int) -> DestroyReceipt | None:
        """The receipt of an earlier destruction, if there was one."""
        with self._reading():
            return self._shelf.receipt(stream)

    def living_streams(self) -> frozenset[int]:
        """Streams that have a data key."""
        with self._reading():
            return self._shelf.streams()

    # --- tenants

    def blind_key(self, tenant: str) -> bytes:
        """A 32-byte key for keyed hashes of a tenant's names and tags."""
        return self._of_tenant(Kind.BLIND, tenant)

    def tenant_secret(self, tenant: str) -> bytes:
        """A 32-byte key for what belongs to the tenant rather than a session."""
        return self._of_tenant(Kind.OWN, tenant)

    def _of_tenant(self, kind: Kind, tenant: str) -> bytes:
        scope = tenant.encode()
        with self._reading():
            wrap = self._shelf.find(kind, scope)
            if wrap is not None:
                return bytes(self._secret(wrap))
        with self._writing():
            wrap = self._ensure(kind, scope, self._ensure(Kind.TENANT, scope, None))
            return bytes(self._secret(wrap))

    # --- the audit key

    def sign(self, data: bytes) -> bytes:
        """Sign with the audit key (Ed25519, 64 bytes)."""
        with self._reading():
            seed = self._secret(self._audit_wrap())
        try:
            return Ed25519PrivateKey.from_private_bytes(seed).sign(data)
        finally:
            wipe(seed)

    @property
    def audit_public_key(self) -> bytes:
        """The audit key's public half (32 bytes)."""
        return self._public

    def _audit_wrap(self) -> Wrap:
        wrap = self._shelf.find(Kind.AUDIT, b"")
        if wrap is None:
            raise CorruptStore("the key store has no audit key")
        return wrap

    def _check_key(self) -> bytes:
        with self._reading():
            try:
                seed = self._secret(self._audit_wrap())
            except CorruptStore as error:
                raise WrongKey("the installation key does not open this key store") from error
        try:
            return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        finally:
            wipe(seed)

    # --- rotation

    def rotate(self, *, now_ms: int) -> int:
        """Rotate the whole hierarchy; returns the new epoch.

        A rotation that was interrupted is finished, or begun again, by the next.
        """
        with self._writing():
            epoch = self._shelf.epoch() + 1
            self._fail_point("rotate-begun")
            self._vault.add(epoch)
            self._fail_point("epoch-added")
            self._renew_all(epoch)
            self._shelf.set_epoch(epoch, now_ms)
            self._fail_point("before-commit")
        self._fail_point("committed")
        with self._lock:
            self._cache.clear()
        self._vault.retire(epoch)
        self._fail_point("retired")
        return epoch

    def retired_ms(self, epoch: int) -> int | None:
        """When an epoch was destroyed (ms), or None while its key exists."""
        with self._reading():
            return None if self._vault.holds(epoch) else self._shelf.retired_ms(epoch)

    def _finish(self) -> None:
        with self._reading():
            epoch = self._shelf.epoch()
        # A rotation that was interrupted after its transaction still owes this.
        self._vault.retire(epoch)

    def _renew_all(self, epoch: int) -> None:
        audit = self._audit_wrap()
        with _lent(self._vault.key(audit.epoch)) as old, _lent(self._vault.key(epoch)) as top:
            for wrap in (audit, *self._top(Kind.SIGNER)):
                self._rewrap(wrap, old, top, parent_id=0, epoch=epoch)
            for tenant in self._shelf.under(Kind.TENANT, b""):
                self._renew_tenant(tenant, top, epoch)
                self._fail_point("tenant-renewed")

    def _renew_tenant(self, tenant: Wrap, top: bytearray, epoch: int) -> None:
        scope = tenant.scope
        with _lent(self._secret(tenant)) as old, _lent(self._fresh()) as new:
            tenant_id = self._renew(tenant, new, top, parent_id=0, epoch=epoch)
            for kind in (Kind.BLIND, Kind.OWN):
                for wrap in self._shelf.under(kind, scope):
                    self._rewrap(wrap, old, new, parent_id=tenant_id, epoch=epoch)
            for user in self._shelf.under(Kind.USER, scope):
                with _lent(self._open(user, old)) as old_user, _lent(self._fresh()) as new_user:
                    user_id = self._renew(user, new_user, new, parent_id=tenant_id, epoch=epoch)
                    for wrap in (w for kind in DATA for w in self._shelf.under(kind, user.scope)):
                        self._rewrap(wrap, old_user, new_user, parent_id=user_id, epoch=epoch)

    def _renew(
        self, wrap: Wrap, secret: bytearray, parent: bytearray, *, parent_id: int, epoch: int
    ) -> int:
        """Put a fresh key in a key's place; returns the new generation."""
        self._shelf.erase(wrap.kind, wrap.scope)
        fresh = replace(wrap, key_id=wrap.key_id + 1, parent_id=parent_id, epoch=epoch)
        self._keep(fresh, secret, parent)
        return fresh.key_id

    def _rewrap(
        self, wrap: Wrap, old: bytearray, new: bytearray, *, parent_id: int, epoch: int
    ) -> None:
        """Wrap the same key below a new parent, in place."""
        with _lent(self._open(wrap, old)) as secret:
            self._keep(replace(wrap, parent_id=parent_id, epoch=epoch), secret, new)

    # --- wraps

    def _top(self, kind: Kind) -> list[Wrap]:
        return self._shelf.under(kind, b"")

    def _drop(self, kind: Kind, scope: bytes) -> None:
        self._shelf.erase(kind, scope)
        self._cache.forget(kind, scope)

    def _user(self, tenant: str, user: str) -> Wrap:
        above = self._ensure(Kind.TENANT, tenant.encode(), None)
        blind = self._ensure(Kind.BLIND, above.scope, above)
        with _lent(self._secret(blind)) as key:
            digest = hmac.digest(key, framed(b"holdfast/user/1", user.encode()), "sha256")
        return self._ensure(Kind.USER, digest[:16], above)

    def _ensure(self, kind: Kind, scope: bytes, above: Wrap | None) -> Wrap:
        found = self._shelf.find(kind, scope)
        if found is not None:
            return found
        with _lent(self._fresh()) as secret:
            return self._make(kind, scope, above, secret)

    def _make(self, kind: Kind, scope: bytes, above: Wrap | None, secret: bytearray) -> Wrap:
        epoch = self._shelf.epoch()
        wrap = Wrap(
            kind=kind,
            scope=scope,
            key_id=1,
            parent=above.scope if above else b"",
            parent_id=above.key_id if above else 0,
            epoch=epoch,
        )
        parent = self._secret(above) if above else self._vault.key(epoch)
        with _lent(parent):
            return self._keep(wrap, secret, parent)

    def _keep(self, wrap: Wrap, secret: bytearray, parent: bytearray) -> Wrap:
        nonce = self._random(NONCE_BYTES)
        body = seal_wrap(wrap, secret, parent, self._vault.installation, nonce)
        kept = replace(wrap, body=body)
        self._shelf.put(kept)
        return kept

    def _secret(self, wrap: Wrap) -> bytearray:
        """Unwrap a key through all that is above it; the buffer is the caller's."""
        cached = self._cache.get(wrap)
        if cached is not None:
            return cached
        above = ABOVE[wrap.kind]
        if above is None:
            parent = self._vault.key(wrap.epoch)
        else:
            found = self._shelf.find(above, wrap.parent, wrap.parent_id)
            if found is None:
                raise CorruptStore(f"the {above} key above a {wrap.kind} key is missing")
            parent = self._secret(found)
        with _lent(parent):
            secret = self._open(wrap, parent)
        self._cache.put(wrap, secret)
        return secret

    def _open(self, wrap: Wrap, parent: bytearray) -> bytearray:
        return open_wrap(wrap, parent, self._vault.installation)

    def _fresh(self) -> bytearray:
        return bytearray(self._random(SECRET_BYTES))

    # --- the whole

    def close(self) -> None:
        """Forget what is cached and close the file; every later use is `StoreClosed`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._cache.clear()
            self._vault.close()
            self._shelf.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            self._check_open()
            with self._shelf.reading():
                yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._check_open()
            with self._shelf.writing():
                yield

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the key store has been closed")


@contextmanager
def _lent(secret: bytearray) -> Iterator[bytearray]:
    """Lend a key's buffer and overwrite it afterwards."""
    try:
        yield secret
    finally:
        wipe(secret)


def found(shelf: Shelf, vault: Vault, random: Random, now_ms: int) -> None:
    """Begin an empty shelf: epoch 1 and an audit key, inside one `writing`."""
    vault.add(1)
    shelf.set_epoch(1, now_ms)
    wrap = Wrap(kind=Kind.AUDIT, scope=b"", key_id=1, parent=b"", parent_id=0, epoch=1)
    with _lent(bytearray(random(SECRET_BYTES))) as seed, _lent(vault.key(1)) as top:
        body = seal_wrap(wrap, seed, top, vault.installation, random(NONCE_BYTES))
    shelf.put(replace(wrap, body=body))
