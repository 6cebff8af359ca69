"""Signed tokens verified elsewhere, with the public keys alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from holdfast.core.errors import InvalidInput, TokenInvalid
from holdfast.jwt import verify
from jwtkit import SIGNED, forgeries, real
from sessionhelp import echo, memory, run

PARTIES = {"issuer": "https://sessions.example", "audience": "reports"}


def refused(*args: object, **more: object) -> bool:
    """Whether a text is refused, with the one message that there is."""
    try:
        verify(*args, **{**PARTIES, **more})  # type: ignore[arg-type]  # what is wrong with it is the test
    except TokenInvalid as error:
        return str(error) == "The token is not valid."
    return False


def test_it_is_read_for_whom_it_is_and_in_its_time() -> None:
    """With the published keys, the issuer and the audience; strictly until it expires."""

    async def work() -> None:
        async with memory(echo(), tokens=SIGNED) as sessions:
            made = await sessions.tokens.create("ann", session="one", expires_in=60)
            keys = json.loads(json.dumps(await sessions.tokens.jwks()))
            text, now = made.guard_token, time.time()
            claims = verify(text, keys, **PARTIES)
            assert (made.id, "agent:ann", "one", "default", "agent") == (
                claims.token, claims.principal, claims.session, claims.workspace, claims.role,
            )  # fmt: skip
            assert claims.may("messages:send") and not claims.may("tokens:revoke")
            assert made.scopes == claims.scopes
            assert 0 <= (made.expires_at - claims.expires_at).total_seconds() < 1
            assert claims == verify(text, keys, now=claims.expires_s - 0.01, **PARTIES)
            assert claims == verify(text, keys, now=claims.issued_s - 30, **PARTIES)
            assert refused(text, keys, now=claims.expires_s)
            assert refused(text, keys, now=claims.issued_s - 30.5)
            assert refused(text, keys, audience="payroll")
            assert refused(text, keys, issuer="https://other.example")
            assert refused(text, {"keys": []})
            for empty in ({"issuer": ""}, {"audience": ""}):
                with pytest.raises(InvalidInput):
                    verify(text, keys, **{**PARTIES, **empty})
            with pytest.raises(InvalidInput):
                verify(text, {}, **PARTIES)
            await sessions.tokens.revoke(made.id)
            assert claims == verify(text, keys, now=now, **PARTIES), "that cannot be seen here"

    run(work())


def test_every_forgery_has_the_same_answer() -> None:
    """But those that the installation's own key signed and that say something else."""

    async def work() -> None:
        async with memory(echo(), tokens=SIGNED) as sessions:
            good = (await sessions.tokens.create("ann", session="one")).guard_token
            other = (await sessions.tokens.create("bob", session="two")).guard_token
            opaque = (await sessions.tokens.bootstrap()).guard_token
            keys = await sessions.tokens.jwks()
            tries = [opaque, *forgeries(good, other, *real(sessions))]
            valid = [one for one in tries if not refused(one, keys)]
            # iss, aud and iat beyond now are refused here as well; "iat" 1 is not.
            assert 10 == len(valid) and len(tries) > 290
            assert not refused(good, keys)

    run(work())


def test_without_its_part_it_says_so() -> None:
    """The error names what is to be installed; importing it asks for nothing."""
    script = (
        "import sys; sys.modules['jwt'] = None\n"
        "from holdfast.core.errors import MissingExtra\n"
        "from holdfast.jwt import verify\n"
        "try:\n    verify('x', {'keys': []}, issuer='i', audience='a')\n"
        "except MissingExtra as error:\n    print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "holdfast[jwt]" in ran.stdout


def test_it_needs_neither_a_store_nor_a_server() -> None:
    """A verifier loads PyJWT, cryptography and the core's values."""
    script = (
        "import sys, holdfast.jwt\n"
        "holdfast.jwt.signed_form()\n"
        "heavy = {'apsw', 'pydantic', 'fastapi', 'typer', 'uvicorn', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]" == ran.stdout.strip()
