"""What the two processes say to each other arrives as it was said."""

from __future__ import annotations

import pytest

from holdfast.adapters.taints.frames import (
    Ask,
    Reader,
    Told,
    answer,
    from_matches,
    load_request,
    read_answer,
    read_taints,
    request,
    to_matches,
)
from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.testing.taints_kit import taint


def test_texts_arrive() -> None:
    """Any text, lone surrogates and zeros too."""
    frame = request(Ask.SCAN, "session", "a\0\ud800🙂")
    reader = Reader(frame)
    assert (Ask.SCAN, "session", "a\0\ud800🙂") == (frame[0], reader.text(), reader.text())
    assert not reader.more


def test_values_arrive() -> None:
    """With id, kind and level; the frame can be overwritten afterwards."""
    given = [taint("secret123", id="1", level=Sensitivity.SENSITIVE), taint("ä", id="2", kind="k")]
    frame = load_request("s", given)
    reader = Reader(frame)
    assert "s" == reader.text()
    found = read_taints(reader)
    reader.release()
    frame[:] = bytes(len(frame))
    frame.clear()
    assert given == found


def test_answers_arrive() -> None:
    """Matches, numbers and refusals."""
    match = TaintMatch(
        id="1", kind="k", level=Sensitivity.CRITICAL, start=1, end=3, view="base64>gzip"
    )
    told, content = read_answer(answer(Told.DONE, from_matches([match])))
    assert (Told.DONE, (match,)) == (told, to_matches(content))
    assert (Told.TOO_LARGE, "why") == read_answer(answer(Told.TOO_LARGE, "why"))


@pytest.mark.parametrize("frame", [b"", b"\x09null", b"\x01", b"\x01{"])
def test_what_is_no_answer_is_an_error(frame: bytes) -> None:
    """Another program's words are not taken for ours."""
    with pytest.raises(ValueError, match=r"not a valid Told|Expecting"):
        read_answer(frame)


@pytest.mark.parametrize("content", [None, 7, [7], [["1", "k", 99, 0, 1, ""]], [[1, 2]]])
def test_what_is_no_match_is_an_error(content: object) -> None:
    """Neither are other shapes."""
    with pytest.raises((TypeError, ValueError)):
        to_matches(content)
