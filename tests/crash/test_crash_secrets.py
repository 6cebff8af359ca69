"""No file of the store has anything in clear, and after the wipe nothing can be read."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.core.commands import Send
from holdfast.core.errors import HoldfastError, SessionNotFound
from holdfast.core.messages import user
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import call, fail, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, on_file, run, tool

GREP = Path(__file__).with_name("grep_store.py")
PLACES = [
    "message",
    "answer",
    "title",
    "tag",
    "toolarg",
    "toolresult",
    "custom",
    "customkey",
    "prompt",
    "queued",
    "name",
    "user",
    "channel",
    "chat",
    "note",
    "reason",
    "workspace",
    "spilled",
    "model",
    "added",
]


def canary(place: str) -> str:
    """A text that can only come from there."""
    return f"kanarie{place}vogel"


def find(folder: Path) -> list[str]:
    """What another process finds in a folder's files."""
    words = [sys.executable, str(GREP), str(folder), *map(canary, PLACES)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = done.stdout.splitlines()
    assert "looked" == found.pop()
    return found


async def fill(folder: Path) -> None:
    """A session with a secret in every place a text can be, still open when it returns."""

    async def act(text: str) -> str:
        return canary("toolresult") + " " + text + canary("spilled") * 50_000

    workspace = folder / canary("workspace")
    workspace.mkdir()
    script = [
        call("act", {"text": canary("toolarg")}, text=canary("answer")),
        say(canary("answer")),
        fail(canary("reason")),
        hang(canary("answer")),
    ]
    model = ScriptedModel(script, model=canary("model"))
    async with on_file(folder, model, tool(act, params=["text"])) as sessions:
        config = SessionConfig(
            unsafe_auto_approve=True,
            workspace=str(workspace),
            name=canary("name"),
            system_prompt=canary("prompt"),
        )
        session = await sessions.create_session(
            "one",
            config,
            user_id=canary("user"),
            channel_id=canary("channel"),
            chat_id=canary("chat"),
        )
        await session.set_title(canary("title"))
        await session.set_tags([canary("tag")])
        await session.set_custom(canary("customkey"), canary("custom"))
        await session.add_message(canary("added"))
        await session.generate(canary("message"))
        with pytest.raises(HoldfastError):
            await session.generate(canary("message"))
        task = asyncio.create_task(session.generate(canary("message")))
        await model.hanging.wait()
        queued = asyncio.create_task(session.generate(canary("queued")))
        where = session.where
        while not await where.backend.store.pending(where.stream):
            await asyncio.sleep(0.002)
        await asyncio.to_thread(_look, folder / "store")
        await session.pause(canary("reason"))
        for one in (task, queued):
            one.cancel()
        await asyncio.gather(task, queued, return_exceptions=True)


def _look(store: Path) -> None:
    files = {path.name for path in store.iterdir()}
    assert {"s.db", "s.db-wal", "s.db-shm"} <= files, files
    assert [] == find(store)


def test_no_text_of_a_session_stands_in_any_file(tmp_path: Path) -> None:
    """Store, WAL, shared memory, keys: none has a word in clear, open or closed."""
    run(fill(tmp_path))
    assert [] == find(tmp_path / "store")
    # The search itself finds what is there.
    (tmp_path / "store" / "planted").write_text("x" + canary("tag") + "y")
    assert [f"planted {canary('tag')}"] == find(tmp_path / "store")


def test_after_the_wipe_an_older_copy_cannot_be_read(tmp_path: Path) -> None:
    """A copy of the store from before the wipe, beside today's keys, decrypts to nothing."""

    async def work() -> None:
        await fill(tmp_path)
        store = tmp_path / "store"
        old = tmp_path / "old"
        shutil.copytree(store, old)
        async with on_file(tmp_path, ScriptedModel()) as sessions:
            stream = (await sessions.get_session("one")).where.stream
            receipt = await sessions.terminate_session("one")
            assert receipt.destroyed_at_ms > 0
            with pytest.raises(SessionNotFound):
                await sessions.get_session("one")
            rows = await sessions.distinct_backends()[0][1].store.read(stream, 0, 1000)
            assert [] != rows
        assert [] == find(store)
        for name in ("s.db", "s.db-wal", "s.db-shm"):
            if (old / name).exists():
                shutil.copy(old / name, store / name)
            elif (store / name).exists():
                (store / name).unlink()
        async with on_file(tmp_path, ScriptedModel()) as sessions:
            session = await sessions.get_session("one")
            for read in (session.history, session.info, session.system_prompt):
                with pytest.raises(HoldfastError) as caught:
                    await read()
                assert "kanarie" not in str(caught.value) + repr(caught.value)
            with pytest.raises(HoldfastError):
                await session.generate("q")
            page = await sessions.list_sessions()
            assert ["key_destroyed"] == [one.damaged for one in page.sessions]
            assert "kanarie" not in repr(page)

    run(work())


def test_errors_do_not_repeat_what_was_said(tmp_path: Path) -> None:
    """Refusals name what is wrong, never the text that was sent."""

    async def work() -> None:
        async with on_file(tmp_path, ScriptedModel()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            secret = canary("message")
            attempts = [
                lambda: session.add_message(secret * 300_000),
                lambda: session.set_title(secret * 100),
                lambda: session.set_tags([secret * 20]),
                lambda: session.set_custom("k", secret * 3000),
                lambda: session.set_system_prompt(secret * 100_000),
                lambda: session.generate(secret * 300_000),
                lambda: session.generate(secret, command_id=secret),
                lambda: session.submit(Send(message=user(secret)), id=b"x"),
            ]
            for number, attempt in enumerate(attempts):
                with pytest.raises(HoldfastError) as caught:
                    await attempt()
                said = str(caught.value) + repr(caught.value) + caught.value.message
                assert "kanarie" not in said, number

    run(work())
