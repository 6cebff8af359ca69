"""What tests of the simulator share: histories written by hand, and evidence of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from random import Random

from holdfast.core.actions import Action, ActionKind
from holdfast.core.events import (
    Admitted,
    EffectEnded,
    EffectStarted,
    Event,
    Opened,
    Outcome,
)
from holdfast.core.messages import Message, Part, Role, Text, ToolUse, tool_result, user
from holdfast.core.session import evolve
from holdfast.core.settings import Settings
from holdfast.core.view import Recorded
from holdfast.ports.keys import DataKey
from holdfast.runtime.envelope import Crypto
from holdfast.testing.sim.invariants import Evidence
from holdfast.testing.sim.observer import Log
from holdfast.testing.sim.outside import Dispatch, Ledger
from holdfast.testing.sim.people import Told
from holdfast.testing.sim.world import World

OPENED = Opened(
    session_id="s1",
    tenant="t",
    user_id="u",
    installation="",
    commitment="",
    settings=Settings(unsafe_auto_approve=True),
)
ASKS = Admitted(message=user("m1"), tokens=1, command="c1")


def randomness(seed: int = 0) -> Random:
    """Seeded randomness."""
    return Random(seed)


def log_of(*events: Event, epochs: Iterable[int] = ()) -> Log:
    """The log of a session `s1` that was born and then had these events, a second apart."""
    crypto = Crypto(DataKey(key_id=1, secret=bytearray(32)), randomness().randbytes)
    log = Log(1, "s1", crypto)
    given = list(epochs)
    for version, event in enumerate((OPENED, *events), start=1):
        epoch = given[version - 1] if version <= len(given) else 1
        recorded = Recorded(version=version, time_ms=version * 1000, event=event, epoch=epoch)
        log.events.append(recorded)
        log.views.append(evolve(log.view, recorded))
    return log


def started(cause: int, ordinal: int = 0, *, name: str = "sim-1", attempt: int = 1) -> Event:
    """The intent of a model call, or of a tool call of an answer."""
    effect = "tool" if ordinal else "model"
    return EffectStarted(
        cause=cause, ordinal=ordinal, effect=effect, name=name, attempt=attempt, engine="e"
    )


def answered(cause: int, *tools: str) -> Event:
    """A model's answer that calls these tools, or says something if there are none."""
    uses: list[Part] = [ToolUse(f"c{n}", name, "{}") for n, name in enumerate(tools, start=1)]
    message = Message(Role.ASSISTANT, tuple(uses or [Text("answer")]))
    return EffectEnded(
        cause=cause, ordinal=0, effect="model", outcome=Outcome.DONE, message=message
    )


def result(
    cause: int, ordinal: int, name: str, *, outcome: Outcome = Outcome.DONE, reason: str = ""
) -> Event:
    """The result of a tool call."""
    message = tool_result(f"c{ordinal}", name, "did it")
    return EffectEnded(
        cause=cause, ordinal=ordinal, effect="tool", outcome=outcome, message=message, reason=reason
    )


def act_of(log: Log, cause: int, ordinal: int, tool: str, *, known: int) -> Dispatch:
    """A tool that ran, while the log was `known` events long."""
    return Dispatch(
        effect_id=log.crypto.effect_id(log.stream, cause, ordinal),
        session_id=log.session_id,
        tool=tool,
        arguments="{}",
        attempt=1,
        epoch=1,
        owner=None,
        lengths=(known, known),
        happened=True,
        returned=True,
    )


def action_of(tool: str) -> Action:
    """A call of a tool, normalised."""
    return Action(kind=ActionKind.TOOL, name=tool, digest="d")


def evidence_of(
    log: Log,
    *,
    ledger: Ledger | None = None,
    told: Told | None = None,
    asks: bool = False,
    offered: tuple[tuple[int, int, bytes], ...] = (),
) -> Evidence:
    """Evidence of a world with one session."""
    return Evidence(
        logs=(log,),
        ledger=ledger or Ledger(),
        told=told or Told(),
        asks=asks,
        stale=False,
        offered=offered,
        steady=True,
    )


@contextmanager
def a_world(seed: int = 1, features: Collection[str] | None = ()) -> Iterator[World]:
    """A world that has not begun; its loop is closed at the end."""
    world = World(seed, features)
    try:
        yield world
    finally:
        world.loop.close()
