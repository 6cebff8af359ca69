"""The quick way from a text to who it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import TokenInvalid
from holdfast.ports.tokens import Revocation, token_scope
from holdfast.runtime import tokenbook
from sessionhelp import echo, memory, on_file, run


def test_what_was_read_is_used_until_the_epoch_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm answers read nothing but the epoch; few are remembered."""
    monkeypatch.setattr(tokenbook, "KNOWN_MAX", 3)

    async def work() -> None:
        async with memory(echo()) as sessions:
            made = [await sessions.tokens.create("ann", session="") for _ in range(5)]
            book = sessions.distinct_backends()[0][1].book
            reads = []
            find = book.store.token_find

            async def counted(digest: bytes) -> object:
                reads.append(digest)
                return await find(digest)

            monkeypatch.setattr(book.store, "token_find", counted)
            for _ in range(3):
                await book.validate(made[0].guard_token)
            assert 1 == len(reads)
            for one in made:
                await book.validate(one.guard_token)
            await book.validate(made[0].guard_token)
            assert 6 == len(reads)
            await book.revoke(Revocation(id=bytes.fromhex(made[1].id)), actor=0)
            await book.validate(made[0].guard_token)
            assert 7 == len(reads)

    run(work())


def test_what_was_read_before_a_revocation_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that a revocation overtakes is worth nothing to the next one."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            made = await sessions.tokens.create("ann", session="")
            book = sessions.distinct_backends()[0][1].book
            find = book.store.token_find

            async def overtaken(digest: bytes) -> object:
                found = await find(digest)
                await book.revoke(Revocation(id=bytes.fromhex(made.id)), actor=0)
                with pytest.raises(TokenInvalid):
                    monkeypatch.undo()
                    await book.validate(made.guard_token)
                return found

            monkeypatch.setattr(book.store, "token_find", overtaken)
            await book.validate(made.guard_token)  # it was so when it was read
            with pytest.raises(TokenInvalid):
                await book.validate(made.guard_token)

    run(work())


def test_a_wiped_session_has_no_name_in_its_tokens() -> None:
    """The token is valid, and leads to nothing."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            made = await sessions.tokens.create("ann", session="one")
            stream = (await sessions.get_session("one")).where.stream
            await sessions.terminate_session("one")
            who = await sessions.tokens.validate(made.guard_token)
            assert f"stream:{stream:016x}" == who.session

    run(work())


def test_a_revocation_reaches_the_other_stores(tmp_path: Path) -> None:
    """By whatever way: sessions in memory beside a file assert it where they are."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            (_, first), (_, second) = sessions.distinct_backends()
            assert first.book.store is first.store
            made = await sessions.tokens.create("ann", session="")
            await sessions.tokens.refresh(made.guard_token)
            with pytest.raises(TokenInvalid):
                await sessions.tokens.validate(made.guard_token)
            for store in (first.store, second.store):
                assert 1 == (await store.grants(token_scope(made.id)))[0]
            with pytest.raises(TokenInvalid):  # nothing is revoked twice
                await sessions.tokens.validate(made.guard_token)
            assert 1 == (await second.store.grants(token_scope(made.id)))[0]

    run(work())
