"""Calls beside the turn have an intent and an outcome, whoever leaves while they begin."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from contenthelp import log_of
from holdfast.core.commands import HostCall, HostEnded
from holdfast.core.errors import Denied
from holdfast.core.events import EffectEnded, Outcome
from holdfast.runtime.asides import begin, end
from holdfast.runtime.normalise import destination_of, model_action
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, memory, run, until

MODEL = ScriptedModel()
ACTION = model_action("scripted", known=True, to=destination_of(MODEL))
HOSTED = HostCall(action=replace(ACTION, by_host=True))


def test_a_call_begins_and_ends_in_the_log() -> None:
    """The gate judges it: a program's passes, one of a turn that is not running does not."""

    async def work() -> None:
        async with memory(MODEL) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            engine = await sessions.engine(session.where)
            with pytest.raises(Denied, match="no turn is running"):
                await begin(engine, HostCall(action=ACTION, extracts=True), 0)
            assert () == engine.view.host_open
            effect = await begin(engine, HOSTED, 0)
            assert ("host_model", (effect,)) == (effect.effect, engine.view.host_open)
            await end(engine, HostEnded(ref=effect.ref, outcome=Outcome.DONE))
            assert () == engine.view.host_open

    run(work())


def test_who_leaves_while_a_call_begins_leaves_nothing_open() -> None:
    """The intent that was on its way is ended: nothing ran."""

    async def work() -> None:
        async with memory(MODEL) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            engine = await sessions.engine(session.where)
            before = engine.view.version
            asking = asyncio.create_task(begin(engine, HOSTED, 0))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking})
            assert asking.cancelled()
            await until(lambda: engine.view.version == before + 2)
            assert () == engine.view.host_open
            ended = (await log_of(session))[-1]
            assert isinstance(ended, EffectEnded) and Outcome.CANCELLED is ended.outcome

    run(work())
