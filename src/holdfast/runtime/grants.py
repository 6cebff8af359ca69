"""Rows of the grants table: sealed, signed over all fields, checked on each use.

A row's body is a box of an Ed25519 signature and the grant as JSON. The box of a
session's own grants is sealed under the session's key and is gone with the wipe;
all others under a key of the tenant. The signature covers installation, tenant,
scope and every field. It is verified when a row is read for the first time or
has changed; from then on a keyed MAC over the whole row stands for it (rulings
R12). A row that does not verify is never honoured (astrid#AW-14).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.core.errors import MalformedRule, Unreadable
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import Rule, RuleEffect, check_rule
from holdfast.core.view import SessionView
from holdfast.ports.keys import Keys
from holdfast.ports.store import Grant as Row
from holdfast.ports.store import session_scope
from holdfast.runtime.boxes import NONCE_BYTES, BoxCipher, derive, framed, keyed_digest
from holdfast.runtime.codec import dump, load
from holdfast.runtime.envelope import Crypto

SIGNATURE_BYTES = 64
RULES_KNOWN = 4_096
_DOMAIN = b"holdfast/grant/1"
_PURPOSE = "grant"


@dataclass(frozen=True, slots=True)
class Scopes:
    """Under which scopes of the store a session's grants are kept.

    Args:
        workspace: "" without a workspace.
    """

    session: str
    workspace: str
    user: str
    tenant: str

    @property
    def all(self) -> tuple[str, ...]:
        """Each scope that is there."""
        found = (self.session, self.workspace, self.user, self.tenant)
        return tuple(one for one in found if one)

    @property
    def holders(self) -> dict[GrantScope, str]:
        """Where a grant of each scope is kept."""
        found = {
            GrantScope.SESSION: self.session,
            GrantScope.WORKSPACE: self.workspace,
            GrantScope.ALWAYS: self.user,
        }
        return {scope: holder for scope, holder in found.items() if holder}


def workspace_scope(keys: Keys, tenant: str, workspace: str) -> str:
    """The scope of a tenant's grants in a directory.

    Args:
        workspace: its real path; nothing of it can be read from the scope.
    """
    if not workspace:
        return ""
    parts = (b"workspace", tenant.encode(), workspace.encode("utf-8", "surrogateescape"))
    return f"w:{keyed_digest(keys.blind_key(tenant), *parts).hex()}"


def user_scope(keys: Keys, tenant: str, user: str) -> str:
    """The scope of a user's grants in all sessions of a tenant."""
    parts = (b"user", tenant.encode(), user.encode("utf-8", "replace"))
    return f"u:{keyed_digest(keys.blind_key(tenant), *parts).hex()}"


def scopes_of(keys: Keys, view: SessionView, stream: int) -> Scopes:
    """The scopes that hold for a session."""
    return Scopes(
        session=session_scope(stream),
        workspace=workspace_scope(keys, view.tenant, view.settings.workspace),
        user=user_scope(keys, view.tenant, view.user_id),
        tenant=f"t:{view.tenant}",
    )


class Sealer:
    """Seals, opens and checks the rows of one tenant, and of one session's own scope.

    Args:
        own: the session's own scope, or "".
        crypto: of the session; without it its own rows are neither sealed nor opened.
        random: draws nonces.
    """

    def __init__(
        self,
        keys: Keys,
        tenant: str,
        random: Callable[[int], bytes],
        *,
        own: str = "",
        crypto: Crypto | None = None,
    ) -> None:
        secret = keys.tenant_secret(tenant)
        self._keys = keys
        self._tenant = tenant
        self._random = random
        self._own = own
        self._crypto = crypto
        self._public = Ed25519PublicKey.from_public_bytes(keys.audit_public_key)
        self._box = BoxCipher(derive(secret, b"holdfast/grant-box/1"))
        self._mac_key = bytes(derive(secret, b"holdfast/grant-mac/1"))

    def seal(self, grant: Grant) -> bytes:
        """Sign a grant and seal it as the body of its row."""
        payload = dump(grant)
        signature = self._keys.sign(self._message(grant.holder, payload))
        ids = (self._tenant, grant.holder, grant.id)
        if grant.holder == self._own:
            if self._crypto is None:
                raise Unreadable("the session's key is destroyed")
            return self._crypto.seal_box(_PURPOSE, ids, signature + payload)
        return self._box.seal(_PURPOSE, ids, signature + payload, self._random(NONCE_BYTES))

    def open(self, row: Row) -> Grant:
        """Open a row and verify its signature.

        Raises:
            Unreadable: it is not what was written; it must not be honoured.
        """
        ids = (self._tenant, row.scope, row.id.hex())
        if row.scope == self._own:
            if self._crypto is None:
                raise Unreadable("the session's key is destroyed")
            signed = self._crypto.open_box(_PURPOSE, ids, row.body)
        else:
            signed = self._box.open(_PURPOSE, ids, row.body)
        signature, payload = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        try:
            self._public.verify(signature, self._message(row.scope, payload))
        except InvalidSignature:
            raise Unreadable("the grant's signature does not verify") from None
        grant = load(Grant, payload)
        if (grant.holder, grant.id) != (row.scope, row.id.hex()):
            raise Unreadable("the grant stands in another place than it was written for")
        return grant

    def mac(self, row: Row) -> bytes:
        """A keyed MAC over a whole row; made once it has verified, compared on each use."""
        return keyed_digest(self._mac_key, row.scope.encode(), row.id, row.body)

    def _message(self, scope: str, payload: bytes) -> bytes:
        where = (self._keys.installation, self._tenant.encode(), scope.encode())
        return framed(_DOMAIN, *where, payload)


def check_grant(grant: Grant, trusted: frozenset[str]) -> str:
    """What keeps a grant that verifies from being honoured, or "".

    Args:
        trusted: public keys, hex, whose capabilities hold here.
    """
    if grant.rule.effect is not RuleEffect.ALLOW:
        return "its rule does not allow"
    if grant.kind is GrantKind.CAPABILITY and grant.issuer not in trusted:
        return "the issuer of its token is not trusted here"
    if grant.uses_max is not None and grant.uses_max < 1:
        return "its number of uses is not one"
    return "" if grant.kind is GrantKind.ESCAPE else _rule_problem(grant.rule)


@lru_cache(maxsize=RULES_KNOWN)  # all grants are looked at again when one of them changes
def _rule_problem(rule: Rule) -> str:
    try:
        check_rule(rule)
    except MalformedRule as error:
        return error.message
    return ""
