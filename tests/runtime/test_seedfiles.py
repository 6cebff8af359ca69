"""The seeds' session files: which is which, and that they come back as they went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ImportRefused
from holdfast.runtime.seedfiles import (
    JSONL_MARK,
    SerializableSession,
    SessionData,
    detect,
    ignored_keys,
)
from seedfile_strategies import JSON_VALUES

DATA = Path(__file__).resolve().parent.parent / "data" / "seedfiles"


def golden(name: str) -> str:
    """Return a golden file's text without its last line end."""
    return (DATA / name).read_text("utf-8").rstrip("\n")


@pytest.mark.parametrize("reader", [SessionData, SerializableSession])
def test_complete_file_comes_back_byte_for_byte(
    reader: type[SessionData] | type[SerializableSession],
) -> None:
    """Reading and writing a complete file changes no byte of it."""
    name = "session_data" if reader is SessionData else "serializable_session"
    text = golden(f"{name}.json")
    assert text == reader.from_json(text).to_json()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("session_data.json", "session_data"),
        ("session_data_old.json", "session_data"),
        ("serializable_session.json", "serializable_session"),
        ("serializable_session_legacy.json", "serializable_session"),
    ],
)
def test_golden_files_are_told_apart(name: str, expected: str) -> None:
    """A file of either form is recognised, with or without a byte order mark."""
    assert expected == detect(golden(name))
    assert expected == detect("\ufeff" + golden(name))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{{"{JSONL_MARK}": 1}}\n{{"version": 1}}\n', "holdfast_jsonl"),
        (f'\n{{"{JSONL_MARK}": 1}}\n{{"torn', "holdfast_jsonl"),
        (f'{{"{JSONL_MARK}": 1}}', "holdfast_jsonl"),
        ('{"config": 1, "state": null}', "session_data"),
        ('{"user_id": 1, "system_prompt": null}', "serializable_session"),
        (f'{{"config": 1, "state": 1, "{JSONL_MARK}": 1}}', "session_data"),
        ("", "unknown"),
        ("{}", "unknown"),
        ("[]\n{}", "unknown"),
        ('{"config": 1, "state": 1}\n{}', "unknown"),
        ("[" * 100_000, "unknown"),
    ],
)
def test_form_is_told_by_names(text: str, expected: str) -> None:
    """The names decide, not the values: a damaged file keeps its form."""
    assert expected == detect(text)


@given(st.text())
def test_any_text_has_a_form(text: str) -> None:
    """`detect` never fails."""
    assert detect(text) in {"session_data", "serializable_session", "holdfast_jsonl", "unknown"}


def test_ignored_keys_of_session_data_are_named() -> None:
    """What a record holds beyond the seventeen keys is named, at every level."""
    assert ("generation",) == ignored_keys(golden("session_data_old.json"))
    data = json.loads(golden("session_data.json"))
    assert () == ignored_keys(data)
    data["llm_config"]["headers"] = {}
    data["messages"][0]["name"] = "x"
    data["messages"][1]["content"][0]["cache_control"] = {}
    expected = ("llm_config.headers", "messages[0].name", "messages[1].content[0].cache_control")
    assert expected == ignored_keys(data)


def test_ignored_keys_of_serializable_session_are_named() -> None:
    """What a session holds beyond the thirteen keys is named, at every level."""
    assert ("wormhole",) == ignored_keys(golden("serializable_session_legacy.json"))
    data = json.loads(golden("serializable_session.json"))
    assert () == ignored_keys(data)
    data["metadata"]["colour"] = 1
    data["git_state"]["dirty"] = True
    data["messages"][3]["content"]["took_ms"] = 3
    data["messages"][1]["reasoning_content"] = "hm"
    expected = (
        "git_state.dirty",
        "metadata.colour",
        "messages[1].reasoning_content",
        "messages[3].content.took_ms",
    )
    assert expected == ignored_keys(data)


def test_ignored_keys_refuses_other_files() -> None:
    """A file of no form has no ignored keys."""
    with pytest.raises(ImportRefused, match="neither of the two"):
        ignored_keys("{}")


@given(st.sampled_from(["config", "user_id"]), JSON_VALUES)
def test_ignored_keys_takes_damaged_files(form: str, value: object) -> None:
    """Whatever stands in the fields, the unknown names are named."""
    names = {"config": ["config", "state"], "user_id": ["user_id", "system_prompt"]}[form]
    more = ["messages", "metadata", "git_state", "llm_config"]
    data = dict.fromkeys([*names, *more], value) | {"odd": value}
    assert "odd" in ignored_keys(data)
