"""For which session a token is made, and how long it lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import ScopeDenied, SessionNotFound, TokenInvalid
from sessionhelp import UNSAFE, echo, memory, run


def test_a_session_is_opened_or_joined() -> None:
    """None opens one, a name opens or joins that one, "" is all of them."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            tokens = sessions.tokens
            fresh = await tokens.create("ann")
            named = await tokens.create("ann", session="one")
            joined = await tokens.create("bob", session="ONE")
            every = await tokens.create("ann", session="")
            assert fresh.session_id.startswith("sess-") and "one" == named.session_id
            assert ("one", "") == (joined.session_id, every.session_id)
            assert 2 == len(await sessions.get_all_sessions())

    run(work())


def test_a_bound_principal_gives_its_session_and_what_is_below() -> None:
    """A child of its own, and no other; a fork does not stand below."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            tokens = sessions.tokens
            await sessions.create_session("one", UNSAFE)
            await sessions.create_child_session("one", "below")
            await sessions.create_session("beside")
            await sessions.fork_session("one", "forked")
            made = await tokens.create("ann", "operator", session="one")
            by = await tokens.validate(made.guard_token)
            assert "below" == (await tokens.create("sub", session="below", by=by)).session_id
            assert "one" == (await tokens.create("sub", by=by)).session_id
            for other in ("beside", "forked"):
                with pytest.raises(SessionNotFound):
                    await tokens.create("sub", session=other, by=by)
            with pytest.raises(ScopeDenied):
                await tokens.create("sub", session="unknown", by=by)

    run(work())


def test_nothing_is_made_with_a_token_that_is_gone() -> None:
    """Between its validation and the making it was revoked."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            tokens = sessions.tokens
            made = await tokens.create("ann", session="")
            by = await tokens.validate(made.guard_token)
            await tokens.revoke(made.id)
            with pytest.raises(TokenInvalid):
                await tokens.create("ann/sub", session="", by=by)

    run(work())


def test_the_administrator_chooses_the_workspace() -> None:
    """What it makes is there, and seen by nobody else."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            root = await sessions.tokens.create("user:root", "admin", session="", workspace="*")
            by = await sessions.tokens.validate(root.guard_token)
            assert by.id == "user:root" and by.of("anything")
            view = sessions.acting_as(by, workspace="team")
            made = await view.tokens.create("ann", session="one", by=by)
            assert "team" == made.workspace_id
            assert [] == await sessions.get_all_sessions()
            assert 1 == await view.tokens.active_count()
            with pytest.raises(SessionNotFound):
                await sessions.tokens.create("ann", session="one", workspace="far", by=by)

    run(work())


def test_the_policy_file_says_how_long_and_which_roles(tmp_path: Path) -> None:
    """Its sections hold where the manager was given nothing."""
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[tokens]\nexpires_in_s = 60\n[roles]\nreader = ["sessions:read"]\n'
        '[task_types]\nlook = ["sessions:read", "messages:read"]\n'
    )
    policy.chmod(0o600)

    async def work() -> None:
        async with memory(echo(), policy=policy) as sessions:
            made = await sessions.tokens.create("ann", "reader", session="")
            assert ("sessions:read",) == made.scopes
            assert 60 == (made.expires_at - made.created_at).total_seconds()
            narrow = await sessions.tokens.create("ann", task_type="look", session="")
            assert ("messages:read", "sessions:read") == narrow.scopes

    run(work())
