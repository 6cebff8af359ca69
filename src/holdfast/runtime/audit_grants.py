"""Checking that what is granted is what somebody granted (astrid#AW-14, AW-43).

Every row of the scopes that reach a session is opened, its signature verified,
and the event that it names is read: it stands in the log of a session and gave
just this. Once all logs are read, no row is there that one of them took back, and
no counter of uses is lower than what they drew on it: a row that was put back, or
uses that were given back, by somebody who can write to the store (contract 2.10).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from holdfast.core.errors import HoldfastError, SessionSealed
from holdfast.core.events import Answered, Event, Granted
from holdfast.core.grants import Grant
from holdfast.core.rules import RuleEffect
from holdfast.runtime.audit_chain import Finding, Kind, Walk
from holdfast.runtime.backend import Backend
from holdfast.runtime.grants import Sealer, scopes_of


@dataclass(slots=True)
class Ledger:
    """What the walked sessions' grants and logs came to.

    Args:
        seen: scopes that were checked.
        rows: each grant whose row is as it was written, and what a finding about it
            would say but for its text.
        revoked: scope and id of those that a log says were taken back.
        drawn: what the logs say was drawn on each counter.
    """

    seen: set[str] = field(default_factory=set)
    rows: list[tuple[Grant, Finding]] = field(default_factory=list)
    revoked: set[tuple[str, str]] = field(default_factory=set)
    drawn: dict[str, int] = field(default_factory=dict)


async def check_grants(walk: Walk, ledger: Ledger) -> None:
    """Check the rows of a walked session's scopes.

    Args:
        ledger: of all walked sessions; it is added to.
    """
    ledger.revoked |= walk.revoked
    for id, amount in walk.drawn.items():
        ledger.drawn[id] = ledger.drawn.get(id, 0) + amount
    journal = walk.journal
    if journal is None or journal.crypto is None or not walk.folding or not walk.view.tenant:
        return
    keys, view = walk.backend.keys, walk.view
    scopes = scopes_of(keys, view, walk.row.stream)
    sealer = Sealer(
        keys,
        view.tenant,
        walk.backend.clock.random_bytes,
        own=scopes.session,
        crypto=journal.crypto,
    )
    for scope in scopes.all:
        if scope in ledger.seen:
            continue
        ledger.seen.add(scope)
        for row in (await walk.backend.store.grants(scope))[1]:
            try:
                grant = sealer.open(row)
                problem = await _problem(walk, grant)
                if not problem:
                    ledger.rows.append((grant, _blank(walk)))
            except HoldfastError as error:
                problem = error.message
            if problem:
                walk.find(Kind.GRANT, f"grant {row.id.hex()}: {problem}; it is never honoured")


async def _stands(backend: Backend, grant: Grant) -> bool:
    """Whether the row is there now: somebody may have revoked it while logs were read."""
    rows = (await backend.store.grants(grant.holder))[1]
    return any(row.id.hex() == grant.id for row in rows)


def _blank(walk: Walk) -> Finding:
    return Finding(session=walk.name, stream=walk.row.stream, version=0, kind=Kind.GRANT, text="")


async def compare_uses(backend: Backend, ledger: Ledger) -> list[Finding]:
    """Compare the rows and counters of grants with what all walked logs say of them."""
    findings = []
    for grant, found in ledger.rows:
        problems = []
        if (grant.holder, grant.id) in ledger.revoked and await _stands(backend, grant):
            problems.append("it was revoked, and its row is there again")
        if grant.uses_max is not None:
            counter = await backend.store.counter(grant.counter)
            drawn = ledger.drawn.get(grant.counter, 0)
            known = 0 if counter is None else counter.used + counter.held
            if known < drawn:
                problems.append(f"it was used {drawn} times, and its counter says {known}")
            if counter is not None and counter.limit != grant.uses_max:
                problems.append("its counter has another limit than it grants")
        text = "; ".join(problems)
        if text:
            findings.append(replace(found, text=f"grant {grant.id}: {text}"))
    return findings


async def _problem(walk: Walk, grant: Grant) -> str:
    """What is wrong with a grant whose signature verifies, or ""."""
    if grant.rule.effect is not RuleEffect.ALLOW:
        return "its rule does not allow"
    row = await walk.backend.store.find(walk.view.tenant, grant.session)
    if row is None:
        name = grant.session
        text = f"grant {grant.id}: session {name!r}, which authorised it, is gone; not provable"
        walk.find(Kind.UNPROVED, text, note=True)
        return ""
    try:
        journal = walk.backend.journal(row)
    except SessionSealed:
        name = grant.session
        text = f"grant {grant.id}: session {name!r}, which authorised it, is sealed; not looked at"
        walk.find(Kind.UNPROVED, text, note=True)
        return ""
    try:
        event: Event = (await journal.event_at(grant.version)).event
    except HoldfastError:
        return f"event {grant.version} of {grant.session!r}, which it names, cannot be read"
    finally:
        if journal.crypto is not None:
            journal.crypto.wipe()
    if isinstance(event, Answered) or event == Granted(grant=grant):
        return ""
    return f"event {grant.version} of {grant.session!r} did not authorise it"
