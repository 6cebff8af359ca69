"""How a manager comes to its parts: opening, errors, nothing made by halves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.store.memory import MemoryStore
from holdfast.bootstrap import SessionManager, sandbox_facts
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    KeyMissing,
    LiteralSecret,
    WrongKey,
)
from holdfast.core.settings import ModelSettings, StorageType
from holdfast.runtime.config import SessionConfig
from sessionhelp import echo, memory, on_file, run, texts


def test_a_manager_made_directly_keeps_nothing() -> None:
    """Two managers in memory know nothing of each other."""

    async def work() -> None:
        async with memory(echo()) as one, memory(echo()) as two:
            await one.create_session("s")
            assert (1, 0) == (await one.session_count(), await two.session_count())

    run(work())


def test_a_manager_works_without_being_entered() -> None:
    """Methods open the stores by themselves, once, also when many start at the same time."""

    async def work() -> None:
        sessions = memory(echo())
        await asyncio.gather(*(sessions.create_session(f"s{i}") for i in range(10)))
        assert 10 == await sessions.session_count()
        await sessions.close()
        await sessions.close()

    run(work())


def test_with_persistence_uses_a_database_in_the_directory(tmp_path: Path) -> None:
    """The directory is made, the file is `holdfast.db`, and what is in it comes back."""

    async def work() -> None:
        folder = tmp_path / "new" / "sessions"
        for expected in (["q", "re: q"], ["q", "re: q", "q", "re: q"]):
            sessions = SessionManager.with_persistence(
                echo(), None, folder, installation_key=tmp_path / "key"
            )
            async with sessions:
                try:
                    session = await sessions.get_session("one")
                except HoldfastError:
                    session = await sessions.create_session("one")
                await session.generate("q")
                assert expected == texts(await session.history())
        assert (folder / "holdfast.db").exists()

    run(work())


def test_two_stores_by_storage_type(tmp_path: Path) -> None:
    """Each type has its store; ids are unique over all; health names both."""

    async def work() -> None:
        from holdfast.adapters.keys.memory import MemoryKeys

        async with on_file(tmp_path, echo()) as sessions:
            sessions.register(StorageType.CUSTOM, MemoryStore(), MemoryKeys())
            custom = SessionConfig(storage_type="custom")
            await sessions.create_session("a")
            await sessions.create_session("b", custom)
            with pytest.raises(HoldfastError):
                await sessions.create_session("A", custom)
            assert 2 == await sessions.session_count()
            names = [name.split(":")[0] for name, health in await sessions.store_health()]
            assert ["file", "custom", "memory"] == names
            assert {"b"} == {
                one.id for one in (await sessions.list_sessions(storage_type="custom")).sessions
            }
            with pytest.raises(InvalidInput):
                sessions.register(StorageType.CUSTOM, MemoryStore(), MemoryKeys())
            assert "re: x" == (await sessions.generate("b", "x")).text
        async with on_file(tmp_path, echo()) as sessions:
            assert 1 == await sessions.session_count()

    run(work())


def test_a_lost_key_file_is_an_error_and_makes_no_new_keys(tmp_path: Path) -> None:
    """A store with sessions and no keys does not open; with the keys back it does."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            await (await sessions.create_session("one")).generate("q")
        for path in (tmp_path / "store" / "s.db.keys", tmp_path / "installation.key"):
            kept = path.read_bytes()
            path.unlink()
            with pytest.raises(HoldfastError) as caught:
                async with on_file(tmp_path, echo()):
                    pass
            assert isinstance(caught.value, KeyMissing | WrongKey), caught.value
            assert not path.exists()
            path.write_bytes(kept)
            path.chmod(0o600)
        async with on_file(tmp_path, echo()) as sessions:
            assert ["q", "re: q"] == texts(await (await sessions.get_session("one")).history())

    run(work())


def test_an_unopenable_path_is_a_typed_error_and_closes_everything(tmp_path: Path) -> None:
    """A directory, a text file: errors of ours; every later method says the same."""

    async def work() -> None:
        (tmp_path / "dir").mkdir()
        (tmp_path / "text").write_text("not a database " * 1000)
        for name in ("dir", "text"):
            sessions = SessionManager.open(tmp_path / name, installation_key=tmp_path / "key")
            for _ in range(2):
                with pytest.raises(HoldfastError):
                    await sessions.create_session("one")
        with pytest.raises(InvalidInput):
            SessionManager.open("postgresql://host/db")

    run(work())


def test_models_are_given_as_clients_settings_or_text(tmp_path: Path) -> None:
    """A literal key is refused whichever way it comes."""

    async def work() -> None:
        literal = ModelSettings(provider="openai", model="m", key="sk-x")
        with pytest.raises(LiteralSecret):
            async with SessionManager(literal):
                pass
        async with memory(echo()) as sessions:
            with pytest.raises(InvalidInput):
                await sessions.set_default_llm("no colon")
            session = await sessions.create_session("one")
            assert "re: q" == (await session.generate("q")).text

    run(work())


def test_closing_closes_the_model_and_ends_no_session(tmp_path: Path) -> None:
    """Leaving `async with` ends nothing but the manager's own parts."""

    async def work() -> None:
        model = echo()
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
        assert model.closed
        with pytest.raises(HoldfastError):
            await session.generate("q")
        async with on_file(tmp_path, echo()) as sessions:
            assert "Active" == (await (await sessions.get_session("one")).info()).state

    run(work())


def test_the_sandbox_is_named() -> None:
    """`doctor` can say what runs tools here."""
    facts = sandbox_facts()
    assert {"kind", "reason"} <= set(facts) and facts["kind"]


def test_tokens_that_cannot_be_signed_are_said_when_the_store_opens() -> None:
    """With what is to be installed, not to whoever first asks for a token."""
    script = (
        "import asyncio, sys; sys.modules['jwt'] = None\n"
        "from holdfast.bootstrap import SessionManager\n"
        "from holdfast.core.errors import MissingExtra\n"
        "from holdfast.core.tokens import TokenSettings\n"
        "async def work(format):\n"
        "    async with SessionManager(tokens=TokenSettings(format=format)) as sessions:\n"
        "        return await sessions.tokens.create('ann')\n"
        "assert asyncio.run(work('opaque')).guard_token\n"
        "try:\n    asyncio.run(work('jwt'))\n"
        "except MissingExtra as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "holdfast[jwt]" in ran.stdout
