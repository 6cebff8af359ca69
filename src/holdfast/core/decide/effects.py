"""Deciding about effects: which start now, and what their outcomes mean.

`advance` ends every decision: it settles what is in doubt, keeps the turn's
limits, and judges whatever is owed. The intent of an effect is appended when
the effect may start, never earlier: an intent that nobody acted on would be in
doubt after a crash for no reason.
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import HookDone, ModelEnded, ToolEnded
from holdfast.core.decide.again import started_again
from holdfast.core.decide.approvals import ask_person, due_ms, label_of, lapse_due, settled
from holdfast.core.decide.common import Draft
from holdfast.core.decide.doubt import lose, settle_doubts
from holdfast.core.decide.host import lose_host_calls
from holdfast.core.decide.money import ask_budget, parked, warn
from holdfast.core.decide.refusing import end_call, refuse_effect
from holdfast.core.events import (
    CancelAsked,
    EffectEnded,
    EffectStarted,
    Lapsed,
    Modified,
    Outcome,
    WipeStarted,
)
from holdfast.core.guards.budget import ABOUT as BUDGET
from holdfast.core.holds import accounts_of, settle
from holdfast.core.hooks import HookEvent
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import NOTHING
from holdfast.core.judge import judge
from holdfast.core.lifecycle import WORKING
from holdfast.core.messages import Message, ToolUse, estimate_tokens, tool_result
from holdfast.core.owed import owed
from holdfast.core.provenance import to_be_examined
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Ask, Deny
from holdfast.core.view import CALLS_MAX

REVOKED = "token_revoked"
"""Why a turn ends whose token was revoked."""

ANSWER_CALLS_MAX = 512
CALL_ID_BYTES_MAX = 64
CALL_NAME_BYTES_MAX = 80


def advance(draft: Draft) -> None:
    """Bring the draft to where nothing more can be decided now."""
    if draft.facts.stopping:
        return
    draft.act()
    if draft.revoked and draft.view.state in WORKING:
        cancel_turn(draft, REVOKED)  # contract 2.13: it causes no new effect
    lose_host_calls(draft)
    lapse_due(draft)
    settle_doubts(draft, start_effect, served)
    while True:
        due = owed(draft.view)
        if due.start_wipe:
            if draft.facts.finalised is not None:
                draft.add(WipeStarted(checkpoint=draft.facts.finalised))
            return
        limit = _limit_reached(draft, due.start, due.turn_ends_ms)
        if limit:
            cancel_turn(draft, limit)
            continue
        servable = [ref for ref in due.start if served(draft, ref)]
        if not servable:
            return
        for ref in servable:
            start_effect(draft, ref, 1)


def served(draft: Draft, ref: EffectRef) -> bool:
    """Whether this runner offers what an effect needs; if not, it stays owed (contract 1.13).

    While an account waits to be raised nothing starts either.
    """
    if parked(draft.view):
        return False
    engine, authority = draft.view.settings.hook_engine, draft.facts.authority
    if engine and engine not in authority.hook_engines:
        return False
    action = draft.facts.model if ref.ordinal == 0 else draft.facts.actions.get(ref)
    if action is None or action.known:
        return _hooks_spoke(draft, ref, action) and _examined(draft, action)
    if ref.ordinal == 0:
        return False
    listed = draft.view.settings.tools or ()
    return action.name.casefold() not in {name.casefold() for name in listed}


def _hooks_spoke(draft: Draft, ref: EffectRef, action: Action | None) -> bool:
    """Whether the hooks before a call have spoken of it, in the form it has now."""
    authority = draft.facts.authority
    if action is None or action.kind is not ActionKind.TOOL or action.problem:
        return True
    if HookEvent.PRE_TOOL_USE not in authority.hooked:
        return True
    finding = authority.found.get(ref)
    return finding is not None and finding.digest == action.digest


def _examined(draft: Draft, action: Action | None) -> bool:
    """Whether it was looked up where the arguments of a call come from, if that matters."""
    security = draft.facts.binding(draft.view.settings.security)
    if action is None or not to_be_examined(security, draft.view.label, action):
        return True
    return action.digest in draft.facts.examined


def hook_done(draft: Draft, command: HookDone) -> None:
    """Put a hook's changes on record; the call is then judged in its new form."""
    turn, call = draft.view.turn, draft.view.call(command.ref.ordinal)
    if turn is None or call is None or turn.answer != command.ref.cause:
        return
    if command.action is not None and command.arguments:
        draft.add(
            Modified(
                cause=command.ref.cause,
                ordinal=command.ref.ordinal,
                arguments=command.arguments,
                by=command.finding.name,
            )
        )
        draft.learn({command.ref: command.action})


