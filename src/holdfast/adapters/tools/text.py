"""Cutting text for the model without breaking a character or losing the rest."""

from __future__ import annotations

from holdfast.ports.tool import ToolContext

OUTPUT_BYTES_MAX = 100 * 1024
_HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 32 * 1024


def head_of(data: bytes, limit: int) -> str:
    """Return at most `limit` bytes from the start, whole characters only."""
    return data[:limit].decode("utf-8", "ignore" if len(data) > limit else "replace")


def tail_of(data: bytes, limit: int) -> str:
    """Return at most `limit` bytes from the end, whole characters only."""
    piece = data[-limit:] if limit else b""
    # Continuation bytes at the start belong to a character that was cut off.
    start = 0
    while start < min(4, len(piece)) and piece[start] & 0xC0 == 0x80:
        start += 1
    return piece[start:].decode("utf-8", "replace")


async def clip(text: str, context: ToolContext) -> str:
    """Return the text, or its head and tail with the whole kept behind a handle."""
    data = text.encode("utf-8", "replace")
    if len(data) <= OUTPUT_BYTES_MAX:
        return text
    return cut(data, await context.spill(data))


def cut(data: bytes, handle: str) -> str:
    """Return head and tail of a large output that was kept behind `handle`."""
    head, tail = head_of(data, _HEAD_BYTES), tail_of(data, _TAIL_BYTES)
    omitted = len(data) - len(head.encode()) - len(tail.encode())
    return (
        f"{head}\n[{omitted} bytes omitted; the full output of {len(data)} bytes is kept as "
        f'"{handle}": pass that to the read tool as file_path]\n{tail}'
    )
