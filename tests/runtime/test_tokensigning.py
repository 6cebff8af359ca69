"""Signed tokens beside their rows: both have to say the same, and the row decides."""

from __future__ import annotations

import asyncio
import hashlib
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap import MemoryStore, SessionManager
from holdfast.core.errors import InvalidInput, MissingExtra, NotNow
from holdfast.core.signedtokens import TYPE, read_claims, thumbprint
from holdfast.core.tokens import PREFIX, TokenSettings
from holdfast.ports.clock import SystemClock
from holdfast.ports.tokens import TokenRow
from holdfast.runtime.tokensigning import LIVE_MAX, claims_of, no_form
from jwtkit import CHANGED, SIGNED, decode, forgeries, joined, public_keys, real
from sessionhelp import echo, memory, on_file, run
from tokenhelp import dead

DAY_MS = 24 * 3600 * 1000


class Hands(SystemClock):
    """The machine's clock, with a time of day that is set by hand."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


def signed(**options: Any) -> SessionManager:
    """A manager in memory whose tokens are signed."""
    return memory(echo(), tokens=SIGNED, **options)


def tables_of(sessions: SessionManager) -> Any:
    """The rows as the memory store keeps them."""
    store = sessions.distinct_backends()[0][1].store
    assert isinstance(store, MemoryStore)
    return store.disk.tokens


def test_a_token_says_what_its_row_says() -> None:
    """Every claim; a refresh signs anew, and reuse of the text before is noticed."""

    async def work() -> None:
        async with signed() as sessions:
            tokens = sessions.tokens
            made = await tokens.create("ann", session="one", expires_in=60)
            said = decode(made.guard_token.split(".")[1])
            expected = {
                "iss": "https://sessions.example",
                "aud": "reports",
                "sub": "agent:ann",
                "jti": made.id,
                "sid": "one",
                "workspace": "default",
                "role": "agent",
                "scope": " ".join(made.scopes),
                "task_type": "default",
                "gen": 1,
                "exp": int(made.expires_at.timestamp()),
            }
            assert expected == {name: said[name] for name in expected}
            assert {*expected, "iat"} == set(said) and said["exp"] - said["iat"] in (59, 60)
            kid, _, _ = real(sessions)
            header = {"alg": "EdDSA", "kid": kid, "typ": TYPE}
            assert header == decode(made.guard_token.split(".")[0])
            who = await tokens.validate(made.guard_token)
            assert ("agent:ann", "one", made.id) == (who.id, who.session, who.token)
            again = await tokens.refresh(made.guard_token)
            assert 2 == decode(again.guard_token.split(".")[1])["gen"]
            assert 2 == (await tokens.validate(again.guard_token)).generation
            child = await tokens.create("ann/kid", "viewer", by=who)
            claims = decode(child.guard_token.split(".")[1])
            assert ("one", "agent:ann/kid") == (claims["sid"], claims["sub"])
            context = await tokens.from_context(again.as_context())
            assert again.guard_token == context.guard_token
            assert again.guard_token not in repr(again) + repr(again.as_context())
            assert await dead(sessions, made.guard_token)
            assert await dead(sessions, again.guard_token), "two had it: the family is gone"
            assert await dead(sessions, child.guard_token)

    run(work())


def test_every_forgery_has_the_same_answer() -> None:
    """By the one way of all tokens: its digest leads to no row, whoever signed it."""

    async def work() -> None:
        async with signed() as sessions, signed() as others:
            good = (await sessions.tokens.create("ann", session="one")).guard_token
            other = (await sessions.tokens.create("bob", session="two")).guard_token
            foreign = (await others.tokens.create("ann", session="one")).guard_token
            tries = [foreign, *forgeries(good, other, *real(sessions))]
            assert len(tries) > 290
            for one in tries:
                assert await dead(sessions, one), one
            assert not await dead(sessions, good) and not await dead(sessions, other)

    run(work())


def test_claims_and_row_have_to_agree() -> None:
    """Whoever has the keys but writes something else into text or row: 401 (IMP-1)."""

    async def work() -> None:
        async with signed() as sessions:
            made = await sessions.tokens.create("ann", session="one")
            backend = sessions.distinct_backends()[0][1]
            book, tables, id = backend.book, tables_of(sessions), bytes.fromhex(made.id)
            _, _, sign = real(sessions)
            header, payload, _ = made.guard_token.split(".")
            row, digests = tables.rows[id], dict(tables.digests)

            async def lives(text: str, instead: TokenRow | None = None) -> bool:
                """Whether a text is valid once a row has its digest."""
                changed = book.sealed(instead or row, book.open(row), text)
                tables.rows[id] = changed
                tables.digests[changed.digest] = (id, changed.generation)
                tables.epoch += 1
                return not await dead(sessions, text)

            assert await lives(made.guard_token)
            assert await lives(joined(decode(header), decode(payload), sign))
            for name, value in CHANGED.items():
                changed = {**decode(payload), name: value}
                assert not await lives(joined(decode(header), changed, sign)), name
            assert not await lives(joined({**decode(header), "typ": "JWT"}, decode(payload), sign))
            assert not await lives(PREFIX + "0" * 43), "the row says that its text is signed"
            moved = replace(row, expires_ms=row.expires_ms + 5_000)
            assert not await lives(made.guard_token, moved)
            assert not await lives(made.guard_token, replace(row, generation=2))
            opaque = replace(book.open(row), signed=None)
            tables.rows[id] = book.sealed(row, opaque, made.guard_token)
            tables.epoch += 1
            assert await dead(sessions, made.guard_token), "the row says that it is not"
            tables.rows[id], tables.digests = row, digests
            tables.epoch += 1
            assert not await dead(sessions, made.guard_token)

    run(work())


def test_both_forms_hold_while_the_form_changes(tmp_path: Path) -> None:
    """What was made before a change is valid after it, and takes the new form when refreshed."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            before = await sessions.tokens.create("ann", session="one")
        async with on_file(tmp_path, echo(), tokens=SIGNED) as sessions:
            between = await sessions.tokens.create("bob", session="one")
            assert not await dead(sessions, before.guard_token)
            now_signed = await sessions.tokens.refresh(before.guard_token)
            assert now_signed.guard_token.startswith("eyJ")
            assert not await dead(sessions, now_signed.guard_token)
        elsewhere = TokenSettings(format="jwt", issuer="https://new.example", audience="new")
        async with on_file(tmp_path, echo(), tokens=elsewhere) as sessions:
            assert not await dead(sessions, between.guard_token), "the row says for whom it was"
        async with on_file(tmp_path, echo()) as sessions:
            assert not await dead(sessions, between.guard_token)
            assert not await dead(sessions, now_signed.guard_token)
            opaque = await sessions.tokens.refresh(now_signed.guard_token)
            assert opaque.guard_token.startswith(PREFIX)
            assert not await dead(sessions, opaque.guard_token)
            assert await dead(sessions, now_signed.guard_token)

    run(work())


