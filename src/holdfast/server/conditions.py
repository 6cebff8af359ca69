"""Entity tags: a session's version, and requests that hold only for it (RFC 9110).

Whoever leads the session compares and changes in one step, so a condition holds over all
processes on a store.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Response


def tagged(response: Response, version: int) -> None:
    """Give a response the tag of a version."""
    response.headers["ETag"] = f'"{version}"'


async def expected(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            pattern=r'^("[0-9]{1,18}"|\*)$',
            description="The entity tag that it is to have.",
        ),
    ] = None,
) -> int | None:
    """The version that a request is for; None is any."""
    if if_match is None or if_match == "*":
        return None
    return int(if_match.strip('"'))


Expected = Annotated[int | None, Depends(expected)]
