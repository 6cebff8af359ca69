"""What a user was seen to tell counts in all of their sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from contenthelp import public, quick
from holdfast.core.errors import Denied, HoldfastError
from holdfast.runtime.approvals import Approval
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import say
from sessionhelp import on_file, run

ASKING = SessionConfig(security_config=SecurityConfig(warn_kinds=2, reject_kinds=9))
STRICT = SessionConfig(security_config=SecurityConfig(warn_kinds=0, reject_kinds=2))
EMAIL, PHONE = "Write to ann@example.org.", "Call +49 30 901820."
BORN = "I was born on 12 May 1980, date of birth 1980-05-12."


def test_kinds_add_up_over_sessions_and_restarts(tmp_path: Path) -> None:
    """What one chat was told counts in the next one of the same user, and of no other."""

    async def work() -> None:
        async with on_file(tmp_path, public([say("a")]), detectors=quick()) as sessions:
            one = await sessions.create_session("one", STRICT, user_id="ann")
            await one.generate(EMAIL)
        async with on_file(tmp_path, public([say("b"), say("c")]), detectors=quick()) as sessions:
            two = await sessions.create_session("two", STRICT, user_id="ann")
            with pytest.raises(Denied, match="kinds of personal data"):
                await two.generate(PHONE)
            other = await sessions.create_session("three", STRICT, user_id="bob")
            await other.generate(PHONE)
            one = await sessions.get_session("one")
            await one.reset_risk(why="another matter", by="ann")
            await two.generate(PHONE)

    run(work())


def test_a_yes_holds_for_the_user_in_every_session(tmp_path: Path) -> None:
    """It is asked once, also over a restart; again for a further kind, and after a reset."""
    asked: list[str] = []

    async def yes(approval: Approval) -> str:
        asked.append(approval.text)
        return "once"

    async def work() -> None:
        answers = [say("ok") for _ in range(3)]
        async with on_file(tmp_path, public(answers), detectors=quick()) as sessions:
            one = await sessions.create_session("one", ASKING)
            one.on_approval(yes)
            await one.generate(f"{EMAIL} {PHONE}")
            assert 1 == len(asked) and "email, phone" in asked[0]
            two = await sessions.create_session("two", ASKING)
            two.on_approval(yes)
            await two.generate(EMAIL)
            other = await sessions.create_session("three", ASKING, user_id="bob")
            other.on_approval(yes)
            await other.generate(EMAIL)
            assert 1 == len(asked)
        answers = [say("ok") for _ in range(3)]
        async with on_file(tmp_path, public(answers), detectors=quick()) as sessions:
            two = await sessions.get_session("two")
            two.on_approval(yes)
            await two.generate("Or to bob@example.org.")
            assert 1 == len(asked)
            await two.generate(BORN)
            assert 2 == len(asked) and "date_of_birth" in asked[1]
            await two.reset_risk(why="another matter")
            await two.generate(f"{EMAIL} {PHONE}")
            assert 3 == len(asked)

    run(work())


def test_a_no_is_none(tmp_path: Path) -> None:
    """What was refused in one session is asked about in the next."""

    async def work() -> None:
        async with on_file(tmp_path, public([say("ok")]), detectors=quick()) as sessions:
            for id in ("one", "two"):
                session = await sessions.create_session(id, ASKING)
                session.on_approval(no)
                with pytest.raises(HoldfastError):
                    await session.generate(f"{EMAIL} {PHONE}")
        assert 2 == len(refused)

    refused: list[str] = []

    async def no(approval: Approval) -> str:
        refused.append(approval.text)
        return "deny"

    run(work())
