"""The session record of seed D15."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ImportRefused, TooLarge
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Role, ToolUse
from holdfast.runtime.seeddata import SESSION_DATA_KEYS, SessionData
from seedfile_strategies import JSON_VALUES, TEXTS, conversations

DATA = Path(__file__).resolve().parent.parent / "data" / "seedfiles"
FULL = json.loads((DATA / "session_data.json").read_text("utf-8"))
OLD = json.loads((DATA / "session_data_old.json").read_text("utf-8"))


def test_record_has_exactly_the_seventeen_keys() -> None:
    """The fields, the written keys and the seed's list are one list, in one order."""
    assert 17 == len(SESSION_DATA_KEYS)
    assert SESSION_DATA_KEYS == tuple(item.name for item in fields(SessionData))
    assert list(SESSION_DATA_KEYS) == list(json.loads(SessionData.from_json(OLD).to_json()))


def test_old_record_takes_defaults() -> None:
    """Missing fields take the seed's defaults; a number is a state; todos are tasks."""
    data = SessionData.from_json(OLD)
    assert SessionState.ACTIVE is data.state
    assert (0.0, (), None, None, None) == (
        data.total_cost,
        data.cost_records,
        data.model_name,
        data.thinking_budget,
        data.parent_id,
    )
    assert ({"id": "1", "content": "look"},) == data.tasks
    assert {
        "name": "",
        "workspace": "",
        "system_prompt": None,
        "max_context_length": 0,
        "auto_compact": False,
        "auto_compact_threshold": 0.8,
        "storage_type": "file",
        "planning_enabled": False,
        "goal_tracking": False,
    } == data.config


def test_key_is_never_kept() -> None:
    """An API key in the file is neither in the record nor in what it writes."""
    secret = OLD["llm_config"]["api_key"]
    data = SessionData.from_json(OLD)
    assert {"provider": "anthropic", "model": "claude-3-haiku-20240307"} == data.llm_config
    assert secret not in repr(data) + data.to_json()
    given_one = replace(data, llm_config={**OLD["llm_config"], "headers": {"x": secret}})
    assert secret not in given_one.to_json()


def test_undefined_percentage_is_computed() -> None:
    """A fraction that JSON could not hold follows from the other two numbers."""
    assert 0.0 == SessionData.from_json(OLD).context_usage["percent"]
    usage = {"used_tokens": 50, "max_tokens": 200, "percent": None, "turns": 1}
    assert 0.25 == SessionData.from_json({**OLD, "context_usage": usage}).context_usage["percent"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (1, SessionState.ACTIVE),
        (4, SessionState.ERROR),
        ("Completed", SessionState.COMPLETED),
        ("paused", SessionState.PAUSED),
    ],
)
def test_state_by_name_or_number(written: object, expected: SessionState) -> None:
    """The seed's states are read by name and by number."""
    data = SessionData.from_json({**OLD, "state": written})
    assert expected is data.state
    assert data is data.importable()
    assert expected.title == json.loads(data.to_json())["state"]


@pytest.mark.parametrize(
    "written", [0, -1, 5, 8, 99, 2**70, "Unknown", "Terminated", "Processing", "", True, 1.0, []]
)
def test_other_states_are_unknown_and_not_importable(written: object) -> None:
    """Whatever is none of the seed's states is unknown, and no session is made of it."""
    data = SessionData.from_json({**OLD, "state": written})
    assert SessionState.UNKNOWN is data.state
    with pytest.raises(ImportRefused, match=r"^state: unknown"):
        data.importable()


@pytest.mark.parametrize(
    ("ours", "written"),
    [
        (SessionState.CREATING, "Active"),
        (SessionState.PROCESSING, "Active"),
        (SessionState.TERMINATING, "Completed"),
        (SessionState.TERMINATED, "Completed"),
        (SessionState.UNKNOWN, "Unknown"),
    ],
)
def test_states_the_seed_lacks_are_written_as_the_nearest(ours: SessionState, written: str) -> None:
    """What is written is always a state the seed can read."""
    data = replace(SessionData.from_json(OLD), state=ours)
    assert written == data.to_dict()["state"]


