"""The escape handler: what a session may reach outside, asked, kept, taken along."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.adapters.store.memory import MemoryStore
from holdfast.adapters.tools.registry import ToolRegistry, builtin_tools
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import ApprovalStale, GrantNotFound, InvalidInput
from holdfast.core.grants import GrantScope
from holdfast.core.messages import ToolResult
from holdfast.core.settings import StorageType
from holdfast.core.tools import Operation
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.escapestate import EscapeEntry
from holdfast.runtime.handle import Session
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import run

READ, WRITE = Operation.READ, Operation.WRITE
Step = Callable[[Session], Any]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A workspace `ws`, a file `out/f` and a store's place."""
    root = Path(os.path.realpath(tmp_path))
    for folder in ("ws", "out", "store"):
        (root / folder).mkdir()
    (root / "out" / "f").write_text("OUTSIDE")
    return root


def manager(base: Path, *turns: Any) -> SessionManager:
    """The store of the test with a model that makes these turns."""
    return SessionManager.open(
        base / "store" / "s.db",
        llm_client=ScriptedModel(turns),
        tool_executor=ToolRegistry(builtin_tools()),
        installation_key=base / "installation.key",
    )


def config(base: Path) -> SessionConfig:
    """A session that runs tools unasked, so that only ways out are asked about."""
    return SessionConfig(workspace=str(base / "ws"), unsafe_auto_approve=True)


async def asked(session: Session, prompt: str, *decisions: str) -> tuple[list[str], str]:
    """Send a message and answer what is asked; returns the questions' codes and the result."""
    waiting = asyncio.ensure_future(session.generate(prompt))
    codes: list[str] = []
    left = list(decisions)
    while not waiting.done():
        for question in (await session.view()).questions:
            codes.extend(question.codes)
            assert left, f"asked about {question.codes} and nothing was to be asked"
            await session.answer(question.id, left.pop(0))
        await asyncio.sleep(0.002)
    answer = await waiting
    results = [p for m in answer.messages for p in m.parts if isinstance(p, ToolResult)]
    return codes, results[-1].content


def read(path: str) -> Any:
    """The model reads a file and is done."""
    return call("read", {"file_path": path})


def write(path: str) -> Any:
    """The model writes a file and is done."""
    return call("write", {"file_path": path, "content": "new"})


ESCAPE = ["boundary.path_escape"]


def test_once_is_for_one_call(base: Path) -> None:
    """A yes to one call lets that call happen; the next one is asked about again."""

    async def scenario() -> None:
        turns = [read("../out/f"), say("1"), read("../out/f"), say("2"), read("../out/f"), say("3")]
        async with manager(base, *turns) as sessions:
            session = await sessions.create_session("one", config(base))
            codes, result = await asked(session, "a", "once")
            assert ESCAPE == codes and "OUTSIDE" in result
            codes, result = await asked(session, "b", "once")
            assert ESCAPE == codes and "OUTSIDE" in result
            codes, result = await asked(session, "c", "deny")
            assert ESCAPE == codes and "OUTSIDE" not in result and "denied" in result
            assert () == await session.escapes()

    run(scenario())


def test_session_decisions_are_for_an_operation_and_survive_a_restart(base: Path) -> None:
    """astrid#AW-9, AW-32: reading stays allowed after a restart; writing is asked about."""
    target = str(base / "out" / "f")

    async def first() -> None:
        async with manager(base, read(target), say("1"), read("../out/f"), say("2")) as sessions:
            session = await sessions.create_session("one", config(base))
            assert ESCAPE == (await asked(session, "a", "session"))[0]
            codes, result = await asked(session, "b")
            assert [] == codes and "OUTSIDE" in result
            (grant,) = await session.escapes()
            assert (target, (READ,), True) == (
                grant.rule.pattern,
                grant.operations,
                grant.rule.literal,
            )

    async def second() -> None:
        turns = [read(target), say("1"), write(target), say("2"), read("../out/g"), say("3")]
        async with manager(base, *turns) as sessions:
            session = await sessions.get_session("one")
            codes, result = await asked(session, "c")
            assert [] == codes and "OUTSIDE" in result
            codes, _ = await asked(session, "d", "deny")
            assert ESCAPE == codes
            codes, _ = await asked(session, "e", "deny")
            assert ESCAPE == codes

    run(first())
    run(second())
    assert "OUTSIDE" == Path(target).read_text()


