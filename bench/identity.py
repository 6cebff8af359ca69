"""Tokens: what a validation costs, warm and from the store, opaque and signed.

From the store means the whole of it, of tokens that the process has not seen: by a book
that is new each round. Beside it, in turns, one bare look-up of a digest is timed, so
that a ratio stands beside each figure whatever else the machine does.

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

from holdfast.bootstrap import SessionManager  # noqa: E402 - as above
from holdfast.core.errors import TokenInvalid  # noqa: E402 - as above
from holdfast.core.tokens import IssuedToken, TokenSettings  # noqa: E402 - as above
from holdfast.jwt import signed_form  # noqa: E402 - as above
from holdfast.runtime.tokenbook import TokenBook  # noqa: E402 - as above
from sessionhelp import echo, on_file  # noqa: E402 - as above

WARM_BAR_US = 15
STORE_BAR_US = 100
STORE_BAR_RATIO = 12
LOOK_UP = "SELECT id, generation FROM bearer_digest WHERE digest = ?"


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


async def from_store(
    sessions: SessionManager, made: list[IssuedToken], rounds: int
) -> tuple[float, float]:
    """Validate each token as one that was never seen; medians of it and of a bare look-up, us."""
    backend = sessions.distinct_backends()[0][1]
    ours, bare = [], []
    for _ in range(rounds):
        book = TokenBook(backend.store, backend.keys, backend.clock, signed_form)
        await book.validate(made[0].guard_token)  # what is made once for a tenant is not counted
        connection = backend.store._quick  # type: ignore[attr-defined]  # the very connection
        for one in made[1:]:
            digest = hashlib.sha256(one.guard_token.encode()).digest()
            began = time.perf_counter_ns()
            await book.validate(one.guard_token)
            between = time.perf_counter_ns()
            connection.execute(LOOK_UP, (digest,)).fetchall()
            ours.append((between - began) / 1000)
            bare.append((time.perf_counter_ns() - between) / 1000)
    return median(ours), median(bare)


async def measured(folder: Path) -> None:
    """Measure on a store with a thousand opaque tokens."""
    times = pick(20_000, 2_000)
    async with on_file(folder, echo()) as sessions:
        tokens = sessions.tokens
        made = [await tokens.create(f"a{n}", session="") for n in range(pick(1_000, 100))]
        text = made[0].guard_token
        known = {hashlib.sha256(one.guard_token.encode()).digest(): one.id for one in made}
        least = await p50_us(lambda: look_up(known, text), times)
        await tokens.validate(text)
        warm = await p50_us(lambda: tokens.validate(text), times)
        fresh, bare = await from_store(sessions, made, times // 4 // len(made) or 1)
        of_one = [await tokens.create(f"b{n}", session="one") for n in range(pick(400, 100))]
        bound, _ = await from_store(sessions, of_one, times // 10 // len(of_one) or 1)

        async def forged() -> None:
            try:
                await tokens.validate("hf_st_" + "0" * 43)
            except TokenInvalid:
                return
            raise AssertionError("a forged token was taken")

        false = await p50_us(forged, times)
    report("token validate, warm, p50", warm, "us", at_most=WARM_BAR_US)
    report("token validate, warm, ratio", warm / least, "x", against="one SHA-256 and a look-up")
    report("token validate, from the store, p50", fresh, "us", at_most=STORE_BAR_US)
    against = f"a bare look-up of a digest in SQLite, {bare:.1f} us in the same run"
    ratio = fresh / bare
    report(
        "token validate, from the store, ratio", ratio, "x", at_most=STORE_BAR_RATIO,
        against=against,
    )  # fmt: skip
    report("token validate, of one session, p50", bound, "us", at_most=STORE_BAR_US)
    report("token validate, forged, p50", false, "us", at_most=STORE_BAR_US)


async def signed(folder: Path) -> None:
    """The same with signed tokens: a signature is verified once in a process."""
    async with on_file(folder, echo(), tokens=TokenSettings(format="jwt")) as sessions:
        tokens = sessions.tokens
        made = [await tokens.create(f"a{n}", session="") for n in range(100)]
        await tokens.validate(made[0].guard_token)
        warm = await p50_us(lambda: tokens.validate(made[0].guard_token), pick(20_000, 2_000))
        fresh, _ = await from_store(sessions, made, pick(5, 2))
        key = sessions.distinct_backends()[0][1].keys.token_keys(0)[0]
        floor = await p50_us(lambda: _verified(key.public, made[0].guard_token), pick(1_000, 200))
    report("signed token validate, warm, p50", warm, "us", at_most=WARM_BAR_US)
    report(
        "signed token validate, first in a process, p50", fresh, "us",
        against=f"one Ed25519 verification, {floor:.0f} us in the same run",
    )  # fmt: skip


async def _verified(public: bytes, text: str) -> None:
    """Verify the signature of a text and nothing else."""
    # lazy: only this asks for it.
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    said, _, signature = text.rpartition(".")
    data = base64.urlsafe_b64decode(signature + "==")
    Ed25519PublicKey.from_public_bytes(public).verify(data, said.encode())


def main() -> None:
    """Measure, and print the RESULT lines."""
    for work in (measured, signed):
        with scratch() as folder:
            asyncio.run(work(folder))


if __name__ == "__main__":
    main()
