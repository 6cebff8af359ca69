"""Tokens of open streams: asked about again and again, until they are not valid.

A token may be revoked here or by another process, or its time may run out; the stream
that it opened is over within a second, and before its next event if it was revoked.
What cannot be asked counts as no.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from hashlib import sha256

from holdfast.core.errors import HoldfastError, ScopeDenied, TokenInvalid, Unavailable
from holdfast.core.principals import Principal
from holdfast.server.auth import Validate

CHECK_S = 0.4
ANSWER_S = 2.0
AT_ONCE = 16


class Pass:
    """One token and who showed it.

    Attributes:
        error: why nothing more may be read by it, or None.
        streams: how many streams are open by it.
    """

    def __init__(self, token: str, who: Principal, scope: str) -> None:
        self.key = (sha256(token.encode()).digest(), scope)
        self.who = who
        self.scope = scope
        self.error: HoldfastError | None = None
        self.streams = 0
        self._token = token

    def __repr__(self) -> str:
        return f"Pass({self.who.id!r})"

    def refusal(self) -> HoldfastError | None:
        """Why nothing more may be read by it, or None."""
        return self.error

    async def check(self, validate: Validate) -> None:
        """Ask once more; `error` is set if the answer is not what it was."""
        try:
            async with asyncio.timeout(ANSWER_S):
                now = await validate(self._token)
        except HoldfastError as error:
            self.error = error
        except Exception:  # a time-out, or a bug: nobody has said that it is valid
            self.error = Unavailable("the token could not be checked")
        else:
            same = (now.id, now.workspace, now.session)
            if same != (self.who.id, self.who.workspace, self.who.session):
                self.error = TokenInvalid()
            elif not now.may(self.scope):
                self.error = ScopeDenied(f"this needs the scope {self.scope}")


class Passes:
    """The tokens of all open streams.

    Args:
        validate: who a token is of; raises TokenInvalid.
        died: called when one or more are not valid any more.
    """

    def __init__(self, validate: Validate, died: Callable[[], None]) -> None:
        self._validate = validate
        self._died = died
        self._held: dict[tuple[bytes, str], Pass] = {}

    def take(self, token: str, who: Principal, scope: str) -> Pass:
        """Open a stream by a token that was valid just now; `give` it back."""
        fresh = Pass(token, who, scope)
        found = self._held.get(fresh.key)
        if found is None or found.error is not None:
            found = self._held[fresh.key] = fresh
        found.streams += 1
        return found

    def give(self, held: Pass) -> None:
        """Note that a stream is over."""
        held.streams -= 1
        if not held.streams and self._held.get(held.key) is held:
            del self._held[held.key]

    async def ask(self, held: Pass) -> None:
        """Ask about one token.

        Raises:
            HoldfastError: nothing more may be read by it.
        """
        await held.check(self._validate)
        if held.error is not None:
            self._died()
            raise held.error

    async def check(self) -> None:
        """Ask about every token once."""
        waiting = [one for one in self._held.values() if one.error is None]
        for start in range(0, len(waiting), AT_ONCE):
            batch = waiting[start : start + AT_ONCE]
            await asyncio.gather(*(one.check(self._validate) for one in batch))
            if _any_dead(batch):
                self._died()


def _any_dead(batch: Iterable[Pass]) -> bool:
    return any(one.error is not None for one in batch)
