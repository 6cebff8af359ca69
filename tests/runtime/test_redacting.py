"""What leaves is redacted, whatever pieces it comes in."""

from __future__ import annotations

import asyncio
import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.taints.local import LocalTaintMatcher
from holdfast.core.errors import Unavailable
from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import RedactionStrategy, redact
from holdfast.runtime.redacting import DESTINATIONS_MAX, RING_CHARS, OutputGuard, StreamRedactor
from holdfast.testing.taints_kit import ENCODINGS, hide, pieces_left, taint

MARK = "[REDACTED:SECRET]"
VALUES = (
    "kD8-wq2.Lm4_zT9x",
    "4111-1111-1111-1111",
    "secret123",
    "correct horse battery",
    "hunter2",
)
PROSE = "It was agreed, after a long talk, that nobody is to blame for what happened then. "


def matcher_with(*values: str, level: Sensitivity = Sensitivity.CRITICAL) -> LocalTaintMatcher:
    """A matcher with values in session "s"."""
    matcher = LocalTaintMatcher()
    asyncio.run(matcher.load("s", [taint(value, level=level) for value in values]))
    return matcher


KNOWING = matcher_with(*VALUES)


async def streamed(stream: StreamRedactor, pieces: list[str]) -> list[str]:
    """What leaves at each piece, and at the end."""
    return [*[await stream.push(piece) for piece in pieces], await stream.finish()]


def run(pieces: list[str], matcher: LocalTaintMatcher = KNOWING) -> list[str]:
    """Send pieces through a redactor of session "s"."""
    return asyncio.run(streamed(StreamRedactor(matcher, "s"), pieces))


def cut(text: str, sizes: list[int]) -> list[str]:
    """Cut a text into pieces of these sizes, again and again."""
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces


def test_a_value_in_two_deltas_does_not_leak() -> None:
    """Upstream published "hunt" before it saw "er2"."""
    assert f"pw {MARK} end" == "".join(run(["pw hunt", "er2 end"]))


def test_without_values_there_is_no_delay() -> None:
    """Each piece leaves at once, as the very same string."""
    pieces = ["a" * 100, "secret123", ""]
    left = run(pieces, LocalTaintMatcher())
    assert [*pieces, ""] == left
    assert left[0] is pieces[0]


def test_with_values_the_text_still_flows() -> None:
    """What is far enough behind has left before the end."""
    reach = asyncio.run(KNOWING.reach("s"))
    left = run(cut(PROSE * 40, [5]))
    assert PROSE * 40 == "".join(left)
    assert len("".join(left[:-1])) > len(PROSE) * 40 - reach - 500


def test_only_what_is_above_the_clearance_goes() -> None:
    """A receiver may see what it is cleared for."""
    matcher = matcher_with("secret123", level=Sensitivity.SENSITIVE)

    def seen(clearance: Sensitivity) -> str:
        stream = StreamRedactor(matcher, "s", clearance=clearance)
        return "".join(asyncio.run(streamed(stream, ["secret123"])))

    assert MARK == seen(Sensitivity.NORMAL)
    assert "secret123" == seen(Sensitivity.SENSITIVE)


def test_the_strategy_and_its_key_are_used() -> None:
    """A hash can be asked for."""
    stream = StreamRedactor(KNOWING, "s", strategy=RedactionStrategy.HASH, key=b"k")
    (left,) = filter(None, asyncio.run(streamed(stream, ["secret123"])))
    assert re.fullmatch(r"\[HASH:[0-9a-f]{12}\]", left)


class Failing(LocalTaintMatcher):
    """Knows of values and never answers."""

    failing = True

    async def reach(self, session: str) -> int:
        """Say that there are values."""
        return 100

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Fail."""
        if self.failing:
            raise Unavailable("it is down")
        return ()


def test_nothing_leaves_while_the_matcher_is_down() -> None:
    """It leaves when the matcher is there again, none of it lost."""

    async def use() -> None:
        matcher = Failing()
        stream = StreamRedactor(matcher, "s")
        for _ in range(2):
            with pytest.raises(Unavailable):
                await stream.push(PROSE * 2)
        with pytest.raises(Unavailable):
            await stream.finish()
        matcher.failing = False
        assert PROSE * 4 == await stream.finish()

    asyncio.run(use())


def test_an_endless_match_does_not_fill_the_memory() -> None:
    """A value said over and over leaves as markers before the end."""
    left = run(cut("abc" * 7_500, [1_000]), matcher_with("abcabcabc"))
    assert "" == "".join(left).replace(MARK, "")
    assert any(left[:-1])


def test_a_packed_stream_is_held_until_it_ends() -> None:
    """A long run without a gap does not leave in part."""
    much = "".join(hashlib.sha256(bytes((number,))).hexdigest() for number in range(30))
    packed = hide("secret123 " + much, "gzip+base64").occurrence
    assert len(packed) > 4 * asyncio.run(KNOWING.reach("s"))
    text = PROSE + packed + " " + PROSE * 9
    left = "".join(run(cut(text, [7])))
    assert PROSE + MARK + " " + PROSE * 9 == left


@pytest.mark.parametrize("inner", ["percent", "hex", "base64"])
@pytest.mark.parametrize("outer", ["percent", "HTML decimal", "\\u"])
def test_escapes_of_escapes_are_held_until_they_end(inner: str, outer: str) -> None:
    """They take more than a value's reach; no beginning of them leaves before the rest."""
    value = "k" + VALUES[0] * 3
    packed = str(hide(str(hide(value, inner)), outer))
    text = f"Look: {packed} is it."
    left = "".join(run(cut(text, [7]), matcher_with(value)))
    assert [] == pieces_left(packed, left, f"Look:  is it.{MARK}")


