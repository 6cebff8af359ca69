"""The taint matcher: what it finds, what it takes for a value and is none, what it costs.

Recall is taken of whole messages and of the same messages in random pieces of 1 to 33
characters through the stream redactor. A value counts as found if no four
characters in a row of what it stood as are left. Prose and code without values are
the documentation and sources of the Python that runs this.
"""

from __future__ import annotations

import asyncio
import random
import re
import string
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from common import median, pick, report, rss_mb

from holdfast.adapters.taints.host import WorkerTaintMatcher
from holdfast.adapters.taints.local import LocalTaintMatcher
from holdfast.core.redaction import redact
from holdfast.ports.taints import Taint
from holdfast.runtime.redacting import StreamRedactor
from holdfast.testing.taints_kit import ENCODINGS, hide, pieces_left, taint

VALUES = 1_000
SAMPLED = pick(120, 20)
CLEAN = 1_500
TEXT_CHARS = 2_048
SIZES = (10, 1_000, 10_000)
NESTED = (10, 100, 1_000, 10_000)[: pick(4, 3)]
NESTED_CHARS = 100_000
ROUNDS = pick(400, 100)
BEFORE, AFTER = "Please look at this: ", " and tell me what you make of it."
MARK = "[REDACTED:SECRET]"


def values(count: int, seed: int) -> list[str]:
    """Random values of five kinds: keys, addresses, cards, passwords, short tokens."""
    chance = random.Random(seed)  # noqa: S311 - no secret is made with it
    letters = string.ascii_letters + string.digits

    def some(alphabet: str, least: int, most: int = 0) -> str:
        return "".join(chance.choices(alphabet, k=chance.randint(least, most or least)))

    makers: tuple[Callable[[], str], ...] = (
        lambda: "sk-" + some(letters, 20, 40),
        lambda: f"{some(string.ascii_lowercase, 5)}.{some(string.ascii_lowercase, 7)}@example.org",
        lambda: "-".join(some(string.digits, 4) for _ in range(4)),
        lambda: some(letters, 8) + some(letters + "!#$%&*", 6, 12),
        lambda: some(letters, 8),
    )
    return [makers[number % len(makers)]() for number in range(count)]


def taints(count: int, seed: int = 7) -> list[Taint]:
    """Values to load."""
    return [taint(value, id=str(number)) for number, value in enumerate(values(count, seed))]


def prose() -> list[str]:
    """Sentences of Python's documentation."""
    from pydoc_data.topics import topics

    text = " ".join(topics[name] for name in sorted(topics))
    return [one.strip() for one in re.split(r"(?<=[.!?])\s+", text) if 40 < len(one) < 400]


def code() -> list[str]:
    """Lines of Python's library."""
    found: list[str] = []
    for path in sorted(Path(asyncio.__file__).parent.glob("*.py")):
        found += (line for line in path.read_text().splitlines() if len(line) > 30)
    return found


async def _recall(matcher: LocalTaintMatcher) -> None:
    """Every encoding, whole and in pieces."""
    chance = random.Random(11)  # noqa: S311 - no secret is made with it
    known = list(enumerate(values(VALUES, 7)))
    lowest = 1.0
    for encoding in ENCODINGS:
        whole = pieces = 0
        for number, value in chance.sample(known, SAMPLED):
            hidden = hide(value, encoding)
            before, after = BEFORE + hidden.before, hidden.after + AFTER
            text = before + hidden.occurrence + after
            matches = await matcher.scan("s", text)
            found = str(number) in {match.id for match in matches}

            def gone(
                done: str, stood: str = hidden.occurrence, around: str = before + after
            ) -> bool:
                return not pieces_left(stood, done, around + MARK)

            whole += found and gone(redact(text, matches))
            pieces += gone(await _streamed(matcher, text, chance))
        lowest = min(lowest, whole / SAMPLED, pieces / SAMPLED)
        report(
            f"taint recall, {encoding}",
            min(whole, pieces) / SAMPLED,
            "",
            at_least=1.0,
            against=f"{SAMPLED} of {VALUES} values; whole {whole}, in pieces {pieces}",
        )
    report("taint recall, lowest of all encodings", lowest, "", at_least=1.0)


async def _streamed(matcher: LocalTaintMatcher, text: str, chance: random.Random) -> str:
    stream = StreamRedactor(matcher, "s")
    left = []
    at = 0
    while at < len(text):
        size = chance.randint(1, 33)
        left.append(await stream.push(text[at : at + size]))
        at += size
    return "".join(left) + await stream.finish()


async def _false_positives(matcher: LocalTaintMatcher) -> None:
    for name, texts in (("prose sentences", prose()), ("code lines", code())):
        chance = random.Random(3)  # noqa: S311 - no secret is made with it
        chosen = chance.sample(texts, CLEAN)
        hits = sum([bool(await matcher.scan("s", text)) for text in chosen])
        report(f"taint false positives, {name}", hits, "", at_most=0, against=f"{CLEAN} texts")


async def _timed(work: Callable[[], Awaitable[object]], rounds: int) -> Iterator[float]:
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        spent.append((time.perf_counter() - started) * 1000)
    return iter(spent)


