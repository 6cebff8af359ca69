"""The text of signed tokens: written by PyJWT, read back, and nothing else is."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.tokenforms.signed import JwtForm
from holdfast.core.errors import TokenInvalid
from holdfast.core.signedtokens import Claims, thumbprint
from jwtkit import flipped, forgeries

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
KID = thumbprint(PUBLIC)
CLAIMS = Claims(
    issuer="https://sessions.example",
    audience="reports",
    token="0a" * 16,
    principal="agent:ann",
    session="one",
    workspace="default",
    role="agent",
    scopes=("messages:read",),
    task_type="default",
    generation=1,
    issued_s=1_000,
    expires_s=2_000,
)


def test_it_comes_back_and_others_can_read_it() -> None:
    """By this form, and by any library that knows JWT."""
    form = JwtForm()
    text = form.write(CLAIMS, KID, KEY.sign)
    assert (KID, CLAIMS) == form.read(text, {"other": bytes(32), KID: PUBLIC})
    assert text == form.write(CLAIMS, KID, KEY.sign)
    found = jwt.decode(
        text,
        KEY.public_key(),
        algorithms=["EdDSA"],
        audience="reports",
        issuer="https://sessions.example",
        options={"verify_exp": False},
    )
    assert ("agent:ann", "messages:read", 1) == (found["sub"], found["scope"], found["gen"])
    assert {"alg": "EdDSA", "kid": KID, "typ": "holdfast-token+jwt"} == jwt.get_unverified_header(
        text
    )


def test_no_key_no_token() -> None:
    """Without the key that its header names, nothing is read."""
    form = JwtForm()
    text = form.write(CLAIMS, KID, KEY.sign)
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for keys in ({}, {thumbprint(other): other}, {KID: other}, {KID: b"short"}, {"": PUBLIC}):
        with pytest.raises(TokenInvalid):
            form.read(text, keys)


def test_every_other_text_is_refused() -> None:
    """Every forgery, those with the right signature too; and each byte another one."""
    form = JwtForm()
    text = form.write(CLAIMS, KID, KEY.sign)
    second = form.write(Claims(**{**_fields(), "session": "two"}), KID, KEY.sign)
    count = 0
    for forged in forgeries(text, second, KID, PUBLIC, KEY.sign):
        try:
            _, claims = form.read(forged, {KID: PUBLIC})
        except TokenInvalid:
            count += 1
            continue
        # Signed with the real key, and said in the one way: it is a token, only another one.
        assert claims != CLAIMS and forged != text
    assert count == 280, "all but those that change one claim with the real key"
    for forged in flipped(text):
        with pytest.raises(TokenInvalid):
            form.read(forged, {KID: PUBLIC})


def _fields() -> dict[str, object]:
    return {name: getattr(CLAIMS, name) for name in CLAIMS.__slots__}