@settings(max_examples=60, deadline=None)
@given(
    value=st.sampled_from(VALUES[:-1]),
    encoding=st.sampled_from(ENCODINGS),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    before=st.integers(0, 300),
    after=st.integers(0, 900),
)
def test_pieces_are_redacted_as_the_whole(
    value: str, encoding: str, sizes: list[int], before: int, after: int
) -> None:
    """Any value, any encoding, any chunking: no piece of it leaves, all else does."""
    hidden = hide(value, encoding)
    start = (PROSE * 4)[:before] + " " + hidden.before
    rest = hidden.after + " " + (PROSE * 12)[:after]
    text = start + hidden.occurrence + rest
    whole = redact(text, asyncio.run(KNOWING.scan("s", text)))
    left = "".join(run(cut(text, sizes)))
    assert MARK in whole
    assert whole == left
    assert [] == pieces_left(hidden.occurrence, left, start + rest + MARK)


# --- outputs that follow one another -------------------------------------------------


def outputs(*texts: str, to: tuple[str, ...] = ("d",)) -> list[str]:
    """What of these texts is sent, one after the other."""

    async def use() -> list[str]:
        guard = OutputGuard(KNOWING, "s")
        return [await guard.redact(to[number % len(to)], text) for number, text in enumerate(texts)]

    return asyncio.run(use())


def test_a_value_in_two_outputs_is_stopped_at_the_second() -> None:
    """The first half alone is nothing; the second never arrives."""
    assert ["the key is secr", f"{MARK} it is"] == outputs("the key is secr", "et123 it is")
    encoded = hide("4111-1111-1111-1111", "base64").occurrence
    assert [encoded[:9], MARK] == outputs(encoded[:9], encoded[9:])


def test_an_output_also_counts_by_itself() -> None:
    """What was sent before does not hide a word by standing in front of it."""
    assert ["abc", f"{MARK} x"] == outputs("abc", "hunter2 x")


def test_only_the_beginning_of_an_output_counts_by_itself() -> None:
    """No word begins in the middle of a longer one, however long the output is."""

    async def use() -> str:
        guard = OutputGuard(KNOWING, "s")
        guard.sent("d", "x" * 300)
        return "".join(await streamed(guard.stream("d"), cut("yhunter2 " * 900, [7])))

    assert "yhunter2 " * 900 == asyncio.run(use())


def test_destinations_are_apart() -> None:
    """Two halves to two receivers are no value to either."""
    assert ["secr", "et123"] == outputs("secr", "et123", to=("a", "b"))


def test_what_was_held_back_is_not_remembered_as_sent() -> None:
    """After a redaction the same value is redacted alike."""
    assert [MARK, MARK, "fine"] == outputs("secret123", "secret123", "fine")


def test_what_is_remembered_is_bounded() -> None:
    """The last few KB of the latest destinations are kept; clearing forgets all."""
    guard = OutputGuard(KNOWING, "s")
    for number in range(DESTINATIONS_MAX + 5):
        guard.sent(f"d{number}", "secr")
    guard.sent("d9", "x" * RING_CHARS * 2)
    guard.sent("d9", "")
    assert (DESTINATIONS_MAX, RING_CHARS) == (len(guard._sent), len(guard._sent["d9"]))
    assert MARK == asyncio.run(guard.redact("d10", "et123"))
    assert "et123" == asyncio.run(guard.redact("d0", "et123"))
    guard.clear()
    assert "et123" == asyncio.run(guard.redact("d11", "et123"))


def test_a_stream_follows_what_was_sent() -> None:
    """Pieces to a destination are looked at together with earlier outputs."""

    async def use() -> str:
        guard = OutputGuard(KNOWING, "s")
        await guard.redact("d", "it is secr")
        return "".join(await streamed(guard.stream("d"), ["et", "123", " ok"]))

    assert f"{MARK} ok" == asyncio.run(use())