def test_expired_revoked_and_wiped() -> None:
    """As of any token; a wiped session has no name that could be compared, and is not there."""

    async def work() -> None:
        clock = Hands()
        async with signed(clock=clock) as sessions:
            short = await sessions.tokens.create("ann", session="one", expires_in=5)
            gone = await sessions.tokens.create("bob", session="one")
            wiped = await sessions.tokens.create("eve", session="one")
            clock.ahead_ms = 4_000
            assert not await dead(sessions, short.guard_token)
            clock.ahead_ms = 5_000
            assert await dead(sessions, short.guard_token)
            clock.ahead_ms = -31_000
            assert await dead(sessions, gone.guard_token), "made further ahead than clocks may be"
            clock.ahead_ms = 0
            await sessions.tokens.revoke(gone.id)
            assert await dead(sessions, gone.guard_token)
            await sessions.terminate_session("one")
            tables_of(sessions).epoch += 1
            who = await sessions.tokens.validate(wiped.guard_token)
            assert who.session.startswith("stream:")

    run(work())


def test_a_rotation_overlaps_until_the_last_token_ends() -> None:
    """Then the key is gone; what it signed has expired by then."""

    async def work() -> None:
        clock = Hands()
        async with signed(clock=clock) as sessions:
            assert {"keys": []} == await sessions.tokens.jwks()
            first = await sessions.tokens.create("ann", session="", expires_in=3_600)
            [old] = await public_keys(sessions)
            new = await sessions.tokens.rotate_key()
            assert [new, old] == list(await public_keys(sessions))
            later = await sessions.tokens.create("bob", session="", expires_in=86_400)
            assert [new, old] == [
                decode(one.guard_token.split(".")[0])["kid"] for one in (later, first)
            ]
            assert not await dead(sessions, first.guard_token)
            assert not await dead(sessions, later.guard_token)
            clock.ahead_ms = 3_599_000
            assert not await dead(sessions, first.guard_token)
            assert {new, old} == set(await public_keys(sessions))
            clock.ahead_ms = 3 * 3_600_000
            assert await dead(sessions, first.guard_token)
            assert {new} == set(await public_keys(sessions))
            keys = sessions.distinct_backends()[0][1].keys
            assert [new] == [thumbprint(k.public) for k in keys.token_keys(clock.now_ms())]
            assert not await dead(sessions, later.guard_token)

    run(work())


