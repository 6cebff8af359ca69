"""The text of signed tokens, by PyJWT: one algorithm, one header, nothing else is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.algorithms import OKPAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from holdfast.core.errors import TokenInvalid
from holdfast.core.signedtokens import (
    ALGORITHM,
    Claims,
    header_of,
    header_text,
    looks_signed,
    read_claims,
)


class JwtForm:
    """Writes and reads signed tokens; satisfies `SignedForm`."""

    def __init__(self) -> None:
        self._writer = PyJWS(algorithms=[])
        self._writer.register_algorithm(ALGORITHM, _Elsewhere())
        self._reader = PyJWS(algorithms=[])
        self._reader.register_algorithm(ALGORITHM, OKPAlgorithm())

    def write(self, claims: Claims, kid: str, sign: Callable[[bytes], bytes]) -> str:
        """Write claims as a text."""
        key: Any = sign
        return self._writer.encode(claims.written(), key, ALGORITHM, headers=header_of(kid))

    def read(self, text: str, keys: Mapping[str, bytes]) -> tuple[str, Claims]:
        """What a text says, once its signature is verified, and the name of its key.

        Raises:
            TokenInvalid: whatever is wrong with it.
        """
        if not looks_signed(text):
            raise TokenInvalid
        header, _, _ = text.partition(".")
        kid = next((kid for kid in keys if header == header_text(kid)), None)
        if kid is None:
            raise TokenInvalid
        try:
            key = Ed25519PublicKey.from_public_bytes(keys[kid])
            found = self._reader.decode_complete(text, key, [ALGORITHM])
        except (PyJWTError, ValueError):
            raise TokenInvalid from None
        return kid, read_claims(found["payload"])


class _Elsewhere(OKPAlgorithm):
    """Signs by a function: the key itself stays where it is kept."""

    def prepare_key(self, key: Any) -> Any:
        """Take the function as it is."""
        return key

    def sign(self, msg: str | bytes, key: Any) -> bytes:
        """Have a message signed."""
        signature: bytes = key(msg.encode() if isinstance(msg, str) else msg)
        return signature
