"""Decoding: what could be hidden in a level, as the next level, with the way back.

- Runs of base64, base32 and hex are found by deleting every other character, and
  decoded at every alignment: what stands before a value never hides it.
- Percent-encoding, HTML entities and backslash escapes are resolved in place.
- gzip and zlib streams in what was decoded are unpacked, up to a limit.

All that one level yields is one string of bytes, so that the automata run once per
level. Each segment of it knows which part of the level above it was made of; that
is worked out only when something is found.
"""

from __future__ import annotations

import binascii
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from html.entities import html5
from itertools import accumulate
from typing import Literal

import re2  # type: ignore[import-untyped]  # it has no type hints

Place = tuple[int, int]
Locate = Callable[[int, int], Place]

GAP = b"\0"
UNPACKED_BYTES_MAX = 256 * 1024
STREAMS_MAX = 64
_FEED_BYTES = 512


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a level.

    Args:
        name: of the encoding it was read through.
        data: the decoded bytes.
        locate: from a place in `data` to the place in the level above.
        exact: nothing in it is the rubbish of a wrong alignment.
    """

    name: str
    data: bytes
    locate: Locate
    exact: bool = False


# What a decoder that is out of step makes is rubbish, and nearly all of it is dropped
# at once: a value stands in a stretch of characters, each perhaps with a zero after it
# (UTF-16).
_LATIN1 = re2.Options()
_LATIN1.encoding = re2.Options.Encoding.LATIN1
_CHARS: tuple[Literal[6, 8], ...] = (6, 8)
_STRETCH = {
    chars: re2.compile(
        rb"(?:(?:[\t\n\r\x20-\x7e]|[\xc2-\xdf][\x80-\xbf]"
        rb"|[\xe0-\xef][\x80-\xbf][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf][\x80-\xbf][\x80-\xbf])\x00?){%d,}"
        % chars,
        _LATIN1,
    )
    for chars in _CHARS
}


@dataclass(frozen=True, slots=True)
class Least:
    """The fewest characters a value has, and so the shortest run of each encoding."""

    chars: Literal[6, 8] = 8

    @property
    def base64(self) -> int:
        """Characters of base64."""
        return -(-self.chars * 8 // 6)

    @property
    def base32(self) -> int:
        """Characters of base32."""
        return -(-self.chars * 8 // 5)

    @property
    def hex(self) -> int:
        """Digits of hex."""
        return self.chars * 2

    def stretches(self, data: bytes) -> list[Place]:
        """Where in decoded bytes a value could stand."""
        return [found.span() for found in _STRETCH[self.chars].finditer(data)]


def _decoded(
    name: str, alignments: dict[int, bytes], by_bits: Locate, least: Least
) -> Iterator[Segment]:
    """Yield what of decoded bytes can hold a value, and what is packed in them.

    Args:
        alignments: the bytes, by the bit of the run that they begin with.
        by_bits: from bits of the run to the place in the level.
    """
    starts = list(accumulate((len(data) + 1 for data in alignments.values()), initial=0))
    firsts = list(alignments)
    whole = b"\xff".join(alignments.values())  # no character has it, so none is across
    for first, last in least.stretches(whole):
        index = bisect_right(starts, first) - 1
        lead = firsts[index] + 8 * (first - starts[index])
        yield Segment(name, whole[first:last], partial(_by_bytes, by_bits, lead))
    if _packs(whole):
        for lead, data in alignments.items():
            yield from _unpacked(name, data, partial(_by_bytes, by_bits, lead))


def _by_bytes(by_bits: Locate, lead: int, start: int, end: int) -> Place:
    return by_bits(lead + 8 * start, lead + 8 * end)


# --- runs -------------------------------------------------------------------------


def _only(kept: bytes, made: bytes = b"") -> bytes:
    """Make a table that turns all but some characters into spaces."""
    table = bytearray(b" " * 256)
    for old, new in zip(kept, made or kept, strict=True):
        table[old] = new
    return bytes(table)


_UPPER = bytes(range(ord("A"), ord("Z") + 1))
_DIGITS = b"0123456789"
_BASE64 = _UPPER + _UPPER.lower() + _DIGITS + b"+/"
_BASE64_RUNS = _only(_BASE64 + b"-_", _BASE64 + b"+/")
_BASE32 = _UPPER + b"234567"
_BASE32_RUNS = (_only(_BASE32), _only(_BASE32.lower(), _BASE32))
_BASE32_DIGITS = bytes.maketrans(_BASE32, b"0123456789abcdefghijklmnopqrstuv")
# Rare in prose and quickly ruled out; base64 runs are not, any long word is one.
_HEX_SEEN = {chars: re2.compile(rb"[0-9a-f]{%d,}" % Least(chars).hex, _LATIN1) for chars in _CHARS}
_BASE32_SEEN = {
    chars: tuple(
        re2.compile(rb"[%b2-7]{%d,}" % (letters, Least(chars).base32), _LATIN1)
        for letters in (b"A-Z", b"a-z")
    )
    for chars in _CHARS
}
WRAPPED_RUN_MIN = 32  # a shorter line is not taken for a part of wrapped base64


_GROUP_BITS = {4: 6, 8: 5, 2: 4}  # how many bits a character has, by the size of a group


class _Runs:
    """Runs of one alphabet, each filled up to a whole number of groups.

    Args:
        level: where they were found.
        translated: the same with characters made those of the alphabet.
        tokens: the runs in `translated`, in order.
        group: characters in a whole number of bytes.
        fill: a character whose bits are zero.
    """

    __slots__ = ("_bits", "_fill", "_group", "_level", "_table", "_translated", "tokens")

    def __init__(
        self, level: bytes, translated: bytes, tokens: list[bytes], *, group: int, fill: bytes
    ) -> None:
        self.tokens = tokens
        self._level = level
        self._translated = translated
        self._group = group
        self._bits = _GROUP_BITS[group]
        self._fill = fill
        self._table: tuple[list[int], list[int]] | None = None

    def joined(self) -> bytes:
        """All runs, with a group of zeros after each."""
        group, fill = self._group, self._fill
        return b"".join([token + fill * (group + -len(token) % group) for token in self.tokens])

    def locate(self, start: int, end: int) -> Place:
        """From bits of `joined` to characters of the level."""
        if self._table is None:
            self._table = self._measured()
        first, _ = self._place(start // self._bits)
        last, ended = self._place((end - 1) // self._bits)
        last += 1
        while ended and self._level[last : last + 1] == b"=":  # padding is a part of it
            last += 1
        return first, max(first, last)

    def _place(self, at: int) -> tuple[int, bool]:
        """Where a character of `joined` stands, and whether it is the last of its run."""
        offsets, places = self._table or ([0], [0])
        index = max(bisect_right(offsets, at) - 1, 0)
        # What lies in the zeros after a run belongs to the run's last character.
        last = len(self.tokens[index]) - 1
        within = min(max(at - offsets[index], 0), last)
        return places[index] + within, within == last

    def _measured(self) -> tuple[list[int], list[int]]:
        """Where each run begins, in `joined` and in the level."""
        offsets, places = [], []
        offset = after = 0
        for token in self.tokens:
            at = self._translated.index(token, after)
            offsets.append(offset)
            places.append(at)
            after = at + len(token)
            offset += len(token) + self._group + -len(token) % self._group
        return offsets, places


def base64_segments(data: bytes, least: Least) -> Iterator[Segment]:
    """Decode runs of base64, standard or url-safe, at all four alignments."""
    yield from _base64(_base64_runs(data, least), least)
    if b"\n" in data and _LONG_RUN.search(data) is not None:
        yield from _unwrapped(data, least)


def _base64_runs(data: bytes, least: Least) -> _Runs:
    translated = data.translate(_BASE64_RUNS)
    # Any long word is such a run: splitting is quicker than looking for each.
    size = least.base64
    tokens = [token for token in translated.split() if len(token) >= size]
    return _Runs(data, translated, tokens, group=4, fill=b"A")


def _base64(runs: _Runs, least: Least) -> Iterator[Segment]:
    if not runs.tokens:
        return
    joined = runs.joined()
    last = len(joined) - 4  # the last group is zeros
    alignments = {
        6 * skipped: binascii.a2b_base64(joined[skipped : last + skipped]) for skipped in range(4)
    }
    yield from _decoded("base64", alignments, runs.locate, least)


# By RE2, because it looks at a long line once, not once from every character on.
_WRAPPED = re2.compile(
    rb"[A-Za-z0-9+/_-]{%d,}(?:\r?\n[ \t]*[A-Za-z0-9+/_-]+)+=*" % WRAPPED_RUN_MIN, _LATIN1
)
_LONG_RUN = re2.compile(rb"[A-Za-z0-9+/_-]{%d}\r?\n" % WRAPPED_RUN_MIN, _LATIN1)
_BREAKS = b"\r\n\t "


def _unbroken(block: bytes) -> list[int]:
    return [at for at, code in enumerate(block) if code not in _BREAKS]


def _unwrapped(data: bytes, least: Least) -> Iterator[Segment]:
    """Decode base64 that was broken into lines, as if it were not."""
    for found in _WRAPPED.finditer(data):
        block, start = found[0].translate(None, _BREAKS), found.start()
        runs = _base64_runs(block, least)
        kept = cache(partial(_unbroken, found[0]))
        for segment in _base64(runs, least):

            def locate(
                first: int, last: int, inner: Locate = segment.locate,
                kept: Callable[[], list[int]] = kept, start: int = start,
            ) -> Place:  # fmt: skip
                begin, end = inner(first, last)
                return start + kept()[begin], start + kept()[max(begin, end - 1)] + 1

            yield Segment(segment.name, segment.data, locate)


def base32_segments(data: bytes, least: Least) -> Iterator[Segment]:
    """Decode runs of base32 in one case at all eight alignments."""
    for table, seen in zip(_BASE32_RUNS, _BASE32_SEEN[least.chars], strict=True):
        if not (tokens := [token.translate(table) for token in seen.findall(data)]):
            continue
        runs = _Runs(data, data.translate(table), tokens, group=8, fill=b"A")
        joined = runs.joined()
        number = int(joined.translate(_BASE32_DIGITS), 32)
        size = len(joined) * 5 // 8 + 1
        alignments = {shift - 8: (number << shift).to_bytes(size, "big") for shift in range(8)}
        yield from _decoded("base32", alignments, runs.locate, least)


def has_hex(folded: bytes, least: Least) -> bool:
    """Whether there is a run of hex digits in a fold."""
    return _HEX_SEEN[least.chars].search(folded) is not None


def hex_segments(folded: bytes, unfold: Locate, least: Least) -> Iterator[Segment]:
    """Decode runs of hex digits in a fold, so whatever stands between them, at both alignments.

    Args:
        unfold: from a place in the fold to the place in the level.
    """
    if not (tokens := _HEX_SEEN[least.chars].findall(folded)):
        return
    runs = _Runs(folded, folded, tokens, group=2, fill=b"0")
    joined = runs.joined()
    alignments = {
        4 * skipped: binascii.unhexlify(joined[skipped : len(joined) - skipped])
        for skipped in range(2)
    }
    yield from _decoded(
        "hex", alignments, lambda start, end: unfold(*runs.locate(start, end)), least
    )


# --- escapes ----------------------------------------------------------------------

_NAMED = {name.encode(): text.encode() for name, text in html5.items() if name.endswith(";")}
# Each begins with one certain character, so that all others are stepped over quickly.
_ESCAPE = re.compile(
    rb"%(?:(?P<percent>[0-9A-Fa-f]{2})|u(?P<wide>[0-9A-Fa-f]{4}))"
    rb"|&(?:\#(?P<decimal>[0-9]{1,8});?|\#[xX](?P<hexadecimal>[0-9A-Fa-f]{1,8});?"
    rb"|(?P<named>[A-Za-z][A-Za-z0-9]{1,30};))"
    rb"|\\(?:u(?P<high>[dD][89abAB][0-9A-Fa-f]{2})\\u(?P<low>[dD][c-fC-F][0-9A-Fa-f]{2})"
    rb"|u(?P<four>[0-9A-Fa-f]{4})|[uU]\{(?P<braced>[0-9A-Fa-f]{1,8})\}"
    rb"|U(?P<eight>[0-9A-Fa-f]{8})|x(?P<byte>[0-9A-Fa-f]{2})"
    rb"|(?P<octal>[0-3][0-7]{2})|(?P<plain>[nrtbf\"'/\\]))"
    rb"|0x(?<![0-9A-Za-z]0x)(?P<listed>[0-9A-Fa-f]{2})(?![0-9A-Fa-f])(?:[, ]+(?=0x))?"
)
_RESOLVED_MAX = 4_096
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def _character(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else b""


_known: dict[bytes, bytes] = {}  # what single escapes stand for: no text is in it


def _resolved(found: re.Match[bytes]) -> bytes:
    made = _known.get(found[0])
    if made is None:
        made = _resolve(found)
        if len(_known) < _RESOLVED_MAX:
            _known[found[0]] = made
    return made


def _resolve(found: re.Match[bytes]) -> bytes:
    kind = found.lastgroup or ""
    given: bytes = found[kind]
    match kind:
        case "percent" | "byte" | "listed":
            return bytes((int(given, 16),))
        case "decimal":
            return _character(int(given))
        case "low":
            high = int(found["high"], 16)
            return _character(0x10000 + ((high - 0xD800) << 10) + int(given, 16) - 0xDC00)
        case "named":
            return _NAMED.get(given, found[0])
        case "octal":
            return bytes((int(given, 8),))
        case "plain":
            return _PLAIN.get(given, given)
        case _:
            return _character(int(given, 16))


def has_escapes(data: bytes) -> bool:
    """Whether there could be an escape."""
    return b"\\" in data or b"%" in data or b"&" in data or b"0x" in data


def escape_segments(data: bytes) -> Iterator[Segment]:
    """Resolve percent-encoding, HTML entities and backslash escapes, once."""
    if not has_escapes(data):
        return
    made = _ESCAPE.sub(_resolved, data)
    if made == data:
        return

    escapes = cache(lambda: _escape_map(data))

    def locate(start: int, end: int) -> Place:
        return _from(escapes(), start), _from(escapes(), end - 1, last=1)

    yield Segment("escaped", made, locate, exact=True)
    if _packs(made):
        yield from _unpacked("escaped", made, locate)


def _escape_map(data: bytes) -> tuple[list[int], list[int], list[int]]:
    """Of each escape: where what it makes begins, where it begins, how long both are."""
    made_at, found_at, sizes = [0], [0], [0]
    moved = 0
    for found in _ESCAPE.finditer(data):
        size = len(_resolved(found))
        made_at.append(found.start() - moved)
        found_at.append(found.start())
        sizes.append(len(found[0]))
        moved += len(found[0]) - size
        made_at.append(found.end() - moved)
        found_at.append(found.end())
        sizes.append(0)
    return made_at, found_at, sizes


def _from(escapes: tuple[list[int], list[int], list[int]], at: int, last: int = 0) -> int:
    made_at, found_at, sizes = escapes
    index = bisect_right(made_at, at) - 1
    if sizes[index]:
        return found_at[index] + (sizes[index] if last else 0)
    return found_at[index] + at - made_at[index] + last


# --- packed streams ---------------------------------------------------------------

_STREAM_HEADS = (b"\x1f\x8b\x08", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_STREAM = re.compile(b"|".join(map(re.escape, _STREAM_HEADS)))


def _packs(data: bytes) -> bool:
    """Whether there could be a packed stream."""
    return (b"\x78" in data or b"\x1f" in data) and _STREAM.search(data) is not None


def _unpacked(name: str, data: bytes, outer: Locate) -> Iterator[Segment]:
    """Unpack gzip and zlib streams that begin anywhere in decoded bytes."""
    at = tried = 0
    left = UNPACKED_BYTES_MAX
    while tried < STREAMS_MAX and left > 0 and (found := _STREAM.search(data, at)):
        tried += 1
        start = found.start()
        made, used = _unpack(data, start, left)
        at = start + max(used, 1) if made else start + 1
        left -= len(made)
        if made:

            def locate(_start: int, _end: int, place: Place = (start, start + used)) -> Place:
                return outer(*place)

            yield Segment(f"{name}>gzip", made, locate)


def _unpack(data: bytes, start: int, left: int) -> tuple[bytes, int]:
    """Unpack what begins there; what came before damage counts. Also how much it took."""
    packed = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    pieces: list[bytes] = []
    at = start
    try:
        while at < len(data) and left > 0 and not packed.eof:
            piece = packed.decompress(data[at : at + _FEED_BYTES], left)
            at += _FEED_BYTES
            left -= len(piece)
            pieces.append(piece)
    except zlib.error:
        pass  # a header by chance, or cut off: what was read so far counts
    used = min(at, len(data)) - len(packed.unused_data) - start
    return b"".join(pieces), used
