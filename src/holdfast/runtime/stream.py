"""Public stream events: what subscribers see, a closed list (seed D10).

Names follow the field's (`agent_start`, `text_delta`, `tool_end` …). Every event
carries session, version, time and run. Durable events come from the log and can
be replayed; live ones (deltas, `gap`) have the version they follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from holdfast.core.decide.approvals import TIMEOUT
from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    Configured,
    ContextSet,
    EffectEnded,
    EffectStarted,
    Ended,
    Event,
    Exported,
    Imported,
    Lapsed,
    Opened,
    Outcome,
    Paused,
    PlanFixed,
    Refused,
    Relabelled,
    Resumed,
    StateSet,
    Warned,
    Wiped,
)
from holdfast.core.labels import TRUSTED, Integrity
from holdfast.core.messages import Message, ToolResult
from holdfast.core.quantities import Usage
from holdfast.core.view import YES, Recorded, SessionView

EVENT_TYPES: dict[str, str] = {
    "session_created": "the session exists",
    "session_configured": "settings, prompt, title, tags or metadata changed",
    "session_imported": "content was taken over from a file",
    "session_state": "the lifecycle moved: state, reason",
    "session_exported": "the session is written out in plain form: form",
    "session_wiped": "the session's key is destroyed",
    "session_ended": "nothing follows",
    "agent_start": "a run began: prompt",
    "message_added": "a message was added: role, text, steering",
    "message_refused": "a message did not pass the gate: reason",
    "turn_start": "a model call began: turn (1-based), attempt",
    "text_delta": "live: text, offset",
    "thinking_delta": "live: text",
    "tool_call_delta": "live: the model began to write a tool call: id, name",
    "turn_end": "a model call ended: turn, text, usage, stop, outcome; trusted is false "
    "where strangers' words may have shaped the text",
    "tool_start": "a tool runs: id, name, attempt",
    "tool_output_delta": "live: id, name, delta",
    "tool_end": "a tool call has its result: id, name, output, exit_code, outcome",
    "permission_denied": "the gate refused a tool call: tool_id, tool_name, reason",
    "confirmation_required": "a person is asked: question, about, tool_id, tool_name, args, "
    "text, choices, timeout_ms",
    "confirmation_received": "a person answered: question, tool_id, decision, approved, note, by",
    "confirmation_timeout": "a question lapsed: question, tool_id, why, action_taken",
    "budget_warning": "an account is nearly used up: account, text",
    "trifecta_warning": "the tools together could let text steal data: account, text",
    "plan_fixed": "a plan was fixed: steps, source, by",
    "relabelled": "a person lowered the label or began the risk anew: sensitivity, trusted, "
    "risk, why, by",
    "cancel_requested": "the run is to end: why",
    "context_set": "what the model sees changed: reason, messages, tokens",
    "restarted": "an effect is repeated after a crash: effect, attempt",
    "agent_end": "the run ended: outcome, text, usage, reason, tool_calls; trusted is false "
    "where strangers' words may have shaped the text, origins says whose",
    "error": "the run failed: message, reason",
    "gap": "live: this reader was too slow; events from_version to to_version are in the log",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One event as subscribers see it.

    Args:
        type: one of `EVENT_TYPES`.
        session: the session's id.
        version: version of the log it stands for or follows; the resume point.
        time_ms: milliseconds since 1970.
        run: version of the message that started the run, or 0 outside of one.
        data: the fields `EVENT_TYPES` names.
        live: it is not in the log and will not be replayed.
    """

    type: str
    session: str
    version: int
    time_ms: int
    run: int = 0
    data: Mapping[str, object] = field(default_factory=dict)
    live: bool = False

    def to_json(self) -> dict[str, object]:
        """The event as one flat JSON object."""
        head = {
            "type": self.type,
            "session": self.session,
            "version": self.version,
            "time_ms": self.time_ms,
            "run": self.run,
        }
        return {**head, **self.data}


E = TypeVar("E", bound=Event)
Pair = tuple[str, dict[str, object]]
Writer = Callable[[E, SessionView, SessionView, Recorded], list[Pair]]


