"""The retention rule: what is idle goes where an operator wrote so, and nothing else does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, ScopeDenied, Unreadable
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.principals import Principal
from holdfast.ports.clock import SystemClock
from holdfast.runtime import retaining
from holdfast.runtime.audit import verify_store
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.retaining import Retaining, Retention
from holdfast.testing.script import call
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, memory, on_file, run, tool, until, until_async
from streamkit import Stepwise

DAY_MS = 24 * 3600 * 1000


class Later(SystemClock):
    """A clock that can be set ahead."""

    days = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return super().now_ms() + self.days * DAY_MS


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A rule of 30 days, 7 for what is sensitive."""
    monkeypatch.setenv("HOLDFAST_RETENTION_IDLE_DAYS", "30")
    monkeypatch.setenv("HOLDFAST_RETENTION_SENSITIVE_IDLE_DAYS", "7")
    return monkeypatch


async def names(sessions: SessionManager) -> list[str]:
    """The sessions there are."""
    return sorted([one.id for one in await sessions.get_all_sessions()])


def test_a_shorter_time_holds_for_what_is_sensitive() -> None:
    """0 is never; each level has the shortest of what is said for it."""
    rule = Retention(idle_days=30, sensitive_idle_days=7)
    assert [30 * DAY_MS] * 2 == [rule.limit_ms(level) for level in (0, 1)]
    assert [7 * DAY_MS] * 3 == [rule.limit_ms(level) for level in (2, 3, 4)]
    assert 7 * DAY_MS == rule.least_ms and rule
    assert 30 * DAY_MS == Retention(idle_days=30, sensitive_idle_days=60).limit_ms(4)
    only = Retention(sensitive_idle_days=7)
    assert (0, 7 * DAY_MS) == (only.limit_ms(1), only.limit_ms(2)) and only
    assert not Retention() and 0 == Retention().least_ms == Retention().limit_ms(4)
    assert 2 == int(Sensitivity.SENSITIVE)


def test_without_a_rule_nothing_is_ever_wiped() -> None:
    """Years later everything is there (contract 1.3)."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            await sessions.create_session("one")
            clock.days = 10_000
            report = await sessions.apply_retention()
            assert ((), (), ()) == (report.due, report.wiped, report.failed)
            assert ["one"] == await names(sessions)

    run(work())


@pytest.mark.usefixtures("days")
def test_what_is_idle_for_longer_is_wiped(tmp_path: Path) -> None:
    """Not a day before; what was used stays; the wipe is one like any other."""

    async def work() -> None:
        clock = Later()
        async with on_file(tmp_path, echo(), clock=clock) as sessions:
            for name in ("old", "used"):
                await (await sessions.create_session(name)).generate("hello")
            clock.days = 29
            assert () == (await sessions.apply_retention()).due
            await (await sessions.get_session("used")).generate("again")
            clock.days = 31
            only_said = await sessions.apply_retention(dry_run=True)
            assert [("default", "old", 31, 30)] == [
                (one.workspace, one.session_id, one.idle_ms // DAY_MS, one.days)
                for one in only_said.due
            ]
            assert () == only_said.wiped and ["old", "used"] == await names(sessions)
            report = await sessions.apply_retention()
            assert only_said.due[0].session_id == report.wiped[0].session_id == "old"
            assert report.wiped[0].destroyed_at_ms and () == report.failed
            assert ["used"] == await names(sessions)
            assert () == (await sessions.apply_retention()).due
            assert (await verify_store(sessions)).ok

    run(work())


@pytest.mark.usefixtures("days")
def test_what_is_not_idle_stays() -> None:
    """An open approval, however old; what has something below it that is used."""

    async def work() -> None:
        def act(text: str = "") -> str:
            """Do something that is asked about."""
            return text

        clock = Later()
        model = ScriptedModel([call("act", {"text": "x"})])
        async with memory(model, tool(act, params=["text"]), clock=clock) as sessions:
            asking = await sessions.create_session("asking")
            turn = asyncio.create_task(asking.generate("go"))
            await until_async(lambda: asking_is_open(asking))
            await sessions.create_session("parent")
            await sessions.create_child_session("parent", "child")
            await sessions.create_session("alone")
            clock.days = 20
            await (await sessions.get_session("child")).touch()
            clock.days = 31
            report = await sessions.apply_retention()
            assert ["alone"] == [one.session_id for one in report.due]
            assert ["asking", "child", "parent"] == await names(sessions)
            clock.days = 51
            report = await sessions.apply_retention()
            assert {"parent", "child"} == {
                name for one in report.wiped for name in (one.session_id, *one.erased)
            }
            assert ["asking"] == await names(sessions)
            await asking.cancel()
            await asyncio.gather(turn, return_exceptions=True)

    async def asking_is_open(session: Any) -> bool:
        return bool(await session.approvals())

    run(work())


def test_who_comes_back_at_the_last_moment_keeps_the_session(days: pytest.MonkeyPatch) -> None:
    """What was looked at and what is wiped is the same version, or nothing is wiped."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            session = await sessions.create_session("one")
            clock.days = 31
            look = Retaining._resting

            async def and_then_used(self: Any, *rest: Any) -> Any:
                family = await look(self, *rest)
                await session.generate("I am back")
                return family

            days.setattr(Retaining, "_resting", and_then_used)
            report = await sessions.apply_retention()
            assert (1, (), ()) == (len(report.due), report.wiped, report.failed)
            assert ["one"] == await names(sessions)

    run(work())


