"""Verifying signed tokens elsewhere, with nothing but the public keys (optional part `jwt`).

    from holdfast.jwt import verify

    claims = verify(text, jwks, issuer="https://sessions.example", audience="holdfast")
    if not claims.may("messages:read"): ...

Rules
- There is one error for whatever is wrong with a text, and it does not say what.
- Issuer and audience are asked for, always: a token for somebody else is none.
- Whether a token was revoked, refreshed, or made void with its agent cannot be seen
  here: it is believed until it expires. Where that is too long, ask the server.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache

from holdfast.core.errors import InvalidInput, MissingExtra, TokenInvalid
from holdfast.core.signedtokens import Claims, SignedForm, keys_of

__all__ = ["Claims", "verify"]


def verify(
    token: str,
    jwks: Mapping[str, object],
    *,
    issuer: str,
    audience: str,
    now: float | None = None,
) -> Claims:
    """Verify a signed token; returns what it says.

    Args:
        token: its text.
        jwks: the installation's public keys, as `/.well-known/jwks.json` has them.
        issuer, audience: as `[tokens]` of the installation says.
        now: seconds since 1970; None asks the clock. A token that was made up to 30
            seconds ahead of it holds, one that has expired does not.

    Raises:
        TokenInvalid: whatever is wrong with it; why is not told.
        InvalidInput: the keys, the issuer or the audience are none.
        MissingExtra: the optional part is not installed.
    """
    if not issuer or not audience:
        raise InvalidInput("an issuer and an audience are wanted")
    keys = keys_of(jwks)
    _, claims = signed_form().read(token, keys)
    if (claims.issuer, claims.audience) != (issuer, audience):
        raise TokenInvalid
    if not claims.holds_at(time.time() if now is None else now):
        raise TokenInvalid
    return claims


@cache
def signed_form() -> SignedForm:
    """What writes and reads signed tokens.

    Raises:
        MissingExtra: the optional part is not installed.
    """
    try:
        # lazy: the optional part is missed when it is used, with the way to get it.
        from holdfast.adapters.tokenforms.signed import JwtForm
    except ImportError:
        raise MissingExtra("signed tokens", "jwt") from None
    return JwtForm()
