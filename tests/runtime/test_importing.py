"""Importing: everything comes along, nothing acts, a bad file leaves nothing."""

from __future__ import annotations

import asyncio
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import ImportRefused, SessionExists
from holdfast.core.events import Imported, Opened
from holdfast.core.labels import Integrity
from holdfast.core.lifecycle import SessionState
from holdfast.core.settings import ModelSettings
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.exporting import FORMATS, export_session, export_text
from holdfast.runtime.handle import Session
from holdfast.runtime.importing import import_file, import_session, plan_of_file, read_file
from holdfast.runtime.jsonl import ExportHead, LineWriter, read_export
from holdfast.runtime.offer import read_spill
from holdfast.runtime.takeover import take_over
from holdfast.testing.script import say
from moving_kit import World, parts_of, rich_session, script


async def facts(session: Session) -> dict[str, object]:
    """What must be equal on both sides of a move."""
    info, view = await session.info(), await session.view()
    return {
        "history": parts_of(await session.history()),
        "usage": await session.total_usage(),
        "records": await session.cost_records(),
        "prompt": await session.system_prompt(),
        "context": await session.context_usage(),
        "details": view.details,
        "times": (view.created_ms, view.last_activity_ms),
        "counts": (view.message_count, view.turn_count, view.round_count),
        "tools": (view.tool_call_count, view.approval_count),
        "who": (info.user_id, info.channel_id, info.chat_id),
        "workspace": info.workspace,
        "thinking": view.settings.thinking,
        "state": view.state,
        "tokens": (view.window.tokens, view.window.count),
    }


async def moved(manager: SessionManager, id: str, folder: Path, new_id: str) -> Session:
    """Export a session and import it under another id."""
    path = folder / f"{id}.jsonl"
    await export_session(manager, id, path)
    assert new_id == (await import_session(manager, path, new_id)).id
    return await manager.get_session(new_id)


def test_export_import_export_keeps_everything(tmp_path: Path) -> None:
    """Conversation, counts, money, times, title, tags, metadata and prompt survive two moves."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            first = await rich_session(manager, tmp_path / "ws")
            second = await moved(manager, "one", tmp_path, "two")
            third = await moved(manager, "two", tmp_path, "three")
            expected = await facts(first)
            assert expected == await facts(second)
            assert expected == await facts(third)
            assert 4 == len(await third.history())

    asyncio.run(main())


def test_hidden_messages_come_along_and_stay_hidden(tmp_path: Path) -> None:
    """Messages from before a clear are in the new log and out of the model's sight."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            session = await moved(manager, "one", tmp_path, "two")
            journal = session.where.backend.journal(session.where.row)
            told = [recorded.event async for recorded in journal.replay()]
            said = [m.text for e in told if isinstance(e, Imported) for m in e.messages]
            assert "what is in a.txt?" in said
            assert "what is in a.txt?" not in [m.text for m in await session.history()]
            inert = json.loads(told[-1].inert) if isinstance(told[-1], Imported) else {}
            names = [event["name"] for event in inert["holdfast"]["events"]]
            assert "Opened" == names[0] and "EffectStarted" in names and "ContextSet" in names

    asyncio.run(main())


def test_what_is_imported_is_untrusted_and_keeps_its_source(tmp_path: Path) -> None:
    """Every message is untrusted, and the log says which head it came from."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            first = await rich_session(manager, tmp_path / "ws")
            second = await moved(manager, "one", tmp_path, "two")
            labels = [message.label for message in await second.history()]
            assert {Integrity.UNTRUSTED} == {label.integrity for label in labels}
            assert all("import" in label.origins for label in labels)
            assert Integrity.UNTRUSTED is (await second.view()).label.integrity
            event = (await second.where.backend.journal(second.where.row).event_at(5)).event
            assert isinstance(event, Imported)
            row = await first.where.backend.store.stream_row(first.where.stream)
            assert row is not None and row.head.hex() == event.head

    asyncio.run(main())


def test_nothing_in_a_file_acts(tmp_path: Path) -> None:
    """Model, endpoint, key reference, approval without asking and tenancy stay inert."""

    async def main() -> None:
        async with World().manager() as manager:
            model = ModelSettings(provider="openai", model="m", base_url="http://x", key="env:K")
            config = SessionConfig(model=model, unsafe_auto_approve=True)
            await manager.create_session("one", config)
            path = tmp_path / "one.jsonl"
            await export_session(manager, "one", path)
            done = await import_file(manager, path)
            session = await manager.get_session(done.id)
            settings = (await session.view()).settings
            assert settings.model is None and not settings.unsafe_auto_approve
            assert any("'m'" in note for note in done.notes)
            assert any("unasked" in note for note in done.notes)
            assert ("holdfast",) == done.inert_keys

    asyncio.run(main())


def test_an_imported_session_talks_on(tmp_path: Path) -> None:
    """After a move the conversation goes on, with what was said before it."""

    async def main() -> None:
        world = World()
        async with world.manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            await export_session(manager, "one", tmp_path / "one.jsonl")
        other = World()
        async with other.manager(say("here again")) as manager:
            done = await import_file(manager, tmp_path / "one.jsonl")
            session = await manager.get_session(done.id)
            result = await session.generate("still there?")
            assert ("one", "here again") == (done.id, result.text)
            assert 6 == len(result.messages)
        async with other.manager() as manager:
            assert 6 == len(await manager.history("one"))

    asyncio.run(main())


def test_kept_outputs_still_open(tmp_path: Path) -> None:
    """A handle to a large tool output leads to the same bytes in the new session."""

    async def main() -> None:
        async with World().manager() as manager:
            first = await manager.create_session("one")
            engine = manager.live(first.where.stream)
            assert engine is not None
            blob, parts, _ = await engine.journal.put_blob(b"\xff" * 1_500_000)
            handle = f"spill:{blob.hex()}-{parts}"
            await first.add_message(f"kept as {handle}")
            second = await moved(manager, "one", tmp_path, "two")
            journal = second.where.backend.journal(second.where.row)
            assert b"\xff" * 1_500_000 == await read_spill(journal, handle)

    asyncio.run(main())


@pytest.mark.parametrize("state", [SessionState.PAUSED, SessionState.COMPLETED, SessionState.ERROR])
def test_the_state_comes_along(tmp_path: Path, state: SessionState) -> None:
    """A paused, completed or failed session is so after the move, with its reason."""

    async def main() -> None:
        async with World().manager() as manager:
            first = await manager.create_session("one")
            if state is SessionState.PAUSED:
                await first.pause("lunch")
            else:
                await first.set_state(state, "lunch")
            second = await moved(manager, "one", tmp_path, "two")
            view = await second.view()
            assert (state, "lunch") == (view.state, view.state_reason)

    asyncio.run(main())


def test_a_taken_id_gives_way(tmp_path: Path) -> None:
    """A file whose id is taken becomes another session; a taken wish is refused."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            await manager.create_session("one")
            path = tmp_path / "one.jsonl"
            await export_session(manager, "one", path)
            done = await import_file(manager, path)
            assert done.id != "one" and "'one' is taken" in done.notes[0]
            with pytest.raises(SessionExists):
                await import_file(manager, path, "ONE")
            assert 2 == len(world.disk.streams)

    asyncio.run(main())