@pytest.mark.usefixtures("days")
def test_a_turn_that_is_paused_is_not_over() -> None:
    """A session that was paused in the middle of a turn stays, and its turn goes on."""

    async def work() -> None:
        clock = Later()
        model = Stepwise("a", "b", steps=1)
        async with memory(model, clock=clock) as sessions:
            session = await sessions.create_session("one")
            turn = asyncio.create_task(session.generate("go"))
            await until_async(lambda: begun(session))
            await session.pause()
            assert SessionState.PAUSED is await session.state()
            clock.days = 31
            assert () == (await sessions.apply_retention()).due
            await session.resume()
            model.let(9)
            assert "ab" in (await turn).text

    async def begun(session: Any) -> bool:
        return (await session.view()).turn is not None

    run(work())


@pytest.mark.parametrize("how", ["child", "fork"])
def test_what_is_used_below_meanwhile_is_not_wiped(days: pytest.MonkeyPatch, how: str) -> None:
    """A child in the middle of a turn, and a fork that is new, keep themselves and the parent."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            parent = await sessions.create_session("parent")
            child = await sessions.create_child_session("parent", "child")
            await parent.touch()  # so that it is looked at first
            clock.days = 31
            look = Retaining._resting
            came: list[Any] = []

            async def and_then_used(self: Any, *rest: Any) -> Any:
                family = await look(self, *rest)
                if "parent" in [one.session_id for one in family] and not came:
                    used = child.generate("back") if how == "child" else None
                    came.append(await (used or sessions.fork_session("parent", "f")))
                return family

            days.setattr(Retaining, "_resting", and_then_used)
            report = await sessions.apply_retention()
            assert came and () == report.failed
            left = {"child": ["child", "parent"], "fork": ["f", "parent"]}
            assert left[how] == await names(sessions)

    run(work())


@pytest.mark.usefixtures("days")
def test_the_rule_holds_in_every_workspace_and_for_what_is_sensitive() -> None:
    """A view of a principal cannot apply it."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            other = sessions.acting_as(Principal(id="user:ann", workspace="acme"))
            await other.create_session("theirs")
            secret = await sessions.create_session("secret", SessionConfig())
            await secret.update_sensitivity(Sensitivity.HIGHLY_SENSITIVE)
            with pytest.raises(ScopeDenied):
                await other.apply_retention()
            clock.days = 8
            report = await sessions.apply_retention()
            assert [("secret", 7)] == [(one.session_id, one.days) for one in report.due]
            clock.days = 31
            report = await sessions.apply_retention()
            assert [("acme", "theirs")] == [(d.workspace, d.session_id) for d in report.due]
            assert [] == await names(other) == await names(sessions)

    run(work())