def test_no_more_keys_verify_than_a_verifier_reads() -> None:
    """Who rotates all the time is told to wait; at once it can always be done."""

    async def work() -> None:
        async with signed() as sessions:
            for _ in range(LIVE_MAX - 1):
                await sessions.tokens.create("ann", session="")
                await sessions.tokens.rotate_key()
            await sessions.tokens.create("ann", session="")
            with pytest.raises(NotNow, match="32 keys"):
                await sessions.tokens.rotate_key()
            assert LIVE_MAX == len(await public_keys(sessions))
            new = await sessions.tokens.rotate_key(at_once=True)
            assert [new] == list(await public_keys(sessions))

    run(work())


def test_a_key_that_leaked_is_gone_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """What it signed is not valid here any more, and its name is not published."""

    async def work() -> None:
        async with signed() as sessions:
            made = await sessions.tokens.create("ann", session="")
            opaque = await sessions.tokens.bootstrap()
            assert not await dead(sessions, made.guard_token)
            caplog.clear()
            new = await sessions.tokens.rotate_key(at_once=True)
            assert "audit: token_key_rotated (at_once)" in caplog.text
            assert [new] == list(await public_keys(sessions))
            assert await dead(sessions, made.guard_token)
            assert not await dead(sessions, opaque.guard_token)

    run(work())


def test_the_administrators_token_is_never_signed() -> None:
    """Nobody elsewhere, who could not see that it was revoked, is to take it."""

    async def work() -> None:
        async with signed() as sessions:
            made = await sessions.tokens.bootstrap()
            assert made.guard_token.startswith(PREFIX)
            assert (await sessions.tokens.refresh(made.guard_token)).guard_token.startswith(PREFIX)

    run(work())


def test_no_text_of_a_token_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a file nor in the log: digests, and rows that are sealed."""

    async def work() -> list[str]:
        caplog.set_level(0)
        async with on_file(tmp_path, echo(), tokens=SIGNED) as sessions:
            made = await sessions.tokens.create("ann", session="one")
            await sessions.tokens.validate(made.guard_token)
            again = await sessions.tokens.refresh(made.guard_token)
            assert await dead(sessions, again.guard_token[:-2])
            return [made.guard_token, again.guard_token]

    texts = run(work())
    for text in texts:
        for part in text.split(".")[1:]:
            assert part not in caplog.text
            for path in tmp_path.rglob("*"):
                assert path.is_dir() or part.encode() not in path.read_bytes(), path


OTHER = """
import asyncio, sys
from pathlib import Path
from holdfast.bootstrap import SessionManager
async def main():
    key = Path(sys.argv[1]) / "installation.key"
    store = Path(sys.argv[1]) / "store" / "s.db"
    async with SessionManager.open(store, installation_key=key) as sessions:
        for line in sys.stdin:
            print(await sessions.tokens.rotate_key(at_once=line.strip() == "at once"), flush=True)
