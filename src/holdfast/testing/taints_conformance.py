"""What every implementation of the taints port must do; run by each one's own test.

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check):
        asyncio.run(check(MyMatcher))

A check is given a function that makes a matcher, and closes what it made. It raises
`AssertionError` where the contract is broken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from holdfast.core.errors import TooLarge, Unavailable
from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import redact
from holdfast.ports.taints import TaintMatcher
from holdfast.testing.taints_kit import ENCODINGS, hide, pieces_left, taint

Make = Callable[[], TaintMatcher]
Check = Callable[[Make], Awaitable[None]]

VALUES = (
    "kD8-wq2.Lm4_zT9x",
    "4111-1111-1111-1111",
    "secret123",
    "correct horse battery",
    "hunter2",
)
PROSE = (
    "The committee met on 2024-05-13 at 12:34 and agreed, after long deliberation, that an "
    "extraordinarily international characterisation of https://example.org/a/b?c=%20d was due."
)
HOSTILE = (
    "\ud800\x00\udfff",
    "%" * 999,
    "\\u12",
    "&#;&#x;",
    "A" * 9_999,
    "\U000e0041" * 99,
    "=" * 99,
)


@asynccontextmanager
async def _made(make: Make, *values: str) -> AsyncIterator[TaintMatcher]:
    """A matcher with values in session "s"."""
    matcher = make()
    try:
        if values:
            await matcher.load("s", [taint(value, id=value) for value in values])
        yield matcher
    finally:
        await matcher.aclose()


async def _ids(matcher: TaintMatcher, text: str, session: str = "s") -> set[str]:
    return {match.id for match in await matcher.scan(session, text)}


async def check_finds_every_encoding(make: Make) -> None:
    """Every value of eight letters is found in every listed encoding, and all of it."""
    around = ("Please look: ", " is it.")
    async with _made(make, *VALUES) as matcher:
        for value in VALUES[:-1]:
            for encoding in ENCODINGS:
                hidden = hide(value, encoding)
                before, after = around[0] + hidden.before, hidden.after + around[1]
                matches = await matcher.scan("s", before + hidden.occurrence + after)
                assert value in {match.id for match in matches}, (value, encoding)
                shown = redact(before + hidden.occurrence + after, matches)
                left = pieces_left(hidden.occurrence, shown, before + after + "[REDACTED:SECRET]")
                assert not left, (value, encoding, shown)


async def check_tells_places_and_labels(make: Make) -> None:
    """A match has the value's id, kind and level, and its place in characters."""
    async with _made(make) as matcher:
        await matcher.load("s", [taint("secret123", id="i", level=Sensitivity.SENSITIVE)])
        expected = TaintMatch(
            id="i", kind="secret", level=Sensitivity.SENSITIVE, start=3, end=12, view=""
        )
        assert (expected,) == await matcher.scan("s", "ä🙂 secret123 ß")
        (hidden,) = await matcher.scan("s", "🙂 c2VjcmV0MTIz")
        assert (hidden.start, hidden.end, hidden.view) == (2, 14, "base64")
        starts = [match.start for match in await matcher.scan("s", "321terces secret123 " * 3)]
        assert starts == sorted(starts) == [0, 10, 20, 30, 40, 50]


async def check_finds_values_that_overlap(make: Make) -> None:
    """Values within and across each other are each found."""
    async with _made(make, "abcdefghij", "abcdefgh", "ghijklmnop") as matcher:
        assert {"abcdefghij", "abcdefgh", "ghijklmnop"} == await _ids(matcher, "abcdefghijklmnop")


async def check_what_is_more_secret_is_told_everywhere(make: Make) -> None:
    """Also within what is less: whoever may see that may not see all of it."""
    async with _made(make) as matcher:
        outer = taint("abcdefghij", id="outer", level=Sensitivity.SENSITIVE)
        inner = taint("abcdefgh", id="inner", level=Sensitivity.CRITICAL)
        await matcher.load("s", [outer, inner])
        matches = await matcher.scan("s", "abcdefghij or abcdefghij")
        assert [match.start for match in matches if match.id == "inner"] == [0, 14]
        assert [match.start for match in matches if match.id == "outer"] == [0, 14]


async def check_short_values_stand_alone(make: Make) -> None:
    """Four to seven letters are found as a word only; fewer are never looked for."""
    async with _made(make, "hunter2", "abc", "1") as matcher:
        assert {"hunter2"} == await _ids(matcher, "pw:HUNTER2.")
        assert set() == await _ids(matcher, "xhunter2 hunter23 hunt er2 abc 1")
        assert await matcher.known("s") == 3


