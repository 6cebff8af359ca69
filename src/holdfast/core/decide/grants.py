"""Deciding about grants: what is given, by whom, for how long, and what is taken back.

The session decides under which scope of the store a grant is kept; whoever asks
names only for whom it is to hold. Every grant names the event that authorised
it (astrid#AW-43).
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core import grants
from holdfast.core.actions import Action
from holdfast.core.commands import Answer, Grant, Revoke
from holdfast.core.decide.common import Draft
from holdfast.core.errors import ApproverRefused, GrantNotFound, InvalidInput, NotNow
from holdfast.core.events import Granted, Revoked
from holdfast.core.granting import chosen_rules, grant_id, literal_rules, wider_patterns
from holdfast.core.grants import GrantKind, GrantScope
from holdfast.core.grants_of import CODES, escape_grants
from holdfast.core.lifecycle import ENDED
from holdfast.core.principals import is_person
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation
from holdfast.core.view import Question

DAY_MS = 24 * 3600 * 1000
ALWAYS_MS = 30 * DAY_MS
"""How long a grant for all of a user's sessions holds when nothing else is said."""

EXPIRES_MAX_MS = 366 * DAY_MS
USES_MAX = 1_000_000
SCOPE_OF = {
    "session": GrantScope.SESSION,
    "workspace": GrantScope.WORKSPACE,
    "always": GrantScope.ALWAYS,
}
"""Decisions on a question that grant something; "once" covers only the call itself."""


def grant(draft: Draft, command: Grant, by: str) -> None:
    """Record a grant that was made outside of a question.

    Raises:
        InvalidInput: it cannot be granted as it is.
        ApproverRefused: whoever asks is not a person.
        NotNow: the session has ended.
    """
    if draft.view.state in ENDED:
        raise NotNow(f"the session is {draft.view.state.title}")
    given = command.grant
    if not is_person(given.by or by):
        raise ApproverRefused("only a person grants what a model, a tool or an agent may do")
    if given.rule.effect is not RuleEffect.ALLOW or given.rule.always_ask:
        raise InvalidInput("a grant allows; other rules belong to a policy")
    issued = given.kind is GrantKind.CAPABILITY and given.scope is GrantScope.ONCE
    made = replace(
        given,
        holder="" if issued else _holder(draft, given.scope),
        created_ms=draft.facts.now_ms,
        expires_ms=_end(draft, given.scope, given.expires_ms),
        uses_max=_uses(given.uses_max),
        by=given.by or by,
        session=draft.view.session_id,
        version=draft.view.version + 1,
    )
    if len(made.id) != 32 or not set(made.id) <= set("0123456789abcdef"):
        raise InvalidInput("a grant's id is 32 hexadecimal characters")
    draft.add(Granted(grant=made))


def revoke(draft: Draft, command: Revoke, by: str) -> None:
    """Take a grant back, without an id all that hold for this session only.

    What runs already goes on.

    Raises:
        GrantNotFound: nothing of that id is granted to this session.
    """
    if not command.id:
        clear_session(draft, command.by or by)
        return
    found = next((one for one in draft.facts.authority.grants if one.id == command.id), None)
    if found is None or command.holder not in ("", found.holder):
        raise GrantNotFound(f"nothing granted here has the id {command.id!r}")
    draft.add(
        Revoked(id=found.id, holder=found.holder, why=command.why, by=command.by or by),
    )


def clear_session(draft: Draft, by: str) -> None:
    """Take back all that holds for this session only (seed E7)."""
    mine = [one for one in draft.facts.authority.grants if one.scope is GrantScope.SESSION]
    for one in mine:
        draft.add(Revoked(id=one.id, holder=one.holder, why="cleared", by=by))


def grant_from_answer(
    draft: Draft, question: Question, answer: Answer, action: Action
) -> tuple[grants.Grant, ...]:
    """The grants that a yes to a question makes; "once" makes none.

    They are for the version of the event that comes next but for what was drafted:
    call it right after the `Answered` was added, and add a `Granted` for each.

    Args:
        answer: its pattern is one of the question's, or "".
        action: what was approved.

    Raises:
        InvalidInput: nothing can be granted for it, or the end or the number of
            uses is out of bounds.
    """
    scope = SCOPE_OF.get(answer.decision)
    if scope is None:
        return ()
    holder = _holder(draft, scope)
    now_ms, version = draft.facts.now_ms, draft.view.version
    expires_ms, uses_max = _end(draft, scope, answer.expires_ms), _uses(answer.uses_max)

    def make(
        number: int,
        rule: Rule,
        operations: tuple[Operation, ...] = (),
        kind: GrantKind = GrantKind.ESCAPE,
    ) -> grants.Grant:
        return grants.Grant(
            id=grant_id(draft.view.session_id, version, kind, number, now_ms, question.digest),
            kind=kind,
            scope=scope,
            holder=holder,
            rule=rule,
            operations=operations,
            created_ms=now_ms,
            expires_ms=expires_ms,
            uses_max=uses_max,
            by=answer.by,
            session=draft.view.session_id,
            version=version,
        )

    made: list[grants.Grant] = []
    if CODES.intersection(question.codes):
        made += escape_grants(action, answer.pattern, make)
    if any(code.startswith("permission.") for code in question.codes):
        operations = tuple(sorted({path.operation for path in action.paths}))
        rules = _rules(action, answer.pattern)
        kind = GrantKind.ALLOWANCE
        made += (make(number, rule, operations, kind) for number, rule in enumerate(rules))
    if not made:
        raise InvalidInput("this can only be allowed once: nothing literal stands for it")
    return tuple(made)


def _rules(action: Action, pattern: str) -> tuple[Rule, ...]:
    """What a yes allows; a chosen pattern may be one for the escape alone."""
    if not pattern or pattern not in wider_patterns(action):
        return literal_rules(action)
    return chosen_rules(action, pattern)


def _holder(draft: Draft, scope: GrantScope) -> str:
    holder = draft.facts.authority.holders.get(scope, "")
    if not holder:
        raise InvalidInput(f"nothing can be granted for {scope.value!r} here")
    return holder


def _end(draft: Draft, scope: GrantScope, expires_ms: int | None) -> int | None:
    """When a grant ends; one for always has an end in any case."""
    now_ms = draft.facts.now_ms
    if expires_ms is None:
        return now_ms + ALWAYS_MS if scope is GrantScope.ALWAYS else None
    if not now_ms < expires_ms <= now_ms + EXPIRES_MAX_MS:
        raise InvalidInput("a grant ends in the future and within 366 days")
    return expires_ms


def _uses(uses_max: int | None) -> int | None:
    if uses_max is not None and not 1 <= uses_max <= USES_MAX:
        raise InvalidInput(f"a grant is used 1 to {USES_MAX:,} times")
    return uses_max