def test_a_path_that_does_not_exist_yet(base: Path) -> None:
    """astrid#AW-42: it is kept resolved, also after a restart, for all sessions of the user."""
    link = base / "ws" / "way"
    link.symlink_to("../out")

    async def first() -> None:
        async with manager(base, write("way/new/file"), say("1")) as sessions:
            session = await sessions.create_session("one", config(base))
            assert ESCAPE == (await asked(session, "a", "always"))[0]
            (grant,) = await session.escapes()
            assert str(base / "out/new/file") == grant.rule.pattern
            assert GrantScope.ALWAYS is grant.scope and grant.expires_ms is not None
        (base / "out/new/file").unlink()
        (base / "out/new").rmdir()

    async def second() -> None:
        turns = [write("../out/new/file"), say("1"), write("../out/new/other"), say("2")]
        async with manager(base, *turns) as sessions:
            session = await sessions.create_session("two", config(base))
            assert [] == (await asked(session, "a"))[0]
            assert "new" == (base / "out/new/file").read_text()
            assert ESCAPE == (await asked(session, "b", "deny"))[0]

    run(first())
    run(second())
    assert ["file"] == os.listdir(base / "out" / "new")


def test_a_link_that_is_changed_while_a_person_thinks(base: Path) -> None:
    """The yes was for another file: nothing is read, and it is asked about anew."""
    link = base / "ws" / "link"
    link.symlink_to("../out/f")
    (base / "out" / "secret").write_text("SECRET")

    async def scenario() -> None:
        async with manager(base, read("link"), say("1")) as sessions:
            session = await sessions.create_session("one", config(base))
            waiting = asyncio.ensure_future(session.generate("a"))
            while not (questions := (await session.view()).questions):
                await asyncio.sleep(0.002)
            link.unlink()
            link.symlink_to("../out/secret")
            with pytest.raises(ApprovalStale):
                await session.answer(questions[0].id, "session")
            while not (again := (await session.view()).questions):
                await asyncio.sleep(0.002)
            assert again[0].id != questions[0].id
            await session.answer(again[0].id, "deny")
            texts = [str(part) for m in (await waiting).messages for part in m.parts]
            assert not any("SECRET" in text for text in texts)
            assert () == await session.escapes()

    run(scenario())


def test_nobody_is_asked_about_forbidden_places(base: Path) -> None:
    """The store's own files and keys are out of reach, whatever anybody would say."""

    async def scenario() -> None:
        paths = ["../store/s.db", "../store/s.db-wal", "../installation.key", "/proc/self/environ"]
        turns = [turn for path in paths for turn in (read(path), say("."))]
        async with manager(base, *turns) as sessions:
            session = await sessions.create_session("one", config(base))
            for path in paths:
                codes, result = await asked(session, path)
                assert [] == codes and "boundary.hard_forbidden_path" in result, path
            with pytest.raises(InvalidInput):
                await session.allow_escape(str(base / "store" / "s.db"), [READ])

    run(scenario())


def test_the_files_of_a_store_of_ones_own(base: Path) -> None:
    """What `with_store` is told to be private is as much out of reach."""
    mine = base / "ws" / "mine.db"
    mine.write_text("SECRET")

    async def scenario() -> None:
        model = ScriptedModel([read("mine.db"), say("1"), call("grep", {"pattern": "S"}), say("2")])
        tools = ToolRegistry(builtin_tools())
        store = MemoryStore()
        async with SessionManager.with_store(
            model, tools, store, "custom", private=[mine]
        ) as sessions:
            settings = replace(config(base), storage_type=StorageType.CUSTOM)
            session = await sessions.create_session("one", settings)
            for prompt in ("a", "b"):
                codes, result = await asked(session, prompt)
                assert [] == codes and "SECRET" not in result

    run(scenario())


def test_protected_places_are_asked_about(base: Path) -> None:
    """A hook of git runs later with the user's rights: unsafe_auto_approve does not cover it."""

    async def scenario() -> None:
        turns = [write(".git/hooks/pre-commit"), say("1")] * 2
        async with manager(base, *turns) as sessions:
            session = await sessions.create_session("one", config(base))
            codes, _ = await asked(session, "a", "session")
            assert ["boundary.protected_path"] == codes
            assert [] == (await asked(session, "b"))[0]

    run(scenario())
    assert (base / "ws/.git/hooks/pre-commit").exists()


