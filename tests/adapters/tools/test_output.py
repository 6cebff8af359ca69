"""Collecting output."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from holdfast.adapters.tools.output import Pump, Spool


def test_a_spool_keeps_small_output_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is opened below the limit."""
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    spool = Spool(memory_max=10)
    spool.write(b"12345")
    spool.write(b"67890")
    assert (10, b"1234567890") == (spool.size, spool.read())


def test_a_spool_never_writes_clear_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to the disk is encrypted, and comes back whole."""
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: (tmp_path / "spool").open("w+b"))
    spool = Spool(memory_max=100)
    for number in range(100):
        spool.write(b"secret %03d " % number)
    expected = b"".join(b"secret %03d " % number for number in range(100))
    assert expected == spool.read()
    stored = (tmp_path / "spool").read_bytes()
    assert len(stored) > 1_000
    assert b"secret" not in stored
    spool.close()
    spool.close()


async def _pumped(pieces: list[bytes], **more: int) -> tuple[list[str], bytes, bool]:
    reading, writing = os.pipe()
    emitted: list[str] = []
    pump = Pump(reading, emitted.append, **more)
    for piece in pieces:
        size = pump.spool.size
        os.write(writing, piece)
        # One turn of the loop or two read the pipe.
        while pump.spool.size == size and not pump.overflowed.is_set():
            await asyncio.sleep(0)
    os.close(writing)
    await pump.drained(1.0)
    return emitted, pump.spool.read(), pump.overflowed.is_set()


def test_characters_split_over_reads_are_emitted_whole() -> None:
    """A character that arrives in two reads is one piece of text; a broken end is replaced."""
    text = "aé€𝄞".encode()
    emitted, data, _ = asyncio.run(_pumped([bytes([byte]) for byte in text] + [b"\xe2\x82"]))
    assert ["a", "é", "€", "𝄞", "\ufffd"] == emitted
    assert text + b"\xe2\x82" == data


def test_output_over_the_limit_is_not_kept() -> None:
    """Exactly the limit is kept, and the event is set."""
    emitted, data, overflowed = asyncio.run(_pumped([b"123", b"456"], total_max=5))
    assert ("12345", b"12345", True) == ("".join(emitted), data, overflowed)


def test_what_emit_raises_reaches_whoever_waits() -> None:
    """A broken listener is not lost in the event loop."""

    async def run() -> None:
        reading, writing = os.pipe()

        def broken(_: str) -> None:
            raise LookupError("listener")

        pump = Pump(reading, broken)
        os.write(writing, b"x")
        with pytest.raises(LookupError):
            await pump.drained(1.0)
        os.close(writing)

    asyncio.run(run())


def test_a_pipe_that_never_ends_is_given_up() -> None:
    """Draining stops after its time and closes the pipe."""

    async def run() -> bytes:
        reading, writing = os.pipe()
        pump = Pump(reading, lambda _: None)
        os.write(writing, b"x")
        await pump.drained(0.05)
        with pytest.raises(OSError):
            os.fstat(reading)
        os.close(writing)
        return pump.spool.read()

    assert b"x" == asyncio.run(run())