@pytest.mark.parametrize(
    "name", [key for key in SESSION_DATA_KEYS if key in OLD and key != "llm_config"]
)
def test_missing_field_is_named(name: str) -> None:
    """A required field that is missing refuses the file by its name."""
    data = {key: value for key, value in OLD.items() if key != name}
    with pytest.raises(ImportRefused, match=f"^{name}: missing$"):
        SessionData.from_json(data)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "../etc"}, "id: Session id contains unsafe characters"),
        ({"id": ""}, "id: Session id must not be empty"),
        ({"id": 7}, "id: not a string"),
        ({"state": None}, "state: missing"),
        ({"config": []}, "config: not an object"),
        ({"config": {"storage_type": "cloud"}}, "config.storage_type: neither"),
        ({"config": {"auto_compact": 1}}, "config.auto_compact: neither true nor false"),
        ({"config": {"max_context_length": -1}}, "config.max_context_length: not a whole"),
        ({"config": {"permission_policy": "allow"}}, "config.permission_policy: not an object"),
        ({"total_cost": "1"}, "total_cost: not a number"),
        ({"total_usage": {"prompt_tokens": 1}}, "total_usage.completion_tokens: missing"),
        ({"context_usage": {"used_tokens": True}}, "context_usage.used_tokens: not a whole"),
        ({"created_at": "2026"}, "created_at: not a whole number of seconds"),
        ({"tool_names": ["a", 1]}, "tool_names[1]: not a string"),
        ({"todos": [1]}, "tasks[0]: not an object"),
        ({"tasks": []}, "todos: stands beside tasks"),
        ({"cost_records": {}}, "cost_records: not a list"),
        ({"llm_config": {"provider": "x"}}, "llm_config.model: missing"),
        ({"thinking_budget": 1.5}, "thinking_budget: not a whole"),
        ({"messages": [{"role": "me", "content": []}]}, "messages[0].role: unknown role"),
    ],
)
def test_malformed_field_is_refused_with_its_place(change: dict[str, object], where: str) -> None:
    """The field that is malformed is named; nothing is converted."""
    with pytest.raises(ImportRefused) as caught:
        SessionData.from_json({**OLD, **change})
    assert caught.value.message.startswith(where)


@given(conversations(thinking=True, mixed=True), st.dictionaries(TEXTS, JSON_VALUES, max_size=3))
def test_record_round_trips(messages: tuple[object, ...], extra: dict[str, object]) -> None:
    """A record that was written reads back the same, unknown configuration included."""
    config = {**extra, **FULL["config"]}
    data = replace(SessionData.from_json({**FULL, "config": config}), messages=messages)
    again = SessionData.from_json(data.to_json())
    assert extra.items() <= again.config.items() or set(extra) & set(FULL["config"])
    assert again == SessionData.from_json(again.to_json())
    spoken = [(m.role, len(m.parts)) for m in messages]
    assert spoken == [(m.role, len(m.parts)) for m in again.messages]
    assert replace(data, messages=()) == replace(again, messages=())


@given(st.sampled_from(SESSION_DATA_KEYS), JSON_VALUES)
def test_any_value_is_read_or_refused(name: str, value: object) -> None:
    """A damaged field is refused as such, or it is what it says."""
    try:
        data = SessionData.from_json({**FULL, name: value})
    except (ImportRefused, TooLarge) as error:
        assert error.message.startswith(name)
    else:
        assert data == SessionData.from_json(data.to_json())


def test_messages_are_translated() -> None:
    """A message of the file is a message of ours."""
    data = SessionData.from_json(FULL)
    assert [Role.USER, Role.ASSISTANT, Role.TOOL, Role.ASSISTANT] == [m.role for m in data.messages]
    assert '{"path": ' == data.messages[1].tool_uses[1].arguments
    assert isinstance(data.messages[1].parts[-1], ToolUse)
