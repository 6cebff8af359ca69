"""Entity tags: a session's version, and requests that hold only for it (RFC 9110)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from weakref import WeakValueDictionary

from fastapi import Depends, Header, Response

from holdfast.core.errors import VersionMismatch
from holdfast.runtime.handle import Session

_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()


def tagged(response: Response, version: int) -> None:
    """Give a response the tag of a version."""
    response.headers["ETag"] = f'"{version}"'


class Condition:
    """What a request asks of the version that it changes.

    Args:
        version: the one it was made for; None is any.
    """

    def __init__(self, version: int | None) -> None:
        self._version = version

    @property
    def version(self) -> int | None:
        """The version that the request was made for; None is any."""
        return self._version

    @asynccontextmanager
    async def held(self, session: Session) -> AsyncIterator[None]:
        """Change a session under the condition.

        Of several conditional requests of this process one goes on at a time, so that
        only the first for a version is carried out.

        Raises:
            VersionMismatch: the session has another version.
        """
        if self._version is None:
            yield
            return
        lock = _locks.setdefault(session.where.stream, asyncio.Lock())
        async with lock:
            if await session.version() != self._version:
                raise VersionMismatch
            yield


async def expected(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            pattern=r'^("[0-9]{1,18}"|\*)$',
            description="The entity tag that it is to have.",
        ),
    ] = None,
) -> Condition:
    """The condition of a request."""
    if if_match is None or if_match == "*":
        return Condition(None)
    return Condition(int(if_match.strip('"')))


Expected = Annotated[Condition, Depends(expected)]
