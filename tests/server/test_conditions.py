"""Conditional changes: of two for one version, one is carried out."""

from __future__ import annotations

import asyncio

from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"


def test_one_of_many_wins() -> None:
    """However many come at once."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "a"})
            held = {"If-Match": (await made.call("GET", f"{API}/a")).headers["etag"]}
            found = await asyncio.gather(
                *(
                    made.call("PATCH", f"{API}/a", {"title": str(number)}, headers=held)
                    for number in range(20)
                )
            )
            assert [200, *[412] * 19] == sorted(one.status_code for one in found)
            await made.ok("PATCH", f"{API}/a", {"title": "x"}, headers={"If-Match": "*"})
            odd = await made.call("PATCH", f"{API}/a", {}, headers={"If-Match": "12"})
            assert 422 == odd.status_code

    run(work())