def translate(before: SessionView, after: SessionView, recorded: Recorded) -> list[StreamEvent]:
    """Say in public events what one durable event means."""
    writer = _WRITERS.get(type(recorded.event))
    pairs = writer(recorded.event, before, after, recorded) if writer else []
    pairs += _run_ended(before, after, recorded)
    turn = before.turn or after.turn
    run = turn.id if turn else 0
    return [
        StreamEvent(
            type=name,
            session=after.session_id,
            version=recorded.version,
            time_ms=recorded.time_ms,
            run=run,
            data=data,
        )
        for name, data in pairs
    ]


def _usage(usage: Usage | None) -> dict[str, int]:
    found = usage or Usage()
    return {
        "prompt_tokens": found.input_tokens,
        "completion_tokens": found.output_tokens,
        "total_tokens": found.total_tokens,
        "cache_read_tokens": found.cache_read_tokens,
        "cache_write_tokens": found.cache_write_tokens,
        "reasoning_tokens": found.reasoning_tokens,
        "cost_micros": found.cost_micros,
    }


def _text(message: Message | None) -> str:
    return message.text if message else ""


def _run_ended(before: SessionView, after: SessionView, recorded: Recorded) -> list[Pair]:
    done = after.last_turn
    if done is None or before.turn is None or after.turn is not None:
        return []
    said = getattr(recorded.event, "message", None) if done.answer else None
    label = said.label if said is not None else TRUSTED
    data: dict[str, object] = {
        "outcome": done.outcome,
        "text": _text(said),
        "trusted": label.integrity is Integrity.TRUSTED,
        "origins": list(label.origins),
        "reason": done.reason,
        "usage": _usage(done.usage),
        "tool_calls": done.tool_calls,
        "answer": done.answer,
    }
    pairs: list[Pair] = []
    if done.outcome == "failed":
        pairs.append(("error", {"message": done.detail or done.reason, "reason": done.reason}))
    pairs.append(("agent_end", data))
    return pairs


