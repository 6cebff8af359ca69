"""Strict JSON for files offered for import."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ImportRefused, TooLarge
from holdfast.runtime import seedjson
from holdfast.runtime.seedjson import Fields, parse, read_object, write
from seedfile_strategies import JSON_VALUES


@given(JSON_VALUES)
def test_written_json_reads_back(value: object) -> None:
    """What is written is what is read."""
    assert value == parse(write(value))
    assert value == parse(write(value, indent=2))


@given(st.text() | JSON_VALUES.map(json.dumps))
def test_any_text_is_an_object_or_refused(text: str) -> None:
    """Reading ends in an object or in a refusal."""
    try:
        assert isinstance(read_object(text), dict)
    except ImportRefused as error:
        assert error.message.startswith("not ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON: Expecting value (line 1, column 1)"),
        ('{"a": 1,}', "not JSON: "),
        ("[]", "not a JSON object"),
        ('{"a": 1, "a": 2}', "not strict JSON: a name stands twice"),
        ('{"a": [{"b": 1, "b": 1}]}', "not strict JSON: a name stands twice"),
        ('{"a": NaN}', "not strict JSON: NaN is not a JSON number"),
        ('{"a": -Infinity}', "not strict JSON: -Infinity is not a JSON number"),
        ('{"a": 1e999}', "not strict JSON: a number is too large"),
        ('{"a": ' + "[" * 100_000, "not strict JSON: it is nested too deeply"),
        ('{"a": ' + "9" * 5_000 + "}", "not strict JSON: "),
        ('{"a": "\\ud800"}', "not strict JSON: it holds half a character"),
        ('{"a": "\ud800"}', "not strict JSON: it holds half a character"),
    ],
)
def test_odd_json_is_refused(text: str, reason: str) -> None:
    """JSON that means nothing, or more than one thing, is refused."""
    with pytest.raises(ImportRefused) as caught:
        read_object(text)
    assert caught.value.message.startswith(reason)


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": object()}, {"a": "\udcff"}])
def test_odd_object_is_refused(value: dict[str, object]) -> None:
    """An object that has no JSON form is refused like its text."""
    with pytest.raises(ImportRefused, match="not strict JSON"):
        read_object(value)


def test_pairs_and_marks_are_read() -> None:
    """Escaped pairs are one character, and a byte order mark is no content."""
    assert {"a": "🙂"} == read_object('\ufeff{"a": "\\ud83d\\ude42"}')


def test_object_is_taken_over_as_a_copy() -> None:
    """A change of what was given later does not reach what was read."""
    given_one: dict[str, object] = {"a": [1]}
    read = read_object(given_one)
    given_one["a"] = 2
    assert {"a": [1]} == read


def test_file_over_its_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text longer than the limit is not even parsed."""
    monkeypatch.setattr(seedjson, "FILE_CHARS_MAX", 4)
    assert {} == read_object("{  }")
    with pytest.raises(TooLarge):
        read_object("{   }")


def test_fields_name_their_place() -> None:
    """A nested object's fields are named with its own place."""
    assert "a" == Fields({}).at("a")
    with pytest.raises(ImportRefused, match=r"^outer.a: missing$"):
        Fields({}, "outer").text("a")


def test_default_stands_for_missing_only() -> None:
    """A default replaces a missing field, never one of the wrong type or null."""
    assert "x" == Fields({}).text("a", "x")
    with pytest.raises(ImportRefused, match=r"^a: not a string$"):
        Fields({"a": None}).text("a", "x")
