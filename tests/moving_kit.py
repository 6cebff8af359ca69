"""What the tests of exporting, importing and proving share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.bootstrap import SessionManager
from holdfast.core.messages import Message, Part
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import ScriptItem, call, say
from holdfast.testing.scripted import ScriptedModel

SEEDFILES = Path(__file__).resolve().parent / "data" / "seedfiles"


class World:
    """A disk and keys that outlive managers."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.keys = MemoryKeys()

    def manager(self, *script: ScriptItem) -> SessionManager:
        """Open a manager on the disk; its model plays the script."""
        self.keys = self.keys.reopen()
        store = MemoryStore(self.disk)
        return SessionManager.with_store(ScriptedModel(script), None, store, "file", keys=self.keys)


def script() -> tuple[ScriptItem, ...]:
    """A turn with a tool call, and two plain ones."""
    read = call("read", {"file_path": "a.txt"})
    return (read, say("it says hello"), say("second"), say("third"))


async def rich_session(manager: SessionManager, folder: Path, name: str = "one") -> Session:
    """A session with tools, a cleared window, title, tags, metadata and a kept output."""
    _fill(folder)
    config = SessionConfig(workspace=str(folder), system_prompt="be brief", thinking=True)
    session = await manager.create_session(name, config, channel_id="web", chat_id="c1")
    await session.generate("what is in a.txt?")
    await session.clear()
    await session.generate("again: ünï 漢字 🙂")
    await session.generate("and again")
    await session.set_title("A title")
    await session.set_tags(["red", "blue"])
    await session.set_custom("ticket", {"n": 7})
    return session


def _fill(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("hello\n" * 20_000)


def parts_of(messages: list[Message]) -> list[tuple[str, tuple[Part, ...]]]:
    """Who says what, without labels."""
    return [(message.role.value, message.parts) for message in messages]


def flips(data: bytes, stride: int = 1) -> Iterator[bytes]:
    """Yield the bytes with one bit of one byte turned, for every stride-th byte."""
    for at in range(0, len(data), stride):
        yield data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]