asyncio.run(main())
"""


def test_another_processs_rotation_is_followed_at_once(tmp_path: Path) -> None:
    """Its key signs and verifies here before the next answer, and a dropped one does not."""

    async def work() -> None:
        async with on_file(tmp_path, echo(), tokens=SIGNED) as sessions:
            made = await sessions.tokens.create("ann", session="")
            assert not await dead(sessions, made.guard_token)
            other = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                OTHER,
                str(tmp_path),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert other.stdin is not None and other.stdout is not None
            other.stdin.write(b"overlap\n")
            kid = (await other.stdout.readline()).decode().strip()
            assert not await dead(sessions, made.guard_token)
            later = await sessions.tokens.create("bob", session="")
            assert kid == decode(later.guard_token.split(".")[0])["kid"]
            assert not await dead(sessions, later.guard_token)
            other.stdin.write(b"at once\n")
            kid = (await other.stdout.readline()).decode().strip()
            assert await dead(sessions, later.guard_token)
            assert [kid] == list(await public_keys(sessions))
            other.stdin.close()
            await other.wait()

    run(work())


def test_interleavings_with_rotations() -> None:
    """No token lives after its revocation or its key's end, and none dies early."""

    async def work() -> None:
        rng = random.Random(11)
        async with signed() as sessions:
            tokens = sessions.tokens
            live: dict[str, str] = {}
            gone: list[str] = []
            for _ in range(400):
                act = rng.choice(("make", "make", "refresh", "revoke", "rotate", "look", "drop"))
                if act == "make" or not live:
                    made = await tokens.create("ann", session="")
                    live[made.id] = made.guard_token
                elif act in ("refresh", "revoke"):
                    id = rng.choice(sorted(live))
                    if act == "revoke":
                        gone.append(live.pop(id))
                        await tokens.revoke(id)
                    else:
                        live[id] = (await tokens.refresh(live[id])).guard_token
                elif act in ("rotate", "drop"):
                    whole = act == "drop" and rng.random() < 0.2
                    await tokens.rotate_key(at_once=whole)
                    if whole:
                        gone += live.values()
                        live.clear()
                for text in rng.sample(sorted(live.values()), min(3, len(live))):
                    assert not await dead(sessions, text)
                for text in rng.sample(gone, min(3, len(gone))):
                    assert await dead(sessions, text)

    run(work())


def test_without_the_optional_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is signed and nothing signed is read; tokens of the other form hold."""

    async def work() -> None:
        async with signed() as sessions:
            book = sessions.distinct_backends()[0][1].book
            made = await sessions.tokens.create("ann", session="")
            admin = await sessions.tokens.bootstrap()
            book.signing._form = no_form
            tables_of(sessions).epoch += 1
            assert await dead(sessions, made.guard_token)
            assert not await dead(sessions, admin.guard_token)
            with pytest.raises(MissingExtra, match=r"holdfast\[jwt\]"):
                await sessions.tokens.create("bob", session="")

    run(work())


def test_a_text_that_no_request_could_carry_is_not_made() -> None:
    """It is refused, and no row is written."""

    async def work() -> None:
        async with signed() as sessions:
            book = sessions.distinct_backends()[0][1].book

            class Long:
                def write(self, *_: object) -> str:
                    return "x" * 5000

            book.signing._form = Long  # type: ignore[assignment]  # it only writes
            with pytest.raises(InvalidInput, match="too long"):
                await sessions.tokens.create("ann", session="")
            assert 0 == await sessions.tokens.active_count()

    run(work())


def test_claims_are_those_of_the_row() -> None:
    """What `claims_of` makes of a row is what its text says."""

    async def work() -> None:
        async with signed() as sessions:
            made = await sessions.tokens.create("ann", session="one")
            row = tables_of(sessions).rows[bytes.fromhex(made.id)]
            book = sessions.distinct_backends()[0][1].book
            permitted = book.open(row)
            assert permitted.signed is not None
            assert hashlib.sha256(made.guard_token.encode()).digest() == row.digest
            claims = claims_of(row, permitted, permitted.signed, "one")
            assert claims == read_claims(claims.written())
            assert claims.expires_s == row.expires_ms // 1000

    run(work())