def test_allowing_and_revoking_by_hand(base: Path) -> None:
    """A person's word without a question: a folder, its operations, and back."""
    folder = str(base / "out")

    async def scenario() -> None:
        turns = [read("../out/f"), say("1"), read("../out/f"), say("2")]
        async with manager(base, *turns) as sessions:
            session = await sessions.create_session("one", config(base))
            grant = await session.allow_escape(folder, ["read"], subtree=True, by="eve")
            assert (grant,) == await session.escapes()
            assert "eve" == grant.by
            assert await session.escape_allowed(f"{folder}/deep/x", READ)
            assert await session.escape_allowed("in the workspace", WRITE)
            assert not await session.escape_allowed(f"{folder}/f", WRITE)
            assert not await session.escape_allowed(str(base), READ)
            assert [] == (await asked(session, "a"))[0]
            await session.revoke_escape(grant.id)
            assert () == await session.escapes()
            assert ESCAPE == (await asked(session, "b", "deny"))[0]
            with pytest.raises(GrantNotFound):
                await session.revoke_escape(grant.id)

    run(scenario())


@pytest.mark.parametrize(
    ("path", "operations", "more"),
    [
        ("out/f", ["read"], {}),
        ("../out/f", ["read"], {}),
        ("", ["read"], {}),
        ("/x\0", ["read"], {}),
        ("/x", [], {}),
        ("/x", ["look"], {}),
        ("/x", ["read"], {"scope": "once"}),
        ("/x", ["read"], {"scope": "ever"}),
        ("/", ["read"], {"subtree": True}),
        ("/etc/shadow", ["read"], {}),
        ("/proc/../etc/./shadow", ["list"], {}),
    ],
)
def test_what_cannot_be_allowed(
    base: Path, path: str, operations: list[str], more: dict[str, Any]
) -> None:
    """astrid#T-30: relative paths are refused, and so is what nobody may allow."""

    async def scenario() -> None:
        async with manager(base) as sessions:
            session = await sessions.create_session("one", config(base))
            with pytest.raises(InvalidInput):
                await session.allow_escape(path, operations, **more)
            assert () == await session.escapes()

    run(scenario())


def test_the_end_of_a_session_takes_only_its_own(base: Path) -> None:
    """Seed E7: what holds for the user stays when a session ends."""

    async def scenario() -> None:
        async with manager(base) as sessions:
            session = await sessions.create_session("one", config(base))
            await session.allow_escape(str(base / "out" / "a"), ["read"])
            kept = await session.allow_escape(str(base / "out" / "b"), ["read"], scope="always")
            await session.end()
            other = await sessions.create_session("two", config(base))
            assert (kept,) == await other.escapes()

    run(scenario())


def test_escapes_travel_and_wait_for_a_person(base: Path) -> None:
    """Rulings E9: what came with a file permits nothing until it is accepted."""
    target = str(base / "out" / "f")

    async def scenario() -> None:
        async with manager(base, read(target), say("1"), read(target), say("2")) as sessions:
            session = await sessions.create_session("one", config(base))
            await session.allow_escape(target, ["read"])
            await session.allow_escape(str(base / "out"), ["write"], subtree=True, scope="always")
            state = await session.export_escapes()
            assert [str(base / "out")] == state["remembered_paths"]
            data = await sessions.export_text("one")
            (base / "file").write_text(data)
            await sessions.import_file(base / "file", "copy")
            copy = await sessions.get_session("copy")
            assert ["always"] == [grant.scope for grant in await copy.escapes()]
            (waiting,) = await copy.imported_escapes()
            assert EscapeEntry(path=target, operations=(READ,)) == waiting
            with pytest.raises(InvalidInput):
                await copy.accept_imported_escapes([EscapeEntry(path="/", operations=(READ,))])
            (grant,) = await copy.accept_imported_escapes([waiting])
            assert (target, (READ,)) == (grant.rule.pattern, grant.operations)
            assert () == await copy.imported_escapes()

    run(scenario())


def test_the_seeds_form_says_no_operation(base: Path) -> None:
    """Seed E9, astrid#AW-9: a remembered path is for what the person says now."""
    path = str(base / "out" / "f")

    async def scenario() -> None:
        async with manager(base) as sessions:
            session = await sessions.create_session("one", config(base))
            await session.allow_escape(path, ["read"], scope="always")
            written = json.loads(await sessions.export_text("one", "serializable_session"))
            assert [path] == written["escape_state"]["remembered_paths"]
            del written["escape_state"]["escapes"]
            for grant in await session.escapes():
                await session.revoke_escape(grant.id)
            (base / "file").write_text(json.dumps(written))
            await sessions.import_file(base / "file", "copy")
            copy = await sessions.get_session("copy")
            assert () == await copy.escapes()
            (waiting,) = await copy.imported_escapes()
            assert () == waiting.operations
            with pytest.raises(InvalidInput):
                await copy.accept_imported_escapes()
            (grant,) = await copy.accept_imported_escapes(operations=["list"])
            assert (Operation.LIST,) == grant.operations

    run(scenario())
