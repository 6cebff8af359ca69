"""`sessions.tokens`: making, validating, refreshing and revoking tokens (seed C1 to C7).

Tokens and sessions are two things: nothing that happens to a token changes a session
(rulings R2, R4), but a turn that a token began stops when it is revoked (contract 2.13).
Tokens of all sessions are kept in the manager's first store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from holdfast.core.auditing import Severity, Vector
from holdfast.core.errors import (
    AlreadyThere,
    InvalidInput,
    ScopeDenied,
    SessionNotFound,
    Stale,
    TokenInvalid,
)
from holdfast.core.minting import REVOKE
from holdfast.core.principals import DEFAULT_TASK_TYPE, EVERY_WORKSPACE, Principal
from holdfast.core.tokens import (
    IssuedToken,
    SessionContext,
    TokenInfo,
    TokenPage,
    check_agent,
)
from holdfast.ports.tokens import (
    Revocation,
    Rotation,
    TokenEvent,
    TokenFilter,
    TokenRow,
    Why,
)
from holdfast.runtime.tokenbook import TokenBook
from holdfast.runtime.tokenmaking import TokenMaking, end_of

ADMINISTRATOR = "user:admin"
ANCESTORS_MAX = 64
PAGE = 1000
NEWS_S = 0.25


class SessionTokens(TokenMaking):
    """The tokens of a manager; see the module."""

    # --- who it is -------------------------------------------------------------------

    async def validate(self, token: str) -> Principal:
        """Who a token says its bearer is.

        Raises:
            TokenInvalid: it is not valid; why is not told.
        """
        book = self._book or await self._opened()
        return await book.validate(token)

    async def epoch(self) -> int:
        """A number that is another one once a token died, or was refreshed, in any process.

        Expiry alone does not change it.
        """
        book = self._book or await self._opened()
        return await book.store.token_epoch()

    async def bootstrap(self, *, again: bool = False) -> IssuedToken:
        """Make the installation's administrator, who may everything everywhere.

        Its token lives as long as any can; all others are made with it.

        Args:
            again: also where there has been one before.

        Raises:
            AlreadyThere: there has been one.
        """
        store = (self._book or await self._opened()).store
        after = 0
        while not again and (page := await store.token_events(after, PAGE)):
            if any(one.tenant == EVERY_WORKSPACE for one in page):
                raise AlreadyThere("this installation has an administrator already")
            after = page[-1].seq
        life_s = self.settings.life_s
        settings = replace(self.settings, expires_in_s=life_s, expires_in_s_max=life_s)
        making = TokenMaking(self._core, lambda: settings)
        return await making.create(ADMINISTRATOR, "admin", session="", workspace=EVERY_WORKSPACE)

    async def refresh(self, token: str) -> IssuedToken:
        """Put another text in a token's place; the one before is not valid any more (seed C4).

        It lives as long as at first from now on, but not beyond its absolute end, nor
        beyond the token it was made with.

        Raises:
            TokenInvalid: it is not valid; why is not told.
        """
        book = self._book or await self._opened()
        row, permitted = await book.current(token)
        now_ms = self._core.clock.now_ms()
        parent = await book.store.token_row(row.parent) if row.parent else None
        after = replace(
            row,
            generation=row.generation + 1,
            expires_ms=end_of(now_ms, row.span_ms, row.ends_ms, parent),
        )
        permitted = replace(permitted, again="")
        after, permitted, text = await self._written(book, after, permitted)
        rotation = Rotation(
            id=row.id,
            generation=row.generation,
            digest=after.digest,
            expires_ms=after.expires_ms,
            sealed=after.sealed,
        )
        try:
            after = await book.store.token_rotate(rotation, book.doing(row.agent))
        except Stale:
            raise TokenInvalid from None
        return await self._issued(book, after, permitted, text)

    # --- signing ---------------------------------------------------------------------

    async def jwks(self) -> dict[str, object]:
        """The public keys that verify signed tokens now, as a key set (RFC 7517).

        It is empty where no token was ever signed. The key that signs stands first.
        """
        return (self._book or await self._opened()).signing.published()

    async def rotate_key(self, *, at_once: bool = False) -> str:
        """Draw the key that signs tokens from now on.

        What the ones before signed holds until it expires; then they are gone.

        Args:
            at_once: they are gone now, and what they signed is not valid any more: for a
                key that somebody else may have.

        Returns:
            the name of the new key, `kid`.

        Raises:
            NotNow: 32 keys verify already.
        """
        kid = await (self._book or await self._opened()).rotate_key(at_once=at_once)
        severity = Severity.HIGH if at_once else Severity.INFO
        reason = "at_once" if at_once else "overlap"
        self._core.incident(severity, Vector.POLICY, "token_key_rotated", reason)
        return kid

    # --- revoking --------------------------------------------------------------------

    async def revoke(self, session_or_token_id: str, *, by: Principal | None = None) -> None:
        """Revoke one token, or all tokens of a session, with all that were made with them.

        Whoever has a token may revoke it and what was made with it; everything else
        needs the scope `tokens:revoke`. The session goes on (rulings R2).

        Raises:
            SessionNotFound: there is no such token or session, or it is another's.
            ScopeDenied: it is not the token's to revoke.
        """
        book = self._book or await self._opened()
        row = await self._row(session_or_token_id, by)
        if row is not None:
            if by is not None and not by.may(REVOKE) and not await self._made_with(row, by):
                raise ScopeDenied(f"this needs the scope {REVOKE}")
            await self._revoke(book, Revocation(id=row.id), by)
            return
        tenant = self._workspace(by)
        where = await self._located(session_or_token_id, tenant)
        await self._check_below(where, by)
        if by is not None and not by.may(REVOKE):
            raise ScopeDenied(f"this needs the scope {REVOKE}")
        await self._revoke(book, Revocation(stream=where.stream), by)

    async def _row(self, id: str, by: Principal | None) -> TokenRow | None:
        """The row of a token that a principal may know of."""
        book = self._book or await self._opened()
        if not isinstance(id, str):
            raise SessionNotFound("there is no such token")
        try:
            row = await book.store.token_row(bytes.fromhex(id)) if len(id) == 32 else None
        except ValueError:
            return None
        if row is None or by is None:
            return row
        if not by.of(row.tenant):
            return None
        mine = not by.session or await self._made_with(row, by)
        return row if mine or await book.session_of(row) == by.session else None

    async def _made_with(self, row: TokenRow, by: Principal) -> bool:
        """Whether a token is a principal's own, or was made with it."""
        book = self._book or await self._opened()
        found: TokenRow | None = row
        for _ in range(ANCESTORS_MAX):
            if found is None:
                return False
            if found.id.hex() == by.token:
                return True
            found = await book.store.token_row(found.parent) if found.parent else None
        return False

    async def _revoke(
        self, book: TokenBook, revocation: Revocation, by: Principal | None
    ) -> list[bytes]:
        return await book.revoke(revocation, actor=await self._by(by))

    async def revoke_all_for_agent(self, agent_id: str, *, by: Principal | None = None) -> int:
        """Revoke all tokens of an agent, those that are being made too (seed C5).

        Returns:
            how many were live, with those that were made with them.

        Raises:
            ScopeDenied: it is more than `by` may.
        """
        book = self._book or await self._opened()
        if by is not None and (by.session or not by.may(REVOKE)):
            raise ScopeDenied(f"this needs the scope {REVOKE} in all of the workspace")
        tenant = self._workspace(by)
        agent = await self._actor(tenant, check_agent(agent_id))
        revocation = Revocation(tenant=tenant, agent=agent, why=Why.AGENT)
        return len(await self._revoke(book, revocation, by))

    async def prune_expired(self) -> int:
        """Note which tokens have expired, each once; returns how many (seed C6).

        A manager does so by itself, every second.
        """
        return await (self._book or await self._opened()).sweep()

    # --- looking ---------------------------------------------------------------------

    async def active_count(self) -> int:
        """How many tokens of the workspace are live (seed C6)."""
        book = self._book or await self._opened()
        now_ms = self._core.clock.now_ms()
        return await book.store.token_count(TokenFilter(tenant=self._core.tenant, live_ms=now_ms))

    async def has_administrator(self) -> bool:
        """Whether a token of the installation's administrator is live."""
        book = self._book or await self._opened()
        now_ms = self._core.clock.now_ms()
        wanted = TokenFilter(tenant=EVERY_WORKSPACE, live_ms=now_ms)
        return await book.store.token_count(wanted) > 0

    async def list(
        self,
        *,
        agent_id: str | None = None,
        session: str | None = None,
        cursor: str = "",
        limit: int = 100,
    ) -> TokenPage:
        """The live tokens of the workspace, a page at a time.

        Raises:
            SessionNotFound: there is no such session.
            InvalidInput: the cursor or the limit is none of ours.
        """
        book = self._book or await self._opened()
        tenant = self._core.tenant
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= PAGE:
            raise InvalidInput(f"limit is 1 to {PAGE}")
        try:
            after = bytes.fromhex(cursor)
        except (ValueError, TypeError):
            raise InvalidInput("the cursor of this listing is not one of ours") from None
        agent = None
        if agent_id is not None:
            agent = await self._actor(tenant, check_agent(agent_id))
        stream = None if session is None else (await self._core.locate(session)).stream
        wanted = TokenFilter(
            tenant=tenant,
            agent=agent,
            stream=stream,
            after=after,
            live_ms=self._core.clock.now_ms(),
            limit=limit + 1,
        )
        rows = await book.store.token_list(wanted)
        shown = tuple([await book.info(row) for row in rows[:limit]])
        return TokenPage(tokens=shown, cursor=shown[-1].id if len(rows) > limit else "")

    async def info(self, id: str, *, by: Principal | None = None) -> TokenInfo:
        """All of a token but its text.

        Raises:
            SessionNotFound: there is no such token, or it is another's.
        """
        row = await self._row(id, by)
        if row is None:
            raise SessionNotFound("there is no such token")
        return await (self._book or await self._opened()).info(row)

    async def events(self, after: int = 0) -> AsyncIterator[TokenEvent]:
        """What becomes of tokens: made, refreshed, revoked, expired, each once and in order.

        Args:
            after: the place of the last one that is known; 0 begins with the first.
        """
        store = (self._book or await self._opened()).store
        while True:
            found = await store.token_events(after, PAGE)
            for one in found:
                yield one
                after = one.seq
            if not found:
                await store.changed(NEWS_S)

    # --- the seeds' names ------------------------------------------------------------

    async def get_session(self, id: str) -> SessionContext:
        """The context of a session's newest live token, without its text (seed C7).

        Raises:
            SessionNotFound: there is no such session, or no live token for it.
        """
        page = await self.list(session=id, limit=PAGE)
        if not page.tokens:
            raise SessionNotFound(f"there is no live token for the session {id!r}")
        found = max(page.tokens, key=lambda one: (one.created_at, one.generation))
        return SessionContext(
            session_id=found.session_id,
            agent_id=found.agent_id,
            token="",
            role=found.role,
            scopes=found.scopes,
            task_type="" if found.task_type == DEFAULT_TASK_TYPE else found.task_type,
            expires_at=int(found.expires_at.timestamp()),
        )

    async def create_session(
        self, agent_id: str, role: str, scopes: Iterable[str], task_type: str
    ) -> SessionContext:
        """Open a session and make its token (seed C7); see `create`."""
        return (await self.create(agent_id, role, scopes, task_type or None)).as_context()

    async def invalidate(self, id: str) -> None:
        """Revoke, if there is anything to revoke (seed C7)."""
        try:
            await self.revoke(id)
        except SessionNotFound:
            return

    async def from_context(self, context: SessionContext) -> IssuedToken:
        """The token of a context, as its row says: nothing is guessed (seed C1).

        Raises:
            TokenInvalid: the context's token is not valid.
        """
        book = self._book or await self._opened()
        row, permitted = await book.current(context.token)
        return await self._issued(book, row, permitted, context.token)