async def _cost() -> None:
    """2 KB of prose and of code with few and with many values, in turns."""
    texts = {"prose": " ".join(prose())[:TEXT_CHARS], "code": "\n".join(code())[:TEXT_CHARS]}
    matchers = {}
    for count in SIZES:
        matchers[count] = LocalTaintMatcher()
        await matchers[count].load("s", taints(count, seed=13))
        started = time.perf_counter()
        await matchers[count].scan("s", "x")
        built = time.perf_counter() - started
    report(f"taint automata of {SIZES[-1]:,} values, built", built, "s")
    for name, text in texts.items():
        spent: dict[int, list[float]] = {count: [] for count in SIZES}
        for _ in range(ROUNDS // 10):
            for count, matcher in matchers.items():
                spent[count] += await _timed(lambda m=matcher, t=text: m.scan("s", t), 10)
        for count in SIZES:
            report(f"taint scan of 2 KB {name}, {count:,} values", median(spent[count]), "ms")
        report(
            f"taint scan of 2 KB {name}, {SIZES[-1]:,} values to {SIZES[0]}",
            median(spent[SIZES[-1]]) / median(spent[SIZES[0]]),
            "times",
            at_most=1.5,
        )


def _within(count: int) -> Iterator[tuple[str, list[str], str]]:
    """Values within values, and 100 KB that are full of them: what an attacker could write."""
    chance = random.Random(5)  # noqa: S311 - no secret is made with it
    base = "".join(chance.choices(string.ascii_lowercase, k=count + 8))
    sizes = range(count)
    again = base * (NESTED_CHARS // len(base) + 1)
    spelled = [f"secret{size:b}".replace("1", "O").replace("0", "o") for size in sizes]
    yield "one letter", ["a" * (8 + size) for size in sizes], "a" * NESTED_CHARS
    yield "one sign", ["$" * (8 + size) for size in sizes], "$" * NESTED_CHARS
    yield "beginnings", [base[: 8 + size] for size in sizes], again[:NESTED_CHARS]
    yield "ends", [base[count - size :] for size in sizes], again[:NESTED_CHARS]
    yield "spellings", spelled, f"{spelled[-1]} " * (NESTED_CHARS // (len(spelled[-1]) + 1))
    yield "signs around", [f"{'#' * size}secret12" for size in sizes], "#secret12 " * 10_000


async def _nested() -> None:
    """What a text costs that is full of values within values, few and many."""
    spent: dict[str, list[float]] = {}
    for count in NESTED:
        for name, within, text in _within(count):
            matcher = LocalTaintMatcher()
            await matcher.load("s", [taint(one, id=str(at)) for at, one in enumerate(within)])
            await matcher.scan("s", text)
            started = time.process_time()
            matches = await matcher.scan("s", text)
            spent.setdefault(name, []).append((time.process_time() - started) * 1000)
            report(
                f"taint scan of 100 KB within each other, {name}, {count:,} values",
                spent[name][-1],
                "ms",
                against=f"{len(matches):,} matches",
            )
    name, times = max(spent.items(), key=lambda one: one[1][-1] / one[1][0])
    report(
        f"taint scan of 100 KB within each other, {NESTED[-1]:,} values to {NESTED[0]}, worst",
        times[-1] / times[0],
        "times",
        at_most=8,
        against=f"{name}; each value is found, places are those that cover the rest",
    )


async def _worker(local: LocalTaintMatcher) -> None:
    """What the other process adds to a scan, and how long forgetting takes."""
    text = " ".join(prose())[:TEXT_CHARS]
    worker = WorkerTaintMatcher()
    try:
        started = time.perf_counter()
        await worker.load("s", taints(VALUES))
        await worker.scan("s", "x")
        report("taint worker, started and 1,000 values loaded", time.perf_counter() - started, "s")
        inside: list[float] = []
        outside: list[float] = []
        for _ in range(ROUNDS // 10):
            inside += await _timed(lambda: local.scan("s", text), 10)
            outside += await _timed(lambda: worker.scan("s", text), 10)
        report(
            "taint worker, p50 over the scan in process, 2 KB",
            median(outside) - median(inside),
            "ms",
            at_most=0.3,
            against=f"in process {median(inside):.3f} ms",
        )
        started = time.perf_counter()
        await worker.forget("s")
        report("taint worker, forget", (time.perf_counter() - started) * 1000, "ms")
    finally:
        await worker.aclose()


async def _streaming(matcher: LocalTaintMatcher) -> None:
    """A stream of four characters at a time."""
    text = " ".join(prose())[: TEXT_CHARS * 8]
    deltas = [text[at : at + 4] for at in range(0, len(text), 4)]
    for name, known in (("1,000 values", matcher), ("no values", LocalTaintMatcher())):
        per_delta = []
        for _ in range(pick(10, 3)):
            stream = StreamRedactor(known, "s")
            started = time.perf_counter()
            for delta in deltas:
                await stream.push(delta)
            await stream.finish()
            per_delta.append((time.perf_counter() - started) * 1e6 / len(deltas))
        report(f"taint stream, per delta of 4 characters, {name}", median(per_delta), "us")
    reach = await matcher.reach("s")
    report("taint stream, characters held back", reach, "", against="values of up to 43 characters")


async def measure() -> None:
    """Take all figures."""
    matcher = LocalTaintMatcher()
    await matcher.load("s", taints(VALUES))
    await _recall(matcher)
    await _false_positives(matcher)
    await _cost()
    await _nested()
    await _worker(matcher)
    await _streaming(matcher)
    report("taint bench, resident memory", rss_mb(), "MB")


if __name__ == "__main__":
    asyncio.run(measure())
