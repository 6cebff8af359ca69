"""How events are written: ids, one line of JSON, and ids that come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from holdfast.core.errors import HoldfastError, InvalidInput, KeyDestroyed
from holdfast.runtime.stream import StreamEvent
from holdfast.server.sse import ALL, START, ending, frame_of, id_of, opening, place_of_id


def event(type: str = "message_added", live: bool = False, **data: object) -> StreamEvent:
    """An event of a session."""
    return StreamEvent(type=type, session="one", version=7, time_ms=1, data=data, live=live)


def test_a_durable_event_has_its_version_as_its_id() -> None:
    """Of several events of one version the second has its number behind a dot."""
    first = frame_of(event(text="a\nb\r\u2028"), (7, 1)).text
    head, data = first.decode().rsplit("data: ", 1)
    assert "id: 7\nevent: message_added\n" == head
    assert "\n\n" == data[-2:]
    assert 1 == len(data[:-2].splitlines()) or "\u2028" in data
    assert "a\nb\r\u2028" == from_json(data)["text"]
    assert b"id: 7.2\n" in frame_of(event(), (7, 2)).text


def test_a_live_event_has_no_id() -> None:
    """What is not in the log moves nobody's place."""
    assert frame_of(event("text_delta", live=True, text="x"), (7, 1)).text.startswith(b"event: ")


@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_whatever_is_said_is_one_event(text: str) -> None:
    """No text ends its line, begins an event of its own or breaks the JSON."""
    written = frame_of(event(f"host.{text}", text=text, inner={"k": [text]}), (7, 1)).text
    assert written.endswith(b"\n\n")
    assert b"\n\n" not in written[:-2]
    assert b"\r" not in written
    lines = written[:-2].split(b"\n")
    names = [line.partition(b": ")[0] for line in lines]
    assert names in ([b"id", b"event", b"data"], [b"id", b"data"])
    said = from_json(lines[-1].partition(b": ")[2])["text"]
    assert text.encode("utf-8", "replace").decode() == said


def test_what_a_program_emits_may_be_anything() -> None:
    """What has no JSON is named by its type, and no number is infinite."""
    found = from_json(
        frame_of(event("host.x", live=True, a=object(), b=float("inf")), START).text[20:]
    )
    assert ("object", None) == (found["a"], found["b"])


@given(st.integers(1, 10**17), st.one_of(st.integers(1, 10**8), st.just(ALL)))
def test_an_id_leads_back_to_its_place(version: int, seen: float) -> None:
    """What a reader shows is where it stood."""
    assert (version, seen) == place_of_id(id_of((version, seen)))
    assert f"id: {id_of((version, seen))}\n".encode() in opening((version, seen))


def test_ids_that_no_stream_gave_are_refused() -> None:
    """They are never taken for the beginning, nor for the end."""
    assert START == place_of_id("0")
    for text in (
        "",
        "-1",
        "01",
        "1.",
        "1.0",
        "1.x",
        "1.all.all",
        "latest",
        "9" * 19,
        "1\n",
        "１",
        "+1",
        " 1",
    ):
        with pytest.raises(InvalidInput):
            place_of_id(text)


def test_a_problem_ends_a_stream() -> None:
    """It is the problem that a response would have been; of a bug no word is told."""
    gone = ending(KeyDestroyed("the session was wiped"))
    assert gone.startswith(b"event: problem\ndata: ")
    assert (410, "key_destroyed") == tuple(map(from_json(gone[21:]).get, ("status", "reason")))
    for error in (ValueError("secret"), HoldfastError("secret")):
        assert b"secret" not in ending(error)
        assert 500 == from_json(ending(error)[21:])["status"]
