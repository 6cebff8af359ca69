"""The published keys, and signed tokens shown to the server."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.signedtokens import keys_of
from holdfast.jwt import verify
from holdfast.server.settings import ServerSettings
from jwtkit import SIGNED, forgeries, real
from serverkit import Served, served
from sessionhelp import echo, memory, run

KEYS = "/.well-known/jwks.json"
LENIENT = ServerSettings(strangers_per_minute=1_000_000)


def by(text: str) -> Mapping[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {text}"}


def test_keys_are_public_and_may_be_kept() -> None:
    """Nobody is asked for a token; where nothing is signed there are none."""

    async def work() -> None:
        async with served() as made:
            found = await made.http.get(KEYS)
            assert (200, {"keys": []}) == (found.status_code, found.json())
        async with served(sessions=memory(echo(), tokens=SIGNED)) as made:
            found = await made.http.get(KEYS)
            assert "public, max-age=300" == found.headers["cache-control"]
            assert "nosniff" == found.headers["x-content-type-options"]
            [one] = found.json()["keys"]
            assert {"kty", "crv", "x", "kid", "use", "alg"} == set(one)
            assert 405 == (await made.http.post(KEYS)).status_code
            await made.sessions.tokens.rotate_key()
            assert 2 == len(keys_of((await made.http.get(KEYS)).json()))

    run(work())


async def _issued(made: Served, **wanted: object) -> str:
    text: str = (await made.ok("POST", "/api/v1/tokens", {"agent_id": "ann", **wanted}))[
        "guard_token"
    ]
    return text


def test_a_signed_token_is_made_shown_and_refreshed() -> None:
    """Over HTTP as in the library; who verifies elsewhere needs the published keys alone."""

    async def work() -> None:
        async with served(sessions=memory(echo(), tokens=SIGNED)) as made:
            text = await _issued(made, session="one", role="agent")
            claims = verify(
                text,
                (await made.http.get(KEYS)).json(),
                issuer="https://sessions.example",
                audience="reports",
            )
            assert ("agent:ann", "one") == (claims.principal, claims.session)
            assert "one" == (await made.ok("GET", "/api/v1/sessions/one", by=by(text)))["id"]
            again = (await made.ok("POST", "/api/v1/tokens/refresh", by=by(text)))["guard_token"]
            assert again.startswith("eyJ") and again != text
            await made.ok("GET", "/api/v1/sessions/one", by=by(again))
            assert 401 == (await made.call("GET", "/api/v1/sessions/one", by=by(text))).status_code

    run(work())


def test_every_forgery_is_401_with_one_body() -> None:
    """Cut, altered, re-signed, of another algorithm, session, key, time: nobody learns which."""

    async def work() -> None:
        manager = memory(echo(), tokens=SIGNED)
        async with served(sessions=manager, settings=LENIENT) as made:
            good = await _issued(made, session="one", role="agent")
            other = await _issued(made, session="two", role="agent")
            revoked = await made.sessions.tokens.create("eve", session="one")
            await made.sessions.tokens.revoke(revoked.id)
            short = await made.sessions.tokens.create("eve", session="one", expires_in=1)
            tries = [revoked.guard_token, *forgeries(good, other, *real(made.sessions))]
            answers, count = set(), 0
            for one in tries:
                if not one.isascii() or not one.isprintable():
                    continue
                found = await made.call("GET", "/api/v1/sessions/one", by=by(one))
                told = sorted(set(found.headers) - {"content-length"})
                answers.add((found.status_code, found.content, tuple(told)))
                assert len(one) < 9 or one not in found.text
                count += 1
            while (found := await made.call("GET", "/api/v1/sessions/one",
                                            by=by(short.guard_token))).is_success:  # fmt: skip
                pass
            answers.add((found.status_code, found.content, tuple(told)))
            assert 1 == len(answers) and count > 280
            assert 401 == next(iter(answers))[0]
            # Each opens its own session and no other.
            here, there = "/api/v1/sessions/one", "/api/v1/sessions/two"
            for text, path in ((good, there), (other, here)):
                assert 404 == (await made.call("GET", path, by=by(text))).status_code
            assert (await made.call("GET", here, by=by(good))).is_success

    run(work())