async def check_ordinary_text_is_clean(make: Make) -> None:
    """What holds no value has no match, whatever it looks like."""
    async with _made(make, *VALUES) as matcher:
        assert await matcher.scan("s", PROSE) == ()
        assert await matcher.scan("s", "") == ()
        for text in HOSTILE:
            assert await matcher.scan("s", text) == (), text[:20]
            assert {"secret123"} == await _ids(matcher, f"{text} secret123 {text}"), text[:20]


async def check_sessions_are_apart(make: Make) -> None:
    """A session's values are never matched for another."""
    async with _made(make, "secret123") as matcher:
        await matcher.load("t", [taint("another-secret", id="t")])
        assert set() == await _ids(matcher, "secret123", session="t")
        assert set() == await _ids(matcher, "another-secret")
        assert await matcher.scan("nobody", "secret123 another-secret") == ()


async def check_known_values_are_passed_over(make: Make) -> None:
    """The same id twice is one value; numbers are per session."""
    async with _made(make, "secret123") as matcher:
        await matcher.load("s", [taint("secret123", id="secret123"), taint("other-secret", id="2")])
        assert (await matcher.known("s"), await matcher.known("t")) == (2, 0)
        assert {"secret123", "2"} == await _ids(matcher, "secret123 other-secret")


async def check_values_may_be_overwritten_after_load(make: Make) -> None:
    """The caller's buffer is the caller's; the matcher has its own."""
    async with _made(make) as matcher:
        value = taint("secret123", id="1")
        await matcher.load("s", [value])
        value.value[:] = bytes(len(value.value))
        assert {"1"} == await _ids(matcher, "secret123")


async def check_reach_covers_encodings(make: Make) -> None:
    """Whatever can follow a value's first character lies within reach; 0 without values."""
    async with _made(make) as matcher:
        assert await matcher.reach("s") == 0
        await matcher.load("s", [taint("kD8-wq2.Lm4_zT9x", id="1")])
        reach = await matcher.reach("s")
        longest = max(len(hide("kD8-wq2.Lm4_zT9x", name).occurrence) for name in ENCODINGS)
        assert longest <= reach <= 4_096


async def check_forget_drops_values(make: Make) -> None:
    """A forgotten session is one without values; others are whole or say that they are not."""
    async with _made(make, "secret123") as matcher:
        other = [taint("another-secret", id="t")]
        await matcher.load("t", other)
        await matcher.forget("s")
        assert (await matcher.known("s"), await matcher.reach("s")) == (0, 0)
        assert await matcher.scan("s", "secret123") == ()
        if await matcher.known("t") == 0:
            try:
                await matcher.scan("t", "another-secret")
            except Unavailable:
                await matcher.load("t", other)
            else:
                raise AssertionError("a session that lost its values is not one without")
        assert {"t"} == await _ids(matcher, "another-secret", session="t")
        await matcher.forget("nobody")
        await matcher.load("s", [taint("secret123", id="again")])
        assert {"again"} == await _ids(matcher, "secret123")


async def check_limits_refuse_all(make: Make) -> None:
    """A value that is too large refuses the whole load."""
    async with _made(make, "secret123") as matcher:
        try:
            await matcher.load("s", [taint("good-value-1", id="g"), taint("x" * 10**6, id="l")])
        except TooLarge as error:
            assert "xxxx" not in str(error)
        else:
            raise AssertionError("TooLarge was expected")
        assert await matcher.known("s") == 1
        assert {"secret123"} == await _ids(matcher, "secret123 good-value-1")


async def check_closing_drops_everything(make: Make) -> None:
    """After `aclose`, which may be called twice, no session has values."""
    async with _made(make, "secret123") as matcher:
        await matcher.aclose()
        await matcher.aclose()
        assert await matcher.known("s") == 0
        assert await matcher.scan("s", "secret123") == ()


CHECKS: tuple[Check, ...] = (
    check_finds_every_encoding,
    check_tells_places_and_labels,
    check_finds_values_that_overlap,
    check_what_is_more_secret_is_told_everywhere,
    check_short_values_stand_alone,
    check_ordinary_text_is_clean,
    check_sessions_are_apart,
    check_known_values_are_passed_over,
    check_values_may_be_overwritten_after_load,
    check_reach_covers_encodings,
    check_forget_drops_values,
    check_limits_refuse_all,
    check_closing_drops_everything,
)
