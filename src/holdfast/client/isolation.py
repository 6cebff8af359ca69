"""What each session of a server holds apart from all others."""

from __future__ import annotations

from holdfast.client.controls import API
from holdfast.client.decode import member, read, read_list
from holdfast.client.told import level_of
from holdfast.client.values import Followed
from holdfast.client.wire import Ask, Wire


class RemoteIsolation:
    """The sessions of a server, each by itself, under the names of `SessionIsolation`.

    Args:
        wire: to the server.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def registry(self, session_id: str) -> tuple[Followed, ...]:
        """What is followed in a session, the most sensitive first; never the values.

        Raises:
            SessionNotFound: there is no such session, or it was wiped.
            HoldfastError: it was refused.
        """
        ask = Ask(method="GET", path=f"{API}/taint/entries", query={"session_id": session_id})
        entries = read_list(dict, (await self._wire.ask(ask)).json())
        return tuple(_followed(one) for one in entries)


def _followed(told: object) -> Followed:
    return Followed(
        fingerprint=read(str, member(told, "fingerprint")),
        kind=read(str, member(told, "kind")),
        level=level_of(member(told, "level")),
        pseudonym=read(str, member(told, "pseudonym")),
    )
