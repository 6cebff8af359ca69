"""The JSON form, held against pydantic's reading of the same types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from core_strategies import of
from holdfast.core.events import KIND_OF, Event, Paused, Resumed
from holdfast.core.messages import Message, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.settings import Settings
from holdfast.runtime.codec import COMMANDS
from holdfast.runtime.jsonform import read, reader, write, writer
from holdfast.runtime.snapshot import Packed

KINDS: tuple[type, ...] = (*KIND_OF, *COMMANDS.values(), Packed)
VALUES = st.sampled_from([None, True, 0, 3, 1.5, "x", "user", [], ["x"], [1, 2], {}, {"a": 1}])
ACTS = st.sampled_from(["replace", "remove", "add"])
FEW = settings(max_examples=settings().max_examples // 3)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within a JSON value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def damage(value: Any, path: tuple[Any, ...], act: str, other: Any) -> Any:
    """A copy with one value replaced, one removed or an unknown field added."""
    copy = json.loads(json.dumps(value))
    if act == "replace" and not path:
        return other
    around, target = None, copy
    for key in path:
        around, target = target, target[key]
    if act == "add" and isinstance(target, dict):
        target["later"] = other
    elif act != "add" and path:
        if act == "replace":
            around[path[-1]] = other
        else:
            del around[path[-1]]
    return copy


def outcome(attempt: Any) -> Any:
    """What reading gives, or None if it is refused."""
    try:
        return attempt()
    except ValueError:  # as what pydantic raises
        return None


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_what_pydantic_writes_and_reads(kind: type) -> None:
    """Each reads the other's writing as the same value, and both write the same fields."""
    theirs = TypeAdapter(kind)

    @FEW
    @given(of(kind))
    def law(value: object) -> None:
        ours = write(value)
        assert value == read(kind, ours)
        assert value == theirs.validate_json(ours, strict=True)
        written = theirs.dump_json(value, exclude_defaults=True)
        assert value == read(kind, written)
        assert json.loads(written) == json.loads(ours)

    law()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_refuses_what_strict_pydantic_refuses(kind: type) -> None:
    """Of a damaged value both refuse the same, or both read the same.

    We refuse two things more: pydantic takes `true` for the number of an enum, and a
    message's part with a field of a wrong type for a part that has no such field.
    """
    theirs = TypeAdapter(kind)

    @FEW
    @given(of(kind), st.data())
    def law(value: object, data: st.DataObject) -> None:
        plain = json.loads(write(value))
        path = data.draw(st.sampled_from(places(plain)))
        other = data.draw(VALUES)
        damaged = json.dumps(damage(plain, path, data.draw(ACTS), other))
        found = outcome(lambda: read(kind, damaged))
        expected = outcome(lambda: theirs.validate_json(damaged, strict=True))
        if found is None and ("parts" in path[:-1] or other is True):
            return
        assert expected == found

    law()


GARBAGE = ("", " ", "{", "{}x", "{} {}", "[]", "null", '{"why":NaN}', '{"why":5}', '{"why":"\t"}')
HALVES = ('{"why":"\\ud800"}', '{"later":"\\uDFFF"}')
DEEP = '{"later":' + "[" * 100_000


@pytest.mark.parametrize("text", [*GARBAGE, *HALVES, pytest.param(DEEP, id="deep")])
def test_garbage_is_refused(text: str) -> None:
    """Cut off, of another type, followed by something, no text, or far too deep."""
    with pytest.raises((ValueError, RecursionError)):
        read(Paused, text)
    with pytest.raises((ValueError, RecursionError)):
        read(Paused, text.encode())


def test_bytes_must_be_utf8() -> None:
    """No other encoding is guessed."""
    with pytest.raises(ValueError, match="utf-8"):
        read(Paused, '{"why":"ä"}'.encode("latin-1"))
    with pytest.raises(ValueError):
        read(Paused, '{"why":"x"}'.encode("utf-16"))


def test_escaped_pairs_are_one_character() -> None:
    """Only half a character is refused."""
    assert Paused(why="\U0001f600") == read(Paused, '{"why":"\\ud83d\\ude00"}')
    assert Paused(why="\\ud800") == read(Paused, write(Paused(why="\\ud800")))


@pytest.mark.parametrize(
    "part",
    [Text(""), Thinking("", None), Thinking("x", "s"), ToolUse("", ""), ToolResult("", "", "")],
)
def test_each_part_is_known_by_its_own_field(part: object) -> None:
    """Defaults are left out, and still no part is taken for another."""
    message = Message(Role.USER, (part,))
    assert message == read(Message, write(message))


@pytest.mark.parametrize("part", ['{"type":"text"}', "{}", "[]", '{"text":"x","type":"thinking"}'])
def test_a_part_of_no_kind_is_refused(part: str) -> None:
    """So is one whose type says another kind than its fields."""
    with pytest.raises(ValueError):
        read(Message, f'{{"role":"user","parts":[{part}]}}')


def test_a_part_with_a_wrong_field_is_not_taken_for_another() -> None:
    """Pydantic would read a text here and drop the signature."""
    with pytest.raises(ValueError):
        read(Message, '{"role":"assistant","parts":[{"text":"x","signature":5}]}')


def test_what_cannot_be_read_again_is_not_written() -> None:
    """Half a character and a float that is no number."""
    with pytest.raises(ValueError):
        write(Paused(why="\ud800"))
    with pytest.raises(ValueError):
        write(Settings(auto_compact_threshold=float("nan")))


def test_an_event_without_fields() -> None:
    """It is an empty object, and unknown fields do no harm."""
    assert b"{}" == write(Resumed())
    assert Resumed() == read(Resumed, '{"later":[1,{"a":2}]}')


def test_only_plain_types_have_a_form() -> None:
    """A field of another type is an error of the program, found when it is first met."""

    @dataclass
    class Odd:
        found: dict[str, int]

    Odd.__annotations__["found"] = dict[str, int]
    for make in (reader, writer):
        with pytest.raises(TypeError):
            make(Odd)


def test_readers_are_made_once() -> None:
    """The second look finds the first one's."""
    assert reader(Paused) is reader(Paused)
    assert writer(Event.__args__[0]) is writer(Event.__args__[0])
