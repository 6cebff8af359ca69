"""Which model a turn uses: the session's, the stored one, the process's; a turn keeps its own."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

import pytest

from holdfast import bootstrap
from holdfast.bootstrap import SessionManager
from holdfast.core.agentconfig import CallSettings
from holdfast.core.errors import Interrupted, NoModel, NotFound, Unreadable
from holdfast.core.settings import ModelSettings, StorageType
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelRequest
from holdfast.ports.store import Grant
from holdfast.runtime.agentbook import config_scope
from holdfast.runtime.agentmodel import RETIRED_MAX
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import Turn, call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, last_user, memory, on_file, run, tool, until, until_async

SECRET = "sk-" + "canary-turn-0123456789"


class Built:
    """Stands where clients are built; each says its model's name."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str | None, object]] = []
        self.clients: list[ScriptedModel] = []

    def __call__(
        self, settings: ModelSettings, *, key: str | None = None, limits: object = None, **_: object
    ) -> ScriptedModel:
        """Make a client that answers with its name, and calls the tool `wait` for `use`."""

        def answer(request: ModelRequest) -> Turn:
            called = any(message.tool_uses for message in request.messages[-2:])
            if last_user(request.messages) == "use" and not called:
                return call("wait")
            return say(settings.model)

        self.made.append((settings.model, key, limits))
        client = ScriptedModel(
            itertools.repeat(answer), model=settings.model, provider=settings.provider
        )
        self.clients.append(client)
        return client


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Built:
    """Clients that are no provider's."""
    found = Built()
    monkeypatch.setattr(bootstrap, "build_client", found)
    return found


async def put(sessions: SessionManager, model: str) -> None:
    """Store a configuration."""
    await sessions.set_agent_config(ModelSettings(provider="openai", model=model), api_key=SECRET)


async def says(sessions: SessionManager, id: str = "one", text: str = "q") -> str:
    """What a session's model answers."""
    return (await (await sessions.get_session(id)).generate(text)).text


def test_the_stored_one_stands_above_the_process_and_below_the_session(built: Built) -> None:
    """A session's own model, then what is stored, then what the process was given."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            own = ModelSettings(provider="openai", model="own", key="env:NAME")
            await sessions.create_session("two", SessionConfig(model=own))
            assert ["re: q", "own"] == [await says(sessions), await says(sessions, "two")]
            await put(sessions, "a")
            assert ["a", "own"] == [await says(sessions), await says(sessions, "two")]
            await put(sessions, "b")
            assert "b" == await says(sessions)
            await sessions.set_agent_config(None)
            assert "re: q" == await says(sessions)
            await put(sessions, "c")
            sessions.prefer_default_llm()
            assert "re: q" == await says(sessions)
            assert ("process", 4) == (
                (await sessions.agent_config()).source,
                (await sessions.agent_config()).version,
            )
            await sessions.configure(
                "two", model_config=ModelSettings(provider="openai", model="x")
            )
            assert "x" == await says(sessions, "two")

    run(work())


def test_keys_and_limits_reach_the_client(built: Built) -> None:
    """A session's own model gets neither."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            await sessions.set_agent_config(
                ModelSettings(provider="openai", model="a"),
                api_key=SECRET,
                calls=CallSettings(idle_s=3, attempts=1),
            )
            await says(sessions)
            await sessions.configure(
                "one", model_config=ModelSettings(provider="openai", model="b")
            )
            await says(sessions)
            (first, second) = built.made
            assert ("a", SECRET, "b", None) == (*first[:2], *second[:2])
            assert (3, 1) == (getattr(first[2], "idle_s"), getattr(first[2], "attempts"))  # noqa: B009  # a port's fake
            assert second[2] is None

    run(work())  # fmt: skip


def test_a_turn_that_runs_keeps_its_model(built: Built) -> None:
    """Also for its later calls; the next one, queued while it runs, has the new one."""
    going, go = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        going.set()
        await go.wait()
        return "done"

    async def work() -> None:
        async with memory(echo(), tool(wait)) as sessions:
            session = await sessions.create_session("one", SessionConfig(unsafe_auto_approve=True))
            await put(sessions, "old")
            running = asyncio.create_task(session.generate("use"))
            await going.wait()
            await put(sessions, "new")
            queued = asyncio.create_task(session.generate("q"))
            await until(lambda: len(built.made) == 1)
            go.set()
            assert "old" == (await running).text
            assert "new" == (await queued).text
            assert ["old", "new"] == [one[0] for one in built.made]

    run(work())


def test_the_next_turn_elsewhere_has_it_at_once(tmp_path: Path, built: Built) -> None:
    """Another opening of the file, with sessions that are led there already."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as one, on_file(tmp_path, echo()) as two:
            await two.create_session("one")
            assert "re: q" == await says(two)
            for number in range(20):
                await put(one, f"m{number}")
                assert f"m{number}" == await says(two)
            await one.set_agent_config(None)
            assert "re: q" == await says(two)

    run(work())


def test_a_process_without_a_model_learns_of_one(tmp_path: Path, built: Built) -> None:
    """It has refused before, and has read that there is none."""

    async def work() -> None:
        async with on_file(tmp_path) as one, on_file(tmp_path) as two:
            session = await two.create_session("one")
            with pytest.raises(NoModel):
                await session.generate("q")
            await put(one, "a")
            assert "a" == await says(two)
            gated = await two.get_llm_for_session("one")
            assert gated is not None and "a" == gated.model
            await put(one, "b")
            gated = await two.get_llm_for_session("one")
            assert gated is not None and "b" == gated.model

    run(work())


def test_workspaces_are_apart(built: Built) -> None:
    """What one is set to is not what another is."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await put(sessions, "a")
            sessions.tenant = "other"
            await sessions.create_session("one")
            assert "re: q" == await says(sessions)
            assert 0 == (await sessions.agent_config()).version

    run(work())


