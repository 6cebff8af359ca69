"""Tokens: what a validation costs, warm and from the store.

`main()` prints the RESULT lines; `tests` is to be on the path.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS)] if str(TESTS) not in sys.path else []

from common import median, pick, report, scratch  # noqa: E402 - the tests' folder comes first

from holdfast.core.errors import TokenInvalid  # noqa: E402 - as above
from sessionhelp import echo, on_file  # noqa: E402 - as above

WARM_BAR_US = 15
STORE_BAR_US = 100


async def p50_us(work: Callable[[], Awaitable[object]], times: int) -> float:
    """The median of a call in microseconds."""
    spent = []
    for _ in range(times):
        started = time.perf_counter_ns()
        await work()
        spent.append((time.perf_counter_ns() - started) / 1000)
    return median(spent)


async def look_up(known: dict[bytes, str], text: str) -> str:
    """The least that a validation could be: one SHA-256 and one look-up."""
    return known[hashlib.sha256(text.encode()).digest()]


async def measured(folder: Path) -> None:
    """Measure on a store with a thousand tokens."""
    times = pick(20_000, 2_000)
    async with on_file(folder, echo()) as sessions:
        tokens = sessions.tokens
        made = [await tokens.create(f"a{n}", session="") for n in range(pick(1_000, 100))]
        text = made[0].guard_token
        known = {hashlib.sha256(one.guard_token.encode()).digest(): one.id for one in made}
        least = await p50_us(lambda: look_up(known, text), times)
        await tokens.validate(text)
        warm = await p50_us(lambda: tokens.validate(text), times)
        book = sessions.distinct_backends()[0][1].book
        places = iter(made * (times // len(made) + 1))

        async def cold() -> None:
            await book.current(next(places).guard_token)

        fresh = await p50_us(cold, times // 4)

        async def forged() -> None:
            try:
                await tokens.validate("hf_st_" + "0" * 43)
            except TokenInvalid:
                return
            raise AssertionError("a forged token was taken")

        false = await p50_us(forged, times)
    report("token validate, warm, p50", warm, "us", at_most=WARM_BAR_US)
    ratio = warm / least
    report("token validate, warm, ratio", ratio, "x", against="one SHA-256 and a look-up")
    report("token validate, from the store, p50", fresh, "us", at_most=STORE_BAR_US)
    report("token validate, forged, p50", false, "us", at_most=STORE_BAR_US)


def main() -> None:
    """Measure, and print the RESULT lines."""
    with scratch() as folder:
        asyncio.run(measured(folder))


if __name__ == "__main__":
    main()
