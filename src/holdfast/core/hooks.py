"""Hooks: what code of the installation may say at fixed points of a session.

A hook may hold something back or change it; it can never permit anything: what
it changes is judged again from the start, and no answer of a hook turns a Deny
or an Ask into an Allow (seeds D3, D14; rulings, Gate §10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class HookEvent(StrEnum):
    """Where a hook can stand."""

    PRE_PROMPT = "pre_prompt"
    PRE_TOOL_USE = "pre_tool_use"
    POST_TOOL_USE = "post_tool_use"
    GENERATE_START = "generate_start"
    GENERATE_END = "generate_end"
    SESSION_START = "session_start"
    SESSION_END = "session_end"
    ON_ERROR = "on_error"
    PRE_COMPACT = "pre_compact"
    SUBAGENT_START = "subagent_start"
    SUBAGENT_STOP = "subagent_stop"
    SKILL_LOAD = "skill_load"
    SKILL_UNLOAD = "skill_unload"


class HookAction(StrEnum):
    """What a hook answers.

    `skip` leaves out the later hooks that may fail open; those that fail closed
    are always asked. `retry` asks for the same again: before something happens
    the hook itself is asked again, after it the call is made again.
    """

    CONTINUE = "continue"
    MODIFY = "modify"
    BLOCK = "block"
    RETRY = "retry"
    SKIP = "skip"


_ALL = frozenset(HookAction)
_BEFORE = _ALL - {HookAction.MODIFY}
_WATCH = frozenset({HookAction.CONTINUE, HookAction.SKIP})

HONOURED: dict[HookEvent, frozenset[HookAction]] = {
    HookEvent.PRE_PROMPT: _ALL,
    HookEvent.PRE_TOOL_USE: _ALL,
    HookEvent.POST_TOOL_USE: _ALL,
    HookEvent.GENERATE_START: _ALL,
    HookEvent.GENERATE_END: _ALL,
    HookEvent.SESSION_START: _BEFORE,
    HookEvent.SESSION_END: _WATCH,
    HookEvent.ON_ERROR: _WATCH | {HookAction.RETRY},
    HookEvent.PRE_COMPACT: _BEFORE,
    HookEvent.SUBAGENT_START: _BEFORE,
    HookEvent.SUBAGENT_STOP: _WATCH,
    HookEvent.SKILL_LOAD: _BEFORE,
    HookEvent.SKILL_UNLOAD: _WATCH,
}
"""What each event does with an answer; any other answer counts as a failure."""

FAIL_CLOSED = frozenset(
    {
        HookEvent.PRE_PROMPT,
        HookEvent.PRE_TOOL_USE,
        HookEvent.GENERATE_START,
        HookEvent.SESSION_START,
        HookEvent.PRE_COMPACT,
        HookEvent.SUBAGENT_START,
        HookEvent.SKILL_LOAD,
    }
)
"""Events whose hooks block when they fail, unless they are registered to fail open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookCall:
    """What a hook is told.

    Args:
        data: as docs/reference/hooks.md lists it for the event; a copy.
    """

    event: HookEvent
    session_id: str
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookAnswer:
    """What a hook, or all hooks of an event together, came to.

    Args:
        reason: why, for `block`.
        changes: the fields of the event's data to put in place, for `modify`.
        delay_ms: how long to wait before a retry.
        hook: id of the hook that decided.
    """

    action: HookAction = HookAction.CONTINUE
    reason: str = ""
    changes: tuple[tuple[str, object], ...] = ()
    delay_ms: int = 1000
    hook: str = ""


def proceed() -> HookAnswer:
    """Go on."""
    return HookAnswer()


def block(reason: str) -> HookAnswer:
    """Hold it back, and say why."""
    return HookAnswer(action=HookAction.BLOCK, reason=reason)


def modify(**changes: object) -> HookAnswer:
    """Put other values in place of some of the event's data."""
    return HookAnswer(action=HookAction.MODIFY, changes=tuple(sorted(changes.items())))


def retry(delay_ms: int = 1000) -> HookAnswer:
    """Ask again, or do it again, after a delay in milliseconds."""
    return HookAnswer(action=HookAction.RETRY, delay_ms=delay_ms)


def skip() -> HookAnswer:
    """Leave out the later hooks that may fail open."""
    return HookAnswer(action=HookAction.SKIP)