def test_what_cannot_be_read_stands_in_for_nothing(built: Built) -> None:
    """No call is made with another model instead; a new configuration mends it."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            await put(sessions, "a")
            assert "a" == await says(sessions)
            store = sessions.distinct_backends()[0][1].store
            row = (await store.grants(config_scope("default")))[1][0]
            await store.put_grant(Grant(scope=row.scope, id=row.id, body=row.body[:-1]))
            with pytest.raises(Unreadable):
                await sessions.agent_config()
            waiting = asyncio.create_task(session.generate("q"))
            await until_async(lambda: parked(session))
            assert ["a"] == [one[0] for one in built.made]
            await put(sessions, "b")
            assert "b" == (await waiting).text

    run(work())


async def parked(session: Session) -> bool:
    """Whether a session says that it waits for a model."""
    return any("a model" in one for one in await session.waiting_for())


def test_a_turn_without_a_client_takes_the_next_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that cannot be used in this process: the turn waits, and says so."""
    build = Built()

    def picky(settings: ModelSettings, **more: Any) -> ScriptedModel:
        if settings.model == "nowhere":
            raise NotFound("no key here")
        return build(settings, **more)

    async def work() -> None:
        async with on_file(tmp_path, echo()) as one, on_file(tmp_path, echo()) as two:
            session = await two.create_session("one")
            assert "re: q" == await says(two)
            await put(one, "nowhere")
            waiting = asyncio.create_task(session.generate("q"))
            await until_async(lambda: parked(session))
            with pytest.raises(NotFound):
                await (await two.create_session("two")).generate("q")
            await put(one, "b")
            assert "b" == (await waiting).text
            assert "b" == await says(two, "two")

    monkeypatch.setattr(bootstrap, "build_client", picky)
    run(work())


def test_a_turn_that_is_taken_over_goes_on_with_what_is_stored_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that cannot be used here, with the next that can, also if another process sets it."""
    build = Built()
    going = asyncio.Event()

    async def wait() -> str:
        going.set()
        await asyncio.Event().wait()
        return "never"

    async def over() -> str:
        return "over"

    over.__name__ = "wait"

    def picky(settings: ModelSettings, **more: Any) -> ScriptedModel:
        if settings.model == "nowhere":
            raise NotFound("no key here")
        return build(settings, **more)

    async def work() -> None:
        async with on_file(tmp_path) as one:
            await put(one, "old")
            async with on_file(tmp_path, None, tool(wait, nature=Nature.READ_ONLY)) as two:
                session = await two.create_session("one", UNSAFE)
                running = asyncio.create_task(session.generate("use"))
                await going.wait()
            with pytest.raises(Interrupted):
                await running
            await put(one, "nowhere")
            async with on_file(tmp_path, None, tool(over, nature=Nature.READ_ONLY)) as three:
                (session,) = await three.resume_interrupted()
                await until_async(lambda: parked(session))
                await put(one, "new")
                await until_async(lambda: said(session, "new"))

    monkeypatch.setattr(bootstrap, "build_client", picky)
    run(work())


async def said(session: Session, text: str) -> bool:
    """Whether the last message is this one."""
    return text == (await session.history())[-1].text


def test_clients_of_sessions_own_models_are_bounded(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may change a session's model cannot have clients pile up; the last stay."""
    monkeypatch.setattr("holdfast.runtime.agentmodel.CLIENTS_MAX", 3)

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            models = sessions._models
            for name in "abcdaead":
                own = ModelSettings(provider="openai", model=name)
                await sessions.configure("one", model_config=own)
                assert name == await says(sessions)
                assert len(models._clients) <= 3
            assert [*"abcdae"] == [one[0] for one in built.made]

    run(work())


def test_clients_of_earlier_configurations_are_closed(built: Built) -> None:
    """All but the last few, and those that a turn still needs; at the end every one."""
    going, go = asyncio.Event(), asyncio.Event()

    async def wait() -> str:
        going.set()
        await go.wait()
        return "done"

    async def work() -> None:
        async with memory(echo(), tool(wait)) as sessions:
            session = await sessions.create_session("one", SessionConfig(unsafe_auto_approve=True))
            await sessions.create_session("two")
            await put(sessions, "held")
            running = asyncio.create_task(session.generate("use"))
            await going.wait()
            for number in range(2 * RETIRED_MAX):
                await put(sessions, f"m{number}")
                await says(sessions, "two")
            open_now = [one.model for one in built.clients if not one.closed]
            assert "held" in open_now and "m0" not in open_now
            assert RETIRED_MAX + 3 >= len(open_now)
            go.set()
            assert "held" == (await running).text
        assert all(one.closed for one in built.clients)

    run(work())


def test_sessions_of_another_store_have_it_too(tmp_path: Path, built: Built) -> None:
    """It is kept in the first store, and looked up for each turn elsewhere."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            memory_only = SessionConfig(storage_type=StorageType.MEMORY)
            await sessions.create_session("one", memory_only)
            for model in ("a", "b"):
                await put(sessions, model)
                assert model == await says(sessions)

    run(work())
