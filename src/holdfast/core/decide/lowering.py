"""Deciding about plans and labels: what people fix beforehand and put right afterwards."""

from __future__ import annotations

import json

from holdfast.core.commands import FixPlan, Relabel
from holdfast.core.decide.common import Draft
from holdfast.core.errors import ApproverRefused, InvalidInput, NotNow
from holdfast.core.events import PlanFixed, PlanStep, Relabelled
from holdfast.core.labels import Integrity, Label
from holdfast.core.lifecycle import ENDED
from holdfast.core.plans import ARGUMENTS_CHARS_MAX, STEPS_MAX, TIMES_MAX
from holdfast.core.principals import is_person

SOURCES = ("user", "model")
WHY_CHARS_MAX = 1_000


def fix_plan(draft: Draft, command: FixPlan) -> None:
    """Fix a plan, before anything untrusted was read or, by a person, between turns.

    Raises:
        InvalidInput: it has too many steps, or a step is malformed.
        ApproverRefused: a model, a tool or an agent asks after untrusted content.
        NotNow: the session has ended, or a stranger might be its author.
    """
    _check_open(draft)
    if command.source not in SOURCES:
        raise InvalidInput("a plan comes from the user or the model")
    if not 1 <= len(command.steps) <= STEPS_MAX:
        raise InvalidInput(f"a plan has 1 to {STEPS_MAX} steps")
    for step in command.steps:
        _check_step(step)
    untrusted = draft.view.label.integrity is Integrity.UNTRUSTED
    if untrusted and (command.source == "model" or draft.view.turn is not None):
        raise NotNow("untrusted content has been read: a plan could be a stranger's by now")
    if untrusted and not is_person(command.by):
        raise ApproverRefused("once untrusted content has been read only a person fixes a plan")
    draft.add(PlanFixed(steps=command.steps, source=command.source, by=command.by))


def _check_step(step: PlanStep) -> None:
    if not 0 < len(step.tool) <= 64 or not 1 <= step.times <= TIMES_MAX:
        raise InvalidInput("a step names a tool, and how often it may be called")
    if len(step.arguments) > ARGUMENTS_CHARS_MAX:
        raise InvalidInput(f"a step's arguments have at most {ARGUMENTS_CHARS_MAX} characters")
    try:
        arguments = json.loads(step.arguments)
    except (ValueError, RecursionError):
        raise InvalidInput("a step's arguments are not JSON") from None
    if not isinstance(arguments, dict):
        raise InvalidInput("a step's arguments are a JSON object")


def relabel(draft: Draft, command: Relabel) -> None:
    """Lower the session's label up to here, or begin its risk anew; only a person may.

    Raises:
        InvalidInput: there is nothing to lower, or no reason is given.
        ApproverRefused: a model, a tool or an agent asks.
        NotNow: the session has ended, or a turn is running.
    """
    _check_open(draft)
    if draft.view.turn is not None:
        raise NotNow("a turn is running; labels are lowered between turns")
    if not is_person(command.by):
        raise ApproverRefused("only a person lowers a label")
    if not 0 < len(command.why.strip()) <= WHY_CHARS_MAX:
        raise InvalidInput(f"lowering a label needs a reason of at most {WHY_CHARS_MAX} characters")
    label = _lowered(draft.view.label, command)
    if label is None and not command.risk:
        raise InvalidInput("that would lower nothing")
    draft.add(Relabelled(label=label, risk=command.risk, why=command.why, by=command.by))


def _lowered(label: Label, command: Relabel) -> Label | None:
    sensitivity, integrity, origins = label.sensitivity, label.integrity, label.origins
    if command.sensitivity is not None:
        sensitivity = min(sensitivity, command.sensitivity)
    if command.integrity is Integrity.TRUSTED:
        integrity, origins = Integrity.TRUSTED, ()
    lowered = Label(sensitivity=sensitivity, integrity=integrity, origins=origins)
    return None if lowered == label else lowered


def _check_open(draft: Draft) -> None:
    if draft.view.state in ENDED:
        raise NotNow(f"the session is {draft.view.state.title}")
