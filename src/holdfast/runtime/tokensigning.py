"""Signing tokens and checking them against their rows (ADR 0033).

Rules
- The row says everything: whether its text is signed, with which key, for whom. A text
  is checked against what the row says, claim by claim, and the row decides alone.
- What was read of the keys is used again only while the store's token epoch is what it
  was: a rotation raises that, as a revocation does.
- A wiped session has no name any more that a claim could be compared with; that the
  text is the row's own, and that its signature holds, is asked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from holdfast.core.errors import InvalidInput, KeyMissing, MissingExtra, NotNow, TokenInvalid
from holdfast.core.signedtokens import (
    KEYS_MAX,
    Claims,
    SignedForm,
    key_set,
    looks_signed,
    thumbprint,
)
from holdfast.core.tokens import CLOCK_SKEW_S, Permitted, Signed, TokenSettings
from holdfast.ports.clock import Clock
from holdfast.ports.keys import Keys
from holdfast.ports.tokens import TokenRow

LIVE_MAX = KEYS_MAX // 2
"""So many keys verify at once at most."""

_SKEW_MS = CLOCK_SKEW_S * 1000


def no_form() -> SignedForm:
    """Signed tokens cannot be read or written here.

    Raises:
        MissingExtra: always.
    """
    raise MissingExtra("signed tokens", "jwt")


class TokenSigning:
    """Signs and checks the tokens of one store.

    Args:
        keys: where the keys are kept that sign.
        form: gives what writes and reads texts.
    """

    def __init__(self, keys: Keys, clock: Clock, form: Callable[[], SignedForm]) -> None:
        self._keys = keys
        self._clock = clock
        self._form = form
        self._epoch = -1
        self._ring: dict[str, bytes] = {}

    def check_form(self) -> None:
        """Check that texts can be signed here.

        Raises:
            MissingExtra: the optional part is not installed.
        """
        self._form()

    def signed(
        self, row: TokenRow, permitted: Permitted, session: str, settings: TokenSettings
    ) -> tuple[Permitted, str]:
        """Sign the text of a row; returns what the row says of it, and the text.

        Args:
            session: the id of the session it is for, or "".

        Raises:
            MissingExtra: the optional part is not installed.
        """
        form = self._form()
        while True:
            now_ms = self._clock.now_ms()
            # A process whose clock is ahead is not to take the key away before its time.
            key = self._keys.token_key(until_ms=row.expires_ms + _SKEW_MS, now_ms=now_ms)
            said = Signed(
                kid=thumbprint(key.public),
                issuer=settings.issuer or f"holdfast:{self._keys.installation.hex()}",
                audience=settings.audience,
                issued_s=now_ms // 1000,
            )
            permitted = replace(permitted, signed=said)
            claims = claims_of(row, permitted, said, session)
            try:
                text = form.write(claims, said.kid, partial(self._keys.sign_token, key.number))
            except KeyMissing:  # rotated at once since: the next one signs
                continue
            if not looks_signed(text):
                raise InvalidInput("the signed token would be too long")
            return permitted, text

    def check(
        self, text: str, row: TokenRow, permitted: Permitted, session: str | None, epoch: int
    ) -> None:
        """Check a text that its digest found against what its row says.

        Args:
            session: the id of the session it is for, "" for none, None if it was wiped.
            epoch: the store's token epoch.

        Raises:
            TokenInvalid: signature, key or any claim is not as the row says.
        """
        said = permitted.signed
        if said is None:
            raise TokenInvalid
        try:
            kid, claims = self._form().read(text, self._named(said.kid, epoch))
        except MissingExtra:
            raise TokenInvalid from None
        if session is None:
            session = claims.session
        if kid != said.kid or claims != claims_of(row, permitted, said, session):
            raise TokenInvalid

    def published(self) -> dict[str, object]:
        """The public keys that verify now, as a key set (RFC 7517), read anew."""
        return key_set([key.public for key in self._keys.token_keys(self._clock.now_ms())])

    def rotate(self, *, at_once: bool) -> str:
        """Draw the next key; returns its name.

        Raises:
            NotNow: so many verify already that verifiers could refuse the whole set.
        """
        now_ms = self._clock.now_ms()
        if not at_once and len(self._keys.token_keys(now_ms)) >= LIVE_MAX:
            raise NotNow(f"{LIVE_MAX} keys verify tokens already; wait, or rotate at once")
        return thumbprint(self._keys.rotate_token_key(now_ms=now_ms, at_once=at_once).public)

    def _named(self, kid: str, epoch: int) -> dict[str, bytes]:
        """The keys by name; read anew where one is not known that a row names."""
        if epoch != self._epoch or kid not in self._ring:
            keys = self._keys.token_keys(self._clock.now_ms())
            self._ring = {thumbprint(key.public): key.public for key in keys}
            self._epoch = epoch
        return self._ring


def claims_of(row: TokenRow, permitted: Permitted, said: Signed, session: str) -> Claims:
    """What the text of a row says, if it is the row's."""
    return Claims(
        issuer=said.issuer,
        audience=said.audience,
        token=row.id.hex(),
        principal=permitted.principal,
        session=session,
        workspace=row.tenant,
        role=permitted.role,
        scopes=permitted.scopes,
        task_type=permitted.task_type,
        generation=row.generation,
        issued_s=said.issued_s,
        expires_s=row.expires_ms // 1000,
    )
