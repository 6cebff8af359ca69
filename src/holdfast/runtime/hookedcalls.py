"""Model and tool calls between the hooks before and after them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from holdfast.core.actions import Action
from holdfast.core.commands import ModelEnded, ToolEnded
from holdfast.core.errors import Denied
from holdfast.core.events import Outcome
from holdfast.core.hooks import HookAction, HookAnswer, HookEvent
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import united
from holdfast.core.messages import Message, Part, Role, Text, ToolResult, tool_result
from holdfast.core.quantities import Usage
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelClient, ModelReply, ModelRequest
from holdfast.runtime.hooks import RETRIES_MAX
from holdfast.runtime.normalise import Prepared
from holdfast.runtime.perform import ModelCall, ToolCall, call_model, call_tool, clean

REPEATABLE = (Nature.READ_ONLY, Nature.IDEMPOTENT)
SILENT_RETRIES_MAX = 2
SILENT_RETRY_S = 0.1
"""How often an attempt of which nothing came is followed by another, and after how long."""

_AROUND_MODEL = frozenset((HookEvent.GENERATE_START, HookEvent.GENERATE_END, HookEvent.ON_ERROR))


Rest = Callable[[float], Awaitable[None]]
Looked = Callable[[ToolEnded, Prepared], Awaitable[ToolEnded]]
"""Gives a result its label and hides what may not be seen."""


class Fire(Protocol):
    """Asks the hooks of an event."""

    async def __call__(
        self, event: HookEvent, data: dict[str, object], action: Action | None = None
    ) -> HookAnswer:
        """Return what they answer together."""


class HookedCalls:
    """Makes the calls of one session between its hooks.

    Args:
        fire: asks the hooks.
        events: tells which events have hooks now.
    """

    def __init__(self, fire: Fire, events: Callable[[], frozenset[str]]) -> None:
        self.fire = fire
        self._events = events
        self._result: Looked | None = None
        self._paid: dict[EffectRef, Usage] = {}

    async def tool(self, call: ToolCall, rest: Rest) -> ToolEnded:
        """Run a tool call, and let hooks see its result before anybody else does."""
        ended = await self._looked_at(call, await call_tool(call))
        if HookEvent.POST_TOOL_USE not in self._events():
            return ended
        try:
            return await self._tool_judged(call, ended, rest)
        except asyncio.CancelledError:
            # It ran: what becomes of the turn does not make that undone, or its result seen.
            use = call.prepared.use
            text = "[it ran; its result was not seen by the hooks after it before the cancel]"
            label = ended.message.label
            message = tool_result(use.id, use.name, text, is_error=True, label=label)
            stopped = replace(ended, outcome=Outcome.CANCELLED, message=message, metadata="{}")
            return replace(stopped, reason="cancelled", exit_code=130)

    async def _tool_judged(self, call: ToolCall, ended: ToolEnded, rest: Rest) -> ToolEnded:
        """A call's outcome as hooks let it be seen, repeated where they ask and it may be."""
        for tries in range(RETRIES_MAX + 1):
            if ended.outcome is Outcome.CANCELLED:
                return ended
            answer = await self._after_tool(call, ended)
            again = answer.action is HookAction.RETRY and tries < RETRIES_MAX
            if not again or call.prepared.action.nature not in REPEATABLE:
                return await self._after_hooks(call, ended, answer)
            await rest(answer.delay_ms / 1000)
            spent_ms = ended.duration_ms
            # What the first try began may have had effects, however the next one ends.
            ended = await call_tool(replace(call, began=[*call.began]))
            ended = await self._looked_at(call, ended)
            ended = replace(ended, duration_ms=ended.duration_ms + spent_ms)
        return ended

    def look_through(self, result: Looked) -> None:
        """Have every result looked at before anybody sees it."""
        self._result = result

    async def _after_hooks(self, call: ToolCall, ended: ToolEnded, answer: HookAnswer) -> ToolEnded:
        """The result as hooks let it be seen; what they put there is looked at as well."""
        shown = _shown(call, ended, answer)
        if answer.action not in (HookAction.MODIFY, HookAction.BLOCK):
            return shown
        again = await self._looked_at(call, shown)
        return replace(again, found=united(ended.found, again.found))

    async def _looked_at(self, call: ToolCall, ended: ToolEnded) -> ToolEnded:
        """A result with its label, before anybody sees it."""
        return await self._result(ended, call.prepared) if self._result else ended

    async def _after_tool(self, call: ToolCall, ended: ToolEnded) -> HookAnswer:
        part = ended.message.parts[0]
        assert isinstance(part, ToolResult), "a result is one"
        data: dict[str, object] = {
            "tool": call.prepared.action.name,
            "tool_id": call.prepared.use.id,
            "args": dict(call.prepared.arguments if call.shown is None else call.shown),
            "success": not part.is_error,
            "output": part.content,
            "exit_code": ended.exit_code,
            "duration_ms": ended.duration_ms,
        }
        return await self.fire(HookEvent.POST_TOOL_USE, data, call.prepared.action)

    async def model(self, call: ModelCall, rest: Rest, attempt: int) -> ModelEnded:
        """Make one attempt of a model call between the hooks before and after it.

        Another attempt, which a hook or a failure may ask for, has an intent and a
        reservation of its own: its outcome says `again` (contract 1.6).

        Args:
            attempt: its number, from 1.
        """
        before = self._paid.get(call.ref)
        if self._events() & _AROUND_MODEL:
            try:
                call = replace(call, request=await self.before_model(call.client, call.request))
            except Denied as refused:
                never = ModelEnded(ref=call.ref, outcome=Outcome.FAILED, ran=False, before=before)
                return _blocked(never, refused.message)
        ended = replace(await call_model(call), before=before)
        try:
            ended = await self._judged(call, ended, rest, attempt)
        except asyncio.CancelledError:
            # It was made: hooks have not seen what it said, and what it may cost is not released.
            cut = replace(_blocked(ended, ""), outcome=Outcome.CANCELLED, reason="cancelled")
            return replace(cut, again=False)
        self._note_paid(ended)
        return ended

    async def _judged(
        self,
        call: ModelCall,
        ended: ModelEnded,
        rest: Rest,
        attempt: int,
    ) -> ModelEnded:
        """An attempt's outcome as hooks let it be, and whether there is to be another."""
        answer = HookAnswer()
        if self._events() & _AROUND_MODEL:
            answer = await self._after_model(call, ended)
        if answer.action is HookAction.RETRY and attempt <= RETRIES_MAX:
            await rest(answer.delay_ms / 1000)
            return replace(ended, again=True)
        if ended.again and attempt <= SILENT_RETRIES_MAX:
            await rest(SILENT_RETRY_S * 2.0**attempt)
            return ended
        return replace(_said(ended, answer), again=False)

    def _note_paid(self, ended: ModelEnded) -> None:
        """Keep what attempts used for the outcome of the last, which is told the sum."""
        paid = [usage for usage in (ended.before, ended.usage) if usage is not None]
        self._paid = {ended.ref: sum(paid[1:], paid[0])} if ended.again and paid else {}

    async def before_model(self, client: ModelClient, request: ModelRequest) -> ModelRequest:
        """Ask about a request; returns it as it may be sent.

        Raises:
            Denied: a hook blocks it.
        """
        data: dict[str, object] = {
            "prompt": _prompt_of(request),
            "system_prompt": request.system,
            "model_provider": client.provider,
            "model_name": client.model,
            "available_tools": [tool.name for tool in request.tools],
        }
        answer = await self.fire(HookEvent.GENERATE_START, data)
        if answer.action is HookAction.BLOCK:
            raise Denied(answer.reason)
        if answer.action is not HookAction.MODIFY:
            return request
        return replace(request, system=clean(str(dict(answer.changes)["system_prompt"])))

    async def after_reply(self, request: ModelRequest, reply: ModelReply) -> ModelReply:
        """Ask about an answer to the embedding program; returns it as it may be seen.

        Raises:
            Denied: a hook blocks it, or asks for another, which here it cannot have.
        """
        said = Message(Role.ASSISTANT, reply.parts)
        answer = await self.fire(HookEvent.GENERATE_END, _reply_data(request, said, reply.usage))
        if answer.action in (HookAction.BLOCK, HookAction.RETRY):
            raise Denied(answer.reason or f"the hook {answer.hook} wants another answer")
        return replace(reply, parts=_with_text(said, answer).parts)

    async def _after_model(self, call: ModelCall, ended: ModelEnded) -> HookAnswer:
        if ended.outcome is Outcome.FAILED:
            data: dict[str, object] = {
                "prompt": _prompt_of(call.request),
                "error": ended.reason,
                "message": ended.detail,
            }
            return await self.fire(HookEvent.ON_ERROR, data)
        if ended.outcome is not Outcome.DONE or ended.message is None:
            return HookAnswer()
        data = _reply_data(call.request, ended.message, ended.usage)
        return await self.fire(HookEvent.GENERATE_END, data)