def _opened(e: Opened, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_created", {"state": a.state.title, "workspace": a.settings.workspace})]


def _configured(e: Configured, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_configured", {"title": a.details.title, "tags": list(a.details.tags)})]


def _imported(e: Imported, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_imported", {"source": e.source, "messages": len(e.messages)})]


def _admitted(e: Admitted, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    if e.turn and b.turn is None:
        return [("agent_start", {"prompt": e.message.text, "command": e.command})]
    data: dict[str, object] = {"role": e.message.role.value, "text": e.message.text}
    return [("message_added", {**data, "steering": e.turn, "command": e.command})]


def _refused(e: Refused, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("message_refused", {"reason": f"{e.guard}.{e.reason}", "command": e.command})]


def _asked(e: Asked, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    call = a.call(e.ordinal)
    data: dict[str, object] = {
        "question": r.version,
        "about": e.about,
        "tool_id": call.id if call else "",
        "tool_name": e.name,
        "args": e.preview,
        "text": e.text,
        "choices": list(e.choices),
        "timeout_ms": None if e.due_ms is None else max(0, e.due_ms - r.time_ms),
        "quorum": e.quorum,
        "patterns": list(e.patterns),
    }
    return [("confirmation_required", data)]


def _tool_id(view: SessionView, question: int) -> str:
    found = view.question(question)
    call = view.call(found.ref.ordinal) if found else None
    return call.id if call else ""


def _answered(e: Answered, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    tool_id, approved = _tool_id(b, e.question), e.decision in YES
    if e.by == TIMEOUT:
        lapsed = {"question": e.question, "tool_id": tool_id, "why": "expired"}
        return [("confirmation_timeout", {**lapsed, "action_taken": "auto_approved"})]
    data: dict[str, object] = {
        "question": e.question,
        "tool_id": tool_id,
        "decision": e.decision,
        "approved": approved,
        "note": e.note,
        "by": e.by,
        "open": a.question(e.question) is not None,
    }
    return [("confirmation_received", data)]


def _lapsed(e: Lapsed, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    taken = "asked_anew" if e.why == "stale" else "rejected"
    data = {"question": e.question, "tool_id": _tool_id(b, e.question), "why": e.why}
    return [("confirmation_timeout", {**data, "action_taken": taken})]


def _started(e: EffectStarted, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    pairs: list[Pair] = []
    if e.attempt > 1:
        pairs.append(("restarted", {"effect": e.effect, "name": e.name, "attempt": e.attempt}))
    if e.effect == "model":
        rounds = a.turn.rounds + 1 if a.turn else 0
        pairs.append(("turn_start", {"turn": rounds, "attempt": e.attempt, "model": e.name}))
    else:
        call = a.call(e.ordinal)
        data: dict[str, object] = {"id": call.id if call else "", "name": e.name}
        pairs.append(("tool_start", {**data, "attempt": e.attempt}))
    return pairs


def _ended(e: EffectEnded, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    if e.effect == "tool":
        return _tool_ended(e, b)
    rounds = b.turn.rounds + 1 if b.turn else 0
    calls = [
        {"id": use.id, "name": use.name, "arguments": use.arguments}
        for use in (e.message.tool_uses if e.message else ())
    ]
    data: dict[str, object] = {
        "turn": rounds,
        "text": _text(e.message) or (e.detail if e.outcome is Outcome.CANCELLED else ""),
        "usage": _usage(e.usage),
        "stop": e.stop,
        "outcome": e.outcome.value,
        "tool_calls": calls,
        "model": e.model,
        "trusted": e.message is None or e.message.label.integrity is Integrity.TRUSTED,
    }
    return [("turn_end", data)]


def _tool_ended(e: EffectEnded, b: SessionView) -> list[Pair]:
    call = b.call(e.ordinal)
    parts = e.message.parts if e.message else ()
    result = next((part for part in parts if isinstance(part, ToolResult)), None)
    id, name = (call.id, call.name) if call else ("", result.name if result else "")
    pairs: list[Pair] = []
    if e.outcome is Outcome.REFUSED:
        data: dict[str, object] = {"tool_id": id, "tool_name": name, "reason": e.reason}
        pairs.append(("permission_denied", data))
    end: dict[str, object] = {
        "id": id,
        "name": name,
        "output": result.content if result else "",
        "exit_code": e.exit_code,
        "outcome": e.outcome.value,
        "duration_ms": e.duration_ms,
        "metadata": json.loads(e.metadata),
    }
    pairs.append(("tool_end", end))
    return pairs


def _context_set(e: ContextSet, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("context_set", {"reason": e.reason, "messages": e.count, "tokens": e.tokens})]


def _state(e: Event, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_state", {"state": a.state.title, "reason": a.state_reason})]


def _cancel_asked(e: CancelAsked, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("cancel_requested", {"why": e.why})]


def _warned(e: Warned, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [(f"{e.about}_warning", {"account": e.subject, "text": e.detail})]


def _plan_fixed(e: PlanFixed, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    steps = [{"tool": one.tool, "times": one.times} for one in e.steps]
    return [("plan_fixed", {"steps": steps, "source": e.source, "by": e.by})]


def _relabelled(e: Relabelled, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    data: dict[str, object] = {
        "sensitivity": a.label.sensitivity.name.lower(),
        "trusted": a.label.integrity is Integrity.TRUSTED,
        "risk": e.risk,
    }
    return [("relabelled", {**data, "why": e.why, "by": e.by})]


def _exported(e: Exported, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_exported", {"form": e.form})]


def _wiped(e: Wiped, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_wiped", {"destroyed_at_ms": e.destroyed_at_ms, "key_epoch": e.key_epoch})]


def _over(e: Ended, b: SessionView, a: SessionView, r: Recorded) -> list[Pair]:
    return [("session_ended", {"state": a.state.title})]


_WRITERS: dict[type[Event], Writer] = {  # type: ignore[type-arg]  # each takes its own kind
    Opened: _opened,
    Configured: _configured,
    Imported: _imported,
    Admitted: _admitted,
    Refused: _refused,
    Asked: _asked,
    Answered: _answered,
    Lapsed: _lapsed,
    EffectStarted: _started,
    EffectEnded: _ended,
    ContextSet: _context_set,
    Paused: _state,
    Resumed: _state,
    StateSet: _state,
    CancelAsked: _cancel_asked,
    Warned: _warned,
    PlanFixed: _plan_fixed,
    Relabelled: _relabelled,
    Exported: _exported,
    Wiped: _wiped,
    Ended: _over,
}
