"""Forged, cut, re-signed and swapped signed tokens, made out of real ones."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.bootstrap import SessionManager
from holdfast.core.signedtokens import keys_of, thumbprint
from holdfast.core.tokens import TokenSettings

SIGNED = TokenSettings(format="jwt", issuer="https://sessions.example", audience="reports")
Sign = Callable[[bytes], bytes]
CHANGED: Mapping[str, object] = {
    "iss": "https://evil.example",
    "aud": "payroll",
    "sub": "user:root",
    "jti": "0" * 32,
    "sid": "another",
    "workspace": "other",
    "role": "admin",
    "scope": "*",
    "task_type": "else",
    "gen": 7,
    "iat": 1,
    "exp": 2**40,
}
"""Every claim, with a value that is not the token's."""


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> Any:
    """The JSON of a part of a token."""
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def joined(header: object, payload: object, sign: Sign) -> str:
    """A compact JWS of what is given as JSON, or as bytes."""
    parts = [
        encode(one if isinstance(one, bytes) else json.dumps(one, separators=(",", ":")).encode())
        for one in (header, payload)
    ]
    text = ".".join(parts)
    return f"{text}.{encode(sign(text.encode()))}"


def real(sessions: SessionManager) -> tuple[str, bytes, Sign]:
    """The name, the public half and the signature of the key that signs."""
    keys = sessions.distinct_backends()[0][1].keys
    key = keys.token_keys(sessions.clock.now_ms())[0]
    return thumbprint(key.public), key.public, lambda data: keys.sign_token(key.number, data)


def forgeries(good: str, other: str, kid: str, public: bytes, sign: Sign) -> Iterator[str]:
    """Nearly 300 texts that are no valid token here.

    Args:
        good: a valid token; other: another one, of another session.
        kid, public, sign: of the key that signed them, which an attacker has not.
    """
    header, payload, signature = good.split(".")
    said, own = decode(payload), Ed25519PrivateKey.generate()
    mine = own.public_key().public_bytes_raw()
    fair = {"alg": "EdDSA", "kid": kid, "typ": decode(header)["typ"]}
    swapped = other.split(".")
    yield from (good[:cut] for cut in range(1, len(good), 7))
    yield from (f"{header}.{payload}.", f"{header}.{payload}", f".{payload}.{signature}", "..")
    yield from (good + end for end in ("=", "==", ".", "A", "/", ".e30"))
    for at in range(0, len(signature), 2):
        letter = "A" if signature[at] != "A" else "B"
        yield f"{header}.{payload}.{signature[:at]}{letter}{signature[at + 1 :]}"
    for at in range(3):
        parts = [header, payload, signature]
        parts[at] = swapped[at] if swapped[at] != parts[at] else parts[at][::-1]
        yield ".".join(parts)
    yield from _other_algorithms(fair, payload, signature, said, public)
    yield from _other_headers(fair, said, mine, own.sign, sign)
    for name, value in CHANGED.items():
        changed = {**said, name: value}
        yield f"{header}.{encode(json.dumps(changed).encode())}.{signature}"
        yield joined(fair, changed, own.sign)
        yield joined({**fair, "kid": thumbprint(mine)}, changed, own.sign)
        yield joined(fair, changed, sign)
        yield joined(fair, {key: found for key, found in said.items() if key != name}, sign)
        yield joined(fair, {**said, name: [said[name]]}, sign)
        twice = json.dumps(changed)[:-1] + f', "{name}": {json.dumps(said[name])}}}'
        yield joined(fair, twice.encode(), sign)
    for odd in ({**said, "nbf": 0}, {**said, "exp": said["exp"] + 0.5}, [said], "x", None, 1):
        yield joined(fair, odd, sign)
    yield joined(fair, b"\xff\xfe", sign)
    yield joined(fair, b'{"a":' * 500 + b"1" + b"}" * 500, sign)
    yield joined(fair, said, sign) + "A" * 4096


def _other_algorithms(
    fair: dict[str, str], payload: str, signature: str, said: object, public: bytes
) -> Iterator[str]:
    """None at all, and a shared secret that everybody knows: the public key."""
    for name in ("none", "None", "NONE", "nOnE", ""):
        text = encode(json.dumps({**fair, "alg": name}).encode())
        yield from (f"{text}.{payload}.", f"{text}.{payload}.{signature}")
    secrets_of = (public, encode(public).encode(), public.hex().encode(), b"", b"holdfast")
    for name, digest in (("HS256", "sha256"), ("HS512", "sha512")):
        for secret in secrets_of:
            yield joined({**fair, "alg": name}, said, partial(_keyed, secret, digest))
    for name in ("RS256", "ES256", "PS512", "Ed25519", "eddsa", "EdDSA "):
        text = encode(json.dumps({**fair, "alg": name}).encode())
        yield f"{text}.{payload}.{signature}"


def _keyed(secret: bytes, digest: str, data: bytes) -> bytes:
    return hmac.digest(secret, data, digest)


def _other_headers(
    fair: dict[str, str], said: object, mine: bytes, own: Sign, sign: Sign
) -> Iterator[str]:
    """Headers that name another key, bring one along, or say more than they may."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": encode(mine), "kid": thumbprint(mine)}
    for kid in (thumbprint(mine), "", "../../key", fair["kid"] + "x", fair["kid"].lower()):
        yield joined({**fair, "kid": kid}, said, own)
        yield joined({**fair, "kid": kid}, said, sign)
    for more in (
        {"jwk": jwk},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/a.pem"},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ):
        yield joined({**fair, **more}, said, own)
        yield joined({**fair, **more}, said, sign)
    for kind in ("JWT", "at+jwt", "jwt", "", fair["typ"].upper()):
        yield joined({**fair, "typ": kind}, said, sign)
    for gone in fair:
        yield joined({key: one for key, one in fair.items() if key != gone}, said, sign)
    yield joined(dict(reversed(fair.items())), said, sign)
    yield joined(json.dumps(fair).encode(), said, sign)
    yield joined(json.dumps(fair).encode()[:-1] + b',"alg":"none"}', said, sign)
    for odd in ([fair], "x", None, b"\xff", b"{"):
        yield joined(odd, said, sign)


def flipped(text: str) -> Iterator[str]:
    """A text with each of its bytes another one."""
    for at, old in enumerate(text):
        new = secrets.choice("".join(set("ABCxyz019-_.") - {old}))
        yield text[:at] + new + text[at + 1 :]


async def public_keys(sessions: SessionManager) -> dict[str, bytes]:
    """The public keys as they are published, by name."""
    return keys_of(await sessions.tokens.jwks())
