"""Authority: what holds above one session, read from the store for its engine.

Read when the engine starts, when somebody commits to the store, and after a
decision turned out to be stale; in between the last reading is used, and the
append asserts that it is still true (contract 1.7).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from weakref import WeakSet

from holdfast.core.accounts import Account
from holdfast.core.authority import NO_AUTHORITY, Authority, HookFinding, ScopedPolicy
from holdfast.core.errors import HoldfastError, Stale, Unreadable
from holdfast.core.events import Answered, EffectStarted, Ended, Event, Granted, Revoked, StateSet
from holdfast.core.grants import Grant, GrantIndex
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState
from holdfast.core.network import NetworkPolicy
from holdfast.core.rules import Policy
from holdfast.core.security import Security, stricter
from holdfast.core.view import SessionView
from holdfast.ports.store import Assert, GrantChange, NewLimit, Settle, Take
from holdfast.ports.store import Grant as Row
from holdfast.runtime.codec import dump
from holdfast.runtime.grants import Scopes, Sealer, check_grant, scopes_of
from holdfast.runtime.journal import Journal
from holdfast.runtime.ledger import Ledger
from holdfast.runtime.lineage import Inherited, has_rules, inherit, rules_changes

_log = logging.getLogger("holdfast")


class Trust:
    """What all sessions of a manager share: whom they trust, and news of changes."""

    def __init__(self) -> None:
        self.policies: tuple[ScopedPolicy, ...] = ()
        self.security: Security | None = None
        self.network: NetworkPolicy | None = None  # the most that any session may reach
        self._told: frozenset[str] = frozenset()
        self._listed: frozenset[str] = frozenset()
        self._readers: WeakSet[AuthorityReader] = WeakSet()

    def join(self, reader: AuthorityReader) -> None:
        """Tell a reader of changes from now on."""
        self._readers.add(reader)

    def ring(self) -> None:
        """Something above the sessions has changed: they read it anew before they decide."""
        for reader in self._readers:
            reader.dirty = True

    def joined(self, own: Security) -> Security | None:
        """A session's settings with the installation's joined in; None without any."""
        return None if self.security is None else stricter(self.security, own)

    def binding(self, own: Security) -> Security:
        """The settings that hold for a session: its own, with the installation's joined in."""
        return self.joined(own) or own

    def trust(self, issuers: Iterable[str]) -> None:
        """Trust further public keys, hex, to have issued capabilities."""
        self._told |= frozenset(issuers)
        self.ring()

    @property
    def issuers(self) -> frozenset[str]:
        """Public keys, hex, that are trusted to have issued capabilities."""
        return self._told | self._listed

    def install(
        self,
        policies: Iterable[ScopedPolicy],
        issuers: Iterable[str],
        security: Security | None = None,
    ) -> None:
        """Put the policy file's rules, keys and content security in place of the old ones."""
        self.policies, self._listed = tuple(policies), frozenset(issuers)
        self.security = security
        self.ring()