def _limit_reached(draft: Draft, start: tuple[EffectRef, ...], turn_ends_ms: int | None) -> str:
    turn = draft.view.turn
    if turn is None or turn.cancel:
        return ""
    # Time in which nobody led the session does not count.
    led_until_ms = draft.facts.led_ms + draft.view.settings.limits.turn_s * 1000
    if turn_ends_ms is not None and draft.facts.now_ms >= max(turn_ends_ms, led_until_ms):
        return "turn_time"
    asks_model = any(ref.ordinal == 0 for ref in start)
    if asks_model and turn.rounds >= draft.view.settings.limits.max_rounds:
        return "max_rounds"
    return ""


def start_effect(draft: Draft, ref: EffectRef, attempt: int) -> None:
    """Judge an effect and append its intent, its refusal or a question."""
    if parked(draft.view) or draft.revoked:
        return
    action = draft.facts.model if ref.ordinal == 0 else draft.facts.actions.get(ref)
    verdict = judge(draft.view, draft.facts.about(ref), action, draft.guards)
    if isinstance(verdict, Ask) and action is not None:
        verdict = settled(draft, ref, verdict, action)
    if isinstance(verdict, Deny) or action is None:
        assert isinstance(verdict, Deny), "an action that is not known is denied"
        refuse_effect(draft, ref, verdict, attempt)
    elif isinstance(verdict, Ask):
        if verdict.about == BUDGET:
            ask_budget(draft, ref, action, due_ms=due_ms(draft), label=label_of(draft.view))
        else:
            ask_person(draft, ref, action, verdict)
    else:
        draft.add(
            EffectStarted(
                cause=ref.cause,
                ordinal=ref.ordinal,
                effect="model" if ref.ordinal == 0 else "tool",
                name=action.name,
                digest=action.digest,
                attempt=attempt,
                engine=draft.facts.engine,
                revisions=draft.facts.revisions,
                obligations=verdict.obligations,
                takes=verdict.takes,
                grants=verdict.grants,
                step=_step(draft, action),
            )
        )
        warn(draft, verdict.takes)


def _step(draft: Draft, action: Action) -> int:
    """The step of the plan that a call takes; only what starts takes one."""
    found = draft.facts.examined.get(action.digest)
    return found.step if found is not None and action.kind is ActionKind.TOOL else 0


def cancel_turn(draft: Draft, why: str, by: str = "") -> None:
    """Ask the turn to end; what this engine runs ends when it reports back."""
    turn = draft.view.turn
    if turn is None or turn.cancel:
        return
    for question in draft.view.questions:
        draft.add(Lapsed(question=question.id, why="cancelled"))
    draft.add(CancelAsked(why=why, by=by))
    for effect in draft.view.open:
        if effect.engine != draft.facts.engine:
            lose(draft, effect, "the runtime stopped while it ran")
    cancel_calls(draft)


def cancel_calls(draft: Draft) -> None:
    """Give every call that never started the result of a cancelled one."""
    turn = draft.view.turn
    if turn is None:
        return
    running = {effect.ref.ordinal for effect in draft.view.open}
    waiting = [call for call in draft.view.calls if call.ordinal not in running]
    for call in waiting:
        ref = EffectRef(turn.answer, call.ordinal)
        text = "[not run: the turn was cancelled]"
        end_call(draft, ref, Outcome.CANCELLED, text, reason="cancelled")


