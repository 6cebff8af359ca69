"""What a signed token says, and how keys are published."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput, TokenInvalid
from holdfast.core.signedtokens import (
    KEYS_MAX,
    Claims,
    header_of,
    header_text,
    key_set,
    keys_of,
    looks_signed,
    read_claims,
    thumbprint,
)

CLAIMS = Claims(
    issuer="https://sessions.example",
    audience="reports",
    token="0a" * 16,
    principal="agent:ann",
    session="one",
    workspace="default",
    role="agent",
    scopes=("messages:read", "sessions:*"),
    task_type="default",
    generation=2,
    issued_s=1_000,
    expires_s=2_000,
)
# The example of RFC 8037, appendix A.
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
X, NAME = (
    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
)


def test_claims_come_back() -> None:
    """As they are written, with the scopes as one text (RFC 8693)."""
    assert CLAIMS == read_claims(CLAIMS.written())
    said = json.loads(CLAIMS.written())
    assert ("messages:read sessions:*", 2_000, "0a" * 16) == (
        said["scope"],
        said["exp"],
        said["jti"],
    )
    bare = replace(CLAIMS, scopes=(), session="")
    assert bare == read_claims(bare.written())


def test_what_they_permit_and_when() -> None:
    """The scopes; from half a minute before it was made until it expires, which is strict."""
    assert CLAIMS.may("sessions:delete") and not CLAIMS.may("messages:send")
    assert [False, True, True, False] == [CLAIMS.holds_at(at) for at in (969, 970, 1999.9, 2000)]
    assert datetime(1970, 1, 1, 0, 33, 20, tzinfo=UTC) == CLAIMS.expires_at


@pytest.mark.parametrize(
    "change",
    [
        {"gen": "2"}, {"gen": True}, {"gen": -1}, {"exp": 2**53 + 1}, {"exp": 1.5}, {"sub": None},
        {"scope": ["a"]}, {"scope": "b a"}, {"scope": "a a"}, {"scope": "a  b"}, {"scope": " a"},
        {"aud": ["reports"]}, {"more": 1},
    ],
)  # fmt: skip
def test_other_claims_are_refused(change: dict[str, object]) -> None:
    """Of another type, out of order, unknown: there is one way to say it."""
    said = json.loads(CLAIMS.written()) | change
    with pytest.raises(TokenInvalid):
        read_claims(json.dumps(said).encode())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000, b'{"a":NaN}']
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    """It never raises anything else."""
    with pytest.raises(TokenInvalid):
        read_claims(data)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_reading_never_raises_anything_else(data: bytes) -> None:
    """Whatever comes."""
    with pytest.raises(TokenInvalid):
        read_claims(data)


def test_a_text_that_could_be_one() -> None:
    """Three parts of base64url, the last of a signature's length."""
    text = f"{header_text(NAME)}.e30.{'A' * 86}"
    assert looks_signed(text)
    for odd in (text + "A", text + "=", text + "\n", "a" + "." + text, text[:-1], "", None, 7,
                "x" * 5000 + text, text.replace("e30", "")):  # fmt: skip
        assert not looks_signed(odd)
    assert {"alg": "EdDSA", "kid": NAME, "typ": "holdfast-token+jwt"} == header_of(NAME)


def test_keys_are_published_by_their_thumbprint() -> None:
    """The name and the form of RFC 8037's own example."""
    assert NAME == thumbprint(PUBLIC)
    found = key_set([PUBLIC])
    assert {"keys": [{"crv": "Ed25519", "kty": "OKP", "x": X, "kid": NAME, "use": "sig",
                      "alg": "EdDSA"}]} == found  # fmt: skip
    assert {NAME: PUBLIC} == keys_of(found)
    assert {} == keys_of(key_set([])) == keys_of({"keys": [{"kty": "RSA", "kid": "x"}]})


@pytest.mark.parametrize(
    "found",
    [
        None, [], {}, {"keys": None}, {"keys": ["x"]}, {"keys": [{}] * (KEYS_MAX + 1)},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": X, "kid": "other"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": X + "=", "kid": NAME}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": X[:-1] + "p", "kid": NAME}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": NAME}]},
    ],
)  # fmt: skip
def test_a_set_that_is_none_is_refused(found: object) -> None:
    """A verifier's own mistake is told apart from a wrong token."""
    with pytest.raises(InvalidInput):
        keys_of(found)
