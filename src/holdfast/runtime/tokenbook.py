"""The book of tokens of one store: sealing rows, and the quick way from a text to who it is.

Rules
- A text is looked up by its digest and by nothing else, and every cause of refusal has
  the same error: unknown, expired, revoked, retired, forged, in another's session.
- What was read is used again only while the store's token epoch is what it was: after a
  revocation in any process the next answer is read anew (rulings §3.4).
- The clear columns of a row are bound to its sealed part, so that nobody without the
  tenant's key can move an expiry or give a row another digest.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from holdfast.core.errors import TokenInvalid, Unreadable
from holdfast.core.principals import EVERY_WORKSPACE, Principal
from holdfast.core.signedtokens import SignedForm
from holdfast.core.tokens import (
    CLOCK_SKEW_S,
    PREFIX,
    Permitted,
    TokenInfo,
    digest_of,
    moment,
)
from holdfast.ports.clock import Clock
from holdfast.ports.keys import Keys
from holdfast.ports.store import Store
from holdfast.ports.tokens import Doing, Revocation, TokenRow, TokenState, Why, token_scope
from holdfast.runtime.boxes import NONCE_BYTES, BoxCipher, BoxId, derive
from holdfast.runtime.codec import dump, load
from holdfast.runtime.tokensigning import TokenSigning, no_form

KNOWN_MAX = 4096
"""How many tokens are remembered; the one that was used least recently goes first."""

BOXES_MAX = 256
_PURPOSE = "token"
_SKEW_MS = CLOCK_SKEW_S * 1000
_GONE = "stream:{:016x}"
"""What a wiped session is called; no session's id has a colon, so none is ever called that."""


@dataclass(frozen=True, slots=True)
class Known:
    """A token that was read and holds from `since_ms` until `expires_ms`."""

    principal: Principal
    since_ms: int
    expires_ms: int


