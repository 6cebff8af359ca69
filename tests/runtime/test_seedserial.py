"""The serializable session of seed E9."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ImportRefused
from holdfast.core.gitstate import GitState
from holdfast.core.messages import Message, Role
from holdfast.runtime.seedserial import (
    METADATA_KEYS,
    SERIALIZABLE_KEYS,
    SerializableSession,
    SessionMetadata,
)
from seedfile_strategies import JSON_VALUES, conversations

DATA = Path(__file__).resolve().parent.parent / "data" / "seedfiles"
FULL = json.loads((DATA / "serializable_session.json").read_text("utf-8"))
LEGACY = json.loads((DATA / "serializable_session_legacy.json").read_text("utf-8"))


def test_session_has_exactly_the_seeds_keys() -> None:
    """The fields, the written keys and the seed's list are one list, in one order."""
    assert SERIALIZABLE_KEYS == tuple(item.name for item in fields(SerializableSession))
    assert METADATA_KEYS == tuple(item.name for item in fields(SessionMetadata))
    assert list(SERIALIZABLE_KEYS) == list(SerializableSession.from_json(LEGACY).to_dict())


def test_seven_key_form_loads_with_defaults() -> None:
    """A file from before the security state loads; what it lacks takes defaults."""
    session = SerializableSession.from_json(LEGACY)
    assert "test" == session.system_prompt
    assert ((), None, None, None, None, None) == (
        session.allowances,
        session.budget_snapshot,
        session.escape_state,
        session.workspace_path,
        session.model,
        session.git_state,
    )


@pytest.mark.parametrize("name", ["id", "user_id", "messages", "system_prompt", "created_at",
                                  "token_count", "metadata"])  # fmt: skip
def test_missing_field_of_the_seven_is_named(name: str) -> None:
    """Each of the seven keys is required."""
    data = {key: value for key, value in LEGACY.items() if key != name}
    with pytest.raises(ImportRefused, match=f"^{name}: missing$"):
        SerializableSession.from_json(data)


def test_authority_comes_back_as_it_was_and_inert() -> None:
    """Allowances, spent money and escape paths are the file's JSON and nothing else."""
    session = SerializableSession.from_json(FULL)
    assert FULL["allowances"] == list(session.allowances)
    assert FULL["budget_snapshot"] == session.budget_snapshot
    assert FULL["escape_state"] == session.escape_state
    assert GitState(branch="main", commit=None) == session.git_state


def test_ids_and_time_are_kept_as_written() -> None:
    """Neither case nor fractions nor offsets of what identifies a session change."""
    session = SerializableSession.from_json(LEGACY)
    assert (LEGACY["id"], LEGACY["created_at"]) == (session.id, session.created_at)
    assert timedelta(hours=2) == session.created.utcoffset()
    full = SerializableSession.from_json(FULL)
    assert datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC) == full.created


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "not-a-uuid"}, "id: not the text of a UUID"),
        ({"id": "0b8f7c1e-4a3d-4d51-9f0e-6a1c2b3d4e5"}, "id: not the text of a UUID"),
        ({"id": "{0b8f7c1e-4a3d-4d51-9f0e-6a1c2b3d4e5f}"}, "id: not the text of a UUID"),
        ({"id": "0b8f7c1e-4a3d-4d51-9f0e-6a1c2b3d4e5f\n"}, "id: not the text of a UUID"),
        ({"user_id": "xyz"}, "user_id: not eight bytes in hex"),
        ({"user_id": "01020304"}, "user_id: not eight bytes in hex"),
        ({"user_id": "010203040506070809"}, "user_id: not eight bytes in hex"),
        ({"created_at": "2024-01-01T00:00:00"}, "created_at: not a time with its offset"),
        ({"created_at": "2024-02-30T00:00:00Z"}, "created_at: there is no such time"),
        ({"created_at": 1704067200}, "created_at: not a string"),
        ({"token_count": -1}, "token_count: not a whole number"),
        ({"token_count": True}, "token_count: not a whole number"),
        ({"metadata": {}}, "metadata.tags: missing"),
        ({"metadata": {**LEGACY["metadata"], "custom": None}}, "metadata.custom: not an object"),
        ({"metadata": {**LEGACY["metadata"], "tags": [1]}}, "metadata.tags[0]: not a string"),
        ({"allowances": [1]}, "allowances[0]: not an object"),
        ({"budget_snapshot": 5}, "budget_snapshot: not an object"),
        ({"escape_state": []}, "escape_state: not an object"),
        ({"workspace_path": 1}, "workspace_path: not a string"),
        ({"git_state": {"branch": 1}}, "git_state.branch: not a string"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "x", "content": "b"}]},
         "messages[1].role: unknown role 'x'"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content: neither text"),
    ],
)  # fmt: skip
def test_malformed_field_is_refused_with_its_place(change: dict[str, object], where: str) -> None:
    """Nothing is invented, dropped or given another identity: the file is refused."""
    with pytest.raises(ImportRefused) as caught:
        SerializableSession.from_json({**LEGACY, **change})
    assert caught.value.message.startswith(where)


@given(conversations(thinking=False, mixed=False), st.lists(JSON_VALUES, max_size=2))
def test_session_round_trips(messages: tuple[Message, ...], values: list[object]) -> None:
    """A session that was written reads back the same."""
    allowances = tuple({"anything": value} for value in values)
    session = replace(SerializableSession.from_json(FULL), messages=messages, allowances=allowances)
    again = SerializableSession.from_json(session.to_json())
    assert replace(session, messages=()) == replace(again, messages=())
    assert [m.role for m in messages] == [m.role for m in again.messages]
    assert again == SerializableSession.from_json(again.to_json())


@given(st.sampled_from(SERIALIZABLE_KEYS), JSON_VALUES)
def test_any_value_is_read_or_refused(name: str, value: object) -> None:
    """A damaged field is refused as such, or it is what it says."""
    try:
        session = SerializableSession.from_json({**FULL, name: value})
    except ImportRefused as error:
        assert error.message.startswith(name)
    else:
        assert session == SerializableSession.from_json(session.to_json())


def test_messages_are_translated() -> None:
    """A message of the file is a message of ours."""
    session = SerializableSession.from_json(FULL)
    assert [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.TOOL,
        Role.USER,
        Role.ASSISTANT,
    ] == [message.role for message in session.messages]
