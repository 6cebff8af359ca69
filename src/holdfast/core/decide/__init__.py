"""`decide`: what may happen now. Pure: state, facts and a command in, events out.

The modules are split by what a command is about:

- `talk`: messages coming in
- `effects`: model and tool calls, their intents and outcomes
- `doubt`: effects whose outcome was lost
- `host`: calls of the embedding program
- `answers`: what a person decided on a question
- `control`: cancel, pause, the lifecycle, the end
- `grants`: what is granted and taken back
- `content`: settings and what the model sees
- `lowering`: plans that are fixed and labels that are lowered
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.accounts import Account
from holdfast.core.commands import (
    AddMessage,
    Answer,
    Cancel,
    Command,
    Configure,
    FixPlan,
    GitSeen,
    Grant,
    HookDone,
    HostCall,
    HostEnded,
    Import,
    KeyGone,
    ModelEnded,
    MoveTo,
    NoteExport,
    OpenChild,
    Pause,
    Relabel,
    Resume,
    Revoke,
    Send,
    SetContext,
    Terminate,
    ToolEnded,
)
from holdfast.core.decide import (
    answers,
    content,
    control,
    effects,
    family,
    grants,
    host,
    lowering,
    talk,
)
from holdfast.core.decide.common import Draft, Guards, Later
from holdfast.core.errors import HoldfastError
from holdfast.core.events import Event
from holdfast.core.facts import Facts
from holdfast.core.judge import GUARDS
from holdfast.core.view import SessionView

__all__ = ["Decision", "Guards", "Later", "decide"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command came to.

    Args:
        events: to be appended together.
        view: the session after them.
        views: the session after each of them.
        error: for the caller, where the refusal itself is on record.
        later: nothing but preparation happened; the command stays queued.
        own: the command itself changed something, not only what was due anyway.
        accounts: as they are after the events, or None if nothing was charged.
    """

    events: tuple[Event, ...]
    view: SessionView
    error: HoldfastError | None = None
    later: bool = False
    views: tuple[SessionView, ...] = ()
    own: bool = True
    accounts: tuple[Account, ...] | None = None


def decide(
    view: SessionView,
    facts: Facts,
    command: Command,
    *,
    command_id: str = "",
    by: str = "",
    guards: Guards = GUARDS,
) -> Decision:
    """Decide a command.

    Args:
        command_id: hex, recorded with what it brings in.
        by: pseudonym of whoever asked.

    Raises:
        HoldfastError: the command is refused and nothing is on record.
    """
    draft = Draft(view, facts, guards)
    later = False
    try:
        _dispatch(draft, command, command_id, by)
    except Later:
        later = True
    own = bool(draft.events)
    effects.advance(draft)
    accounts = draft.facts.authority.accounts
    return Decision(
        events=tuple(draft.events),
        view=draft.view,
        error=draft.error,
        later=later,
        views=tuple(draft.views),
        own=own,
        accounts=None if accounts is facts.authority.accounts else accounts,
    )


def _dispatch(draft: Draft, command: Command, command_id: str, by: str) -> None:
    match command:
        case ModelEnded():
            effects.model_ended(draft, command)
        case ToolEnded():
            effects.tool_ended(draft, command)
        case HookDone():
            effects.hook_done(draft, command)
        case HostCall():
            host.host_call(draft, command)
        case HostEnded():
            host.host_ended(draft, command)
        case Answer():
            answers.answer(draft, command, command_id)
        case Send():
            talk.send(draft, command, command_id)
        case AddMessage():
            talk.add_message(draft, command, command_id)
        case _:
            _dispatch_control(draft, command, by)


def _dispatch_control(draft: Draft, command: Command, by: str) -> None:
    match command:
        case Cancel():
            control.cancel(draft, command, by)
        case Pause():
            control.pause(draft, command)
        case Resume():
            control.resume(draft)
        case MoveTo():
            control.move_to(draft, command)
        case OpenChild():
            family.open_child(draft, command)
        case Grant():
            grants.grant(draft, command, by)
        case Revoke():
            grants.revoke(draft, command, by)
        case NoteExport():
            control.note_export(draft, command)
        case Terminate():
            control.terminate(draft, command)
        case KeyGone():
            control.key_gone(draft, command)
        case _:
            _dispatch_content(draft, command)


def _dispatch_content(draft: Draft, command: Command) -> None:
    match command:
        case Configure():
            content.configure(draft, command)
        case SetContext():
            content.set_context(draft, command)
        case Import():
            content.take_over(draft, command)
        case GitSeen():
            content.git_seen(draft, command)
        case FixPlan():
            lowering.fix_plan(draft, command)
        case Relabel():
            lowering.relabel(draft, command)
        case _:
            pass  # Recover and Tick only look at what is owed
