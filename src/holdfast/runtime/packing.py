"""Packing: sealed payloads are deflated first, against a dictionary of our own.

Most of a short event is field names. A dictionary that holds them takes an
outcome of 400 bytes to 170, and makes long text a third. What is packed is an
event's or a snapshot's payload, before it is encrypted; the JSON that comes out
again is the very bytes that went in, so exports are not touched.

Rules
- The first byte tells: JSON begins with a brace, a packed payload with 1.
- The dictionary is part of the stored form and never changes; a new one gets a
  first byte of its own.
- What does not get smaller stays as it is, unless its first byte is a 1 of its own.
- Sizes of ciphertext tell a little about how repetitive a text is. Each event is
  packed alone, so text of one message never shows in the size of another.
"""

from __future__ import annotations

import zlib

from holdfast.core.errors import Unreadable

_MARK = b"\x01"
_BYTES_MIN = 128
_UNPACKED_BYTES_MAX = 256 * 1024 * 1024
_WINDOW_BITS = -12
_MEMORY = 5

# The longest and likeliest strings stand last: deflate reaches those with the
# shortest distances.
_DICTIONARY = (
    b'{"messages":[],"settings":{"limits":{}},"details":{},"totals":{},"detail":"","reason":"'
    b'"metadata":"{}","exit_code":1,"is_error":true,"outcome":"failed","cancelled",'
    b'{"message":{"role":"user","parts":[{"text":""}]},"tokens":,"turn":false,"command":"'
    b'{"cause":,"ordinal":1,"effect":"tool","outcome":"done","message":{"role":"tool",'
    b'"parts":[{"tool_use_id":"toolu_","name":"bash","content":""}],"label":{"integrity":0,'
    b'"origins":["tool:read"]}},"tokens":,"duration_ms":'
    b'{"cause":,"ordinal":1,"effect":"tool","name":"read","digest":"","engine":"'
    b'{"cause":,"ordinal":0,"effect":"model","name":"","engine":"'
    b'{"cause":,"ordinal":0,"effect":"model","outcome":"done","message":{"role":"assistant",'
    b'"parts":[{"text":""},{"id":"toolu_01","name":"read","arguments":"{\\"file_path\\": \\"'
    b'\\"command\\": \\"\\"pattern\\": \\"}"}]},"tokens":,"parallel":[1],"usage":{'
    b'"input_tokens":,"output_tokens":,"cache_read_tokens":,"cache_write_tokens":,'
    b'"cost_micros":},"model":"","provider":"anthropic","stop":"tool_use","duration_ms":'
)

_PREPARED = zlib.compressobj(1, zlib.DEFLATED, _WINDOW_BITS, _MEMORY, 0, _DICTIONARY)
"""Has read the dictionary and nothing else; each payload gets a copy."""


def pack(payload: bytes) -> bytes:
    """Make a payload small, if that is worth it."""
    marked = payload.startswith(_MARK)
    if len(payload) < _BYTES_MIN and not marked:
        return payload
    deflate = _PREPARED.copy()
    packed = _MARK + deflate.compress(payload) + deflate.flush()
    return packed if marked or len(packed) < len(payload) else payload


def unpack(payload: bytes) -> bytes:
    """Return what `pack` was given.

    Raises:
        Unreadable: it is not what `pack` made.
    """
    if not payload.startswith(_MARK):
        return payload
    inflate = zlib.decompressobj(_WINDOW_BITS, _DICTIONARY)
    try:
        found = inflate.decompress(payload[1:], _UNPACKED_BYTES_MAX)
    except zlib.error as error:
        raise Unreadable("a payload cannot be unpacked") from error
    if not inflate.eof or inflate.unused_data:
        raise Unreadable("a payload is cut off or too long")
    return found
