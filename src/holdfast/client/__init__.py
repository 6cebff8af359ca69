"""A client of a server's sessions: the manager's and the handle's names, over HTTP.

Glossary
- client: the sessions of one server, as the bearer of one token sees them.
- remote session: the handle of one of them.
- wire: the connections; what is sent again, and what is not (`wire` has the rules).
- place: how far a reader of a stream has come, over all its connections.

    async with Client("https://holdfast.example.com", token=token) as client:
        session = await client.create_session("fix-tests")
        print((await session.generate("Fix the failing test.")).text)
"""

from __future__ import annotations

from holdfast.client.client import Client
from holdfast.client.session import RemoteSession
from holdfast.client.settings import ClientSettings

__all__ = ["Client", "ClientSettings", "RemoteSession"]
