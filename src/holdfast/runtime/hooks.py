"""Hooks: asking code of the installation at fixed points of a session.

They are asked in order of priority, then of registration. What one changes, the
next one sees. A hook has a real time limit, after which it is stopped and has
failed; a failed hook blocks where it fails closed. See `core.hooks` for what
each event does with an answer.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from holdfast.core.actions import Action
from holdfast.core.errors import AlreadyThere, InvalidInput
from holdfast.core.fitting import fitting_rule
from holdfast.core.hooks import (
    FAIL_CLOSED,
    HONOURED,
    HookAction,
    HookAnswer,
    HookCall,
    HookEvent,
    block,
)
from holdfast.core.ids import validate_id
from holdfast.core.labels import Sensitivity
from holdfast.core.rules import RuleEffect, parse_rule
from holdfast.ports.clock import Clock
from holdfast.runtime.hookviews import WITHOUT_CONTENT, Told, Words

_log = logging.getLogger(__name__)

TIMEOUT_MS = 30_000
PRIORITY = 100
RETRIES_MAX = 3
HOOKS_MAX = 256
NO_EVENTS: frozenset[str] = frozenset()

CHANGEABLE: dict[HookEvent, dict[str, type]] = {
    HookEvent.PRE_PROMPT: {"prompt": str},
    HookEvent.PRE_TOOL_USE: {"args": dict},
    HookEvent.POST_TOOL_USE: {"output": str},
    HookEvent.GENERATE_START: {"system_prompt": str},
    HookEvent.GENERATE_END: {"response_text": str},
}
"""Which of an event's data a hook may change, and its type."""


