"""Checkpoints in a directory: made, read back, raced for, killed in between, compared."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.core.checkpoints import TOKENS, Checkpoint, Leaf
from holdfast.core.errors import ChainBroken, HoldfastError, Unavailable
from holdfast.runtime import checkpointing
from holdfast.runtime.audit_tokens import check_tokens
from holdfast.runtime.backend import Backend
from holdfast.runtime.checkpointing import Signed, Signer
from moving_kit import World


async def make_checkpoint(backend: Backend, where: Path) -> Checkpoint | None:
    """Make a checkpoint as a new process would."""
    return await Signer(backend, CheckpointDirectory(where)).make()


async def read_chain(where: Path, key: bytes) -> list[Signed]:
    """Read all checkpoints of a directory."""
    return [one async for one in checkpointing.read_chain(CheckpointDirectory(where), key)]


async def leaves_of(where: Path, checkpoint: Checkpoint) -> list[Leaf]:
    """Read the leaves of one."""
    return await checkpointing.leaves_of(CheckpointDirectory(where), checkpoint)


async def compare_checkpoints(backend: Backend, where: Path) -> list[object]:
    """Compare a store with a directory."""
    return [*await checkpointing.compare_checkpoints(backend, CheckpointDirectory(where))]


def test_each_checkpoint_signs_the_one_before_and_what_changed(tmp_path: Path) -> None:
    """Only changed sessions are in it; without a change none is made; a wipe is a change."""

    async def main() -> None:
        where = tmp_path / "out"
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            public = backend.keys.audit_public_key
            assert [] == await read_chain(where, public)
            assert None is await make_checkpoint(backend, where)
            one = await manager.create_session("one")
            await manager.create_session("two")
            first = await make_checkpoint(backend, where)
            assert first is not None and 2 == first.leaves
            assert None is await make_checkpoint(backend, where)
            await one.add_message("hello")
            second = await make_checkpoint(backend, where)
            assert second is not None and 1 == second.leaves
            row = await backend.store.stream_row(one.where.stream)
            assert row is not None
            leaf = (await leaves_of(where, second))[0]
            assert (row.stream, row.version, row.head) == (leaf.stream, leaf.version, leaf.head)
            await manager.terminate_session("two")
            third = await make_checkpoint(backend, where)
            assert third is not None and 1 == third.leaves
            chain = await read_chain(where, public)
            assert [first, second, third] == [signed.checkpoint for signed in chain]
            assert chain[1].checkpoint.previous == chain[0].hash
            assert [] == await compare_checkpoints(backend, where)

    asyncio.run(main())


def test_two_signers_never_fork(tmp_path: Path) -> None:
    """Each number is signed once, and everything is covered."""

    async def main() -> None:
        world, where = World(), tmp_path / "out"
        async with world.manager() as leader, world.manager() as other:
            signers = [one.distinct_backends()[0][1] for one in (leader, other)]
            made: list[Checkpoint | None] = []
            for number in range(20):
                await leader.create_session(f"s{number}")
                made += await asyncio.gather(*(make_checkpoint(one, where) for one in signers))
            chain = await read_chain(where, signers[0].keys.audit_public_key)
            told = [one.number for one in made if one is not None]
            assert sorted(told) == list(range(1, len(chain) + 1))
            assert 20 == sum(signed.checkpoint.leaves for signed in chain)
            assert [] == await compare_checkpoints(signers[0], where)

    asyncio.run(main())


def test_a_number_that_another_took_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who loses the race for a name reads on, and finds nothing left to sign."""

    async def main() -> None:
        where, link = tmp_path / "out", os.link
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            await manager.create_session("one")

            def overtaken(fresh: Path, name: Path) -> None:
                if name.name.endswith(".checkpoint"):
                    link(fresh, name)
                link(fresh, name)

            monkeypatch.setattr(os, "link", overtaken)
            assert None is await make_checkpoint(backend, where)
            monkeypatch.undo()
            assert 1 == len(await read_chain(where, backend.keys.audit_public_key))

    asyncio.run(main())


