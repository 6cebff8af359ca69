"""Allowances by the session's id and by the workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantshelp import Bell, config, folder, opened, ringer
from holdfast.core.errors import CapabilityRefused, GrantNotFound, InvalidInput, SessionNotFound
from sessionhelp import run


def test_the_managers_methods_do_what_the_sessions_do(tmp_path: Path) -> None:
    """Listing and revoking by the session's id."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (sessions, session):
            made = await session.grant_allowance("ring")
            assert [made] == await sessions.allowances("one")
            await sessions.revoke_allowance("one", made.id)
            assert [] == await sessions.allowances("one")
            with pytest.raises(GrantNotFound):
                await sessions.revoke_allowance("one", made.id)
            with pytest.raises(SessionNotFound):
                await sessions.allowances("two")

    run(work())


def test_a_folder_without_a_session_has_nowhere_to_record(tmp_path: Path) -> None:
    """Export and import of a directory need a session that works in it."""

    async def work() -> None:
        async with opened(tmp_path, Bell()) as sessions:
            await sessions.create_session("one", config(folder(tmp_path, "a")))
            empty = str(folder(tmp_path, "b"))
            with pytest.raises(InvalidInput, match="no session"):
                await sessions.export_allowances(empty)
            with pytest.raises(InvalidInput):
                await sessions.import_allowances(str(tmp_path / "gone"), "{}")
            data = await sessions.export_allowances(str(tmp_path / "a"))
            assert 0 == (await sessions.import_allowances(str(tmp_path / "a"), data)).imported

    run(work())


def test_only_public_keys_are_trusted() -> None:
    """Something else is refused, and nothing is trusted by it."""

    async def work() -> None:
        async with ringer(Bell()) as (sessions, _):
            with pytest.raises(CapabilityRefused):
                sessions.trust_issuers("x")
            assert frozenset() == sessions.trust.issuers

    run(work())
