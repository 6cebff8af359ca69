"""Another attempt of a model call that came back: a hook wants it, or nothing came of it.

Each attempt that may be charged has an intent and a reservation of its own
(contract 1.6). Where it may not happen, or no account can pay for it, the call
ends as it came back.
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.commands import ModelEnded
from holdfast.core.decide.common import Draft
from holdfast.core.decide.doubt import ATTEMPTS_MAX
from holdfast.core.decide.money import parked, warn
from holdfast.core.events import EffectStarted
from holdfast.core.holds import accounts_of, after, settle
from holdfast.core.judge import judge
from holdfast.core.lifecycle import WORKING
from holdfast.core.verdicts import Allow
from holdfast.core.view import OpenEffect


def started_again(draft: Draft, effect: OpenEffect, command: ModelEnded) -> bool:
    """Append the intent of another attempt; tells whether there is one."""
    view, turn, action = draft.view, draft.view.turn, draft.facts.model
    if turn is None or turn.cancel or view.state not in WORKING or parked(view):
        return False
    if draft.revoked or action is None or draft.facts.stopping or effect.attempt >= ATTEMPTS_MAX:
        return False
    intent = EffectStarted(
        cause=effect.ref.cause,
        ordinal=effect.ref.ordinal,
        effect=effect.effect,
        name=action.name,
        digest=action.digest,
        attempt=effect.attempt + 1,
        engine=draft.facts.engine,
        revisions=draft.facts.revisions,
        settles=settle(
            effect,
            usage=command.usage,
            duration_ms=command.duration_ms,
            ran=command.ran,
            accounts=accounts_of(view, draft.facts).values(),
        ),
    )
    # What the first attempt leaves of its reservation is there for the next.
    facts = after(view, draft.facts, intent).about(effect.ref)
    verdict = judge(view, facts, action, draft.guards)
    if not isinstance(verdict, Allow):
        return False
    draft.add(
        replace(
            intent,
            obligations=verdict.obligations,
            takes=verdict.takes,
            grants=verdict.grants,
        )
    )
    warn(draft, (*effect.takes, *verdict.takes))
    return True
