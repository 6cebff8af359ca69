"""Deciding about calls beside the turn: the embedding program's, and extractions.

They cross the same gate and leave the same intent and outcome in the log; what
they say belongs to whoever made them and is not part of the conversation.
"""

from __future__ import annotations

from holdfast.core.actions import ActionKind
from holdfast.core.commands import HostCall, HostEnded
from holdfast.core.decide.common import Draft
from holdfast.core.errors import Denied, NotNow
from holdfast.core.events import EffectEnded, EffectStarted, Outcome, Refused
from holdfast.core.holds import accounts_of, settle
from holdfast.core.judge import judge
from holdfast.core.lifecycle import ENDED
from holdfast.core.verdicts import Allow, Ask
from holdfast.core.view import EXTRACTION, HOST_CALLS_MAX


def host_call(draft: Draft, command: HostCall) -> None:
    """Judge a call and append its intent; its cause is the intent's own version.

    Raises:
        Denied: the token that it is asked for by was revoked.
        NotNow: the session has ended, or too many such calls run.
    """
    if draft.facts.revoked(command.bearer):
        raise Denied("the token that the call is made by was revoked")
    if draft.view.state in ENDED:
        raise NotNow(f"the session is {draft.view.state.title}")
    if len(draft.view.host_open) >= HOST_CALLS_MAX:
        raise NotNow(f"{HOST_CALLS_MAX} calls of the program run already")
    action = command.action
    facts = draft.facts if command.asked is None else draft.facts.about(command.asked)
    if not command.extracts:  # which is a part of the turn, and acts as whoever that runs for
        facts = facts.acting(command.bearer)
    verdict = judge(draft.view, facts, action, draft.guards)
    if not isinstance(verdict, Allow):
        detail = verdict.question if isinstance(verdict, Ask) else verdict.detail
        draft.add(Refused(action=action.kind.value, guard=verdict.guard, reason=verdict.reason))
        draft.error = Denied(detail)
        return
    draft.add(
        EffectStarted(
            cause=draft.view.version + 1,
            ordinal=1,
            effect=_effect(command),
            name=action.name,
            digest=action.digest,
            engine=draft.facts.engine,
            revisions=draft.facts.revisions,
            obligations=verdict.obligations,
            takes=verdict.takes,
            grants=verdict.grants,
            bearer=command.bearer,
        )
    )


def _effect(command: HostCall) -> str:
    if command.extracts:
        return EXTRACTION
    return "host_tool" if command.action.kind is ActionKind.TOOL else "host_model"


def host_ended(draft: Draft, command: HostEnded) -> None:
    """Record what became of it."""
    effect = next((one for one in draft.view.host_open if one.ref == command.ref), None)
    if effect is None:
        return
    draft.add(
        EffectEnded(
            cause=command.ref.cause,
            ordinal=command.ref.ordinal,
            effect=effect.effect,
            outcome=command.outcome,
            usage=command.usage,
            model=command.model,
            provider=command.provider,
            exit_code=command.exit_code,
            duration_ms=command.duration_ms,
            reason=command.reason,
            settles=settle(
                effect,
                usage=command.usage,
                duration_ms=command.duration_ms,
                ran=command.ran,
                accounts=accounts_of(draft.view, draft.facts).values(),
            ),
        )
    )


def lose_host_calls(draft: Draft) -> None:
    """Calls of an engine that is gone have nobody left to tell their outcome."""
    for effect in draft.view.host_open:
        if effect.engine != draft.facts.engine:
            draft.add(
                EffectEnded(
                    cause=effect.ref.cause,
                    ordinal=effect.ref.ordinal,
                    effect=effect.effect,
                    outcome=Outcome.LOST,
                    reason="lost",
                )
            )