def test_a_crash_at_any_step_loses_and_forks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at the first, second, … file operation, the next attempt makes one good chain."""

    class Stopped(BaseException):
        pass

    async def attempt(where: Path, stop_at: int) -> bool:
        """Make one checkpoint, stopped at an operation; True if it came to an end."""
        calls = 0

        def counted(real: object) -> object:
            def call(*args: object) -> object:
                nonlocal calls
                calls += 1
                if calls == stop_at:
                    raise Stopped
                assert callable(real)
                return real(*args)

            return call

        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            await manager.create_session("one")
            with monkeypatch.context() as patched:
                for name in ("link", "fsync"):
                    patched.setattr(os, name, counted(getattr(os, name)))
                try:
                    await make_checkpoint(backend, where)
                    ended = True
                except Stopped:
                    ended = False
            await manager.create_session("two")
            await make_checkpoint(backend, where)
            chain = await read_chain(where, backend.keys.audit_public_key)
            streams = {leaf.stream for s in chain for leaf in await leaves_of(where, s.checkpoint)}
            assert 2 == len(streams) and [] == await compare_checkpoints(backend, where)
        return ended

    async def main() -> None:
        stopped = 0
        for stop_at in range(1, 50):
            if await attempt(tmp_path / str(stop_at), stop_at):
                break
            stopped += 1
        assert 5 <= stopped < 49

    asyncio.run(main())


def test_whatever_is_altered_in_the_directory_is_refused(tmp_path: Path) -> None:
    """Each flipped byte, each missing file, another key, another installation."""

    async def main() -> None:
        where = tmp_path / "out"
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            for name in ("one", "two", "three"):
                await manager.create_session(name)
                await make_checkpoint(backend, where)
            assert 6 == len(list(where.iterdir()))
            for path in sorted(where.iterdir()):
                whole = path.read_bytes()
                for place in range(0, len(whole), 7):
                    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
                    with pytest.raises(ChainBroken):
                        await compare_checkpoints(backend, where)
                path.unlink()
                if path.name != "000000000003.checkpoint":
                    with pytest.raises(ChainBroken):
                        await compare_checkpoints(backend, where)
                path.write_bytes(whole)
            assert [] == await compare_checkpoints(backend, where)
        async with World().manager() as stranger:
            other = stranger.distinct_backends()[0][1]
            await stranger.create_session("one")
            for act in (make_checkpoint, compare_checkpoints):
                with pytest.raises(HoldfastError):
                    await act(other, where)
            with pytest.raises(ChainBroken):
                await compare_checkpoints(other, tmp_path / "none")

    asyncio.run(main())


def test_a_place_that_fails_is_out_of_order(tmp_path: Path) -> None:
    """Whatever a place raises is Unavailable; a note under another number is refused."""

    class Failing(CheckpointDirectory):
        """Fails in a way of its own."""

        async def newest(self) -> int:
            """Fail."""
            raise ZeroDivisionError

    async def main() -> None:
        where = tmp_path / "out"
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            await manager.create_session("one")
            with pytest.raises(Unavailable, match="ZeroDivisionError"):
                await Signer(backend, Failing(where)).make()
            await make_checkpoint(backend, where)
            first = where / "000000000001.checkpoint"
            (where / "000000000002.checkpoint").write_bytes(first.read_bytes())
            with pytest.raises(ChainBroken, match="another one"):
                await make_checkpoint(backend, where)

    asyncio.run(main())


def test_earlier_checkpoints_are_read_once(tmp_path: Path) -> None:
    """A signer that goes on asks for nothing but the number that comes next."""

    class Counting(CheckpointDirectory):
        """Notes which numbers are asked for."""

        asked: list[int]

        async def note(self, number: int) -> bytes | None:
            """Count."""
            self.asked.append(number)
            return await super().note(number)

    async def main() -> None:
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            sink = Counting(tmp_path / "out")
            sink.asked = []
            signer = Signer(backend, sink)
            for number in range(1, 6):
                await manager.create_session(f"s{number}")
                sink.asked.clear()
                made = await signer.make()
                assert made is not None and number == made.number and made == signer.known
                assert [number] == sink.asked
            again = Signer(backend, sink)
            sink.asked.clear()
            assert made == await again.last()
            assert [1, 2, 3, 4, 5, 6] == sink.asked

    asyncio.run(main())


def test_only_the_newest_are_read_before_one_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is older than the tail is for `compare_checkpoints`, which reads all."""

    async def main() -> None:
        where = tmp_path / "out"
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            for number in range(4):
                await manager.create_session(f"s{number}")
                await make_checkpoint(backend, where)
            monkeypatch.setattr(checkpointing, "TAIL", 2)
            (where / "000000000001.checkpoint").unlink()
            await manager.create_session("five")
            made = await make_checkpoint(backend, where)
            assert made is not None and 5 == made.number
            with pytest.raises(ChainBroken):
                await compare_checkpoints(backend, where)

    asyncio.run(main())


