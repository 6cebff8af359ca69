"""The signed form of a token, as values: what it says, and how its keys are published.

It is a JWS in compact form (RFC 7515) with the claims of a JWT (RFC 7519), signed with
Ed25519 (RFC 8037). Signing and verifying are elsewhere; here is what is said.

Rules
- There is one header, written in one way: "alg" is EdDSA, "typ" is `TYPE`, "kid" names
  the key. Whatever else stands there, no such token is meant (RFC 8725 §3.1, §3.11).
- All claims are there, each of its own type; what nobody knows is refused.
- A key is named by its thumbprint (RFC 7638), so one name is never two keys.
- From `iat`, give or take the clocks, until `exp`, which is strict: as of the row.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from holdfast.core.errors import InvalidInput, TokenInvalid
from holdfast.core.principals import covers
from holdfast.core.tokens import CLOCK_SKEW_S, TEXT_CHARS_MAX

ALGORITHM: Final = "EdDSA"
TYPE: Final = "holdfast-token+jwt"
KEY_BYTES: Final = 32
KEYS_MAX: Final = 64
"""No set with more keys than this is read."""

TEXT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
"""What the text of a signed token looks like."""

_CURVE: Final = {"crv": "Ed25519", "kty": "OKP"}
_NUMBER_MAX: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a signed token says.

    Args:
        issuer, audience: who signed it, and whom it is for.
        token: id of the token's row, 32 hex digits.
        principal: who bears it: "agent:<id>" or "user:<id>".
        session: the one session it is for, "" for all of the workspace.
        workspace: the tenant.
        scopes: sorted.
        generation: of the token's text.
        issued_s, expires_s: seconds since 1970.
    """

    issuer: str
    audience: str
    token: str
    principal: str
    session: str
    workspace: str
    role: str
    scopes: tuple[str, ...]
    task_type: str
    generation: int
    issued_s: int
    expires_s: int

    def written(self) -> bytes:
        """The claims as JSON, as they are signed."""
        values = {name: getattr(self, field) for name, field in _NAMES.items()}
        values["scope"] = " ".join(self.scopes)
        return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()

    def may(self, scope: str) -> bool:
        """Whether the scopes permit it."""
        return covers(self.scopes, scope)

    @property
    def expires_at(self) -> datetime:
        """When it ends, in UTC."""
        return datetime.fromtimestamp(self.expires_s, UTC)

    def holds_at(self, now_s: float) -> bool:
        """Whether a moment, in seconds since 1970, lies within its time."""
        return self.issued_s - CLOCK_SKEW_S <= now_s < self.expires_s


_NAMES: Final = {
    "iss": "issuer",
    "aud": "audience",
    "sub": "principal",
    "jti": "token",
    "sid": "session",
    "workspace": "workspace",
    "role": "role",
    "scope": "scopes",
    "task_type": "task_type",
    "gen": "generation",
    "iat": "issued_s",
    "exp": "expires_s",
}
"""Every claim, and the field that has it."""

_WHOLE: Final = frozenset({"gen", "iat", "exp"})


class SignedForm(Protocol):
    """Writes and reads the text of signed tokens."""

    def write(self, claims: Claims, kid: str, sign: Callable[[bytes], bytes]) -> str:
        """Write claims as a text.

        Args:
            kid: the name of the key.
            sign: makes the signature with it.
        """
        ...

    def read(self, text: str, keys: Mapping[str, bytes]) -> tuple[str, Claims]:
        """What a text says, once its signature is verified, and the name of its key.

        Nothing is said of its time.

        Args:
            keys: public keys by name.

        Raises:
            TokenInvalid: whatever is wrong with it.
        """
        ...


def header_of(kid: str) -> dict[str, str]:
    """The header of a token that is signed with a key of this name."""
    return {"alg": ALGORITHM, "kid": kid, "typ": TYPE}


def header_text(kid: str) -> str:
    """The one way in which that header is written in a text."""
    return _base64url(json.dumps(header_of(kid), separators=(",", ":"), sort_keys=True).encode())


def read_claims(data: bytes) -> Claims:
    """Read claims from JSON.

    Raises:
        TokenInvalid: one is missing, of another type, unknown, or there twice.
    """
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise TokenInvalid from None
    if not isinstance(found, dict) or set(found) != set(_NAMES):
        raise TokenInvalid
    for name, value in found.items():
        if name in _WHOLE:
            if type(value) is not int or not 0 <= value <= _NUMBER_MAX:
                raise TokenInvalid
        elif type(value) is not str:
            raise TokenInvalid
    scopes = found["scope"].split(" ") if found["scope"] else []
    if scopes != sorted(set(scopes)) or "" in scopes:
        raise TokenInvalid
    return Claims(
        **{field: found[name] for name, field in _NAMES.items()} | {"scopes": tuple(scopes)}
    )


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim is there twice")
    return found


def looks_signed(text: object) -> bool:
    """Whether a text could be a signed token at all."""
    return isinstance(text, str) and len(text) <= TEXT_CHARS_MAX and bool(TEXT.fullmatch(text))


# --- keys -------------------------------------------------------------------------


def thumbprint(public: bytes) -> str:
    """The name of a public key (RFC 7638).

    Args:
        public: 32 bytes.
    """
    assert len(public) == KEY_BYTES, "an Ed25519 key has 32 bytes"
    written = json.dumps({**_CURVE, "x": _base64url(public)}, separators=(",", ":"))
    return _base64url(hashlib.sha256(written.encode()).digest())


def key_set(publics: Iterable[bytes]) -> dict[str, object]:
    """Public keys as a set (RFC 7517), as verifiers elsewhere read it."""
    return {
        "keys": [
            {
                **_CURVE,
                "x": _base64url(public),
                "kid": thumbprint(public),
                "use": "sig",
                "alg": ALGORITHM,
            }
            for public in publics
        ]
    }


def keys_of(found: object) -> dict[str, bytes]:
    """The Ed25519 keys of a set, by name; keys of other kinds are passed over.

    Raises:
        InvalidInput: it is no set of keys, or a key's name is not its thumbprint.
    """
    keys = found.get("keys") if isinstance(found, Mapping) else None
    if not isinstance(keys, list) or len(keys) > KEYS_MAX:
        raise InvalidInput(f"a key set has a list of at most {KEYS_MAX} keys")
    named: dict[str, bytes] = {}
    for key in keys:
        if not isinstance(key, Mapping):
            raise InvalidInput("a key of the set is no object")
        if any(key.get(name) != value for name, value in _CURVE.items()):
            continue
        public = _unbase64url(key.get("x"))
        if public is None or key.get("kid") != thumbprint(public):
            raise InvalidInput("a key of the set is no Ed25519 key by its own name")
        named[thumbprint(public)] = public
    return named


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unbase64url(text: object) -> bytes | None:
    """32 bytes out of the one way to write them; None for anything else."""
    if not isinstance(text, str) or re.fullmatch(r"[A-Za-z0-9_-]{43}", text) is None:
        return None
    data = base64.urlsafe_b64decode(text + "=")
    return data if _base64url(data) == text else None
