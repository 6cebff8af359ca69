"""Packing of payloads before they are sealed."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import Unreadable
from holdfast.core.events import EffectEnded, Outcome
from holdfast.core.messages import assistant
from holdfast.core.quantities import Usage
from holdfast.runtime.codec import encode_event
from holdfast.runtime.packing import pack, unpack

STORED = "018385968212308c154acaf315805a5353154679b09050aa0500"


@given(st.binary(max_size=2000) | st.text(max_size=1000).map(str.encode))
def test_a_payload_comes_back_as_it_was(payload: bytes) -> None:
    """Whatever is packed comes out again, also what looks packed already."""
    assert payload == unpack(pack(payload))
    assert pack(payload) == unpack(pack(pack(payload)))


def test_the_outcome_of_a_model_call_gets_much_smaller() -> None:
    """Field names take little room: half of a typical short outcome goes."""
    event = EffectEnded(
        cause=17,
        ordinal=0,
        effect="model",
        outcome=Outcome.DONE,
        message=assistant("It says hello, and nothing else of note stands in that file."),
        tokens=19,
        usage=Usage(input_tokens=12_345, output_tokens=234),
        model="some-model",
        provider="anthropic",
        stop="stop",
        duration_ms=2345,
    )
    payload = encode_event(event)[1]
    assert len(payload) // 2 > len(pack(payload))


def test_the_dictionary_is_part_of_the_stored_form() -> None:
    """A payload packed by the first release is read by this one."""
    payload = json.dumps({"text": "one two three " * 20}).encode()
    stored = bytes.fromhex(STORED)
    assert payload == unpack(stored)


def test_small_and_random_payloads_stay_as_they_are() -> None:
    """What would not get smaller is not packed."""
    small = b'{"a":1}'
    assert small == pack(small)
    noise = b"{" + bytes(range(256))
    assert noise == pack(noise)


@pytest.mark.parametrize(
    "broken",
    [
        b"\x01",
        b"\x01nonsense",
        pack(b'{"text":"' + b"abc" * 100 + b'"}')[:-3],
        pack(b'{"text":"' + b"abc" * 100 + b'"}') + b"x",
        b"\x01" + zlib.compress(b"x" * 500),
    ],
)
def test_what_was_not_packed_so_is_refused(broken: bytes) -> None:
    """Cut off, lengthened or foreign: it is unreadable, never something else."""
    with pytest.raises(Unreadable):
        unpack(broken)
