"""Ending a call that does not run, with a truthful result."""

from __future__ import annotations

from holdfast.core.decide.common import Draft
from holdfast.core.events import EffectEnded, Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.messages import estimate_tokens, tool_result
from holdfast.core.verdicts import Deny


def refuse_effect(draft: Draft, ref: EffectRef, verdict: Deny, attempt: int) -> None:
    """Record that the gate said no; a tool call gets that as its result.

    A call that was tried before may have happened: its result does not say it was not run.
    """
    code = f"{verdict.guard}.{verdict.reason}"
    if ref.ordinal == 0:
        refuse_model(draft, ref, code, verdict.detail)
        return
    outcome, text = Outcome.REFUSED, f"[denied: {verdict.detail} ({code})]"
    if attempt > 1:
        outcome = Outcome.LOST
        text = f"[outcome unknown; another attempt was denied: {verdict.detail} ({code})]"
    end_call(draft, ref, outcome, text, reason=code)


def refuse_model(draft: Draft, ref: EffectRef, reason: str, detail: str) -> None:
    """Record that a model call does not happen; the turn fails with that."""
    draft.add(
        EffectEnded(
            cause=ref.cause,
            ordinal=0,
            effect="model",
            outcome=Outcome.REFUSED,
            reason=reason,
            detail=detail,
        )
    )


def end_call(draft: Draft, ref: EffectRef, outcome: Outcome, text: str, *, reason: str) -> None:
    """Give a tool call that did not run to its end a truthful result."""
    call = draft.view.call(ref.ordinal)
    if call is None:
        return
    message = tool_result(call.id, call.name, text, is_error=True)
    draft.add(
        EffectEnded(
            cause=ref.cause,
            ordinal=ref.ordinal,
            effect="tool",
            outcome=outcome,
            message=message,
            tokens=estimate_tokens(message),
            exit_code=1,
            reason=reason,
        )
    )
