"""Allowances and capabilities through a session's handle (seeds E2, E4, E7)."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import replace

from holdfast.core.commands import Grant as GrantCommand
from holdfast.core.commands import Revoke
from holdfast.core.errors import CapabilityRefused, GrantNotFound, InvalidInput
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import Rule, RuleEffect, parse_rule
from holdfast.core.tools import Operation
from holdfast.core.view import SessionView
from holdfast.runtime import capabilities
from holdfast.runtime.allowances import (
    Allowance,
    AllowanceImport,
    Offered,
    allowance_of,
    exported,
    offered,
    planned,
)
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.controls import Controls
from holdfast.runtime.grants import workspace_scope
from holdfast.runtime.host import expect
from holdfast.runtime.listing import resolve_workspace
from holdfast.runtime.perform import clean

DAY_S = 24 * 3600


class Allowances(Controls):
    """What a handle grants, shows and takes back; see `Session`."""

    async def allowances(self) -> list[Allowance]:
        """All that is granted to this session, the most specific first.

        A row of the store that was altered is not among them; `audit verify` names it.
        """
        return (await self._granted())[1]

    async def _granted(self) -> tuple[SessionView, list[Allowance]]:
        view = await self.view()
        reader = AuthorityReader(self._where.backend.journal(self._where.row), self._core.trust)
        await reader.refresh(view)
        authority, now_ms = reader.current(view), self._core.clock.now_ms()
        left = authority.uses_left
        shown = [allowance_of(one, left.get(one.id), now_ms) for one in authority.grants]
        return view, shown

    async def grant_allowance(
        self,
        rule: str,
        scope: GrantScope | str = GrantScope.SESSION,
        *,
        literal: bool = False,
        permissions: Iterable[Operation | str] = (),
        expires_in_s: int | None = None,
        max_uses: int | None = None,
        by: str | None = None,
    ) -> Allowance:
        """Allow in advance what would be asked about; denials and `always_ask` still hold.

        Args:
            rule: `Tool` or `Tool(pattern)`, see docs/how-to/allowances.md.
            scope: session, workspace, or always: all sessions of the session's
                user, which ends after 30 days when nothing else is said.
            literal: a `*` in the rule means itself.
            permissions: what may be done with paths; none stands for any.
            expires_in_s: seconds from now, at most 366 days.
            max_uses: how often it may be used, over all processes.
            by: who grants it; default: the manager's principal.

        Raises:
            MalformedRule: the rule does not parse, or can never match.
            InvalidInput: the end, the uses or the scope are out of bounds.
        """
        return await self._grant(
            Grant(
                id=self._core.clock.random_bytes(16).hex(),
                kind=GrantKind.ALLOWANCE,
                scope=_scope(scope),
                holder="",
                rule=self._rule(rule, literal=literal),
                operations=_permissions(permissions),
                expires_ms=self._until(expires_in_s),
                uses_max=_uses(max_uses),
                by=self._who(by),
            )
        )

    def _rule(self, text: str, *, literal: bool) -> Rule:
        expect("rule", text, str)
        expect("literal", literal, bool)
        tool = self._core.registry.get(text.partition("(")[0].strip())
        spec = tool.spec if tool is not None else None
        return parse_rule(RuleEffect.ALLOW, text, literal=literal, spec=spec)

    def _until(self, seconds: int | None) -> int | None:
        if seconds is None:
            return None
        expect("expires_in_s", seconds, int)
        return self._core.clock.now_ms() + seconds * 1000

    def _who(self, by: str | None) -> str:
        expect("by", by, str, type(None))
        return clean(by or self._core.principal)

    async def _grant(self, grant: Grant) -> Allowance:
        await self.submit(GrantCommand(grant=grant), by=grant.by)
        reader = AuthorityReader(self._where.backend.journal(self._where.row), self._core.trust)
        found = await reader.one(await self.view(), grant.id)
        if found is None:
            raise GrantNotFound("what was granted has been taken back already")
        return allowance_of(*found, self._core.clock.now_ms())

    async def revoke_allowance(self, id: str, why: str = "", *, by: str | None = None) -> None:
        """Take back what was granted; calls that have not started cannot rest on it any more.

        Args:
            id: of an entry of `allowances()`, of any scope that reaches this session.

        Raises:
            GrantNotFound: nothing of that id is granted to this session.
        """
        expect("id", id, str)
        expect("why", why, str)
        if not id:
            raise GrantNotFound("an id is needed")
        who = self._who(by)
        self._core.trust.ring()  # it may have been granted elsewhere a moment ago
        await self.submit(Revoke(id=id, holder="", why=clean(why), by=who), by=who)

    async def clear_session_allowances(self, *, by: str | None = None) -> int:
        """Take back all that holds for this session only; returns how many (seed E7)."""
        mine = [one for one in await self.allowances() if one.scope == GrantScope.SESSION.value]
        if mine:
            who = self._who(by)
            self._core.trust.ring()
            await self.submit(Revoke(id="", holder="", by=who), by=who)
        return len(mine)

    # --- moving -------------------------------------------------------------------------

    async def export_workspace_allowances(self) -> str:
        """The allowances of the session's workspace as a JSON document (seed E4)."""
        return exported(await self.allowances())

    async def import_workspace_allowances(
        self, data: str, *, confirm: str = "", by: str | None = None
    ) -> AllowanceImport:
        """Take over a list of workspace allowances, once a person has confirmed it (seed E4).

        Without `confirm` nothing changes: show `shown` to a person and call again
        with its `confirm`. What is taken over is signed here; its limits may only
        be narrower than the file's, and nothing that is granted already changes.

        Raises:
            InvalidInput: it is not such a list, there is no workspace, or what was
                confirmed is not this list.
        """
        view, there = await self._granted()
        where = self._where
        scope = workspace_scope(where.backend.keys, view.tenant, view.settings.workspace)
        if not scope:
            raise InvalidInput("the session has no workspace")
        plan = planned(offered(data), there, self._core.clock.now_ms(), scope)
        if not confirm:
            return plan
        expect("confirm", confirm, str)
        if not hmac.compare_digest(confirm.encode(), plan.confirm.encode()):
            raise InvalidInput("what was confirmed is not this list; show it again")
        for one in plan.shown:
            await self._take_over(one, self._who(by))
        return replace(plan, imported=len(plan.shown))

    async def _take_over(self, one: Offered, by: str) -> None:
        await self._grant(
            Grant(
                id=self._core.clock.random_bytes(16).hex(),
                kind=GrantKind.ALLOWANCE,
                scope=GrantScope.WORKSPACE,
                holder="",
                rule=one.parsed(),
                operations=_permissions(one.permissions),
                expires_ms=one.expires_ms,
                uses_max=one.uses_max,
                by=by,
            )
        )

    # --- capabilities ---------------------------------------------------------------------

    async def issue_capability(
        self,
        rule: str,
        *,
        expires_in_s: int,
        permissions: Iterable[Operation | str] = (),
        max_uses: int | None = 1,
        user: str = "",
        session: str = "",
        workspace: str = "",
        by: str | None = None,
    ) -> str:
        """Sign a capability token; that it was issued is recorded in this session.

        Args:
            rule: what it permits.
            expires_in_s: seconds from now, at most 366 days.
            max_uses: in all sessions and processes together; None is any number.
            user, session, workspace: for whom it is; "" is anybody of the tenant.

        Returns:
            the token. Keep it as you would a password.
        """
        for name, value in (("user", user), ("session", session), ("workspace", workspace)):
            expect(name, value, str)
        view, who = await self.view(), self._who(by)
        parsed, uses = self._rule(rule, literal=False), _uses(max_uses)
        until_ms = self._until(expires_in_s)
        if until_ms is None:
            raise InvalidInput("a token needs an end")
        keys, now_ms = self._where.backend.keys, self._core.clock.now_ms()
        said = capabilities.Capability(
            id=self._core.clock.random_bytes(16).hex(),
            issuer=keys.audit_public_key.hex(),
            tenant=view.tenant,
            rule=parsed.text,
            created_ms=now_ms,
            expires_ms=until_ms,
            permissions=_permissions(permissions),
            uses_max=uses,
            user=user,
            session=session,
            workspace=resolve_workspace(workspace),
            audit_session=self.id,
            by=who,
        )
        record = replace(
            capabilities.grant_of(replace(said, user="", session="", workspace=""), view),
            scope=GrantScope.ONCE,
            expires_ms=until_ms,
        )
        handled = await self.submit(GrantCommand(grant=record), by=who)
        return capabilities.issue(replace(said, audit_version=handled.first), keys.sign)

    async def add_capability(self, token: str) -> Allowance:
        """Verify a capability token and let this session use what it permits.

        Raises:
            CapabilityRefused: it does not hold here; `code` says why.
        """
        keys = self._where.backend.keys
        trusted = self._core.trust.issuers | {keys.audit_public_key.hex()}
        said = capabilities.verify(token, trusted, self._core.clock.now_ms())
        grant = capabilities.grant_of(said, await self.view())
        counter = await self._where.backend.store.counter(grant.counter)
        spent = counter.used + counter.held if counter is not None else 0
        if grant.uses_max is not None and spent >= grant.uses_max:
            raise CapabilityRefused("the token has been used up", code="used_up")
        return await self._grant(grant)


def _scope(scope: GrantScope | str) -> GrantScope:
    try:
        found = GrantScope(scope)
    except ValueError:
        found = GrantScope.ONCE
    if found is GrantScope.ONCE:
        raise InvalidInput("the scope is session, workspace or always")
    return found


def _permissions(names: Iterable[Operation | str]) -> tuple[Operation, ...]:
    try:
        return tuple(sorted({Operation(name) for name in names}))
    except ValueError as error:
        raise InvalidInput(str(error)) from None


def _uses(uses: int | None) -> int | None:
    if uses is not None:
        expect("max_uses", uses, int)
    return uses
