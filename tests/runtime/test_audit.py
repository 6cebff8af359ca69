"""`audit verify` on whole stores: wipes, keys, the feed, orphans, what it cannot show."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.errors import SessionNotFound
from holdfast.core.events import KIND_OF, MUST_UNDERSTAND, Admitted
from holdfast.ports.keys import Keys
from holdfast.runtime.audit import LIMITS, rotate_keys, verify_session, verify_store
from holdfast.runtime.audit_chain import Kind
from holdfast.runtime.envelope import Header, chain_hash
from holdfast.testing.script import say
from moving_kit import SEEDFILES, World, flips, rich_session, script


def test_a_store_of_everything_verifies_clean(tmp_path: Path) -> None:
    """Turns, forks, imports, wipes, tombstones and endings leave nothing to find."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            await manager.fork_session("one", "two")
            await manager.fork_session("one", "three")
            await manager.destroy_session("two")
            await manager.create_session("four")
            await manager.pause_session("four")
            await manager.terminate_session("four")
            await manager.end_session("three")
            await manager.import_file(SEEDFILES / "session_data.json")
            await manager.import_file(SEEDFILES / "serializable_session.json")
            report = await verify_store(manager)
            assert () == report.findings
            assert report.ok and (6, 2) == (report.sessions, report.wiped)
            assert report.events > 20 and LIMITS == report.limits

    asyncio.run(main())


def test_verifying_needs_no_lease_and_follows_a_growing_session() -> None:
    """A session led elsewhere, and one that grows meanwhile, verify clean."""

    async def main() -> None:
        world = World()
        async with world.manager() as leader:
            session = await leader.create_session("one")

            async def grow() -> None:
                for number in range(30):
                    await session.add_message(f"message {number}")

            async with world.manager() as reader:
                growing = asyncio.create_task(grow())
                while not growing.done():
                    assert (await verify_store(reader, "one")).ok
                    await asyncio.sleep(0)
                await growing
                report = await verify_store(reader)
                assert report.ok and 31 <= report.events
            assert leader.live(session.where.stream) is not None

    asyncio.run(main())


def test_a_wiped_session_verifies_and_a_lost_key_is_an_alarm() -> None:
    """Unreadable is accepted below a signed wipe only; a key that is gone without one alarms."""

    async def main() -> None:
        world = World()
        async with world.manager(say("hi")) as manager:
            session = await manager.create_session("one")
            await session.generate("hello")
            other = await manager.create_session("two")
            await manager.terminate_session("one")
            assert (await verify_store(manager)).ok
            name = f"stream-{session.where.stream:016x}"
            assert 1 == (await verify_store(manager, name)).wiped
            manager.distinct_backends()[0][1].keys.destroy_session(other.where.stream, now_ms=1)
            found = (await verify_store(manager)).findings
            assert [(Kind.KEY_MISSING, "two")] == [(f.kind, f.session) for f in found]
            assert "ALARM" in found[0].text

    asyncio.run(main())


def test_another_key_store_is_an_alarm_for_every_session() -> None:
    """With a key store that knows nothing, living and wiped sessions are told apart."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            await manager.create_session("one")
            await manager.create_session("two")
        world.keys = MemoryKeys()
        async with world.manager() as manager:
            report = await verify_store(manager)
            assert not report.ok
            assert [Kind.KEY_MISSING] * 2 == [found.kind for found in report.findings]

    asyncio.run(main())


def test_a_wiped_sessions_chain_is_still_proved() -> None:
    """Below a wipe, every altered or dropped row is found without any key."""

    async def main() -> None:
        world = World()
        async with world.manager(say("hi")) as manager:
            session = await manager.create_session("one")
            await session.generate("hello")
            await manager.terminate_session("one")
            backend, stream = session.where.backend, world.disk.streams[session.where.stream]
            rows = tuple(stream.events)
            for place, row in enumerate(rows):
                for column in ("body", "hash"):
                    for data in flips(getattr(row, column), 37):
                        stream.events[place] = replace(row, **{column: data})
                        found = await verify_session(backend, stream.row)
                        assert row.version in {one.version for one in found}, (place, column)
                stream.events[place] = replace(row, actor=row.actor ^ 1)
                found = await verify_session(backend, stream.row)
                assert row.version in {one.version for one in found}
                stream.events[place] = row
            del stream.events[2]
            assert (Kind.MISSING, 3) in {
                (one.kind, one.version) for one in await verify_session(backend, stream.row)
            }

    asyncio.run(main())


def test_a_forged_wipe_is_found() -> None:
    """A wipe that was not signed with the audit key attests nothing."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            await manager.terminate_session("one")
            backend, stream = session.where.backend, world.disk.streams[session.where.stream]
            previous = stream.events[-4].hash if len(stream.events) > 3 else bytes(32)
            for place in range(len(stream.events) - 3, len(stream.events)):
                row = stream.events[place]
                body = bytes(64) + row.body[64:]
                header = Header(
                    stream=stream.row.stream,
                    version=row.version,
                    kind=row.kind,
                    time_ms=row.time_ms,
                    actor=row.actor,
                    key_id=0,
                    epoch=row.epoch,
                )
                previous = chain_hash(previous, header, body)
                stream.events[place] = replace(row, body=body, hash=previous)
            stream.row = replace(stream.row, head=previous)
            kinds = {one.kind for one in await verify_session(backend, stream.row)}
            assert {Kind.ALTERED, Kind.KEY_MISSING} <= kinds

    asyncio.run(main())


