"""What each session of a server holds apart, as the library tells it."""

from __future__ import annotations

import inspect

import pytest

from clienthelp import canned, pair, told
from holdfast.client import Client
from holdfast.client.isolation import RemoteIsolation
from holdfast.core.errors import BadAnswer, SessionNotFound
from holdfast.runtime.isolation import SessionIsolation
from sessionhelp import run


def test_what_is_followed_is_what_the_library_says() -> None:
    """The most sensitive first; value by value, and never the value itself."""

    async def main() -> None:
        async with pair() as found:
            await found.client.create_session("one")
            session = await found.client.get_session("one")
            assert () == await found.client.isolation.registry("one")
            await session.add_message("jane@example.com has the key AKIAIOSFODNN7EXAMPL2")
            theirs = await found.served.sessions.isolation.registry("one")
            ours = await found.client.isolation.registry("one")
            names = ("fingerprint", "kind", "level", "pseudonym")
            assert 2 == len(ours)
            assert [[getattr(one, name) for name in names] for one in theirs] == [
                [getattr(one, name) for name in names] for one in ours
            ]
            assert "jane" not in repr(ours)
            with pytest.raises(SessionNotFound):
                await found.client.isolation.registry("none")

    run(main())


def test_the_names_are_the_librarys() -> None:
    """The method has the name and the arguments of the library's."""
    ours, theirs = (
        inspect.signature(kind.registry) for kind in (RemoteIsolation, SessionIsolation)
    )
    assert list(theirs.parameters) == list(ours.parameters)


def test_what_is_no_answer() -> None:
    """A part that is missing, or a level that nobody knows."""
    good = {"fingerprint": "f", "kind": "email", "level": "Sensitive", "pseudonym": "P"}
    bad = [{**good, "level": "sensitive"}, {**good, "kind": 7}, {}, "x"]

    async def main() -> None:
        async with (
            canned(*(told([one]) for one in bad), told({}), told([good])) as server,
            Client(server.url, token="t") as client,
        ):
            for _ in range(len(bad) + 1):
                with pytest.raises(BadAnswer):
                    await client.isolation.registry("one")
            assert 1 == len(await client.isolation.registry("one"))

    run(main())
