"""Plans of the seeds' files: what is taken, what stays inert, what is refused."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from holdfast.core.errors import ImportRefused, SessionExists
from holdfast.core.gitstate import GitState
from holdfast.core.lifecycle import SessionState
from holdfast.core.quantities import Usage
from holdfast.runtime.importing import import_file, plan_of_file
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.seedjson import Json
from holdfast.runtime.seedplans import plan_of_data
from holdfast.runtime.takeover import take_over
from moving_kit import SEEDFILES, World


def changed(form: str, **values: Json) -> bytes:
    """A golden file with some fields changed."""
    data = json.loads((SEEDFILES / f"{form}.json").read_text("utf-8"))
    return json.dumps({**data, **values}).encode()


def test_session_data_becomes_a_paused_session() -> None:
    """State, settings, counts, money and records of seed D15 are taken over."""
    plan = plan_of_file(changed("session_data"))
    assert SessionState.PAUSED is plan.state
    assert Usage(4000, 1000, 10, 0, 0, 27_000) == plan.totals.usage
    assert (20_000, 1767323045000) == (
        plan.records[0].usage.cost_micros,
        plan.created_ms,
    )
    assert (4, 5000, 2) == (
        plan.totals.rounds,
        plan.totals.last_prompt_tokens,
        plan.totals.tool_calls,
    )
    assert (True, 2048, '{"colour": "blue"}') == (
        plan.settings.thinking,
        plan.settings.thinking_tokens,
        plan.settings.extra,
    )
    assert {"tasks", "llm_config", "config", "parent_id"} <= plan.inert.keys()


def test_serializable_keeps_user_git_and_counts_and_grants_nothing() -> None:
    """User, title, tags, counts and git state are taken; allowances, budget, escapes are inert."""
    plan = plan_of_file(changed("serializable_session"))
    assert ("0102030405060708", "A bug", ("bug", "urgent")) == (
        plan.user_id,
        plan.details.title,
        plan.details.tags,
    )
    assert GitState("main", None) == plan.git
    assert (2, 2, 1) == (plan.totals.turns, plan.totals.tool_calls, plan.totals.approvals)
    assert {"allowances", "budget_snapshot", "escape_state", "model"} <= plan.inert.keys()
    assert any("grant nothing" in note for note in plan.notes)


def test_an_existing_workspace_is_used_and_said(tmp_path: Path) -> None:
    """A workspace that is a directory here is used; one that is not stays inert."""
    here = os.path.realpath(tmp_path)

    async def main() -> None:
        async with World().manager() as manager:
            (tmp_path / "a.json").write_bytes(
                changed("serializable_session", workspace_path=str(tmp_path))
            )
            done = await import_file(manager, tmp_path / "a.json")
            session = await manager.get_session(done.id)
            assert here == (await session.info()).workspace
            assert any("it works in" in note for note in done.notes)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("form", "values", "said"),
    [
        ("session_data", {"id": "../up"}, "id"),
        ("session_data", {"state": 0}, "state"),
        ("session_data", {"created_at": -5}, "created_at"),
        ("session_data", {"total_cost": -1.0}, "total_cost"),
        ("session_data", {"messages": [{"role": "judge", "content": []}]}, "messages[0].role"),
        ("session_data", {"cost_records": [{"timestamp": "soon"}]}, "cost_records[0].timestamp"),
        ("session_data", {"cost_records": [{"model": 5}]}, "cost_records[0].model"),
        ("serializable_session", {"id": "nope"}, "id"),
        ("serializable_session", {"user_id": "bob"}, "user_id"),
        ("serializable_session", {"created_at": "1969-01-01T00:00:00Z"}, "created_at"),
        ("serializable_session", {"token_count": 2**60}, "a count"),
    ],
)
def test_a_bad_field_refuses_the_file(
    form: str, values: dict[str, Json], said: str, tmp_path: Path
) -> None:
    """A bad id, user, role, time or count is refused by its name, and nothing is made."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            (tmp_path / "bad.json").write_bytes(changed(form, **values))
            with pytest.raises(ImportRefused) as caught:
                await import_file(manager, tmp_path / "bad.json")
            assert caught.value.message.startswith(said)
            assert {} == world.disk.streams

    asyncio.run(main())


def test_over_long_details_are_refused() -> None:
    """A title over the limit is refused; nothing is cut off in silence."""
    data = json.loads((SEEDFILES / "serializable_session.json").read_text("utf-8"))
    metadata = {**data["metadata"], "title": "x" * 501}

    async def main() -> None:
        async with World().manager() as manager:
            with pytest.raises(ImportRefused):
                await take_over(
                    manager, plan_of_file(changed("serializable_session", metadata=metadata))
                )

    asyncio.run(main())


def test_restoring_from_data_keeps_the_id() -> None:
    """A record given by the program becomes the session of that id, once."""

    async def main() -> None:
        data = SessionData.from_json((SEEDFILES / "session_data.json").read_text("utf-8"))
        assert "fix-tests" == plan_of_data(data).session_id
        async with World().manager() as manager:
            assert "fix-tests" == (await manager.restore_from_data(data)).id
            assert 4 == len(await manager.history("fix-tests"))
            with pytest.raises(SessionExists):
                await manager.restore_from_data(data)

    asyncio.run(main())
