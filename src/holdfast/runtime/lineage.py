"""What holds for a child because of the sessions it stands below (seed E2).

A session with children keeps a copy of its own rules as a row of the grants
table, sealed under the tenant's key and written in the append that changes
them. Its children read that row, and their appends assert its revision: a rule
that a parent adds reaches what its children start next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from holdfast.core.authority import ScopedPolicy
from holdfast.core.errors import HoldfastError, Unreadable
from holdfast.core.events import Ancestor, ChildOpened, Configured, Event
from holdfast.core.grants import Grant
from holdfast.core.hearing import PARENT
from holdfast.core.rules import Policy, PolicyMode
from holdfast.core.settings import Settings
from holdfast.core.view import SessionView
from holdfast.ports.store import Grant as Row
from holdfast.ports.store import GrantChange, Store, session_scope
from holdfast.runtime.boxes import NONCE_BYTES, BoxCipher, derive
from holdfast.runtime.codec import dump, load
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.grants import Sealer
from holdfast.runtime.journal import Journal

_PURPOSE = "rules/2"
_POLICY_ONLY = "rules"
"""The purpose of rows as they were when they held no critical rules."""
_ID = bytes(16)


def rules_scope(stream: int) -> str:
    """The scope of the store that a session's rules are kept under for its children."""
    return f"p:{stream:016x}"


@dataclass(frozen=True, slots=True)
class Binding:
    """A session's own rules as they bind its children.

    Args:
        critical, quorum: as of its `ConfirmationPolicy`.
    """

    policy: Policy
    critical: tuple[str, ...] = ()
    quorum: int = 1


DENY_ALL = Binding(Policy(mode=PolicyMode.STRICT))


def rules_of(settings: Settings) -> Binding:
    """A session's own rules as they bind its children."""
    policy, confirmation = settings.permission or Policy(), settings.confirmation
    if settings.unsafe_auto_approve:
        policy = replace(policy, mode=PolicyMode.UNSAFE_PERMISSIVE)
    return Binding(policy, confirmation.critical, confirmation.quorum)


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a child has from above.

    Args:
        revisions: of the scopes that were read; every start asserts those of rules.
    """

    policies: tuple[ScopedPolicy, ...] = ()
    grants: tuple[Grant, ...] = ()
    revisions: tuple[tuple[str, int], ...] = ()


class Rules:
    """Seals and opens the rules that sessions keep for their children."""

    def __init__(self, journal: Journal, tenant: str, random: Callable[[int], bytes]) -> None:
        secret = journal.keys.tenant_secret(tenant)
        self._box = BoxCipher(derive(secret, b"holdfast/rules-box/1"))
        self._tenant = tenant
        self._random = random

    def seal(self, scope: str, rules: Binding) -> bytes:
        """Seal rules as the body of their row."""
        ids = (self._tenant, scope)
        return self._box.seal(_PURPOSE, ids, dump(rules), self._random(NONCE_BYTES))

    def open(self, row: Row) -> Binding:
        """Open a row, also one of an earlier version.

        Raises:
            Unreadable: it is not what was written.
        """
        ids = (self._tenant, row.scope)
        try:
            return load(Binding, self._box.open(_PURPOSE, ids, row.body))
        except Unreadable:
            return Binding(load(Policy, self._box.open(_POLICY_ONLY, ids, row.body)))


def rules_changes(
    journal: Journal, view: SessionView, events: list[Event], *, kept: bool
) -> tuple[GrantChange, ...]:
    """The row that an append writes for the session's children, if it has or gets any.

    Args:
        view: the session after the append.
        kept: the session has such a row already.
    """
    opens = any(isinstance(event, ChildOpened) for event in events)
    changes = any(isinstance(event, Configured) and event.settings for event in events)
    if not (opens or (kept and changes)) or journal.crypto is None:
        return ()
    scope = rules_scope(journal.stream)
    rules = Rules(journal, view.tenant, journal.clock.random_bytes)
    body = rules.seal(scope, rules_of(view.settings))
    return (GrantChange(scope=scope, id=_ID, body=body),)


async def inherit(journal: Journal, view: SessionView) -> Inherited:
    """Read what a child has from the sessions above it.

    Rules that are missing or cannot be read deny everything.
    """
    policies: list[ScopedPolicy] = []
    grants: list[Grant] = []
    revisions: list[tuple[str, int]] = []
    rules = Rules(journal, view.tenant, journal.clock.random_bytes)
    for ancestor in view.lineage:
        scope = rules_scope(ancestor.stream)
        revision, rows = await journal.store.grants(scope)
        revisions.append((scope, revision))
        found, above = _binding(rules, rows), f"{PARENT}:{ancestor.session_id}"
        policies.append(ScopedPolicy(above, found.policy, found.critical, found.quorum))
        own = session_scope(ancestor.stream)
        revision, rows = await journal.store.grants(own)
        revisions.append((own, revision))
        grants += _grants(journal, view.tenant, ancestor, rows)
    return Inherited(tuple(policies), tuple(grants), tuple(revisions))


def _binding(rules: Rules, rows: list[Row]) -> Binding:
    try:
        return rules.open(rows[0]) if rows else DENY_ALL
    except Unreadable:
        return DENY_ALL


def _grants(journal: Journal, tenant: str, ancestor: Ancestor, rows: list[Row]) -> list[Grant]:
    """What was granted to a session above; nothing once its key is gone."""
    if not rows:
        return []
    try:
        key = journal.keys.session_key(ancestor.stream)
    except HoldfastError:
        return []
    random = journal.clock.random_bytes
    crypto = Crypto(key, random)
    sealer = Sealer(journal.keys, tenant, random, own=session_scope(ancestor.stream), crypto=crypto)
    found: list[Grant] = []
    for row in rows:
        try:
            found.append(sealer.open(row))
        except Unreadable:
            continue  # its own session reports it; here it is not honoured
    crypto.wipe()
    return found


async def has_rules(store: Store, stream: int) -> bool:
    """Whether a session keeps rules for children."""
    return (await store.grants(rules_scope(stream)))[0] > 0
