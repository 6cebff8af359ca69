"""Making tokens: what is given away, to whom, and for which session (seed C2).

`core.minting` decides what a token gets; here its session is found or opened and its
row is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from holdfast.core.decide.content import check_depth
from holdfast.core.errors import (
    AlreadyThere,
    InvalidInput,
    ScopeDenied,
    SessionExists,
    SessionNotFound,
    Stale,
    TokenInvalid,
)
from holdfast.core.ids import validate_id
from holdfast.core.minting import Wanted, minted
from holdfast.core.principals import EVERY_WORKSPACE, Principal, Roles
from holdfast.core.tokens import (
    METADATA_CHARS_MAX,
    SECRET_BYTES,
    IssuedToken,
    Permitted,
    TokenFormat,
    TokenSettings,
    check_agent,
    check_workspace,
    moment,
    token_text,
)
from holdfast.ports.tokens import TokenRow
from holdfast.runtime.boxes import NONCE_BYTES
from holdfast.runtime.configuration import Serving, of_section
from holdfast.runtime.located import Located, find_located, stands_below
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.tokenasked import Asked
from holdfast.runtime.tokenbook import TokenBook

DAY_S = 24 * 3600
_ID_BYTES = 16


class TokenMaking:
    """What makes tokens; `SessionTokens` adds the rest.

    Args:
        core: the manager, or a view of it: what it makes is in its workspace.
        settings: tells how long tokens live and which roles there are, once it is open.
    """

    def __init__(self, core: Sessions, settings: Callable[[], TokenSettings]) -> None:
        self._settings = settings
        self._core = core
        self._book: TokenBook | None = None

    @property
    def settings(self) -> TokenSettings:
        """How long tokens live, and which roles there are."""
        return self._settings()

    async def create(
        self,
        agent_id: str,
        role: str = "agent",
        scopes: Iterable[str] | None = None,
        task_type: str | None = None,
        expires_in: float | None = None,
        *,
        session: str | None = None,
        workspace: str | None = None,
        metadata: Mapping[str, object] | None = None,
        by: Principal | None = None,
    ) -> IssuedToken:
        """Make a token, and the session it is for if there is none with that id (seed C2).

        Args:
            agent_id: who bears it: a name, "user:<name>" for a person, or one below a name
                (`core.tokens.check_agent`).
            scopes: None is all of the role's.
            expires_in: seconds; None is as the settings say.
            session: its id; None opens a new one, or means that of `by`; "" is all of
                the workspace's.
            workspace: the tenant; default: the manager's.
            by: whose token it is made with; it gives no more than it has, and without
                `tokens:revoke` no name but its own and those below it.

        Raises:
            InvalidInput: a role, scope or task type is not known, or a value is no such.
            ScopeDenied: it is more than `by` has.
            SessionNotFound: the session is not one that `by` may touch.
            TokenInvalid: `by`'s own token holds no more, or the agent's tokens were all
                revoked while this one was made.
        """
        book = self._book or await self._opened()
        principal = check_agent(agent_id)
        tenant = check_workspace(workspace or self._workspace(by))
        if session is None and by is not None and by.session:
            session = by.session
        wanted = Wanted(
            role=role,
            scopes=scopes,
            task_type=task_type,
            workspace=tenant,
            every_session=session == "",
            principal=principal,
        )
        given = minted(wanted, self.settings.roles, by)
        text = _metadata(metadata)
        now_ms = self._core.clock.now_ms()
        asked = self._asked(book, tenant, by, now_ms)
        if asked is not None and (found := await asked.before(now_ms)) is not None:
            return await self._issued(book, *found)
        parent = await self._parent(by)
        span_ms = self._span_ms(expires_in, parent, now_ms)
        agent = await self._actor(tenant, principal)
        # Read before anything else is done: what is revoked from here on is noticed.
        epoch = await book.store.agent_epoch(tenant, agent)
        if session is None and asked is not None:
            session = asked.session
        stream = await self._stream(session, tenant, by)
        ends_ms = now_ms + round(self.settings.life_s * 1000)
        if parent is not None:
            ends_ms = min(ends_ms, parent.ends_ms)
        row = TokenRow(
            id=asked.id if asked is not None else self._core.clock.random_bytes(_ID_BYTES),
            tenant=tenant,
            agent=agent,
            digest=b"",
            created_ms=now_ms,
            expires_ms=end_of(now_ms, span_ms, ends_ms, parent),
            ends_ms=ends_ms,
            span_ms=span_ms,
            sealed=b"",
            stream=stream,
            parent=b"" if parent is None else parent.id,
            agent_epoch=epoch,
        )
        permitted = Permitted(
            agent=agent_id,
            principal=principal,
            role=role,
            scopes=tuple(sorted(given.scopes)),
            task_type=given.task_type,
            metadata=text,
        )
        return await self._kept(book, row, permitted, by, asked)

    async def _kept(
        self,
        book: TokenBook,
        row: TokenRow,
        permitted: Permitted,
        by: Principal | None,
        asked: Asked | None,
    ) -> IssuedToken:
        """Give a row its text and keep it."""
        row, permitted, secret = await self._written(book, row, permitted)
        if asked is not None:
            row = asked.kept(row, permitted, secret, self._core.clock.random_bytes(NONCE_BYTES))
        try:
            await book.store.token_add(row, book.doing(await self._by(by)))
        except Stale:
            raise TokenInvalid from None
        except AlreadyThere:  # the request may be under way twice
            if asked is None or (found := await asked.before(row.created_ms)) is None:
                raise
            return await self._issued(book, *found)
        return await self._issued(book, row, permitted, secret)

    def _asked(
        self, book: TokenBook, tenant: str, by: Principal | None, now_ms: int
    ) -> Asked | None:
        """The request that the token is made for, if that can come again."""
        commands, life_s = self._core.commands, self.settings.life_s
        if commands is None:
            return None
        return Asked(book, tenant, commands, by, now_ms=now_ms, life_s=life_s)

    def _workspace(self, by: Principal | None) -> str:
        if by is None or by.workspace == EVERY_WORKSPACE:
            return self._core.tenant
        return by.workspace

    def _span_ms(self, expires_in: float | None, parent: TokenRow | None, now_ms: int) -> int:
        """How long a token lives.

        Raises:
            ScopeDenied: longer than the one it is made with, and that was asked for.
        """
        if expires_in is None:
            return round(self.settings.expires_in_s * 1000)
        span_ms = round(self.settings.checked(expires_in) * 1000)
        if parent is not None and now_ms + span_ms > parent.expires_ms:
            raise ScopeDenied("a token cannot outlive the one that it is made with")
        return span_ms

    async def _parent(self, by: Principal | None) -> TokenRow | None:
        """The row of the token that another is made with.

        Raises:
            TokenInvalid: it holds no more.
        """
        if by is None or not by.token:
            return None
        row = await (self._book or await self._opened()).store.token_row(bytes.fromhex(by.token))
        if row is None or not row.live(self._core.clock.now_ms()):
            raise TokenInvalid
        return row

    async def _stream(self, session: str | None, tenant: str, by: Principal | None) -> int:
        """The stream of the session a token is for: found, or opened; 0 is all of them."""
        if session == "":
            return 0
        if session is not None:
            validate_id(session)
        if session is None or await self._found(session, tenant) is None:
            if by is not None and (by.session or not by.may("sessions:create")):
                raise ScopeDenied("the token cannot open a session")
            if tenant != self._core.tenant:
                raise SessionNotFound("the session of a token in another workspace is not there")
            try:
                session = str(await self._core.create_session(session))
            except SessionExists:
                pass  # somebody was quicker: it is joined
        assert session is not None, "it was opened"
        where = await self._located(session, tenant)
        await self._check_below(where, by)
        return where.stream

    async def _found(self, session: str, tenant: str) -> Located | None:
        backends = [backend for _, backend in self._core.distinct_backends()]
        return await find_located(backends, tenant, session)

    async def _located(self, session: str, tenant: str) -> Located:
        """Find a session of a workspace.

        Raises:
            SessionNotFound: there is none.
        """
        found = await self._found(session, tenant)
        if found is None:
            raise SessionNotFound(f"there is no session {session!r}")
        return found

    async def _check_below(self, where: Located, by: Principal | None) -> None:
        """A principal of one session gives away that one and what stands below it.

        Raises:
            SessionNotFound: it is another one.
        """
        if by is None or not by.session:
            return
        if not await stands_below(where, await self._located(by.session, where.row.tenant)):
            raise SessionNotFound(f"there is no session {where.row.name!r}")

    async def _written(
        self, book: TokenBook, row: TokenRow, permitted: Permitted
    ) -> tuple[TokenRow, Permitted, str]:
        """Give a row its text; returns the row with its digest, what it permits, and the text.

        The administrator's is never signed: nobody elsewhere, who could not see that it
        was revoked, is to take it.
        """
        settings = self.settings
        if settings.format == TokenFormat.JWT and row.tenant != EVERY_WORKSPACE:
            session = await book.session_of(row)
            permitted, text = book.signing.signed(row, permitted, session, settings)
        else:
            text = token_text(self._core.clock.random_bytes(SECRET_BYTES))
            permitted = replace(permitted, signed=None)
        return book.sealed(row, permitted, text), permitted, text

    async def _issued(
        self, book: TokenBook, row: TokenRow, permitted: Permitted, text: str
    ) -> IssuedToken:
        return IssuedToken(
            id=row.id.hex(),
            session_id=await book.session_of(row),
            agent_id=permitted.agent,
            workspace_id=row.tenant,
            role=permitted.role,
            scopes=permitted.scopes,
            task_type=permitted.task_type,
            guard_token=text,
            created_at=moment(row.created_ms),
            expires_at=moment(row.expires_ms),
            metadata=json.loads(permitted.metadata),
            generation=row.generation,
            now_ms=self._core.clock.now_ms,
        )

    # --- inside ----------------------------------------------------------------------

    async def _opened(self) -> TokenBook:
        await self._core.ready()
        core = self._core
        self._book = core.distinct_backends()[0][1].book
        self._book.serve(
            lambda: [one.store for _, one in core.distinct_backends()[1:]], core.stop_revoked
        )
        return self._book

    async def _actor(self, tenant: str, principal: str) -> int:
        _, backend = self._core.distinct_backends()[0]
        return await backend.actor(tenant, principal)

    async def _by(self, by: Principal | None) -> int:
        tenant = self._core.tenant if by is None else by.workspace
        return await self._actor(tenant, self._core.principal if by is None else by.id)


def settings_of(file: Serving | None, environ: Mapping[str, str]) -> TokenSettings:
    """What the policy file and the environment say of tokens and roles.

    Raises:
        InvalidInput: a variable is out of bounds.
    """
    found = of_section(file, environ, "tokens")
    life_s = float(str(found["life_days"])) * DAY_S
    return TokenSettings(
        expires_in_s=float(str(found["expires_in_s"])),
        expires_in_s_max=min(float(DAY_S), life_s),
        life_s=life_s,
        roles=Roles() if file is None else file.roles,
        format=str(found["format"]),
        issuer=str(found["issuer"]),
        audience=str(found["audience"]),
    )


def end_of(now_ms: int, span_ms: int, ends_ms: int, parent: TokenRow | None) -> int:
    """When a token expires that is made or refreshed now."""
    until = [now_ms + span_ms, ends_ms]
    if parent is not None:
        until.append(parent.expires_ms)
    return min(until)


def _metadata(metadata: Mapping[str, object] | None) -> str:
    """Free metadata as JSON text, which whoever lists tokens can write again as UTF-8.

    Raises:
        InvalidInput: it is no JSON object of at most 4,096 characters, nested too deep, or
            it has lone surrogates.
    """
    try:
        found = {} if metadata is None else dict(metadata)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
        text = json.dumps(found, allow_nan=False)
        written = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput("a token's metadata is a JSON object") from None
    if len(text) > METADATA_CHARS_MAX:
        raise InvalidInput(f"a token's metadata has at most {METADATA_CHARS_MAX} characters")
    check_depth(written)
    return text
