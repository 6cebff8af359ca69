"""Whose tokens act in a session, and whether one of them was revoked (contract 2.13).

Revoking a token raises the revision of its scope, and nothing else does. So the log
of a session needs no word of it: an intent is appended only while the scope of the
token that caused the turn, or a call beside it, stands at 0, and whoever decides asks
for just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.core.commands import HostCall, Send
from holdfast.core.events import EffectStarted, Event
from holdfast.core.principals import Bearer
from holdfast.core.view import HOST_EFFECTS, SessionView
from holdfast.ports.store import Assert, Store
from holdfast.ports.tokens import token_scope
from holdfast.runtime.host import Mail


class Bearers:
    """The tokens that act in one session, as last read.

    Args:
        store: where the session is kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: frozenset[str] = frozenset()
        self.revoked: frozenset[str] = frozenset()

    async def read(
        self,
        view: SessionView,
        batch: Iterable[Mail],
        *,
        anew: bool,
        beside: Iterable[Bearer] = (),
    ) -> None:
        """Read which of the tokens that the batch is about were revoked.

        Args:
            view: the session; the token its turn runs for is one of them.
            batch: letters; the tokens that their messages came by are, too.
            anew: somebody may have revoked one since the last reading.
            beside: those for which calls beside the turn run.
        """
        turn = view.turn
        bearers = [None if turn is None else turn.bearer, *beside]
        bearers += [one.command.bearer for one in batch if isinstance(one.command, Send | HostCall)]
        asking = frozenset([one.token for one in bearers if one is not None])
        if asking <= self._known and not (anew and asking):
            return
        grants = self._store.grants
        self.revoked = frozenset(
            [one for one in sorted(asking) if (await grants(token_scope(one)))[0]]
        )
        self._known = asking


def asserted(
    events: Sequence[tuple[Event, int]], views: Sequence[SessionView]
) -> tuple[Assert, ...]:
    """What an append asserts of the tokens for which its effects start.

    Args:
        events: with their actors.
        views: the session after each.
    """
    starts = [
        _bearer_of(event, view)
        for (event, _), view in zip(events, views, strict=True)
        if isinstance(event, EffectStarted)
    ]
    tokens = {one.token for one in starts if one is not None}
    return tuple(Assert(scope=token_scope(one), revision=0) for one in sorted(tokens))


def _bearer_of(event: EffectStarted, view: SessionView) -> Bearer | None:
    """Whose token an effect starts for; the turn's has nothing to do with the program's calls."""
    if event.effect in HOST_EFFECTS:
        return event.bearer
    return None if view.turn is None else view.turn.bearer