Handler = Callable[[HookCall], Awaitable[HookAnswer | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A registered hook (seed D3).

    Args:
        handler: an async function; None as its answer means continue.
        match: a rule such as `bash(git push:*)`; the hook is asked only for such
            tool calls. "" means all.
        session_id: asked only in this session; "" means in all.
        priority: lower comes first.
        timeout_ms: time limit of one call in milliseconds.
        fail_open: a failure lets it go on; None means as the event has it.
        retries_max: how often it may ask to be asked again.
        sees: the most sensitive content that it is told in clear; of what is more it
            is told names. `CRITICAL` is told everything.
    """

    id: str
    event: HookEvent
    handler: Handler = field(repr=False)
    match: str = ""
    session_id: str = ""
    priority: int = PRIORITY
    timeout_ms: int = TIMEOUT_MS
    fail_open: bool | None = None
    retries_max: int = RETRIES_MAX
    sees: Sensitivity = Sensitivity.NORMAL

    @property
    def open(self) -> bool:
        """Whether its failure lets things go on."""
        return self.event not in FAIL_CLOSED if self.fail_open is None else self.fail_open


class HookEngine:
    """A named set of hooks (seed D3).

    Args:
        name: a session made with it names it, and runs nowhere else.

    Attributes:
        events: the events it has hooks for.
    """

    def __init__(self, name: str = "hooks") -> None:
        self.name = validate_id(name, "Hook engine name")
        self.events: frozenset[str] = NO_EVENTS
        self._hooks: dict[str, tuple[int, Hook]] = {}
        self._count = 0

    def register(self, hook: Hook) -> str:
        """Add a hook; returns its id.

        Raises:
            InvalidInput: the handler is no async function, or a value is out of range.
            MalformedRule: `match` is no rule.
            AlreadyThere: the id is taken.
        """
        handler = hook.handler
        call = getattr(handler, "__call__", None)  # noqa: B004  # an object with an async __call__
        if not (inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)):
            raise InvalidInput("a hook is an async function; a blocking one could not be stopped")
        if hook.timeout_ms <= 0 or hook.retries_max < 0:
            raise InvalidInput("a hook's time limit and retries are positive")
        if not isinstance(hook.sees, Sensitivity):
            raise InvalidInput("what a hook sees is a Sensitivity")
        if hook.id in self._hooks:
            raise AlreadyThere(f"there is a hook {hook.id!r} already")
        if len(self._hooks) >= HOOKS_MAX:
            raise InvalidInput(f"at most {HOOKS_MAX} hooks can be registered")
        if hook.match:
            parse_rule(RuleEffect.ASK, hook.match)
        self._count += 1
        self._hooks[validate_id(hook.id, "Hook id")] = (self._count, hook)
        self._note()
        return hook.id

    def _note(self) -> None:
        self.events = frozenset(hook.event for _, hook in self._hooks.values())

    def on(
        self, event: HookEvent | str, *, match: str = "", fail_open: bool | None = None
    ) -> Callable[[Handler], Handler]:
        """Register the decorated async function under its own name."""
        found = HookEvent(event)

        def register(handler: Handler) -> Handler:
            name = getattr(handler, "__name__", f"hook-{self._count + 1}")
            self.register(
                Hook(id=name, event=found, handler=handler, match=match, fail_open=fail_open)
            )
            return handler

        return register

    def unregister(self, id: str) -> bool:
        """Remove a hook; False if there was none."""
        found = self._hooks.pop(id, None) is not None
        self._note()
        return found

    def hooks(self) -> list[Hook]:
        """All hooks, in the order they are asked."""
        found = sorted(self._hooks.values(), key=lambda entry: (entry[1].priority, entry[0]))
        return [hook for _, hook in found]

    def concerned(
        self, event: HookEvent, session_id: str, action: Action | None, workspace: str
    ) -> Iterable[tuple[int, int, Hook]]:
        """The hooks to be asked, with their priority and place of registration."""
        for place, hook in self._hooks.values():
            if hook.event is not event or hook.session_id not in ("", session_id):
                continue
            if hook.match and (
                action is None or not fitting_rule((hook.match,), workspace, action)
            ):
                continue
            yield hook.priority, place, hook


class Hooks:
    """All hooks of an installation: of its policy file, for every session, of named engines."""

    def __init__(self, clock: Clock) -> None:
        self.installed = HookEngine("installed")
        self.everywhere = HookEngine("everywhere")
        self._engines: dict[str, HookEngine] = {}
        self._clock = clock

    def add_engine(self, engine: HookEngine) -> None:
        """Register an engine under its name; the same one again is no change.

        Raises:
            AlreadyThere: another engine has the name.
        """
        known = self._engines.setdefault(engine.name, engine)
        if known is not engine:
            raise AlreadyThere(f"another hook engine is named {engine.name!r}")

    @property
    def names(self) -> frozenset[str]:
        """Names of the registered engines."""
        return frozenset(self._engines)

    def events(self, engine: str) -> frozenset[str]:
        """Events that a session with that engine has hooks for."""
        found = [source.events for source in self._sources(engine) if source.events]
        return frozenset[str]().union(*found) if found else NO_EVENTS

    def _sources(self, engine: str) -> list[HookEngine]:
        named = self._engines.get(engine)
        common = [self.installed, self.everywhere]
        return common if named is None else [*common, named]

    async def fire(
        self,
        event: HookEvent,
        session_id: str,
        data: Mapping[str, object],
        *,
        engine: str = "",
        action: Action | None = None,
        workspace: str = "",
        words: Words | None = None,
    ) -> HookAnswer:
        """Ask all hooks of an event; returns what they came to together.

        Args:
            words: hides what a hook may not see; without it only hooks that may see
                everything, and events without content, are asked and others have failed.
            engine: name of the session's own engine, or "".
            action: the tool call it is about; hooks with a `match` see no other.
            workspace: the session's, absolute.
        """
        found = [
            (priority, number, place, hook)
            for number, source in enumerate(self._sources(engine))
            for priority, place, hook in source.concerned(event, session_id, action, workspace)
        ]
        current, changed, skipping, last = dict(data), dict[str, object](), False, ""
        for _, _, _, hook in sorted(found, key=lambda entry: entry[:3]):
            if skipping and hook.open:
                continue
            answer = await self._ask(hook, session_id, current, words)
            if answer.action is HookAction.MODIFY:
                changed |= dict(answer.changes)
                current |= changed
                last = hook.id
            elif answer.action in (HookAction.BLOCK, HookAction.RETRY):
                return replace(answer, hook=hook.id)
            skipping = skipping or answer.action is HookAction.SKIP
        if changed:
            changes = tuple(sorted(changed.items()))
            return HookAnswer(action=HookAction.MODIFY, changes=changes, hook=last)
        return HookAnswer()

    async def _ask(
        self, hook: Hook, session_id: str, data: Mapping[str, object], words: Words | None
    ) -> HookAnswer:
        """Tell one hook what it may see; what it puts in place has the values again."""
        if hook.event in WITHOUT_CONTENT or hook.sees >= Sensitivity.CRITICAL:
            return await self._asked(hook, session_id, data)
        if words is None:
            return self._failed(hook, "what it is to be told could not be looked through")
        told = Told(words, hook.sees)
        try:
            shown = await told.of(data)
        except Exception as error:  # a detector's bug as well; its message may repeat the text
            _log.error("what a hook is told was not looked through: %s", type(error).__name__)
            return self._failed(hook, "what it is to be told could not be looked through")
        answer = await self._asked(hook, session_id, shown)
        return replace(answer, changes=told.meant(answer.changes))

    async def _asked(self, hook: Hook, session_id: str, data: Mapping[str, object]) -> HookAnswer:
        """Ask one hook until it has an answer that its event honours."""
        before = hook.event in FAIL_CLOSED
        for _ in range(hook.retries_max + 1):
            try:
                call = HookCall(event=hook.event, session_id=session_id, data=deepcopy(dict(data)))
            except RecursionError:
                return self._failed(hook, "what it is to be told is nested too deeply")
            answer, problem = await self._once(hook, call)
            if problem:
                return self._failed(hook, problem)
            if answer.action is not HookAction.RETRY or not before:
                return answer
            await self._clock.sleep(answer.delay_ms / 1000)
        return self._failed(hook, "it asked to be asked again too often")

    async def _once(self, hook: Hook, call: HookCall) -> tuple[HookAnswer, str]:
        """One call: its answer and "", or what is wrong with it."""
        work = asyncio.ensure_future(hook.handler(call))
        sleeper = asyncio.ensure_future(self._clock.sleep(hook.timeout_ms / 1000))
        try:
            await asyncio.wait({work, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            if not work.done():
                work.cancel()  # it may ignore that; nobody waits for it any more
                work.add_done_callback(_seen)
        if not work.done() or work.cancelled():
            return HookAnswer(), f"it did not answer within {hook.timeout_ms} ms"
        failure = work.exception()
        if failure is not None:
            return HookAnswer(), f"it failed: {type(failure).__name__}"
        return _checked(hook, work.result(), call.data)

    @staticmethod
    def _failed(hook: Hook, problem: str) -> HookAnswer:
        _log.warning("the hook %s failed: %s", hook.id, problem)
        if hook.open:
            return HookAnswer(hook=hook.id)
        return replace(block(f"the hook {hook.id} failed: {problem}"), hook=hook.id)


def _checked(hook: Hook, answer: object, data: Mapping[str, object]) -> tuple[HookAnswer, str]:
    """Check an answer against what its event honours."""
    if answer is None:
        return HookAnswer(), ""
    if not isinstance(answer, HookAnswer):
        return HookAnswer(), f"it answered with a {type(answer).__name__}"
    if not _sound(answer):
        return HookAnswer(), "a field of its answer is of the wrong type"
    if answer.action not in HONOURED[hook.event]:
        return HookAnswer(), f"{hook.event.value} does not honour {answer.action.value}"
    if answer.action is HookAction.MODIFY:
        allowed = CHANGEABLE.get(hook.event, {})
        for name, value in answer.changes:
            if name not in allowed or not isinstance(value, allowed[name]):
                return HookAnswer(), f"{hook.event.value} has no {name!r} of that type to change"
    if answer.action is HookAction.RETRY and not 0 <= answer.delay_ms <= hook.timeout_ms:
        return HookAnswer(), "the delay before a retry is longer than its time limit"
    if answer.action is HookAction.BLOCK and not answer.reason:
        return replace(answer, reason=f"the hook {hook.id} gave no reason"), ""
    return answer, ""


def _sound(answer: HookAnswer) -> bool:
    """Whether an answer's fields are of their types; a hook is code that nobody checked."""
    return (
        isinstance(answer.action, HookAction)
        and isinstance(answer.reason, str)
        and isinstance(answer.delay_ms, int)
        and isinstance(answer.changes, tuple)
        and all(
            isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str)
            for one in answer.changes
        )
    )


def _seen(work: asyncio.Future[HookAnswer | None]) -> None:
    if not work.cancelled():
        work.exception()
