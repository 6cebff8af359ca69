"""What the calls of an answer come to now: the normalised actions that are judged."""

from __future__ import annotations

from holdfast.core.actions import Action
from holdfast.core.commands import Answer, Command
from holdfast.core.ids import EffectRef
from holdfast.core.messages import ToolUse
from holdfast.runtime.batch import Batch
from holdfast.runtime.making import Maker
from holdfast.runtime.window import Bodies


def uses_of(draft: Batch, bodies: Bodies, answer: int) -> tuple[ToolUse, ...]:
    """The calls of an answer, also of one that is decided and not durable yet."""
    message = draft.fresh.get(answer) or bodies.message_at(answer)
    return message.tool_uses if message else ()


def actions_of(make: Maker, draft: Batch, bodies: Bodies) -> dict[EffectRef, Action]:
    """The action of each call without a result, with the arguments it has now."""
    view, turn = draft.view, draft.view.turn
    if turn is None or not view.calls:
        return {}
    uses = uses_of(draft, bodies, turn.answer)
    return {
        EffectRef(turn.answer, call.ordinal): make.prepare(
            make.edited(uses[call.ordinal - 1], call.edited, draft.edits)
        ).action
        for call in view.calls
        if call.ordinal <= len(uses)
    }


def edited_action(make: Maker, draft: Batch, bodies: Bodies, command: Command) -> Action | None:
    """The action that a person's changed arguments make of a call, or None."""
    if not isinstance(command, Answer) or command.decision != "edit":
        return None
    question = draft.view.question(command.question)
    uses = uses_of(draft, bodies, question.ref.cause) if question else ()
    if question is None or not 1 <= question.ref.ordinal <= len(uses):
        return None
    use = uses[question.ref.ordinal - 1]
    return make.prepare(ToolUse(use.id, use.name, command.arguments)).action
