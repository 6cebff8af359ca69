"""What the calls of an answer come to now, with the arguments they have now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from holdfast.core.commands import Answer, Pause
from holdfast.core.ids import EffectRef
from holdfast.core.messages import Message, Role, ToolUse, assistant
from holdfast.core.view import SessionView
from holdfast.runtime.acting import actions_of, edited_action, uses_of
from holdfast.runtime.batch import Batch
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.engine import Engine
from holdfast.runtime.making import Maker
from holdfast.runtime.window import Bodies
from holdfast.testing.script import calls, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import one_session, run, tool, until


def pay(n: str = "") -> str:
    """Pay once."""
    raise AssertionError(f"nobody said yes to {n}")


PAY = tool(pay, params=["n"])
ONE = EffectRef(4, 1)
TWO = EffectRef(4, 2)


@asynccontextmanager
async def asked() -> AsyncIterator[tuple[Engine, Maker]]:
    """An engine whose session asks about the first of two calls, and what makes its calls."""
    uses = [make_call("pay", {"n": "1"}), make_call("pay", {"n": "2"})]
    model = ScriptedModel([calls(*uses), say("done")])
    async with one_session(model, PAY, config=SessionConfig()) as session:
        turn = asyncio.create_task(session.generate("go"))
        engine = await session._core.engine(session.where)
        await until(lambda: bool(engine.view.questions))
        try:
            yield engine, engine.workers.make
        finally:
            await session.cancel()
            await asyncio.wait({turn})
            turn.exception()


def prepared(make: Maker, n: str) -> str:
    """The digest of paying that much."""
    return make.prepare(ToolUse("x", "pay", f'{{"n": "{n}"}}')).action.digest


def test_each_waiting_call_has_its_action() -> None:
    """By place in the answer, normalised as the gate judges it."""

    async def work() -> None:
        async with asked() as (engine, make):
            found = actions_of(make, Batch(engine.view, 0), engine.bodies)
            assert {ONE: prepared(make, "1"), TWO: prepared(make, "2")} == {
                ref: action.digest for ref, action in found.items()
            }
            assert ["pay", "pay"] == [action.name for action in found.values()]

    run(work())


def test_a_call_that_has_its_result_has_none() -> None:
    """Only what waits is judged; without a turn there is nothing."""

    async def work() -> None:
        async with asked() as (engine, make):
            second = replace(engine.view, calls=engine.view.calls[1:])
            assert {TWO} == set(actions_of(make, Batch(second, 0), engine.bodies))
            none = replace(engine.view, calls=())
            assert {} == actions_of(make, Batch(none, 0), engine.bodies)
            assert {} == actions_of(make, Batch(SessionView(), 0), engine.bodies)

    run(work())


def test_a_call_that_the_answer_does_not_have_is_left_out() -> None:
    """Without its words nothing can be judged, so nothing may start."""

    async def work() -> None:
        async with asked() as (engine, make):
            assert {} == actions_of(make, Batch(engine.view, 0), Bodies())
            third = replace(engine.view.calls[0], ordinal=3)
            view = replace(engine.view, calls=(*engine.view.calls, third))
            assert {ONE, TWO} == set(actions_of(make, Batch(view, 0), engine.bodies))

    run(work())


def test_changed_arguments_are_what_is_judged() -> None:
    """Changed on record, or in this very batch: never the model's own any more."""

    async def work() -> None:
        async with asked() as (engine, make):
            first, second = engine.view.calls
            view = replace(
                engine.view, calls=(replace(first, edited=90), replace(second, edited=91))
            )
            engine.bodies.edits[90] = '{"n": "7"}'
            batch = Batch(view, 0)
            batch.edits[91] = '{"n": "8"}'
            found = actions_of(make, batch, engine.bodies)
            assert (prepared(make, "7"), prepared(make, "8")) == (
                found[ONE].digest,
                found[TWO].digest,
            )

    run(work())


def test_an_answer_that_is_not_durable_yet_is_known() -> None:
    """What the batch decided comes before the window; no answer has no calls."""
    use = ToolUse("c1", "pay", "{}")
    batch = Batch(SessionView(), 0)
    assert () == uses_of(batch, Bodies(), 4)
    batch.fresh[4] = assistant("only words")
    assert () == uses_of(batch, Bodies(), 4)
    batch.fresh[4] = Message(Role.ASSISTANT, (use,))
    assert (use,) == uses_of(batch, Bodies(), 4)


def test_an_edit_is_judged_as_the_call_it_makes() -> None:
    """The tool stays the one asked about; only its arguments are new."""

    async def work() -> None:
        async with asked() as (engine, make):
            batch = Batch(engine.view, 0)
            question = engine.view.questions[0]
            command = Answer(question=question.id, decision="edit", arguments='{"n":"9"}')
            found = edited_action(make, batch, engine.bodies, command)
            assert found is not None
            assert ("pay", prepared(make, "9")) == (found.name, found.digest)
            wrong = replace(command, arguments='{"other":"9"}')
            refused = edited_action(make, batch, engine.bodies, wrong)
            assert refused is not None and "" != refused.problem

    run(work())


def test_what_changes_no_arguments_makes_no_action() -> None:
    """Other commands and decisions, a question that is not there, a call without words."""

    async def work() -> None:
        async with asked() as (engine, make):
            batch = Batch(engine.view, 0)
            question = engine.view.questions[0]
            edit = Answer(question=question.id, decision="edit", arguments="{}")
            for command in (Pause(), replace(edit, decision="once"), replace(edit, question=1)):
                assert edited_action(make, batch, engine.bodies, command) is None
            assert edited_action(make, batch, Bodies(), edit) is None
            model = replace(question, ref=EffectRef(question.ref.cause, 0))
            view = replace(engine.view, questions=(model,))
            assert edited_action(make, Batch(view, 0), engine.bodies, edit) is None

    run(work())
