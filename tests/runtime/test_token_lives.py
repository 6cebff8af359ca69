"""Tokens against a model: refresh, revoke, use and restart in any order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import TokenInvalid
from holdfast.core.principals import Principal
from holdfast.core.tokens import IssuedToken
from sessionhelp import echo, memory, on_file, run
from tokenhelp import dead


class Life:
    """What must be so: each token's texts, of which the last one is good while it lives."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []
        self.ids: list[str] = []
        self.parents: list[int] = []
        self.live: list[bool] = []

    def add(self, made: IssuedToken, parent: int) -> None:
        self.texts.append([made.guard_token])
        self.ids.append(made.id)
        self.parents.append(parent)
        self.live.append(True)

    def kill(self, number: int) -> None:
        self.live[number] = False
        for below, parent in enumerate(self.parents):
            if parent == number and self.live[below]:
                self.kill(below)


async def _step(rng: random.Random, sessions: SessionManager, life: Life) -> None:
    tokens = sessions.tokens
    choice = rng.random()
    if not any(life.live) or choice < 0.08:
        living = [n for n, live in enumerate(life.live) if live]
        parent = rng.choice(living) if living and rng.random() < 0.6 else -1
        by: Principal | None = None
        if parent >= 0:
            by = await tokens.validate(life.texts[parent][-1])
        life.add(await tokens.create(f"a{rng.randrange(4)}", "operator", session="", by=by), parent)
        return
    number = rng.randrange(max(0, len(life.ids) - 12), len(life.ids))
    texts = life.texts[number]
    if choice < 0.38:
        good = life.live[number]
        assert good != await dead(sessions, texts[-1]), (number, good)
    elif choice < 0.66:
        try:
            made = await tokens.refresh(texts[-1])
        except TokenInvalid:
            assert not life.live[number]
        else:
            assert life.live[number]
            texts.append(made.guard_token)
    elif choice < 0.70 and len(texts) > 1:
        assert await dead(sessions, rng.choice(texts[:-1]))
        life.kill(number)
    elif choice < 0.76:
        await tokens.revoke(life.ids[number])
        life.kill(number)
    elif choice < 0.90:  # at once: a refresh either comes before the revocation or not at all
        both = (tokens.refresh(texts[-1]), tokens.revoke(life.ids[number]))
        done, _ = await asyncio.gather(*both, return_exceptions=True)
        if isinstance(done, IssuedToken):
            texts.append(done.guard_token)
        life.kill(number)
        assert await dead(sessions, texts[-1])
    elif life.live[number]:  # two at once: one of them
        pair = [tokens.refresh(texts[-1]) for _ in range(2)]
        found = await asyncio.gather(*pair, return_exceptions=True)
        won = [one for one in found if isinstance(one, IssuedToken)]
        assert len(won) <= 1
        # Who came late may have shown a text that was retired by then.
        alive = bool(won) and not await dead(sessions, won[0].guard_token)
        if won:
            texts.append(won[0].guard_token)
        if not alive:
            life.kill(number)


async def _live(seed: int, steps: int, sessions: SessionManager) -> None:
    """A life without a restart."""
    rng, life = random.Random(seed), Life()
    for _ in range(steps):
        await _step(rng, sessions, life)
    for number, live in enumerate(life.live):
        assert live != await dead(sessions, life.texts[number][-1])


async def _interleave(seed: int, steps: int, opened: Any, restarts: int) -> None:
    rng, life = random.Random(seed), Life()
    for _ in range(restarts):
        async with opened() as sessions:
            for _ in range(steps // restarts):
                await _step(rng, sessions, life)
            for number, live in enumerate(life.live):
                if live:
                    assert not await dead(sessions, life.texts[number][-1]), number
    async with opened() as sessions:
        for number, live in enumerate(life.live):
            assert live != await dead(sessions, life.texts[number][-1])
        for texts in life.texts:
            assert len(texts) == 1 or await dead(sessions, texts[0])
        assert (await sessions.audit_verify()).ok


def test_interleavings_on_a_file(tmp_path: Path) -> None:
    """Refresh, revoke, use and restart in any order: none lives on, none dies early."""

    async def work() -> None:
        await _interleave(3, 600, lambda: on_file(tmp_path, echo()), 3)

    run(work())


@pytest.mark.slow
def test_ten_thousand_interleavings(tmp_path: Path) -> None:
    """The same, ten thousand times: on a file with ten restarts, and in memory."""

    async def work() -> None:
        async with asyncio.timeout(240):
            await _interleave(11, 2_000, lambda: on_file(tmp_path, echo()), 10)
            async with memory(echo()) as sessions:
                await _live(13, 8_000, sessions)

    asyncio.run(work())


def test_interleavings_in_memory() -> None:
    """The twin without a disk does the same."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await _live(5, 1_500, sessions)

    run(work())
