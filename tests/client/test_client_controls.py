"""Reading and controlling a session of a server."""

from __future__ import annotations

import pytest

from clienthelp import IMPATIENT, TOKEN, canned, pair, told
from holdfast.client import Client
from holdfast.client.controls import new_key
from holdfast.core.errors import (
    BadAnswer,
    IllegalTransition,
    InvalidInput,
    NotNow,
    VersionMismatch,
)
from holdfast.core.labels import Integrity, Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Role, assistant
from holdfast.core.settings import QueuePolicy
from sessionhelp import run


def test_a_session_is_changed_and_read() -> None:
    """Each change shows in what is read after it, here and where the session is."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            there = await found.served.sessions.get_session("one")
            assert ("one", "RemoteSession('one')") == (str(session), repr(session))
            await session.set_title("A title")
            await session.set_tags(["a", "b"])
            await session.set_custom("k", {"n": [1, None]})
            await session.set_metadata("gone", None)
            await session.set_system_prompt("Be brief.")
            await session.set_queue_policy(QueuePolicy.STEER)
            await session.configure(thinking=True, budget=2000)
            info = await session.info()
            assert ("A title", ("a", "b"), {"k": {"n": [1, None]}}) == (
                info.title,
                info.tags,
                info.metadata,
            )
            assert info.metadata == await session.metadata()
            view = await there.view()
            assert ("Be brief.", QueuePolicy.STEER, True, 2000) == (
                await there.system_prompt(),
                view.settings.queue_policy,
                view.settings.thinking,
                view.settings.thinking_tokens,
            )
            assert view.version == await session.version() == info.version
            with pytest.raises(InvalidInput):
                await session.set_tags("abc")
            with pytest.raises(InvalidInput):
                await session.set_queue_policy("sometimes")

    run(main())


def test_a_session_is_paused_resumed_ended() -> None:
    """True where something changed; what the lifecycle does not have is refused."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            assert await session.is_active()
            assert await session.pause("a reason")
            assert not await session.pause()
            assert ("Paused", "a reason") == (
                (await session.info()).state,
                (await session.info()).state_reason,
            )
            assert ["it is paused"] == await session.waiting_for()
            with pytest.raises(NotNow):
                await session.generate("hi")
            assert await session.resume()
            assert not await session.resume()
            await session.end()
            assert SessionState.COMPLETED is await session.state()
            assert not await session.pause()
            await session.reopen()
            with pytest.raises(IllegalTransition):
                await session.reopen()
            assert SessionState.ACTIVE is await session.state()
            assert not await session.cancel()

    run(main())


def test_the_history_is_read_in_windows() -> None:
    """All of it, over as many pages as it takes, or its end."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            for n in range(5):
                await session.add_message(f"m{n}" if n % 2 else assistant(f"m{n}"))
            wanted = [f"m{n}" for n in range(5)]
            history = await session.history()
            assert wanted == [one.text for one in history]
            assert [Role.ASSISTANT, Role.USER] == [one.role for one in history[:2]]
            assert {Integrity.UNTRUSTED} == {one.label.integrity for one in history}
            assert wanted[-2:] == [one.text for one in await session.last_messages(2)]
            assert [] == await session.last_messages(0)
            before, pages = None, []
            while before != 0:
                page, before = await session._window(before, 2)
                pages.append([one.text for one in page])
            assert [["m3", "m4"], ["m1", "m2"], ["m0"]] == pages
            await session.rewind(3)
            assert ["m0", "m1"] == [one.text for one in await session.history()]
            await session.clear()
            assert [] == await session.history()

    run(main())


def test_a_history_without_end_is_refused() -> None:
    """A server whose pages lead nowhere is not followed for ever."""

    async def main() -> None:
        page = told({"messages": [], "first": 5, "total": 9})
        async with (
            canned(*[page] * 9) as server,
            Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
        ):
            with pytest.raises(BadAnswer):
                await client.history("one")
            assert 2 == server.connections

    run(main())


def test_labels_risk_and_plans() -> None:
    """What content security says of the session, and the words that change it."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            assert await session.update_sensitivity(Sensitivity.SENSITIVE)
            assert not await session.update_sensitivity("Normal")
            assert Sensitivity.SENSITIVE is (await session.label()).sensitivity
            await session.relabel(why="It was a test.", sensitivity=Sensitivity.NORMAL)
            assert Sensitivity.NORMAL is (await session.label()).sensitivity
            assert ({}, 0.0) == ((await session.risk()).kinds, (await session.risk()).points)
            await session.reset_risk(why="Anew.")
            assert not (await session.trifecta()).complete
            await session.fix_plan(["look", ("send", {"to": "a"})])
            assert ["look", "send"] == [one.tool for one in await session.plan()]
            assert not await session.uses_tee()
            await (await found.served.sessions.get_session("one")).mark_tee_active()
            assert await session.uses_tee()

    run(main())


def test_costs_are_read() -> None:
    """Usage by model, by day and in all."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            await session.generate("hi")
            summary = await session.cost_summary()
            assert (1, 10, 5) == (
                summary.total.calls,
                summary.total.usage.input_tokens,
                (await session.total_usage()).output_tokens,
            )
            assert [1] == [one.calls for one in summary.by_day.values()]
            assert 0 == await session.total_cost()
            assert 15 == (await session.context_usage()).used_tokens

    run(main())


def test_a_key_is_a_commands_id() -> None:
    """Sixteen bytes, or fresh ones."""
    assert "00" * 16 == new_key(bytes(16))
    assert 32 == len(new_key())
    assert new_key() != new_key()
    for wrong in (b"", b"x" * 17, "x" * 16):
        with pytest.raises(InvalidInput):
            new_key(wrong)  # type: ignore[arg-type]  # the point of the test


def test_changes_for_one_version() -> None:
    """All in one step; who holds an older version changes and wipes nothing."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("one")
            held = session.if_version(await session.version())
            await held.change(
                title="T", tags=["a"], custom={"k": 1}, sensitivity_level=Sensitivity.SENSITIVE
            )
            info = await session.info()
            assert ("T", ("a",), {"k": 1}, "Sensitive") == (
                info.title,
                info.tags,
                info.metadata,
                info.sensitivity_level,
            )
            version = await session.version()
            for late in (
                held.change(title="late"),
                held.set_tags([]),
                held.set_permission_policy("developer"),
                held.set_budget({"usd": "1"}),
                held.fix_plan(["read"]),
                found.client.terminate_session("one", if_version=1),
                found.client.destroy_session("one", if_version=0),
            ):
                with pytest.raises(VersionMismatch):
                    await late
            with pytest.raises(InvalidInput):
                await session.change(tags="abc")
            for wrong in (-1, True, "1"):
                with pytest.raises(InvalidInput):
                    session.if_version(wrong)  # type: ignore[arg-type]  # what is tried
            assert version == await session.version()
            await session.if_version(None).set_title("any")
            await found.client.terminate_session("one", if_version=await session.version())

    run(main())
