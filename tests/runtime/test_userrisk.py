"""What a user was seen to tell counts in all of their sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from contenthelp import public, quick
from holdfast.core.errors import Denied
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import say
from sessionhelp import on_file, run

STRICT = SessionConfig(security_config=SecurityConfig(warn_kinds=0, reject_kinds=2))
EMAIL, PHONE = "Write to ann@example.org.", "Call +49 30 901820."


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