class AuthorityReader:
    """What holds above one session, as last read.

    Args:
        journal: the session's log.
        trust: what it shares with the other sessions of the manager.
    """

    def __init__(self, journal: Journal, trust: Trust) -> None:
        self.dirty = True
        self.revisions: tuple[tuple[str, int], ...] = ()
        self.findings: dict[EffectRef, HookFinding] = {}
        self.refused: dict[tuple[str, bytes], str] = {}
        self.ledger = Ledger(journal)
        self._journal = journal
        self._trust = trust
        self._read = NO_AUTHORITY
        self._scopes: Scopes | None = None
        self._sealer: Sealer | None = None
        self._known: dict[tuple[str, bytes], tuple[bytes, Row, Grant]] = {}
        self._honoured: list[Grant] = []
        self._limits: dict[str, int] = {}
        self._changing = False
        self._keeps_rules = False
        self._inherited = Inherited()
        self._installed: tuple[ScopedPolicy, ...] = ()
        self._versioned: tuple[Policy | None, tuple[ScopedPolicy, ...], str] = (None, (), "")
        trust.join(self)

    # --- reading -------------------------------------------------------------------

    async def refresh(self, view: SessionView) -> None:
        """Read anew if something may have changed."""
        self.ledger.fresh = self.dirty
        if not self.dirty:
            return
        self.dirty = False
        try:
            await self._read_grants(view)
            self._read = replace(self._read, accounts=await self.ledger.read(view))
        except BaseException:
            self.dirty = True
            raise

    async def _read_grants(self, view: SessionView) -> None:
        if self._journal.crypto is None or not view.tenant:
            self._forget()
            return
        scopes = self._scopes_of(view)
        rows: list[Row] = []
        revisions: list[tuple[str, int]] = []
        for scope in scopes.all:
            revision, found = await self._journal.store.grants(scope)
            revisions.append((scope, revision))
            rows += found
        if view.lineage:
            self._inherited = await inherit(self._journal, view)
        self._keeps_rules = await has_rules(self._journal.store, self._journal.stream)
        index = await self._index(rows, view)
        self._installed = self._trust.policies
        self.revisions = tuple(revisions)
        self._read = replace(
            self._read,
            policies=(*self._trust.policies, *self._inherited.policies),
            depth=len(view.lineage),
            grants=index,
            holders=scopes.holders,
            uses_left=await self._uses_left(index),
            read_at=view.version,
        )

    async def one(self, view: SessionView, id: str) -> tuple[Grant, int | None] | None:
        """One grant to the session and the uses it has left, or None; no other is verified."""
        if self._journal.crypto is None:
            return None
        trusted = self._trust.issuers | {self._journal.keys.audit_public_key.hex()}
        for scope in self._scopes_of(view).all:
            for row in (await self._journal.store.grants(scope))[1]:
                if row.id.hex() != id:
                    continue
                try:
                    grant = await self._verified(row, view)
                except HoldfastError:
                    return None
                if check_grant(grant, trusted):
                    return None
                return grant, await self._left(grant)
        return None

    def _forget(self) -> None:
        self._read = replace(NO_AUTHORITY, policies=self._trust.policies)
        self._installed = self._trust.policies
        self._sealer = None
        self._known, self._limits, self.revisions = {}, {}, ()
        self._honoured = []

    def _scopes_of(self, view: SessionView) -> Scopes:
        journal = self._journal
        if self._scopes is None or self._sealer is None:
            self._scopes = scopes_of(journal.keys, view, journal.stream)
            self._sealer = Sealer(
                journal.keys,
                view.tenant,
                journal.clock.random_bytes,
                own=self._scopes.session,
                crypto=journal.crypto,
            )
        return self._scopes

    async def _index(self, rows: list[Row], view: SessionView) -> GrantIndex:
        """The grants of these rows that are to be honoured."""
        assert self._sealer is not None, "it was made with the scopes"
        known, refused = {}, {}
        for row in rows:
            place = (row.scope, row.id)
            before = self._known.get(place)
            if before is not None and before[1] == row:
                known[place] = before
                continue
            try:
                known[place] = (self._sealer.mac(row), row, await self._verified(row, view))
            except HoldfastError as error:
                refused[place] = error.message
        for (scope, id), problem in refused.items():
            if self.refused.get((scope, id)) != problem:
                _log.warning("grant %s is ignored: %s", id.hex(), problem)
        self.refused = refused
        trusted = self._trust.issuers | {self._journal.keys.audit_public_key.hex()}
        found = (*(g for _, _, g in known.values()), *self._inherited.grants)
        honoured = [grant for grant in found if not check_grant(grant, trusted)]
        self._known = known
        if honoured == self._honoured:
            return self._read.grants
        self._honoured = honoured
        self._limits = {g.counter: g.uses_max for g in honoured if g.uses_max is not None}
        return GrantIndex(honoured)

    async def _verified(self, row: Row, view: SessionView) -> Grant:
        """Verify a row that is new or has changed, and what authorised it (astrid#AW-43).

        Raises:
            Unreadable: it is not to be honoured.
        """
        assert self._sealer is not None, "it was made with the scopes"
        grant = self._sealer.open(row)
        if self._scopes is not None and row.scope == self._scopes.session:
            if grant.session != view.session_id or not 1 <= grant.version <= view.version:
                raise Unreadable("no event of this session authorised the grant")
            event = (await self._journal.event_at(grant.version)).event
            if not (isinstance(event, Answered) or event == Granted(grant=grant)):
                raise Unreadable("the event that it names did not authorise the grant")
        return grant

    async def _uses_left(self, index: GrantIndex) -> dict[str, int]:
        left: dict[str, int] = {}
        for grant in index if self._limits else ():
            uses = await self._left(grant)
            if uses is not None:
                left[grant.id] = uses
        return left

    async def _left(self, grant: Grant) -> int | None:
        if grant.uses_max is None:
            return None
        counter = await self._journal.store.counter(grant.counter)
        spent = counter.used + counter.held if counter is not None else 0
        return max(0, grant.uses_max - spent)

    # --- what goes with an append ------------------------------------------------------

    def asserts(self, events: Iterable[Event]) -> tuple[Assert, ...]:
        """The scopes whose grants an append starts something on: none may have changed.

        What is not relied on is not asserted, so that others may go on granting.

        Raises:
            Stale: a grant that is used is not what was verified, or the policy file
                was read anew since.
        """
        starts = [event for event in events if isinstance(event, EffectStarted)]
        if not starts:
            return ()
        if self._installed is not self._trust.policies:
            raise Stale("the policy file")
        used = {id for event in starts for id in event.grants}
        above = tuple(Assert(scope=s, revision=r) for s, r in self._inherited.revisions)
        if not used:
            return above
        scopes: set[str] = set()
        for mac, row, grant in self._known.values():
            if grant.id in used:
                if self._sealer is None or self._sealer.mac(row) != mac:
                    raise Stale(row.scope)
                scopes.add(row.scope)
        own = (Assert(scope=s, revision=r) for s, r in sorted(self.revisions) if s in scopes)
        return (*own, *above)

    def current(
        self,
        view: SessionView,
        hooked: frozenset[str] = frozenset(),
        hook_engines: frozenset[str] = frozenset(),
    ) -> Authority:
        """What holds now.

        Args:
            hooked: events that hooks of the session stand at.
            hook_engines: the hook engines that are registered here.
        """
        version = self._version_of(view.settings.permission)
        if not (hooked or hook_engines or version != self._read.version):
            return self._read
        return replace(
            self._read,
            found=dict(self.findings),
            hooked=hooked,
            hook_engines=hook_engines,
            version=version,
        )

    def _version_of(self, own: Policy | None) -> str:
        """What stands for all policies that bind the session, the same in every process."""
        if own is None and not self._read.policies:
            return ""
        made_of = (own, self._read.policies)
        if self._versioned[0] is not own or self._versioned[1] is not made_of[1]:
            digest = hashlib.sha256(b"" if own is None else dump(own))
            for scoped in self._read.policies:
                digest.update(scoped.scope.encode() + b"\0" + dump(scoped.policy))
                if scoped.critical:
                    critical = (*scoped.critical, str(scoped.quorum))
                    digest.update("".join(f"\0{one}" for one in critical).encode())
            self._versioned = (*made_of, digest.hexdigest()[:16])
        return self._versioned[2]

    def takes(
        self, events: Iterable[Event], accounts: tuple[Account, ...] = ()
    ) -> tuple[Take, ...]:
        """What the intents among these events reserve.

        Args:
            accounts: as they are after these events.

        Raises:
            Stale: an account seems short, but was not read for this decision.
        """
        return self.ledger.takes(events, accounts, self._limits)

    def settles(
        self, events: Iterable[Event], accounts: tuple[Account, ...] = ()
    ) -> tuple[Settle, ...]:
        """What the events settle of what was reserved; `accounts` as of `takes`."""
        return self.ledger.settles(events, accounts)

    def limits(self, events: Iterable[Event]) -> tuple[NewLimit, ...]:
        """The limits that these events give to accounts."""
        return self.ledger.limits(events)

    def grant_changes(self, events: Iterable[Event]) -> tuple[GrantChange, ...]:
        """What these events write to and remove from the grants table."""
        changes: list[GrantChange] = []
        for event in events:
            if isinstance(event, Granted) and event.grant.holder:
                assert self._sealer is not None, "grants are decided after a reading"
                grant = event.grant
                body = self._sealer.seal(grant)
                changes.append(
                    GrantChange(scope=grant.holder, id=bytes.fromhex(grant.id), body=body)
                )
            elif isinstance(event, Revoked) and event.holder:
                gone = GrantChange(scope=event.holder, id=bytes.fromhex(event.id), body=None)
                changes.append(gone)
            elif _ends(event) and self._scopes is not None:
                own = self._scopes.session
                if any(scope == own for scope, _ in self._rows()) or any(
                    one.scope == own for one in changes
                ):
                    changes.append(GrantChange(scope=own, id=b"", body=None))
        self._changing = bool(changes)
        return tuple(changes)

    def rule_changes(self, view: SessionView, events: list[Event]) -> tuple[GrantChange, ...]:
        """The row of its own rules that an append writes for the session's children.

        Args:
            view: the session after the append.
        """
        changes = rules_changes(self._journal, view, events, kept=self._keeps_rules)
        self._changing = self._changing or bool(changes)
        return changes

    def _rows(self) -> Iterable[tuple[str, bytes]]:
        return (*self._known, *self.refused)

    def written(self, accounts: tuple[Account, ...] | None = None) -> None:
        """The append is durable: what it changed is read anew, here and by other sessions.

        Args:
            accounts: as they are after it, if it charged any.
        """
        if accounts is not None:
            self._read = replace(self._read, accounts=accounts)
        if self._changing:
            self._changing = False
            self._trust.ring()


def _ends(event: Event) -> bool:
    """Whether a session's own grants end with an event (seed E7)."""
    completed = isinstance(event, StateSet) and event.state == SessionState.COMPLETED.title
    return completed or isinstance(event, Ended)
