"""Deciding about messages: a user's turn, or a line for the history only."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commands import AddMessage, Send
from holdfast.core.decide.common import Draft, Later
from holdfast.core.decide.effects import cancel_turn
from holdfast.core.errors import Busy, Denied, InvalidInput, NotNow
from holdfast.core.events import Admitted, Refused
from holdfast.core.inspection import NOTHING
from holdfast.core.judge import judge
from holdfast.core.labels import UNTRUSTED, Label
from holdfast.core.lifecycle import ENDED, WORKING, SessionState
from holdfast.core.messages import Message, Role, Text, estimate_tokens
from holdfast.core.principals import Bearer
from holdfast.core.settings import QueuePolicy
from holdfast.core.verdicts import Allow, Ask

ADMIT = Action(kind=ActionKind.ADMIT)
MESSAGE_BYTES_MAX = 4 * 1024 * 1024


def send(draft: Draft, command: Send, command_id: str) -> None:
    """Admit a user's message, or leave it queued, as the queue policy says.

    Raises:
        Denied: the token that it came by was revoked.
        Busy: a turn runs and the policy is `reject`.
        NotNow: the session's state takes no messages.
        InvalidInput: not a user's message, or empty.
    """
    _check_message(command.message, (Role.USER,))
    if draft.facts.revoked(command.bearer):
        raise Denied("the token that the message came by was revoked")
    view = draft.view
    if view.state is SessionState.PAUSED and draft.facts.queued:
        raise Later
    if view.state not in WORKING:
        raise NotNow(f"the session is {view.state.title}; it takes no messages")
    policy = command.policy or view.settings.queue_policy
    if view.turn is not None and policy is not QueuePolicy.STEER:
        if policy is QueuePolicy.REJECT:
            raise Busy("a turn is running and the queue policy is reject")
        if policy is QueuePolicy.INTERRUPT:
            cancel_turn(draft, "interrupt")
        if draft.view.turn is not None:
            raise Later
    if draft.view.turn is not None and draft.view.turn.cancel:
        raise Later
    if draft.view.turn is not None and _others(draft.view.turn.bearer, command.bearer):
        raise Later  # what one token began is not led on by another
    if draft.facts.behind and policy is QueuePolicy.ENQUEUE:
        raise Later
    _admit(draft, command.message, command_id, turn=True, bearer=command.bearer)


def _others(of_turn: Bearer | None, of_command: Bearer | None) -> bool:
    """Whether a turn runs for one token and a message came by another."""
    return None not in (of_turn, of_command) and of_turn != of_command


def add_message(draft: Draft, command: AddMessage, command_id: str) -> None:
    """Take a message into the history, labelled imported and untrusted.

    Raises:
        InvalidInput: the role is not user or assistant, or the message is empty.
        NotNow: a turn is running, or the state takes no messages.
    """
    _check_message(command.message, (Role.USER, Role.ASSISTANT))
    state = draft.view.state
    runs = draft.view.turn is not None and state not in ENDED  # what ends takes it no more
    if draft.facts.queued and (runs or state is SessionState.PAUSED):
        raise Later
    if state not in WORKING:
        raise NotNow(f"the session is {state.title}; it takes no messages")
    if draft.view.turn is not None:
        raise NotNow("a turn is running; add messages between turns")
    label = command.message.label.join(UNTRUSTED)
    message = Message(role=command.message.role, parts=command.message.parts, label=label)
    _admit(draft, message, command_id, turn=False)


def _check_message(message: Message, roles: tuple[Role, ...]) -> None:
    if message.role not in roles:
        raise InvalidInput(f"a message of role {message.role.value!r} is not accepted here")
    if not all(isinstance(part, Text) for part in message.parts):
        raise InvalidInput("only text is accepted in such a message")
    if not message.text.strip():
        raise InvalidInput("the message is empty")
    if len(message.text) > MESSAGE_BYTES_MAX:
        raise InvalidInput(f"the message is longer than {MESSAGE_BYTES_MAX} characters")


def _admit(
    draft: Draft, message: Message, command_id: str, *, turn: bool, bearer: Bearer | None = None
) -> None:
    found = draft.facts.inspected
    model = draft.facts.model
    action = replace(ADMIT, found=found, to=model.to if model is not None else None)
    verdict = judge(draft.view, draft.facts.acting(bearer), action, draft.guards)
    if isinstance(verdict, Allow):
        if found is not None:
            label = message.label.join(Label(sensitivity=found.level))
            message = replace(message, label=label)
        tokens = estimate_tokens(message)
        noted = None if found == NOTHING else found
        draft.add(
            Admitted(
                message=message,
                tokens=tokens,
                turn=turn,
                command=command_id,
                found=noted,
                bearer=bearer,
            )
        )
        return
    detail = verdict.question if isinstance(verdict, Ask) else verdict.detail
    draft.add(
        Refused(action="admit", guard=verdict.guard, reason=verdict.reason, command=command_id)
    )
    draft.error = Denied(detail)
