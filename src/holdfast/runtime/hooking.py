"""Where an engine asks hooks: before messages and tool calls, around model calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

from holdfast.core.actions import Action
from holdfast.core.authority import HookFinding
from holdfast.core.commands import HookDone, ModelEnded, Send, ToolEnded
from holdfast.core.errors import Denied, LeaseHeld
from holdfast.core.events import Outcome
from holdfast.core.hooks import HookAction, HookAnswer, HookEvent
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import united
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, Part, Role, Text, ToolResult, ToolUse, tool_result
from holdfast.core.quantities import Usage
from holdfast.core.tools import Nature
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelClient, ModelReply, ModelRequest
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.hooks import RETRIES_MAX, Hooks
from holdfast.runtime.host import Mail
from holdfast.runtime.normalise import Prepared
from holdfast.runtime.perform import ModelCall, ToolCall, call_model, call_tool, clean

REPEATABLE = (Nature.READ_ONLY, Nature.IDEMPOTENT)
OVER = (SessionState.COMPLETED, SessionState.TERMINATED)

Looked = Callable[[ToolEnded, Prepared], Awaitable[ToolEnded]]
"""Gives a result its label and hides what may not be seen."""

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class _Calls(Protocol):
    """Makes calls in their normalised form."""

    def prepared_at(self, ref: EffectRef) -> Prepared | None:
        """The call that a reference of the running turn names."""

    def prepare(self, use: ToolUse) -> Prepared:
        """Normalise a call."""


class _Led(Protocol):
    """What is needed of the engine."""

    view: SessionView

    def report(self, command: HookDone) -> None:
        """Take a report."""

    def post(self, mail: Mail) -> None:
        """Take a letter."""


class Hooking:
    """Asks the hooks of one session for its engine.

    Args:
        spawn: runs side work.
    """

    def __init__(
        self, engine: _Led, hooks: Hooks, authority: AuthorityReader, make: _Calls, spawn: Spawn
    ) -> None:
        self._engine = engine
        self._hooks = hooks
        self._authority = authority
        self._make = make
        self._spawn = spawn
        self._host_calls = 0
        self._asking: set[tuple[EffectRef, str]] = set()
        self._order = asyncio.Lock()
        self._over = engine.view.state in OVER
        self._result: Looked | None = None

    def look_through(self, result: Looked) -> None:
        """Have every result looked at first."""
        self._result = result

    @property
    def events(self) -> frozenset[str]:
        """Events this session has hooks for."""
        return self._hooks.events(self._engine.view.settings.hook_engine)

    @property
    def engines(self) -> frozenset[str]:
        """Names of the registered hook engines."""
        return self._hooks.names

    async def fire(
        self, event: HookEvent, data: dict[str, object], action: Action | None = None
    ) -> HookAnswer:
        """Ask the hooks of an event."""
        view = self._engine.view
        return await self._hooks.fire(
            event,
            view.session_id,
            data,
            engine=view.settings.hook_engine,
            action=action,
            workspace=view.settings.workspace,
        )

    # --- before a message ------------------------------------------------------------

    def hold(self, batch: list[Mail]) -> list[Mail]:
        """Take out the messages that hooks have to see first; they come back later."""
        if HookEvent.PRE_PROMPT not in self.events:
            return batch
        held = [mail for mail in batch if isinstance(mail.command, Send) and not mail.seen]
        for mail in held:
            batch.remove(mail)
            self._spawn(self._before_prompt(mail))
        return batch

    async def _before_prompt(self, mail: Mail) -> None:
        command = mail.command
        assert isinstance(command, Send), "only messages are held"
        try:
            async with self._order:  # messages stay in order
                answer = await self.fire(HookEvent.PRE_PROMPT, {"prompt": command.message.text})
        except asyncio.CancelledError:
            mail.fail(LeaseHeld("the session is being handed over"))
            raise
        mail.seen = True
        if answer.action is HookAction.BLOCK:
            mail.refused = Denied(f"a hook refused the message: {answer.reason}")
        elif answer.action is HookAction.MODIFY:
            text = clean(str(dict(answer.changes)["prompt"]))
            changed = Message(command.message.role, (Text(text),), command.message.label)
            mail.command = replace(command, message=changed)
        self._engine.post(mail)

    # --- before a tool call ------------------------------------------------------------

    def look(self, start: tuple[EffectRef, ...]) -> None:
        """Ask about the calls that are owed and have not been asked about."""
        view = self._engine.view
        if view.turn is None:
            for ref in [one for one in self._authority.findings if one.cause]:
                self.forget(ref)
        if view.state in OVER and not self._over:
            self._spawn(self._session_ended())
        self._over = view.state in OVER
        if not start or HookEvent.PRE_TOOL_USE not in self.events:
            return
        for ref in start:
            prepared = self._make.prepared_at(ref) if ref.ordinal else None
            if prepared is None or not prepared.action.known or prepared.action.problem:
                continue
            key = (ref, prepared.action.digest)
            found = self._authority.findings.get(ref)
            if key not in self._asking and (found is None or found.digest != key[1]):
                self._asking.add(key)
                self._spawn(self._before_tool(ref, prepared))

    async def _before_tool(self, ref: EffectRef, prepared: Prepared) -> None:
        finding, arguments, action = await self.before_call(prepared)
        if arguments and self._engine.view.open_at(ref) is not None:
            finding, arguments, action = _again(prepared.action.digest, finding), "", None
        self._authority.findings[ref] = finding
        self._asking.discard((ref, prepared.action.digest))
        self._engine.report(HookDone(ref=ref, finding=finding, arguments=arguments, action=action))

    async def before_call(self, prepared: Prepared) -> tuple[HookFinding, str, Action | None]:
        """Ask about one call: what was found, and its changed arguments if there are any."""
        view, use = self._engine.view, prepared.use
        data: dict[str, object] = {
            "tool": prepared.action.name,
            "tool_id": use.id,
            "args": dict(prepared.arguments),
            "working_directory": view.settings.workspace,
        }
        answer = await self.fire(HookEvent.PRE_TOOL_USE, data, prepared.action)
        digest = prepared.action.digest
        if answer.action is HookAction.BLOCK:
            return HookFinding(digest=digest, blocked=answer.reason, name=answer.hook), "", None
        if answer.action is not HookAction.MODIFY:
            return HookFinding(digest=digest), "", None
        if self._engine.view.wiped:  # nothing can be prepared any more, and nothing will run
            return HookFinding(digest=digest, blocked="the session has been terminated"), "", None
        try:
            arguments = json.dumps(dict(answer.changes)["args"], allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            reason = f"the hook {answer.hook} changed the arguments into what is no JSON"
            return HookFinding(digest=digest, blocked=reason, name=answer.hook), "", None
        changed = self._make.prepare(ToolUse(use.id, use.name, arguments)).action
        return HookFinding(digest=changed.digest, name=answer.hook), arguments, changed

    async def host_call(self, prepared: Prepared) -> tuple[Prepared, EffectRef]:
        """Ask about a call of the embedding program; returns it as it is to be judged.

        The finding is kept under the reference until `forget`.
        """
        self._host_calls += 1
        ref = EffectRef(0, self._host_calls)
        if HookEvent.PRE_TOOL_USE in self.events and prepared.action.known:
            finding, arguments, _ = await self.before_call(prepared)
            self._authority.findings[ref] = finding
            if arguments:
                prepared = self._make.prepare(replace(prepared.use, arguments=arguments))
        return prepared, ref

    def forget(self, ref: EffectRef) -> None:
        """Drop what hooks said of a call that is over."""
        self._authority.findings.pop(ref, None)

    # --- around the calls ---------------------------------------------------------------

    async def tool(self, call: ToolCall, rest: Callable[[float], Awaitable[None]]) -> ToolEnded:
        """Run a tool call, and let hooks see its result before anybody else does."""
        ended = await self._looked_at(call, await call_tool(call))
        if HookEvent.POST_TOOL_USE not in self.events:
            return ended
        for tries in range(RETRIES_MAX + 1):
            if ended.outcome is Outcome.CANCELLED:
                return ended
            answer = await self._after_tool(call, ended)
            again = answer.action is HookAction.RETRY and tries < RETRIES_MAX
            if not again or call.prepared.action.nature not in REPEATABLE:
                return await self._after_hooks(call, ended, answer)
            await rest(answer.delay_ms / 1000)
            ended = await self._looked_at(call, await call_tool(replace(call, began=[])))
        return ended

    async def _after_hooks(self, call: ToolCall, ended: ToolEnded, answer: HookAnswer) -> ToolEnded:
        """The result as hooks let it be seen; what they put there is looked at as well."""
        shown = _shown(call, ended, answer)
        if answer.action is not HookAction.MODIFY:
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
            "args": dict(call.prepared.arguments),
            "success": not part.is_error,
            "output": part.content,
            "exit_code": ended.exit_code,
            "duration_ms": ended.duration_ms,
        }
        return await self.fire(HookEvent.POST_TOOL_USE, data, call.prepared.action)

    async def model(self, call: ModelCall, rest: Callable[[float], Awaitable[None]]) -> ModelEnded:
        """Make a model call between the hooks before and after it."""
        events = self.events
        if not events & {HookEvent.GENERATE_START, HookEvent.GENERATE_END, HookEvent.ON_ERROR}:
            return await call_model(call)
        try:
            call = replace(call, request=await self.before_model(call.client, call.request))
        except Denied as refused:
            never = ModelEnded(ref=call.ref, outcome=Outcome.FAILED, ran=False)
            return _blocked(never, refused.message)
        ended = await call_model(call)
        for _ in range(RETRIES_MAX):
            answer = await self._after_model(call, ended)
            if answer.action is not HookAction.RETRY:
                break
            await rest(answer.delay_ms / 1000)
            again = await call_model(call)
            paid = [usage for usage in (ended.usage, again.usage) if usage is not None]
            ended = replace(again, usage=sum(paid[1:], paid[0]) if paid else None)
        return _said(ended, answer)

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

    async def _session_ended(self) -> None:
        view = self._engine.view
        data: dict[str, object] = {
            "state": view.state.title,
            "total_tokens": view.usage.total_tokens,
            "total_tool_calls": view.tool_call_count,
            "duration_ms": max(0, view.updated_ms - view.created_ms),
        }
        await self.fire(HookEvent.SESSION_END, data)
        if view.lineage:
            family: dict[str, object] = {
                "parent": view.lineage[-1].session_id,
                "child": view.session_id,
                "state": view.state.title,
            }
            await self.fire(HookEvent.SUBAGENT_STOP, family)


def _again(digest: str, finding: HookFinding) -> HookFinding:
    """A finding about another attempt: what was begun is not turned into another call."""
    if finding.digest == digest:
        return finding
    reason = f"the hook {finding.name} changes a call that may have happened as it was"
    return HookFinding(digest=digest, blocked=reason, name=finding.name)


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
        message = tool_result(
            use.id, use.name, text, is_error=part.is_error, label=ended.message.label
        )
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