def test_an_open_manager_applies_it_by_itself(
    days: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be wiped is told to the audit bus, and tried again; the rest is wiped."""
    days.setattr(retaining, "FIRST_LOOK_S", 0.05)
    days.setattr(retaining, "LOOK_S", 0.05)

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            for name in ("bad", "good"):
                await sessions.create_session(name)
            inner = SessionManager._terminate

            async def refusing(self: Any, id: str, *rest: Any, **more: Any) -> Any:
                if id == "bad":
                    raise Unreadable("it is damaged")
                return await inner(self, id, *rest, **more)

            days.setattr(SessionManager, "_terminate", refusing)
            clock.days = 31
            await until(lambda: "retention_failed" in caplog.text)
            await until_async(lambda: has(sessions, ["bad"]))
            days.setattr(SessionManager, "_terminate", inner)
            await until_async(lambda: has(sessions, []))

    async def has(sessions: SessionManager, wanted: list[str]) -> bool:
        return wanted == await names(sessions)

    run(work())


@pytest.mark.parametrize("dry_run", [False, True])
def test_of_a_long_line_of_forks_each_is_looked_at_once(
    days: pytest.MonkeyPatch, dry_run: bool
) -> None:
    """However they are listed; each is due once, and what is below another goes before it."""

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            await sessions.create_session("f0")
            for number in range(20):
                await sessions.fork_session(f"f{number}", f"f{number + 1}")
            for number in (7, 0):
                await (await sessions.get_session(f"f{number}")).touch()
            clock.days = 31
            looks: list[int] = []
            look = Retaining._rests

            async def counted(self: Any, backend: Any, row: Any) -> bool:
                looks.append(row.stream)
                return await look(self, backend, row)

            days.setattr(Retaining, "_rests", counted)
            report = await sessions.apply_retention(dry_run=dry_run)
            assert 21 == len(looks) == len(set(looks)) and () == report.failed
            order = [f"f{number}" for number in range(20, -1, -1)]
            assert order == [one.session_id for one in report.due]
            assert ([] if dry_run else order) == [one.session_id for one in report.wiped]

    run(work())


def test_a_clock_that_is_wrong_for_a_moment_wipes_nothing(
    days: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is in use is not idle because the time of day was set, and the audit is told."""
    days.setattr(retaining, "FIRST_LOOK_S", 0.3)
    days.setattr(retaining, "LOOK_S", 0.3)

    async def work() -> None:
        clock = Later()
        async with memory(echo(), clock=clock) as sessions:
            await (await sessions.create_session("used")).generate("hello")
            await asyncio.sleep(0.05)
            clock.days = 400
            await until(lambda: "clock_set" in caplog.text)
            clock.days = 0
            await asyncio.sleep(0.7)
            assert ["used"] == await names(sessions)

    run(work())


def test_the_policy_file_names_it(tmp_path: Path) -> None:
    """Section `[retention]`; a value out of bounds opens nothing."""

    async def opened(text: str) -> Retention:
        file = tmp_path / "holdfast.toml"
        file.write_text(text)
        file.chmod(0o600)
        async with on_file(tmp_path, echo(), policy=file) as sessions:
            return sessions.retention

    assert Retention(idle_days=90, sensitive_idle_days=0) == run(
        opened("[retention]\nidle_days = 90\n")
    )
    for wrong in ("idle_days = -1", "idle_days = true", 'idle_days = "90"', "days = 3"):
        with pytest.raises(InvalidInput):
            run(opened(f"[retention]\n{wrong}\n"))