def test_a_store_that_was_set_back_is_refused(tmp_path: Path) -> None:
    """A store that ends before what was signed gets no new checkpoint."""

    async def main() -> None:
        where, world = tmp_path / "out", World()
        async with world.manager() as manager:
            backend = manager.distinct_backends()[0][1]
            await manager.create_session("one")
            await make_checkpoint(backend, where)
            world.disk.feed.pop()
            with pytest.raises(ChainBroken, match="cut or set back"):
                await make_checkpoint(backend, where)

    asyncio.run(main())


def test_the_log_of_tokens_is_covered(tmp_path: Path) -> None:
    """As the sessions' are: what it names is there; without a change none is made."""

    async def main() -> None:
        where, world = tmp_path / "out", World()
        async with world.manager() as manager:
            backend = manager.distinct_backends()[0][1]
            await manager.create_session("one")
            made = await manager.tokens.create("ann", session="one")
            signer = Signer(backend, CheckpointDirectory(where))
            assert 2 == await signer.behind()
            first = await signer.make()
            assert first is not None and 2 == first.leaves and 0 == await signer.behind()
            assert None is await make_checkpoint(backend, where)
            await manager.tokens.refresh(made.guard_token)
            assert 1 == await Signer(backend, CheckpointDirectory(where)).behind()
            second = await make_checkpoint(backend, where)
            assert second is not None and (1, first.feed) == (second.leaves, second.feed)
            seq, head = await backend.store.token_head()
            assert [Leaf(stream=TOKENS, version=seq, head=head)] == await leaves_of(where, second)
            assert None is await signer.make(), "another signer's checkpoint was read"
            await manager.create_session("two")
            third = await signer.make()
            assert third is not None and 2 == third.leaves, "where it stands is in each"
            assert [] == await compare_checkpoints(backend, where)

    asyncio.run(main())


@pytest.mark.parametrize("how", ["cut", "emptied", "rewritten"])
def test_a_log_of_tokens_that_was_cut_or_rewritten_is_found(how: str, tmp_path: Path) -> None:
    """With fitting rows, and with the key of the chain; no checkpoint is added to it."""

    async def main() -> None:
        where, world = tmp_path / "out", World()
        async with world.manager() as manager:
            backend = manager.distinct_backends()[0][1]
            await manager.create_session("one")
            for name in ("ann", "bob"):
                await manager.tokens.create(name, session="one")
            assert await make_checkpoint(backend, where)
            tables: Any = world.disk.tokens
            row = tables.rows.pop(tables.events[-1].token)
            del tables.digests[row.digest]
            if how == "emptied":
                tables.events.clear()
                tables.rows.clear()
            else:
                tables.events.pop()
            if how == "rewritten":
                for name in ("eve", "mallory"):
                    await manager.tokens.create(name, session="one")
            assert [] == await check_tokens(backend), "the chain itself has nothing to say"
            found = await compare_checkpoints(backend, where)
            assert ["tokens"] == [one.session for one in found]  # type: ignore[attr-defined]  # findings
            await manager.create_session("two")
            with pytest.raises(ChainBroken, match="log of tokens"):
                await make_checkpoint(backend, where)
            behind = await Signer(backend, CheckpointDirectory(where)).behind()
            assert behind < 0 if how != "rewritten" else behind > 0

    asyncio.run(main())
