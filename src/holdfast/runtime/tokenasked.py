"""Requests for a token that come again get the same token (contract 1.11; ADR 0034).

- What a request makes has an id of its key, so that the store itself sees to it that
  there is one token, whoever asks at once in whatever processes.
- The text is kept sealed in the row, under a key that takes the tenant's secret and the
  request's own key: neither the store nor the installation's keys give it away without
  what only the caller has.
- It is given out as long as it is the text of a live token; a refresh takes it away.
- The maker's own token is part of the key: another token of the same principal, which may
  have less, never comes by what this one made.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from holdfast.core.errors import CommandMismatch, NotNow, Unreadable
from holdfast.core.principals import Principal
from holdfast.core.tokens import Permitted
from holdfast.ports.tokens import TokenRow
from holdfast.runtime.boxes import BoxCipher, keyed_digest
from holdfast.runtime.host import Commands
from holdfast.runtime.repeats import name_of
from holdfast.runtime.tokenbook import TokenBook

_PURPOSE = "token-again"


class Asked:
    """One request to make a token.

    Args:
        tenant: whose the token is.
        commands: of the request.
        by: whose token it is made with.
        now_ms: milliseconds since 1970.
        life_s: after how many seconds a token is over and its row may be gone.
    """

    def __init__(
        self,
        book: TokenBook,
        tenant: str,
        commands: Commands,
        by: Principal | None,
        *,
        now_ms: int,
        life_s: float,
    ) -> None:
        maker = "" if by is None else by.token
        key = book.asked_key(tenant, commands.named(b"token" + maker.encode()))
        self.session = name_of(commands)
        self._book = book
        self._body = sha256(commands.body).digest()
        self._box = BoxCipher(key)
        # An id is never given to a second token, also when the first one's row is gone: it
        # has the number of a stretch of time that is as long as a row is kept.
        life_ms = round(life_s * 1000)
        stretch = now_ms // life_ms
        self._ids = [
            keyed_digest(key, b"id", b"%d of %d" % (number, life_ms))
            for number in (stretch, stretch - 1)
        ]

    @property
    def id(self) -> bytes:
        """The id of the token that the request makes, 16 bytes."""
        return self._ids[0]

    def kept(self, row: TokenRow, permitted: Permitted, text: str, nonce: bytes) -> TokenRow:
        """The row with its text, sealed for whoever asks again.

        Args:
            nonce: 12 random bytes.
        """
        sealed = self._box.seal(_PURPOSE, (row.id, self._body), text.encode(), nonce)
        return self._book.sealed(row, replace(permitted, again=sealed.hex()), text)

    async def before(self, now_ms: int) -> tuple[TokenRow, Permitted, str] | None:
        """The token that the request made when it came before, or None.

        Raises:
            CommandMismatch: it came with another body.
            NotNow: that token was refreshed or revoked, or has expired.
        """
        for id in self._ids:
            row = await self._book.store.token_row(id)
            if row is not None:
                return self._opened(row, now_ms)
        return None

    def _opened(self, row: TokenRow, now_ms: int) -> tuple[TokenRow, Permitted, str]:
        permitted = self._book.open(row)
        over = NotNow("the token of this request was refreshed or revoked, or has expired")
        if not permitted.again:
            raise over
        try:
            sealed = bytes.fromhex(permitted.again)
            text = self._box.open(_PURPOSE, (row.id, self._body), sealed).decode()
        except Unreadable:
            raise CommandMismatch("this key was used before with another body") from None
        if not row.live(now_ms):
            raise over
        return row, permitted, text
