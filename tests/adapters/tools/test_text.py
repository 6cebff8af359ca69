"""Cutting text for the model."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from adapters.tools.toolhelp import Bench
from holdfast.adapters.tools.text import OUTPUT_BYTES_MAX, clip, cut, head_of, tail_of


@given(st.text(max_size=60), st.integers(0, 60))
def test_no_character_is_broken(text: str, limit: int) -> None:
    """Head and tail are a prefix and a suffix of the text within the limit."""
    data = text.encode()
    assert text.startswith(head_of(data, limit))
    assert text.endswith(tail_of(data, limit))
    assert limit >= len(head_of(data, limit).encode())
    assert limit >= len(tail_of(data, limit).encode())
    assert len(data) - limit < 4 or len(head_of(data, limit).encode()) > limit - 4


def test_short_text_is_left_alone(bench: Bench) -> None:
    """Up to the limit nothing is cut or kept."""
    text = "é" * (OUTPUT_BYTES_MAX // 2)
    assert text == asyncio.run(clip(text, bench.context()))
    assert {} == bench.spilled


def test_long_text_keeps_head_tail_and_a_handle(bench: Bench) -> None:
    """The marker's count is exact and the whole is behind the handle."""
    text = "start" + "é" * OUTPUT_BYTES_MAX + "end"
    shown = asyncio.run(clip(text, bench.context()))
    head, rest = shown.split("\n[", 1)
    marker, tail = rest.split("]\n", 1)
    assert shown.startswith("start")
    assert shown.endswith("end")
    assert '"spill:1"' in marker
    omitted = int(marker.split()[0])
    assert len(text.encode()) == omitted + len(head.encode()) + len(tail.encode())
    assert text.encode() == bench.spilled["spill:1"]
    assert OUTPUT_BYTES_MAX >= len(shown.encode())


def test_bytes_that_are_no_text_are_cut_too() -> None:
    """Output that is not UTF-8 is shown with replacement characters."""
    assert "\ufffd" in cut(b"\xff\x80" * 100_000, "spill:9")
