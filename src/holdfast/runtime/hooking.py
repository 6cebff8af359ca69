"""Where an engine asks hooks: before messages and tool calls, around model calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

from holdfast.core.actions import Action
from holdfast.core.authority import HookFinding
from holdfast.core.commands import HookDone, Send
from holdfast.core.errors import Denied, LeaseHeld
from holdfast.core.hooks import HookAction, HookAnswer, HookEvent
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, Text, ToolUse
from holdfast.core.view import SessionView
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.hookedcalls import HookedCalls
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.hookviews import Words
from holdfast.runtime.host import Mail
from holdfast.runtime.normalise import Prepared
from holdfast.runtime.perform import clean

OVER = (SessionState.COMPLETED, SessionState.TERMINATED)

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

    Attributes:
        calls: the calls that are made between hooks.
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
        self.calls = HookedCalls(self.fire, lambda: self.events)
        self._order = asyncio.Lock()
        self._over = engine.view.state in OVER
        self._words: Words | None = None

    def speak(self, words: Words) -> None:
        """Have what hooks are told gone through; before that no hook is asked."""
        self._words = words

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
        assert self._words is not None, "an engine says what hooks may see before it starts"
        return await self._hooks.fire(
            event,
            view.session_id,
            data,
            engine=view.settings.hook_engine,
            action=action,
            workspace=view.settings.workspace,
            words=self._words,
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

    # --- the end -------------------------------------------------------------------------

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
