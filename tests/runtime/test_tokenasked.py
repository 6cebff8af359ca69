"""A request for a token that comes again gets the same token, and nobody else does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import CommandMismatch, HoldfastError, NotNow, TokenInvalid
from holdfast.core.principals import Principal
from holdfast.core.tokens import IssuedToken, TokenFormat, TokenSettings
from holdfast.ports.clock import SystemClock
from holdfast.runtime.boxes import BoxCipher
from holdfast.runtime.host import Commands
from sessionhelp import echo, memory, on_file, run

SEED = b"k" * 32
DAY_MS = 24 * 3600 * 1000


class Later(SystemClock):
    """A clock that can be put on."""

    ahead_ms = 0

    def now_ms(self) -> int:
        """The time of the machine, and what it is put on."""
        return super().now_ms() + self.ahead_ms


async def _maker(sessions: SessionManager, role: str = "operator") -> Principal:
    made = await sessions.tokens.create("user:ann", role, session="")
    return await sessions.tokens.validate(made.guard_token)


async def _ask(
    sessions: SessionManager, by: Principal, body: bytes = b"b", seed: bytes = SEED
) -> IssuedToken:
    """Make a token as a request with a key does."""
    view = sessions.acting_as(by, commands=Commands(seed, body))
    return await view.tokens.create(f"{by.id}/bot", by=view.acts)


@pytest.mark.parametrize("form", list(TokenFormat))
def test_the_same_again(form: TokenFormat) -> None:
    """Text, row and session; other keys make others; another body is refused."""

    async def work() -> None:
        async with memory(echo(), tokens=TokenSettings(format=form)) as sessions:
            by = await _maker(sessions)
            first = await _ask(sessions, by)
            assert first == await _ask(sessions, by)
            assert first.guard_token == (await _ask(sessions, by)).guard_token
            assert first.id == (await sessions.tokens.validate(first.guard_token)).token
            other = await _ask(sessions, by, seed=b"l" * 32)
            assert first.id != other.id and first.guard_token != other.guard_token
            with pytest.raises(CommandMismatch):
                await _ask(sessions, by, b"other")
            assert 2 == len(await sessions.get_all_sessions())
            assert 3 == await sessions.tokens.active_count()
            assert (await sessions.audit_verify()).ok

    run(work())


def test_asked_many_times_at_once(tmp_path: Path) -> None:
    """In two managers on one store there is one token and one session."""

    async def work() -> None:
        async with on_file(tmp_path) as here, on_file(tmp_path) as there:
            by = await _maker(here)
            made = await asyncio.gather(*(_ask([here, there][n % 2], by) for n in range(12)))
            assert 1 == len({(one.id, one.guard_token, one.session_id) for one in made})
            assert 2 == await here.tokens.active_count()
            assert 1 == len(await there.get_all_sessions())

    run(work())


@pytest.mark.parametrize("how", ["refresh", "revoke", "expire"])
def test_what_is_over_is_not_given_out(how: str) -> None:
    """Neither the old text, which nobody may show, nor a second token."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            by = await _maker(sessions)
            first = await _ask(sessions, by)
            if how == "refresh":
                again = await sessions.tokens.refresh(first.guard_token)
            elif how == "revoke":
                await sessions.tokens.revoke(first.id)
            else:
                clock.ahead_ms = 2 * 3600 * 1000
                made = await sessions.tokens.create("user:ann", "operator", session="")
                fresh = await sessions.tokens.validate(made.guard_token)
                with pytest.raises(TokenInvalid):  # the maker's own has expired as well
                    await _ask(sessions, by, seed=b"l" * 32)
                assert (await _ask(sessions, fresh)).id != first.id
            with pytest.raises(NotNow):
                await _ask(sessions, by)
            if how == "refresh":
                assert by.workspace == (await sessions.tokens.validate(again.guard_token)).workspace

    run(work())


def test_an_id_is_never_given_twice() -> None:
    """Long after the row is gone the same key makes another token, under another id."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            by = replace(await _maker(sessions), token="")
            ids = []
            for _ in range(4):
                ids.append((await _ask(sessions, by)).id)
                await sessions.tokens.revoke(ids[-1])
                clock.ahead_ms += 30 * DAY_MS
                await sessions.tokens.prune_expired()
            assert 4 == len(set(ids))
            assert (await sessions.audit_verify()).ok

    run(work())


def test_another_token_of_the_same_principal_gets_none_of_it() -> None:
    """Which may have less: it makes one of its own."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            strong, weak = await _maker(sessions), await _maker(sessions, "agent")
            assert strong.id == weak.id
            first = await _ask(sessions, strong)
            second = await _ask(sessions, weak)
            assert first.guard_token != second.guard_token and first.id != second.id

    run(work())


def test_no_text_is_in_the_store(tmp_path: Path) -> None:
    """Neither in clear, nor to be opened with the installation's keys alone."""

    async def work() -> IssuedToken:
        async with on_file(tmp_path) as sessions:
            made = await _ask(sessions, await _maker(sessions))
            book = sessions.distinct_backends()[0][1].book
            row = await book.store.token_row(bytes.fromhex(made.id))
            assert row is not None
            permitted = book.open(row)  # whoever has the keys comes so far
            assert permitted.again and made.guard_token.encode().hex() not in permitted.again
            key = book.asked_key("default", b"")
            for guess in (key, book.asked_key("default", SEED)):
                with pytest.raises(HoldfastError):
                    from_box(bytes(guess), row.id, permitted.again)
            return made

    made = run(work())
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(bytes.fromhex(made.id) in file.read_bytes() for file in files)
    assert not any(made.guard_token.encode() in file.read_bytes() for file in files)


def from_box(key: bytes, id: bytes, again: str) -> bytes:
    """Try to open a kept text with a key."""
    return BoxCipher(key).open("token-again", (id, b""), bytes.fromhex(again))