def test_a_refused_file_leaves_nothing(tmp_path: Path) -> None:
    """A truncated, altered or foreign file is refused with its line; no session is made."""

    async def main() -> None:
        world = World()
        async with world.manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            data = (await export_text(manager, "one")).encode()
            before = (len(world.disk.streams), world.keys.living_streams())
            lines = data.splitlines(keepends=True)
            bad = {
                "cut": data[: len(data) // 2],
                "no end": b"".join(lines[:-1]),
                "dropped": b"".join([*lines[:3], *lines[4:]]),
                "altered": data.replace(b"again", b"AGAIN", 1),
                "text": b"hello\n",
                "bytes": b"\xff\xfe",
            }
            for name, content in bad.items():
                with pytest.raises(ImportRefused) as caught:
                    await import_file(manager, put(tmp_path / "bad.jsonl", content))
                assert caught.value.message.startswith("line "), name
            assert before == (len(world.disk.streams), world.keys.living_streams())

    asyncio.run(main())


def put(path: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content)
    return path


def test_a_running_turn_is_not_running_here() -> None:
    """A turn that ran at export is over in the new session, and that is noted."""

    async def main() -> None:
        async with World().manager(say("never"), say("never")) as manager:
            session = await manager.create_session("one")
            await session.generate("hello")
            file = read_export(io.BytesIO((await export_text(manager, "one")).encode()))
            assert isinstance(file.events[0].kind, int) and Opened.__name__ == file.events[0].name
            from_start = 2  # birth and the message that began the turn
            cut = rewritten(file.events[:from_start], file.head)
            plan = plan_of_file(cut)
            assert any("a turn was running" in note for note in plan.notes)
            assert ["hello"] == [m.text for run in plan.runs for m in run.messages]

    asyncio.run(main())


def rewritten(events: object, head: object) -> bytes:
    """Write a shorter export that proves."""
    assert isinstance(events, tuple) and isinstance(head, ExportHead)
    out = io.BytesIO()
    writer = LineWriter(out)
    shorter = replace(head, version=len(events), head=events[-1].hash)
    writer.write("holdfast", shorter.to_dict())
    for event in events:
        writer.write("event", event.to_dict())
    count = len(events)
    end = {"events": count, "spills": 0, "missing": 0, "version": count, "head": shorter.head}
    writer.write("end", end)
    return out.getvalue()


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """A link, a folder, a pipe and a missing file are refused, none is followed."""
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "gone", "."):
        with pytest.raises(ImportRefused):
            read_file(tmp_path / name)
    assert b"{}" == read_file(tmp_path / "real")


ODD = (None, 0, -1, 2**70, 1.5, "", "x", [], {}, [[]], {"a": 1}, True, "9" * 400, 1e308)


def mutated(value: object, random: Random) -> object:
    """The same JSON with one value somewhere in it gone or replaced by an odd one."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        rest = {key: inner for key, inner in value.items() if key != name}
        return rest if random.random() < 0.1 else {**rest, name: mutated(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        place = random.randrange(len(value))
        return [*value[:place], mutated(value[place], random), *value[place + 1 :]]
    return random.choice(ODD)


def test_an_odd_file_is_taken_whole_or_refused(tmp_path: Path) -> None:
    """Whatever values a file has, it becomes a session that verifies or a typed refusal."""

    async def main() -> None:
        random, taken = Random(7), 0
        async with World().manager(*script()) as manager:
            await rich_session(manager, tmp_path / "ws")
            file = read_export(io.BytesIO((await export_text(manager, "one")).encode()))
        async with World().manager() as manager:
            await manager.ready()
            for _ in range(150):
                events = list(file.events)
                place = random.randrange(1, len(events))
                odd = json.dumps(mutated(json.loads(events[place].payload), random))
                kind = random.choice(events).kind if random.random() < 0.2 else events[place].kind
                events[place] = replace(events[place], payload=odd, kind=kind)
                try:
                    done = await take_over(
                        manager, plan_of_file(rewritten(tuple(events), file.head))
                    )
                except ImportRefused:
                    continue
                taken += 1
                for form in FORMATS:
                    assert await export_text(manager, done.id, form)
            assert taken > 10 and (await manager.audit_verify()).ok

    asyncio.run(main())
