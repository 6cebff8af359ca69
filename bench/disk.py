"""Bytes on disk: per byte of text on the coding mix, per event on the chat mix.

Counted after a checkpoint: the file, its log, the keys beside it; not the ballast,
which is a fixed reserve and not grown by content.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from common import pick, report, scratch
from mix import Mix
from sessions import Writer, backend


async def write(directory: Path, *, coding: bool, sessions: int, events: int) -> tuple[int, int]:
    """Write sessions of a mix, one append a round; bytes of text and number of events."""
    text = count = 0
    async with backend(directory) as found:
        for number in range(sessions):
            writer = await Writer.create(found, f"s{number}")
            mix = Mix(coding=coding, seed=number)
            for turn in mix.turns(writer.version + 1, events):
                for start in range(0, len(turn), 2):
                    await writer.append(turn[start : start + 2])
                await writer.clear_if_large()
            await writer.snapshot()
            text += mix.text_bytes
            count += writer.version
    return text, count


def size(directory: Path) -> int:
    """Bytes of the store's files."""
    names = ("s.db", "s.db-wal", "s.db.keys")
    return sum((directory / name).stat().st_size for name in names if (directory / name).exists())


def main() -> None:
    """Take the figures of both mixes."""
    with scratch() as directory:
        empty = asyncio.run(write(directory, coding=True, sessions=1, events=1))
        base = size(directory) - empty[0]
    with scratch() as directory:
        text, count = asyncio.run(
            write(directory, coding=True, sessions=pick(20, 5), events=pick(2_000, 1_000))
        )
        held = size(directory)
    report(
        "disk on the coding mix",
        held / text,
        "bytes/byte of text",
        at_most=3,
        against=f"{text / count:.0f} bytes of text an event, {count} events",
    )
    report("disk beside content, coding mix", (held - text) / count, "bytes/event", at_most=250)
    with scratch() as directory:
        text, count = asyncio.run(
            write(directory, coding=False, sessions=pick(20, 5), events=pick(2_000, 1_000))
        )
        held = size(directory)
    report(
        "disk beside content, chat mix",
        (held - text) / count,
        "bytes/event",
        at_most=250,
        against=f"{text / count:.0f} bytes of text an event, {count} events",
    )
    report("disk on the chat mix", held / text, "bytes/byte of text")
    report("an almost empty store", base / 1000, "kB")


if __name__ == "__main__":
    main()
