"""Calls of the embedding program outside of a turn: judged, recorded, then made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from holdfast.core.commands import HostCall, HostEnded
from holdfast.core.errors import Cancelled, KeyDestroyed
from holdfast.core.events import Outcome
from holdfast.core.messages import ToolResult, ToolUse
from holdfast.core.principals import Bearer
from holdfast.core.view import OpenEffect
from holdfast.ports.model import ModelClient, ModelEvent, ModelReply, ModelRequest
from holdfast.ports.tool import ToolOutcome
from holdfast.runtime.asides import begin, end
from holdfast.runtime.engine import Engine
from holdfast.runtime.normalise import destination_of, model_action
from holdfast.runtime.perform import ToolCall
from holdfast.runtime.pricing import cost_of_request


async def run_tool(engine: Engine, use: ToolUse, actor: int, bearer: Bearer | None) -> ToolOutcome:
    """Run one tool for the embedding program.

    Args:
        bearer: by whose token; None is the program itself.

    Raises:
        Denied: the gate refused, or the token was revoked; nothing ran.
        KeyDestroyed: the session was wiped.
    """
    if engine.journal.crypto is None:
        raise KeyDestroyed("the session was wiped")
    hooking = engine.workers.hooking
    prepared, asked = await hooking.host_call(engine.workers.make.prepare(use))
    prepared = replace(prepared, action=replace(prepared.action, by_host=True))
    try:
        asking = HostCall(action=prepared.action, asked=asked, bearer=bearer)
        effect = await begin(engine, asking, actor)
    finally:
        hooking.forget(asked)
    call = ToolCall(
        ref=effect.ref,
        prepared=prepared,
        context=engine.workers.make.context(effect, prepared),
        publish=lambda type, data: None,
        clock=engine.host.clock,
        may_start=lambda: engine.workers.may_start(effect),
    )
    work = hooking.calls.tool(call, engine.host.clock.sleep)
    with engine.workers.asides.running(effect.ref, work, bearer) as task:
        try:
            ended = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            ended = await task
            await end(
                engine,
                HostEnded(
                    ref=effect.ref,
                    outcome=ended.outcome,
                    reason="cancelled",
                    duration_ms=ended.duration_ms,
                    ran=ended.ran,
                ),
            )
            raise
    await end(
        engine,
        HostEnded(
            ref=effect.ref,
            outcome=ended.outcome,
            exit_code=ended.exit_code,
            duration_ms=ended.duration_ms,
            reason=ended.reason,
            ran=ended.ran,
        ),
    )
    part = ended.message.parts[0]
    assert isinstance(part, ToolResult)
    return ToolOutcome(content=part.content, is_error=part.is_error, exit_code=ended.exit_code)


async def run_model(
    engine: Engine,
    client: ModelClient,
    request: ModelRequest,
    actor: int,
    bearer: Bearer | None,
) -> AsyncIterator[ModelEvent]:
    """Make one model call for the embedding program; its usage counts for the session.

    Args:
        bearer: by whose token; None is the program itself.

    Raises:
        Denied: the gate refused, or the token was revoked; nothing was sent.
        ProviderFailed: the provider failed.
        Cancelled: the session was paused or ended meanwhile, or the token revoked.
    """
    hooking = engine.workers.hooking
    content = engine.workers.content
    request = await hooking.calls.before_model(client, await content.hosted(request, client))
    # Only now is it known what is sent: a hook may have made the prompt longer.
    action = replace(
        model_action(
            client.model,
            known=True,
            cost=cost_of_request(client, request),
            to=destination_of(client),
        ),
        by_host=True,
    )
    effect = await begin(engine, HostCall(action=action, bearer=bearer), actor)
    outcome, reply = Outcome.CANCELLED, None
    try:
        async with _made(engine, effect, client, request, bearer) as events:
            async for event in events:
                if isinstance(event, ModelReply):
                    reply, outcome = event, Outcome.DONE
                    yield content.restored(await hooking.calls.after_reply(request, reply))
                else:
                    yield event
    except Cancelled:
        raise
    except Exception:
        outcome = Outcome.FAILED
        raise
    finally:
        ended = HostEnded(
            ref=effect.ref,
            outcome=outcome,
            usage=reply.usage if reply else None,
            model=client.model,
            provider=client.provider,
        )
        if effect in engine.view.host_open:  # else the session's end has recorded it
            await end(engine, ended)


@asynccontextmanager
async def _made(
    engine: Engine,
    effect: OpenEffect,
    client: ModelClient,
    request: ModelRequest,
    bearer: Bearer | None,
) -> AsyncGenerator[AsyncIterator[ModelEvent]]:
    """The events of a call that ends with the session's work, whoever still listens to it."""
    queue: asyncio.Queue[ModelEvent] = asyncio.Queue(maxsize=1)

    async def pump() -> None:
        if not engine.workers.may_start(effect):
            raise Cancelled("the session stopped before the call was made")
        async with closing(client.stream(request)) as events:
            async for event in events:
                await queue.put(event)

    def stopped(done: asyncio.Task[None]) -> None:
        if done.cancelled():  # its outcome is on record even if nobody reads on
            engine.report(HostEnded(ref=effect.ref, outcome=Outcome.CANCELLED, reason="cancelled"))

    with engine.workers.asides.running(effect.ref, pump(), bearer) as task:
        task.add_done_callback(stopped)
        try:
            yield _read(queue, task)
        finally:
            task.remove_done_callback(stopped)
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # who left early does not hear of it


async def _read(
    queue: asyncio.Queue[ModelEvent], task: asyncio.Task[None]
) -> AsyncIterator[ModelEvent]:
    """What a task puts into a queue, until it ends.

    Raises:
        Cancelled: the task was stopped.
    """
    while True:
        step = asyncio.ensure_future(queue.get())
        try:
            await asyncio.wait({step, task}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                break
            yield step.result()
        finally:
            step.cancel()
    if task.cancelled():
        raise Cancelled("the session stopped the call")
    task.result()


@asynccontextmanager
async def closing(events: AsyncIterator[ModelEvent]) -> AsyncIterator[AsyncIterator[ModelEvent]]:
    """Close a stream of model events when it is left, not when it is collected."""
    try:
        yield events
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