def _prompt_of(request: ModelRequest) -> str:
    said = (message for message in reversed(request.messages) if message.role is Role.USER)
    last = next(said, None)
    return last.text if last else ""


def _reply_data(request: ModelRequest, said: Message, usage: Usage | None) -> dict[str, object]:
    return {
        "prompt": _prompt_of(request),
        "response_text": said.text,
        "tool_calls": [{"name": use.name, "args": use.arguments} for use in said.tool_uses],
        "total_tokens": usage.total_tokens if usage else 0,
    }


def _with_text(message: Message, answer: HookAnswer) -> Message:
    """An answer with the text a hook put in place of its own."""
    if answer.action is not HookAction.MODIFY:
        return message
    text = Text(clean(str(dict(answer.changes)["response_text"])))
    kept: list[Part] = [part for part in message.parts if not isinstance(part, Text)]
    return replace(message, parts=(text, *kept))


def _shown(call: ToolCall, ended: ToolEnded, answer: HookAnswer) -> ToolEnded:
    """The result as hooks let it be seen."""
    use = call.prepared.use
    if answer.action is HookAction.BLOCK:
        text = f"[its result was withheld by a hook: {answer.reason}]"
        label = ended.message.label
        message = tool_result(use.id, use.name, text, is_error=True, label=label)
        return replace(ended, message=message, reason="hooks.withheld")
    if answer.action is HookAction.MODIFY:
        part = ended.message.parts[0]
        assert isinstance(part, ToolResult), "a result is one"
        text = clean(str(dict(answer.changes)["output"]))
        label, failed = ended.message.label, part.is_error
        message = tool_result(use.id, use.name, text, is_error=failed, label=label)
        return replace(ended, message=message)
    return ended


def _blocked(ended: ModelEnded, reason: str) -> ModelEnded:
    failed = replace(ended, outcome=Outcome.FAILED, reason="hooks.blocked", detail=reason)
    return replace(failed, message=None, actions=())


def _said(ended: ModelEnded, answer: HookAnswer) -> ModelEnded:
    """The answer as hooks let it be said."""
    if answer.action is HookAction.BLOCK:
        return _blocked(ended, answer.reason)
    return replace(ended, message=_with_text(ended.message, answer)) if ended.message else ended
