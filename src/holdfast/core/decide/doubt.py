"""Effects in doubt: an intent without an outcome that this engine did not start.

Whatever its epoch (contract 1.6), by the nature the installation's registry
declares today:
- model call: repeated, at most `ATTEMPTS_MAX` times
- read-only, idempotent: judged again under today's rules, same effect id
- reconcilable: the tool's own answer decides
- once: a person decides, and not before a former holder can have stopped
Never twice by the runtime's own decision.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.decide.common import Draft
from holdfast.core.events import Asked, EffectEnded, Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import NOTHING
from holdfast.core.lifecycle import WORKING
from holdfast.core.messages import estimate_tokens, tool_result
from holdfast.core.tools import Nature
from holdfast.core.view import OpenEffect, SessionView

ATTEMPTS_MAX = 5
DOUBT_CHOICES = ("happened", "run_again", "skip")

Starter = Callable[[Draft, EffectRef, int], None]
Served = Callable[[Draft, EffectRef], bool]


def in_doubt(view: SessionView, engine: str) -> tuple[OpenEffect, ...]:
    """Open effects another engine started and nobody was asked about yet."""
    asked = {question.ref for question in view.questions}
    return tuple(
        effect for effect in view.open if effect.engine != engine and effect.ref not in asked
    )


def settle_doubts(draft: Draft, start: Starter, served: Served) -> None:
    """Settle what can be settled now, by a runner that offers what is needed."""
    turn = draft.view.turn
    if draft.view.state not in WORKING or turn is None or turn.cancel:
        for effect in in_doubt(draft.view, draft.facts.engine):
            if turn is None or turn.cancel:
                lose(draft, effect, "the runtime stopped while it ran")
        return
    for effect in in_doubt(draft.view, draft.facts.engine):
        if not served(draft, effect.ref):
            continue
        if effect.effect == "model":
            _again(draft, effect, start)
        else:
            _settle_tool(draft, effect, start)


def _again(draft: Draft, effect: OpenEffect, start: Starter) -> None:
    if effect.attempt >= ATTEMPTS_MAX:
        lose(draft, effect, f"given up after {effect.attempt} attempts")
    else:
        start(draft, effect.ref, effect.attempt + 1)


def _settle_tool(draft: Draft, effect: OpenEffect, start: Starter) -> None:
    action = draft.facts.actions.get(effect.ref)
    nature = action.nature if action is not None and action.known else Nature.ONCE
    if nature in (Nature.READ_ONLY, Nature.IDEMPOTENT):
        _again(draft, effect, start)
        return
    if nature is Nature.RECONCILABLE:
        found = draft.facts.found.get(effect.ref)
        if found is None:
            return
        if found.done is False:
            _again(draft, effect, start)
            return
        if found.done and found.message is not None:
            draft.add(
                EffectEnded(
                    cause=effect.ref.cause,
                    ordinal=effect.ref.ordinal,
                    effect="tool",
                    outcome=Outcome.DONE,
                    message=found.message,
                    tokens=found.tokens,
                    reason="reconciled",
                    found=None if found.found == NOTHING else found.found,
                    exposes=found.exposes,
                )
            )
            return
    call = draft.view.call(effect.ref.ordinal)
    if call is not None and action is not None and call.approved == action.digest != "":
        _again(draft, effect, start)  # told to run it again, a person has said yes to it as well
    elif draft.facts.grace_over:
        ask(draft, effect)


def ask(draft: Draft, effect: OpenEffect) -> None:
    """Ask a person what became of a call."""
    action = draft.facts.actions.get(effect.ref)
    draft.add(
        Asked(
            cause=effect.ref.cause,
            ordinal=effect.ref.ordinal,
            about="in_doubt",
            name=effect.name,
            digest=effect.digest,
            text=(
                f"{effect.name} was running when the runtime stopped. "
                "Nobody knows whether it happened."
            ),
            choices=DOUBT_CHOICES,
            preview=action.preview if action is not None and action.known else "",
        )
    )


def lose(draft: Draft, effect: OpenEffect, why: str) -> None:
    """End an effect whose outcome nobody will know; the result says so."""
    message = None
    if effect.effect == "tool":
        call = draft.view.call(effect.ref.ordinal)
        if call is not None:
            text = f"[outcome unknown: {why}; it was not repeated]"
            message = tool_result(call.id, call.name, text, is_error=True)
    failed = effect.effect == "model" and not (draft.view.turn and draft.view.turn.cancel)
    draft.add(
        EffectEnded(
            cause=effect.ref.cause,
            ordinal=effect.ref.ordinal,
            effect=effect.effect,
            outcome=Outcome.FAILED if failed else Outcome.LOST,
            message=message,
            tokens=estimate_tokens(message) if message else 0,
            exit_code=1,
            reason="lost",
            detail=why,
        )
    )
