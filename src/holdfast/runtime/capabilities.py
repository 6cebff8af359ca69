"""Capability tokens: authority that is carried as text (seed E, astrid#AW-12).

    hfcap1.<payload, base64url>.<Ed25519 signature, base64url>

The payload is JSON of `Capability`. It is verified against the keys this
installation trusts, its own and those an operator lists, never against the
issuer a token names. A token says for whom it is, until when and how often; its
uses are claimed from one counter named after it, in whatever process or session
it is used. The text of a token stands in no log, event or error.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.core.errors import CapabilityRefused, MalformedRule, Unreadable
from holdfast.core.granting import grant_id
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import RuleEffect, parse_rule
from holdfast.core.tools import Operation
from holdfast.core.view import SessionView
from holdfast.runtime.boxes import framed
from holdfast.runtime.codec import dump, load

PREFIX = "hfcap1"
SKEW_MS = 30_000
"""How far the clocks of who issues and who verifies may be apart."""

TOKEN_CHARS_MAX = 8_192
_DOMAIN = b"holdfast/capability/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a token says.

    Args:
        id: 32 hexadecimal characters, random.
        issuer: the public key that signs it, hex.
        tenant: where it holds.
        rule: what it permits, as rule text.
        permissions: what may be done with the paths; none stands for any.
        created_ms, expires_ms: milliseconds since 1970.
        uses_max: how often it may be used in all; None means any number.
        user, session, workspace: for whom it is; "" is anybody of the tenant.
        audit_session, audit_version: the event that authorised it.
        by: who issued it.
    """

    id: str
    issuer: str
    tenant: str
    rule: str
    created_ms: int
    expires_ms: int
    permissions: tuple[Operation, ...] = ()
    uses_max: int | None = 1
    user: str = ""
    session: str = ""
    workspace: str = ""
    audit_session: str = ""
    audit_version: int = 0
    by: str = ""

    def __repr__(self) -> str:
        return f"Capability({self.rule})"


def issue(capability: Capability, sign: Callable[[bytes], bytes]) -> str:
    """Write and sign a token."""
    payload = dump(capability)
    return f"{PREFIX}.{_encode(payload)}.{_encode(sign(framed(_DOMAIN, payload)))}"


def verify(token: str, trusted: frozenset[str], now_ms: int) -> Capability:
    """Read a token and check who signed it and when it holds.

    Args:
        trusted: public keys, hex.

    Raises:
        CapabilityRefused: it does not hold here; `code` says why.
    """
    payload, signature = _parts(token)
    try:
        said = load(Capability, payload)
    except Unreadable:
        raise CapabilityRefused("the token's payload cannot be read") from None
    if said.issuer not in trusted:
        text = "the token's issuer is not trusted here"
        raise CapabilityRefused(text, code="untrusted_issuer")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(said.issuer))
        key.verify(signature, framed(_DOMAIN, payload))
    except (InvalidSignature, ValueError):
        raise CapabilityRefused("the token was altered", code="bad_signature") from None
    if now_ms >= said.expires_ms + SKEW_MS:
        raise CapabilityRefused("the token has expired", code="expired")
    if now_ms < said.created_ms - SKEW_MS:
        raise CapabilityRefused("the token holds only later", code="not_yet_valid")
    return said


def grant_of(capability: Capability, view: SessionView) -> Grant:
    """The grant that a verified token makes in a session.

    It has the same id, and so the same counter, wherever the token is used.

    Raises:
        CapabilityRefused: it is for somebody else, or what it permits is no rule.
    """
    wanted = (
        (capability.tenant, view.tenant, True),
        (capability.user, view.user_id, bool(capability.user)),
        (capability.session, view.session_id, bool(capability.session)),
        (capability.workspace, view.settings.workspace, bool(capability.workspace)),
    )
    if any(there != here for there, here, matters in wanted if matters):
        raise CapabilityRefused("the token is not for this session", code="wrong_holder")
    try:
        rule = parse_rule(RuleEffect.ALLOW, capability.rule)
    except MalformedRule:
        raise CapabilityRefused("what the token permits is not a rule") from None
    return Grant(
        id=grant_id("capability", capability.issuer, capability.id),
        kind=GrantKind.CAPABILITY,
        scope=GrantScope.SESSION,
        holder="",
        rule=rule,
        operations=capability.permissions,
        expires_ms=capability.expires_ms + SKEW_MS,
        uses_max=capability.uses_max,
        by=capability.by,
        issuer=capability.issuer,
    )


def public_key(text: str) -> str:
    """Check that a text is an Ed25519 public key, hex; returns it in lower case.

    Raises:
        CapabilityRefused: it is not.
    """
    try:
        raw = bytes.fromhex(text)
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise CapabilityRefused("a public key is 64 hexadecimal characters") from None
    return raw.hex()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _encode(data) != text:
        raise ValueError("not written as it would be")
    return data


def _parts(token: str) -> tuple[bytes, bytes]:
    parts = token.split(".") if isinstance(token, str) and len(token) <= TOKEN_CHARS_MAX else []
    if len(parts) != 3 or parts[0] != PREFIX:
        raise CapabilityRefused("this is not a capability token")
    try:
        return _decode(parts[1]), _decode(parts[2])
    except (ValueError, binascii.Error):
        raise CapabilityRefused("the token is not base64url") from None