class TokenBook:
    """Tokens of one store.

    Args:
        signed_form: gives what writes and reads signed tokens.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        clock: Clock,
        signed_form: Callable[[], SignedForm] = no_form,
    ) -> None:
        self.store = store
        self.signing = TokenSigning(keys, clock, signed_form)
        self._keys = keys
        self._clock = clock
        self._chain_key = b""
        self._epoch = -1
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._boxes: dict[str, BoxCipher] = {}
        self._others: Callable[[], Iterable[Store]] = tuple
        self._stop: Callable[[], None] = _nothing

    # --- who it is -------------------------------------------------------------------

    async def validate(self, text: object) -> Principal:
        """Who a token says its bearer is.

        Raises:
            TokenInvalid: whatever is wrong with it.
        """
        digest = digest_of(text)
        epoch = await self.store.token_epoch()
        if epoch != self._epoch:
            self._known.clear()
            self._epoch = epoch
        known = self._known.get(digest)
        if known is None:
            known = await self._read(text, digest, epoch)
        else:
            self._known.move_to_end(digest)
        if not known.since_ms <= self._clock.now_ms() < known.expires_ms:
            raise TokenInvalid
        return known.principal

    async def _read(self, text: object, digest: bytes, epoch: int) -> Known:
        row, permitted, session = await self._current(text, digest)
        who = _principal(row, permitted, session)
        known = Known(who, row.created_ms - _SKEW_MS, row.expires_ms)
        # Somebody may have raised the epoch since; then this is not to be kept.
        if self._epoch == epoch:
            self._known[digest] = known
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return known

    async def current(self, text: object) -> tuple[TokenRow, Permitted]:
        """The row of a token that is valid now, and what it permits.

        A text of an earlier generation shows that two have it: all that came of it is
        revoked.

        Raises:
            TokenInvalid: whatever is wrong with it.
        """
        row, permitted, _ = await self._current(text, digest_of(text))
        return row, permitted

    async def _current(self, text: object, digest: bytes) -> tuple[TokenRow, Permitted, str]:
        found = await self.store.token_find(digest)
        if found is None:
            raise TokenInvalid
        row, generation, named = found
        if generation != row.generation or row.digest != digest:
            if row.state is TokenState.LIVE:  # else all that was made with it is gone, too
                await self.revoke(Revocation(id=row.id, why=Why.REUSED), actor=0)
            raise TokenInvalid
        now_ms = self._clock.now_ms()
        if not row.live(now_ms) or now_ms < row.created_ms - _SKEW_MS:
            raise TokenInvalid
        try:
            permitted = self.open(row)
        except Unreadable:
            raise TokenInvalid from None
        session = _session_of(row, named)
        if permitted.signed is not None or not str(text).startswith(PREFIX):
            await self._check_signed(str(text), row, permitted, session)
        return row, permitted, session

    async def _check_signed(
        self, text: str, row: TokenRow, permitted: Permitted, session: str
    ) -> None:
        """Check a signed text, claim by claim.

        Raises:
            TokenInvalid: it is not what its row says.
        """
        epoch = await self.store.token_epoch()
        wiped = session == _GONE.format(row.stream)
        self.signing.check(text, row, permitted, None if wiped else session, epoch)

    async def rotate_key(self, *, at_once: bool) -> str:
        """Draw the key that signs from now on; every process reads it before its next answer.

        Returns:
            its name.
        """
        kid = self.signing.rotate(at_once=at_once)
        await self.store.token_stir()
        return kid

    async def session_of(self, row: TokenRow) -> str:
        """The id of the session that a token is for, or ""; a wiped one has none any more."""
        return _session_of(row, await self.store.stream_name(row.stream) if row.stream else None)

    # --- rows ------------------------------------------------------------------------

    def sealed(self, row: TokenRow, permitted: Permitted, text: str) -> TokenRow:
        """The row of a text, with what it permits; that opens with just this row."""
        row = replace(row, digest=digest_of(text))
        nonce = self._clock.random_bytes(NONCE_BYTES)
        box = self._box(row.tenant)
        return replace(row, sealed=box.seal(_PURPOSE, _place_of(row), dump(permitted), nonce))

    async def info(self, row: TokenRow) -> TokenInfo:
        """All of a token but its text.

        Raises:
            Unreadable: the row is not as it was written.
        """
        permitted = self.open(row)
        return TokenInfo(
            id=row.id.hex(),
            session_id=await self.session_of(row),
            agent_id=permitted.agent,
            workspace_id=row.tenant,
            role=permitted.role,
            scopes=permitted.scopes,
            task_type=permitted.task_type,
            parent=row.parent.hex(),
            generation=row.generation,
            created_at=moment(row.created_ms),
            expires_at=moment(row.expires_ms),
            ends_at=moment(row.ends_ms),
            metadata=json.loads(permitted.metadata),
        )

    def open(self, row: TokenRow) -> Permitted:
        """What a row permits.

        Raises:
            Unreadable: a column is not as it was written.
        """
        box = self._box(row.tenant)
        return load(Permitted, box.open(_PURPOSE, _place_of(row), row.sealed))

    def _box(self, tenant: str) -> BoxCipher:
        """Seals and opens what belongs to a tenant; the last few are kept."""
        box = self._boxes.get(tenant)
        if box is None:
            secret = self._keys.tenant_secret(tenant)
            box = self._boxes[tenant] = BoxCipher(derive(secret, b"holdfast/token-box/1"))
            if len(self._boxes) > BOXES_MAX:
                del self._boxes[next(iter(self._boxes))]
        return box

    def asked_key(self, tenant: str, request: bytes) -> bytearray:
        """A key that only the same request has again; see `tokenasked`.

        Args:
            request: what nobody else's request has.
        """
        return derive(self._keys.tenant_secret(tenant), b"holdfast/token-asked/1" + request)

    @property
    def chain_key(self) -> bytes:
        """The key of the chain of token events."""
        if not self._chain_key:
            secret = self._keys.tenant_secret(EVERY_WORKSPACE)
            self._chain_key = bytes(derive(secret, b"holdfast/token-chain/1"))
        return self._chain_key

    def doing(self, actor: int) -> Doing:
        """A change that is made now; actor 0 is the runtime itself."""
        return Doing(now_ms=self._clock.now_ms(), actor=actor, key=self.chain_key)

    async def revoke(self, revocation: Revocation, *, actor: int) -> list[bytes]:
        """Revoke tokens that are live, with all that were made with them.

        What runs for them is stopped; what runs in other stores asserts it there.
        """
        revoked = await self.store.token_revoke(revocation, self.doing(actor))
        for store in self._others():
            for id in revoked:
                await store.drop_grant(token_scope(id.hex()), b"")
        if revoked:
            self._stop()
        return revoked

    def serve(self, others: Callable[[], Iterable[Store]], stop: Callable[[], None]) -> None:
        """Say what a revocation reaches beside this store.

        Args:
            others: the other stores whose sessions tokens of this one act in.
            stop: has turns look whether their token was revoked.
        """
        self._others, self._stop = others, stop

    async def sweep(self) -> int:
        """Note which tokens have expired; returns how many."""
        count, page = 0, 1000
        while True:
            found = await self.store.token_sweep(self.doing(0), page)
            count += found
            if found < page:
                return count


def _session_of(row: TokenRow, named: str | None) -> str:
    """The id of the session that a token is for, or "", where the store has named it."""
    return named or _GONE.format(row.stream) if row.stream else ""


def _principal(row: TokenRow, permitted: Permitted, session: str) -> Principal:
    return Principal(
        id=permitted.principal,
        workspace=row.tenant,
        session=session,
        role=permitted.role,
        scopes=frozenset(permitted.scopes),
        task_type=permitted.task_type,
        token=row.id.hex(),
        generation=row.generation,
        expires_ms=row.expires_ms,
    )


def _nothing() -> None:
    """Nobody runs for a token here."""


def _place_of(row: TokenRow) -> tuple[BoxId, ...]:
    return (
        row.id,
        row.tenant,
        row.agent,
        row.stream,
        row.parent,
        row.generation,
        row.agent_epoch,
        row.created_ms,
        row.expires_ms,
        row.ends_ms,
        row.span_ms,
        row.digest,
    )
