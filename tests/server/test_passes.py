"""Tokens of open streams: asked about once for all streams of one, and never believed late."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.core.errors import HoldfastError, TokenInvalid, Unavailable
from holdfast.core.principals import ROLES, Principal
from holdfast.server import passes
from holdfast.server.passes import Passes
from sessionhelp import run

WHO = Principal(
    id="user:ann", workspace="default", session="", role="viewer", scopes=ROLES["viewer"], token="0"
)
SCOPE = "messages:read"


class Door:
    """Says who a token is of; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Principal | HoldfastError = WHO
        self.died = 0

    async def validate(self, token: str) -> Principal:
        self.asked.append(token)
        await asyncio.sleep(0)
        if isinstance(self.answer, HoldfastError):
            raise self.answer
        return self.answer

    def passes(self) -> Passes:
        """The passes of this door."""

        def died() -> None:
            self.died += 1

        return Passes(self.validate, died)


def test_all_streams_of_a_token_have_one_pass() -> None:
    """It is asked about once each time, and no more when the last of them is over."""

    async def work() -> None:
        door = Door()
        held = door.passes()
        one, two = held.take("t1", WHO, SCOPE), held.take("t1", WHO, SCOPE)
        other = held.take("t2", WHO, SCOPE)
        assert one is two
        await held.check()
        assert ["t1", "t2"] == door.asked
        for each in (one, two, other):
            held.give(each)
        await held.check()
        assert ["t1", "t2"] == door.asked
        assert 0 == door.died

    run(work())


def test_a_token_that_died_stays_dead() -> None:
    """A new stream by it, should it be valid again, has a pass of its own."""

    async def work() -> None:
        door = Door()
        held = door.passes()
        old = held.take("t1", WHO, SCOPE)
        door.answer = TokenInvalid()
        await held.check()
        assert 1 == door.died
        assert isinstance(old.refusal(), TokenInvalid)
        door.answer = WHO
        await held.check()
        assert 1 == len(door.asked)
        new = held.take("t1", WHO, SCOPE)
        assert new is not old
        assert new.refusal() is None
        held.give(old)
        assert held.take("t1", WHO, SCOPE) is new

    run(work())


@pytest.mark.parametrize(
    "now",
    [
        replace(WHO, id="user:eve"),
        replace(WHO, workspace="other"),
        replace(WHO, session="two"),
        replace(WHO, scopes=frozenset({"metrics:read"})),
        Unavailable("the store is closed"),
    ],
)
def test_any_other_answer_is_a_no(now: Principal | HoldfastError) -> None:
    """Another principal, fewer scopes, no answer."""

    async def work() -> None:
        door = Door()
        held = door.passes()
        found = held.take("t1", WHO, SCOPE)
        door.answer = now
        await held.check()
        assert found.refusal() is not None

    run(work())


def test_more_tokens_than_are_asked_about_at_once() -> None:
    """All of them are asked about; who died is told as soon as it is known."""

    async def work() -> None:
        door = Door()
        held = door.passes()
        many = [held.take(f"t{number}", WHO, SCOPE) for number in range(passes.AT_ONCE * 2 + 1)]
        await held.check()
        assert len(many) == len(door.asked)
        door.answer = TokenInvalid()
        await held.check()
        assert 3 == door.died
        assert all(one.refusal() for one in many)
        assert "t1" not in repr(many[1])

    run(work())


def test_one_token_is_asked_about_at_once() -> None:
    """If it died all streams of it are told, and whoever asked has the reason."""

    async def work() -> None:
        door = Door()
        held = door.passes()
        one, other = held.take("t1", WHO, SCOPE), held.take("t2", WHO, SCOPE)
        await held.ask(one)
        assert (["t1"], 0) == (door.asked, door.died)
        door.answer = TokenInvalid()
        with pytest.raises(TokenInvalid):
            await held.ask(one)
        assert (1, True) == (door.died, other.error is None)

    run(work())