def test_an_old_key_store_put_back_is_found() -> None:
    """A key that opens a session whose wipe is attested is a finding."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            keys = manager.distinct_backends()[0][1].keys
            key = keys.session_key(session.where.stream)
            await manager.terminate_session("one")
            backend, row = session.where.backend, world.disk.streams[session.where.stream].row
            backend.keys = cast(Keys, OldKeys(keys, key))
            found = await verify_session(backend, row)
            assert Kind.KEY_PRESENT in {one.kind for one in found}
            backend.keys = keys

    asyncio.run(main())


class OldKeys:
    """Keys as they were before a wipe."""

    def __init__(self, keys: Keys, key: object) -> None:
        self._keys, self._key = keys, key

    def __getattr__(self, name: str) -> object:
        return getattr(self._keys, name)

    def session_key(self, stream: int, key_id: int = 1) -> object:
        """Return the key that should be gone."""
        return self._key


def test_a_wrong_installation_is_found() -> None:
    """Event 1 commits to the installation; a store moved to another one is named."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            keys = session.where.backend.keys
            other = MovedKeys(keys, None)
            session.where.backend.keys = cast(Keys, other)
            row = world.disk.streams[session.where.stream].row
            found = await verify_session(session.where.backend, row)
            assert [(Kind.COMMITMENT, 1)] == [(one.kind, one.version) for one in found]
            session.where.backend.keys = keys

    asyncio.run(main())


class MovedKeys(OldKeys):
    """The same keys under another installation's id."""

    installation = b"another one 1234"

    def session_key(self, stream: int, key_id: int = 1) -> object:
        """Return the session's key."""
        return self._keys.session_key(stream, key_id)


def test_the_feed_and_orphans_are_checked() -> None:
    """Events out of order in the feed, and events or keys without a session, are reported."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            await session.add_message("hello")
            await manager.create_session("two")
            assert (await verify_store(manager)).ok
            feed = world.disk.feed
            feed[0], feed[1] = feed[1], feed[0]
            kinds = {one.kind for one in (await verify_store(manager)).findings}
            assert {Kind.FEED} == kinds
            feed[0], feed[1] = feed[1], feed[0]
            gone = world.disk.streams.pop(session.where.stream)
            newest = dict(world.disk.newest)
            del world.disk.newest[session.where.stream]
            found = (await verify_store(manager)).findings
            assert {(Kind.STREAM, "finding"), (Kind.STREAM, "note")} == {
                (one.kind, one.severity) for one in found
            }
            world.disk.streams[session.where.stream] = gone
            world.disk.newest = newest

    asyncio.run(main())


def test_an_unknown_session_is_no_clean_one() -> None:
    """Verifying a session that is not there raises; it never says "fine"."""

    async def main() -> None:
        async with World().manager() as manager:
            for name in ("nobody", "stream-0000000000000001", "stream-xyz"):
                with pytest.raises(SessionNotFound):
                    await verify_store(manager, name)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        (MUST_UNDERSTAND | 999, b"{}", (Kind.NEWER, "note")),
        (KIND_OF[Admitted], b'{"message": 5}', (Kind.UNDECODABLE, "finding")),
        (KIND_OF[Admitted], b'{"$blob":"zz"}', (Kind.UNDECODABLE, "finding")),
    ],
)
def test_events_of_others_are_told_apart(
    kind: int, payload: bytes, expected: tuple[Kind, str]
) -> None:
    """A newer program's event is a note, a payload that fits no event a finding."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            stream = world.disk.streams[session.where.stream]
            journal = session.where.backend.journal(stream.row)
            assert journal.crypto is not None
            header = Header(
                stream=journal.stream,
                version=2,
                kind=kind,
                time_ms=stream.events[0].time_ms,
                actor=1,
                key_id=1,
                epoch=1,
            )
            row = journal.crypto.seal_event(header, payload, stream.events[0].hash)
            stream.events.append(row)
            stream.row = replace(stream.row, version=2, head=row.hash)
            found = await verify_session(session.where.backend, stream.row)
            assert expected in {(one.kind, one.severity) for one in found}
            assert Kind.ALTERED not in {one.kind for one in found}

    asyncio.run(main())


def test_rotation_leaves_everything_readable() -> None:
    """After a rotation the epoch is new and every session still verifies."""

    async def main() -> None:
        async with World().manager() as manager:
            await manager.create_session("one")
            first, second = await rotate_keys(manager), await rotate_keys(manager)
            assert second["file"] == first["file"] + 1
            assert (await verify_store(manager)).ok

    asyncio.run(main())


@pytest.mark.parametrize("said", [0, 1, 1_000_000])
def test_where_a_sessions_newest_event_stands_is_checked(said: int) -> None:
    """A row that says something else would leave the session out of the next checkpoint."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            stream = (await manager.create_session("one")).where.stream
            await manager.create_session("two")
            await (await manager.get_session("one")).add_message("more")
            assert (await verify_store(manager)).ok
            true = world.disk.newest[stream]
            if said:
                world.disk.newest[stream] = said
            else:
                del world.disk.newest[stream]
            world.disk.newest = dict(sorted(world.disk.newest.items(), key=lambda one: one[1]))
            (finding,) = (await verify_store(manager)).findings
            assert (stream, Kind.FEED) == (finding.stream, finding.kind)
            assert "newest event" in finding.text and not (await verify_store(manager)).ok
            world.disk.newest[stream] = true
            world.disk.newest = dict(sorted(world.disk.newest.items(), key=lambda one: one[1]))
            assert (await verify_store(manager)).ok

    asyncio.run(main())
