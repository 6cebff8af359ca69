"""Tokens of a server."""

from __future__ import annotations

import pytest

from clienthelp import IMPATIENT, TOKEN, canned, line, pair, told
from holdfast.client import Client
from holdfast.client.tokens import issued_of
from holdfast.core.errors import (
    BadAnswer,
    NotFound,
    ScopeDenied,
    ServerUnreachable,
    TokenInvalid,
)
from sessionhelp import run


def test_tokens_are_made_listed_and_revoked() -> None:
    """They are narrowed to their maker's; a revoked one is worth nothing at once."""

    async def main() -> None:
        async with pair() as found:
            await found.client.create_session("one")
            admin = found.served.admin["Authorization"].removeprefix("Bearer ")
            async with found.other(found.url) as ann, Client(found.url, token=admin) as root:
                made = await root.tokens.create("bot", session="one", expires_in=60)
                assert made.is_valid
                assert made.guard_token not in repr(made)
                assert ("one", "agent", "bot") == (made.session_id, made.role, made.agent_id)
                async with Client(found.url, token=made.guard_token, settings=IMPATIENT) as bot:
                    assert "one" == (await bot.get_session("one")).id
                    with pytest.raises(ScopeDenied):
                        await bot.tokens.create("more", "admin")
                    page = await root.tokens.list(agent_id="bot")
                    assert [made.id] == [one.id for one in page.tokens]
                    assert "one" == (await root.tokens.info(made.id)).session_id
                    await root.tokens.revoke(made.id)
                    with pytest.raises(TokenInvalid):
                        await bot.get_session("one")
                await root.tokens.create("bot", session="one")
                assert 1 == await root.tokens.revoke_all_for_agent("bot")
                with pytest.raises(NotFound):
                    await root.tokens.revoke("nothing-of-that-id")
                assert "one" == (await ann.get_session("one")).id

    run(main())


def test_a_lost_answer_is_asked_for_again() -> None:
    """The line breaks in the middle of it: the same token comes, and there is one."""

    async def main() -> None:
        async with pair() as found, line(found.url) as bad:
            bad.cuts = [0, 40, 400]
            await found.served.sessions.create_session("one")
            async with found.other(bad.url) as ann:
                made = await ann.tokens.create("bot", session="one")
            assert 4 == bad.connections
            page = await found.client.tokens.list(agent_id="bot")
            assert [made.id] == [one.id for one in page.tokens]
            async with Client(found.url, token=made.guard_token, settings=IMPATIENT) as bot:
                assert "one" == (await bot.get_session("one")).id

    run(main())


def test_a_refresh_is_never_asked_for_twice() -> None:
    """Its text would be lost with the answer: the caller is told, and nothing is repeated."""

    async def main() -> None:
        async with (
            canned(None, told({})) as server,
            Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
        ):
            with pytest.raises(ServerUnreachable):
                await client.tokens.refresh()
            with pytest.raises(BadAnswer):
                await client.tokens.refresh()
            assert 2 == server.connections

    run(main())


@pytest.mark.parametrize("value", [None, {}, {"id": "x"}])
def test_what_is_no_token_is_refused(value: object) -> None:
    """No part of it is made up."""
    with pytest.raises(BadAnswer):
        issued_of(value)


def test_the_keys_of_signed_tokens() -> None:
    """As the server publishes them; an answer that is no set of keys is refused."""

    async def main() -> None:
        async with pair() as found:
            assert {"keys": []} == await found.client.tokens.jwks()
            await found.served.sessions.tokens.rotate_key()
            assert await found.served.sessions.tokens.jwks() == await found.client.tokens.jwks()
        for odd in ({}, {"keys": "x"}, {"keys": [1]}, []):
            async with (
                canned(told(odd)) as server,
                Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
            ):
                with pytest.raises(BadAnswer):
                    await client.tokens.jwks()

    run(main())
