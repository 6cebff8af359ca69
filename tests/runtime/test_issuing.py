"""What a service issued grounds only where nobody but the user led to its object."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.context import Entry
from holdfast.core.flows import Flow, Reads, Role, Sink
from holdfast.core.labels import TRUSTED, UNTRUSTED, Label
from holdfast.core.messages import Message, Text, ToolResult, ToolUse
from holdfast.core.messages import Role as Speaker
from holdfast.runtime.grounding import Said
from holdfast.runtime.issuing import (
    calls_in,
    fields_of,
    issued,
    issued_in,
    issues_in,
    named_of,
)
from sessionhelp import registry, tool


def files(file_id: str = "") -> str:
    """A reading tool."""
    return ""


FILES = tool(
    files,
    params=["file_id"],
    flow=Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE, trusted_fields=("id_", "size")),
)


def create(content: str = "", target: str = "") -> str:
    """A writing tool."""
    return ""


CREATE = tool(
    create,
    params=["content", "target"],
    flow=Flow(sink=Sink.WRITE, trusted_fields=("id_",), roles=(("content", Role.PAYLOAD),)),
)
PLAIN = tool(create, params=["content"], flow=Flow(sink=Sink.NONE))
TOOLS = registry(FILES, CREATE)


def found(
    content: object,
    *,
    arguments: object = None,
    name: str = "files",
    label: Label = UNTRUSTED,
    said: str = "the file 'a b.docx', file 5",
    result: ToolResult | None = None,
) -> set[object]:
    """What is issued of a result, of a call that was wanted under a label."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    use = ToolUse("c1", name, text)
    body = content if isinstance(content, str) else json.dumps(content)
    part = result or ToolResult("c1", name, body)
    call = Entry(5, Message(Speaker.ASSISTANT, (use,), label=label))
    answer = Entry(6, Message(Speaker.TOOL, (part,), label=UNTRUSTED))
    words = Said()
    words.add(said)
    return set(issued(issues_in(answer.message, TOOLS), calls_in([call, answer]), words))


ONE = [{"id_": "13", "filename": "x", "content": "id_ 14"}]
TWO = [{"id_": "13", "filename": "a b.docx"}, {"id_": "14", "filename": "the a b.docx"}]


def test_the_only_object_is_issued() -> None:
    """Of a call without arguments, or with arguments that were said."""
    assert {"13"} == found(ONE)
    assert {"13"} == found(ONE, arguments={"file_id": "5"})
    assert {"13", 7} == found([{"id_": "13", "size": 7}])


def test_asking_for_an_object_by_its_id_proves_nothing() -> None:
    """A model that a stranger speaks through names any id, and reads it back."""
    assert set() == found(ONE, arguments={"file_id": "13"})
    assert set() == found(ONE, arguments={"query": "words of that file"})


def test_what_was_wanted_before_anything_untrusted_counts() -> None:
    """The model had only the user's words then."""
    assert {"13"} == found(ONE, arguments={"file_id": "13"}, label=TRUSTED)


def test_free_text_does_not_steer_what_is_created() -> None:
    """Its target does."""
    assert {"13"} == found(ONE, name="create", arguments={"content": "of a stranger"})
    assert set() == found(ONE, name="create", arguments={"content": "x", "target": "y"})


def test_of_several_the_one_that_was_named_in_quotes_is_issued() -> None:
    """If it is just one, and its field is the whole name."""
    assert {"13"} == found(TWO)
    assert set() == found(TWO, said="the file a b.docx")
    assert set() == found([*TWO, {"id_": "15", "filename": "A b.docx"}])
    assert set() == found([*TWO, {"id_": "15", "filename": "c"}], said="'a b.docx' or 'c'")
    assert set() == found([{"id_": "13", "size": "a b.docx"}, {"id_": "14", "size": 1}])


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        ("no JSON", {}),
        ("[" * 100_000, {}),
        ({"name": "x"}, {}),
        (ONE, "no JSON"),
        (ONE, "[]"),
        (ONE, "[" * 100_000),
    ],
)
def test_what_cannot_be_read_issues_nothing(content: object, arguments: object) -> None:
    """Neither a result nor a call."""
    assert set() == found(content, arguments=arguments)


def test_only_results_of_known_calls_count() -> None:
    """No error, no unknown tool, no call that is out of sight."""
    body = json.dumps(ONE)
    assert set() == found(ONE, result=ToolResult("c1", "files", body, is_error=True))
    assert set() == found(ONE, result=ToolResult("c1", "unknown", body))
    assert set() == found(ONE, result=ToolResult("c2", "files", body))
    assert {} == calls_in([Entry(1, Message(Speaker.USER, (Text("x"),)))])


def test_fields_are_found_wherever_they_stand() -> None:
    """Down to a depth."""
    deep: object = {"id": 1}
    for _ in range(40):
        deep = [deep]
    names = frozenset(("id",))
    assert [1, 2, 3] == list(
        fields_of({"id": [1, 2], "x": [{"id": 3}, "id"], "y": deep, "z": None}, names)
    )
    said = Said()
    said.add("'me'")
    value = {"x": [{"id": 1, "name": "me"}, {"id": [2], "name": "me"}], "y": deep}
    assert [1] == named_of(value, "id", names, said)


@settings(max_examples=25)
@given(st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=9), st.text())
def test_no_result_is_too_strange(value: object, said: str) -> None:
    """Nothing is raised, and what has no such field issues nothing."""
    assert set() == found(value, said=said)
    assert set() == found(said, said=said) or '"id_"' in said


@pytest.mark.parametrize("text", ["7", "id_: 7", '{"id_": "7"', '"{\\"id_\\": 7}"', "[" * 100_000])
def test_only_a_field_of_json_holds_what_was_issued(text: str) -> None:
    """Whatever else stands in a text was written by somebody."""
    assert [] == issued_in(text, "id_")
    assert [7, "8"] == issued_in('[{"id_": 7, "a": {"id_": "8", "b": "{\\"id_\\": 9}"}}]', "id_")
