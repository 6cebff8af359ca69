"""The public keys of signed tokens, for verifiers elsewhere (RFC 7517, RFC 8615)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from holdfast.server.auth import manager_of
from holdfast.server.forms import Form

KEYS = "/.well-known/jwks.json"
FRESH_S = 300
"""For how long an answer may be kept, in seconds: a key that signs is known after that."""

router = APIRouter(tags=["tokens"])


class PublicKey(Form):
    """One Ed25519 key (RFC 8037); its name is its thumbprint (RFC 7638)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class KeySet(Form):
    """The keys that verify signed tokens now; none where nothing was ever signed."""

    keys: list[PublicKey]


@router.get(KEYS, response_model=KeySet, operation_id="jwks")
async def jwks(request: Request, response: Response) -> KeySet:
    """The public keys of signed tokens, the one that signs first."""
    response.headers["Cache-Control"] = f"public, max-age={FRESH_S}"
    return KeySet.model_validate(await manager_of(request).tokens.jwks())