def model_ended(draft: Draft, command: ModelEnded) -> None:
    """Record a model's answer, with what of its calls may run side by side."""
    effect = draft.view.carried_out(command.ref, command.intent)
    if effect is None or (command.again and started_again(draft, effect, command)):
        return
    paid = [one for one in (command.before, command.usage) if one is not None]
    usage = sum(paid[1:], paid[0]) if paid else None
    paused = command.outcome is Outcome.CANCELLED and not (
        draft.view.turn and draft.view.turn.cancel
    )
    outcome, message, problem = _usable(command, paused=paused)
    parallel = tuple(
        ordinal
        for ordinal, action in enumerate(command.actions, start=1)
        if action.nature is Nature.READ_ONLY and action.known
    )
    version = draft.add(
        EffectEnded(
            cause=command.ref.cause,
            ordinal=0,
            effect="model",
            outcome=outcome,
            message=message,
            tokens=estimate_tokens(message) if message else 0,
            parallel=parallel,
            usage=usage,
            model=command.model,
            provider=command.provider,
            stop=command.stop,
            duration_ms=command.duration_ms,
            reason="bad_answer" if problem else command.reason,
            detail=problem or (_said(command) if paused else command.detail),
            settles=settle(
                effect,
                usage=command.usage,
                duration_ms=command.duration_ms,
                ran=command.ran,
                accounts=accounts_of(draft.view, draft.facts).values(),
            ),
        )
    )
    warn(draft, effect.takes)
    actions: dict[EffectRef, Action] = {
        EffectRef(version, ordinal): action
        for ordinal, action in enumerate(command.actions, start=1)
    }
    draft.learn(actions)
    if draft.view.calls and message is not None:
        _refuse_surplus(draft, version, message)
    if draft.view.turn and draft.view.turn.cancel:
        cancel_calls(draft)


def _usable(command: ModelEnded, *, paused: bool) -> tuple[Outcome, Message | None, str]:
    """Return outcome, message and what is wrong: an answer nobody can act on has failed."""
    message = command.message
    if paused:
        return command.outcome, None, ""
    if command.outcome is not Outcome.DONE:
        return command.outcome, _without_calls(message), ""
    if message is None:
        return Outcome.FAILED, None, "the answer has no message"
    uses = message.tool_uses
    ids = {use.id for use in uses}
    sizes = [(len(use.id.encode()), len(use.name.encode())) for use in uses]
    if len(uses) > ANSWER_CALLS_MAX or len(ids) < len(uses) or "" in ids:
        return Outcome.FAILED, None, "the answer's tool calls cannot be told apart"
    if any(id > CALL_ID_BYTES_MAX or name > CALL_NAME_BYTES_MAX for id, name in sizes):
        return Outcome.FAILED, None, "a tool call's id or name is too long"
    return Outcome.DONE, message, ""


def _without_calls(message: Message | None) -> Message | None:
    """A call of an answer that was cut off is not carried out and not shown."""
    if message is None:
        return None
    parts = tuple(part for part in message.parts if not isinstance(part, ToolUse))
    return replace(message, parts=parts) if parts else None


def _refuse_surplus(draft: Draft, answer: int, message: Message) -> None:
    """Give the calls that are too many their results."""
    for ordinal, use in enumerate(message.tool_uses, start=1):
        if ordinal > CALLS_MAX:
            text = f"[not run: an answer may call at most {CALLS_MAX} tools]"
            result = tool_result(use.id, use.name, text, is_error=True)
            draft.add(
                EffectEnded(
                    cause=answer,
                    ordinal=ordinal,
                    effect="tool",
                    outcome=Outcome.REFUSED,
                    message=result,
                    tokens=estimate_tokens(result),
                    exit_code=1,
                    reason="too_many_calls",
                )
            )


def _said(command: ModelEnded) -> str:
    return command.message.text if command.message else command.detail


def tool_ended(draft: Draft, command: ToolEnded) -> None:
    """Record a tool's result; one that is not waited for any more is dropped."""
    effect = draft.view.carried_out(command.ref, command.intent)
    if effect is None:
        return
    draft.add(
        EffectEnded(
            cause=command.ref.cause,
            ordinal=command.ref.ordinal,
            effect="tool",
            outcome=command.outcome,
            message=command.message,
            tokens=estimate_tokens(command.message),
            exit_code=command.exit_code,
            duration_ms=command.duration_ms,
            reason=command.reason,
            metadata=command.metadata,
            settles=settle(effect, duration_ms=command.duration_ms, ran=command.ran),
            found=None if command.found == NOTHING else command.found,
            exposes=int(command.exposes),
        )
    )
    warn(draft, effect.takes)
