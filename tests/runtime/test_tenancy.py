"""Views of a manager: one tenant, one principal, perhaps one session."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from holdfast.core.errors import (
    InvalidInput,
    ScopeDenied,
    SessionExists,
    SessionNotFound,
)
from holdfast.core.principals import Principal
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.host import Commands
from sessionhelp import echo, memory, on_file, run


def who(workspace: str = "default", session: str = "", id: str = "user:ann") -> Principal:
    """A principal."""
    return Principal(id=id, workspace=workspace, session=session)


def test_workspaces_do_not_see_each_other() -> None:
    """The same id in two workspaces is two sessions; a listing has one's own."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            ours, theirs = sessions.acting_as(who()), sessions.acting_as(who("other"))
            one = await ours.create_session("a")
            with pytest.raises(SessionNotFound):
                await theirs.get_session("a")
            two = await theirs.create_session("a")
            assert one.where.stream != two.where.stream
            await two.generate("hi")
            assert 1 == (await ours.list_sessions()).sessions[0].message_count + 1
            assert 1 == await theirs.session_count()
            view = await two.view()
            assert ("other", "user:ann") == (view.tenant, view.user_id)
            with pytest.raises(ScopeDenied):
                sessions.acting_as(who("other"), workspace="default")
            with pytest.raises(InvalidInput):
                sessions.acting_as(who("*"), workspace="../up")
            both = [sessions.acting_as(who("*"), workspace=name) for name in ("", "other")]
            assert [1, 1] == [await view.session_count() for view in both]

    run(work())


def test_views_share_what_leads() -> None:
    """One engine for all views, whoever came first; a view closes nothing."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            first = sessions.acting_as(who("other"))
            session = await first.create_session("a")
            await first.close()
            again = await sessions.acting_as(who("other", id="user:bob")).get_session("a")
            await again.generate("hi")
            assert 1 == sessions.at_work()[0]
            assert first.live(session.where.stream) is sessions.live(session.where.stream)

    run(work())


def test_a_child_is_stopped_whatever_view_leads(tmp_path: Path) -> None:
    """The manager itself finds the children of a session of another workspace."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            view = sessions.acting_as(who("other"))
            parent = await view.create_session("up")
            await view.create_child_session("up", "down")
            below = await sessions.below(parent.where)
            assert ["down"] == [one.row.name for one in below]

    run(work())


def test_a_bound_principal_has_its_session_and_what_is_below() -> None:
    """All else is not there; what it opens is below; what reaches further is denied."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            whole = sessions.acting_as(who())
            for id in ("mine", "other"):
                await whole.create_session(id)
            await whole.create_child_session("mine", "mine-1")
            await whole.fork_session("mine", "mine-fork")
            bound = sessions.acting_as(who(session="mine", id="agent:a"))
            for id in ("other", "mine-fork", "none"):
                with pytest.raises(SessionNotFound):
                    await bound.get_session(id)
            made = await bound.create_session(None, SessionConfig(name="below"))
            assert "mine" == await bound.parent_session_id(made.id)
            seen = {"mine", "mine-1", made.id}
            assert seen == {one.id for one in (await bound.list_sessions()).sessions}
            assert seen == {one.id for one in await bound.get_all_sessions()}
            pages = await bound.list_sessions(limit=2)
            rest = await bound.list_sessions(limit=2, cursor=pages.cursor)
            assert (2, 1, "") == (len(pages.sessions), len(rest.sessions), rest.cursor)
            assert 1 == len((await bound.list_sessions(title="below")).sessions)
            assert () == (await bound.list_sessions(states=["Paused"])).sessions
            for denied in (
                bound.fork_session("mine"),
                bound.get_or_create_session("u", "c", "1"),
                bound.import_file("x"),
            ):
                with pytest.raises(ScopeDenied):
                    await denied
            assert [] == await bound.list_approvals()
            receipt = await bound.terminate_session("mine")
            assert {"mine-1", "mine-fork", made.id} == set(receipt.erased)
            assert () == (await bound.list_sessions()).sessions

    run(work())


def test_a_request_that_is_repeated_gets_its_session() -> None:
    """Only its own: an id that others took is taken."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            view = sessions.acting_as(who(), commands=Commands(b"s" * 32, b"body"))
            made = [await view.born(None, view.create_session) for _ in range(2)]
            assert made[0].id == made[1].id
            await sessions.create_session("taken")
            with pytest.raises(SessionExists):
                await view.born("taken", view.create_session)

    run(work())


def test_a_view_writes_no_files(tmp_path: Path) -> None:
    """An export goes to a stream."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            view = sessions.acting_as(who())
            await view.create_session("a")
            with pytest.raises(InvalidInput):
                await view.export_session("a", tmp_path / "out")
            assert 0 < await view.export_session("a", io.BytesIO())

    run(work())
