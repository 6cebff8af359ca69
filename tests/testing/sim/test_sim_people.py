"""People: what they do goes through the public API, what they are told is kept."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.commands import Pause
from holdfast.core.errors import Busy, Damaged, HoldfastError, LeaseHeld
from holdfast.testing.sim.people import DURABLE_S, LIMIT_S, Person, Sent
from holdfast.testing.sim.world import World
from simhelp import a_world


def sent() -> Sent:
    """A message nobody was told anything about."""
    return Sent(session_id="s1", text="m", id="00", policy=None)


@pytest.mark.parametrize(
    ("error", "content", "uncertain", "refused"),
    [
        (None, True, False, ""),
        (LeaseHeld("x"), False, True, ""),
        (ConnectionError("x"), False, True, ""),
        (Busy("x"), True, False, "busy"),
    ],
)
def test_a_sender_is_content_once_they_know(
    error: Exception | None, content: bool, uncertain: bool, refused: str
) -> None:
    """Only an answer that tells nothing makes them try again."""
    message = sent()
    with a_world() as world:
        assert content is Person("p", world)._note(message, error)
    assert (uncertain, refused) == (message.uncertain, message.refused)


def test_a_long_wait_is_kept_as_a_promise() -> None:
    """A message that was with a silent runtime for long must be durable."""
    quick, slow, told = sent(), sent(), sent()

    async def work(person: Person) -> None:
        await asyncio.sleep(DURABLE_S + 1)
        person._note_wait(quick, DURABLE_S, ConnectionError("x"))
        person._note_wait(slow, 0.0, ConnectionError("x"))
        person._note_wait(told, 0.0, LeaseHeld("x"))

    with a_world() as world:
        world.loop.run_until_complete(work(Person("p", world)))
    assert [False, True, False] == [one.waited for one in (quick, slow, told)]
    assert DURABLE_S < LIMIT_S


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Busy("x"), False),
        (ConnectionError("x"), False),
        (Damaged("the key is destroyed"), False),
        (Damaged("x"), True),
        (HoldfastError("x"), True),
        (ZeroDivisionError(), True),
    ],
)
def test_an_error_no_person_should_see_is_a_problem(error: Exception, problem: bool) -> None:
    """Bugs and damage are; refusals and faults are not."""
    with a_world() as world:
        Person("p", world)._judge_error("it", error)
        assert problem is bool(world._record.problems)


def test_what_a_command_came_to_is_kept() -> None:
    """Done where it was told, refused with the log's lengths."""

    async def work(world: World) -> None:
        world.nodes.append(world._new_node("one"))
        await world._create("s1")
        person = Person("p", world)
        await person.command("s1", Pause())
        await person.send("s1")
        await person.command("s1", Pause())
        await world._unwind()

    with a_world() as world:
        world.loop.run_until_complete(work(world))
    assert (2, 2) == (world.told.done[0].handled.first, world.told.done[0].handled.last)
    assert "not_now" == world.told.sent[0].refused
