"""What stands before all routes: hosts, origins, limits, tokens; and what is logged."""

from __future__ import annotations

import logging

import pytest

from holdfast.server.settings import ServerSettings
from holdfast.server.shield import address_of, int_of
from serverkit import Served, served
from sessionhelp import run

API = "/api/v1/sessions"
PAGE = "https://console.example"


async def _status(made: Served, **headers: str) -> int:
    found = await made.call(
        "GET", API, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return found.status_code


def test_hosts() -> None:
    """Only names of this machine and declared ones, with any port."""

    async def work() -> None:
        async with served(settings=ServerSettings(allowed_hosts=("api.example",))) as made:
            for host, status in (
                ("localhost:18790", 200),
                ("[::1]:1", 200),
                ("API.example", 200),
                ("api.example:443", 200),
                ("evil.example", 421),
                ("api.example.evil", 421),
                ("", 421),
            ):
                assert status == await _status(made, host=host), host

    run(work())


def test_origins() -> None:
    """No page but one's own, unless it is listed; then it may ask and read."""

    async def work() -> None:
        async with served(settings=ServerSettings(cors_origins=(PAGE,))) as made:
            assert 403 == await _status(made, origin="https://evil.example")
            assert 403 == await _status(made, origin="null")
            assert 200 == await _status(made, origin="http://127.0.0.1:18790")
            found = await made.call("GET", API, headers={"Origin": PAGE})
            assert PAGE == found.headers["access-control-allow-origin"]
            asked = await made.call("OPTIONS", API, by={}, headers={"Origin": PAGE})
            assert (204, True) == (
                asked.status_code,
                "Authorization" in asked.headers["access-control-allow-headers"],
            )
            evil = await made.call("OPTIONS", API, by={}, headers={"Origin": "https://x.example"})
            assert 403 == evil.status_code
            assert "access-control-allow-origin" not in evil.headers

    run(work())


def test_bodies_are_bounded() -> None:
    """413 by the announced length, and by what really comes."""

    async def work() -> None:
        async with served(settings=ServerSettings(body_bytes_max=1000)) as made:
            announced = await made.call("POST", API, {"user_id": "x" * 1000})

            async def pieces():  # type: ignore[no-untyped-def]  # a stand-in
                for _ in range(4):
                    yield b" " * 400

            told = {**made.ann, "Content-Type": "application/json"}
            streamed = await made.http.post(API, content=pieces(), headers=told)
            for found in (announced, streamed):
                assert (413, "too_large") == (found.status_code, found.json()["reason"])

    run(work())


def test_a_principal_asks_only_so_often() -> None:
    """However many tokens it has, or names below its own; another is not touched (CW-14)."""

    async def work() -> None:
        async with served(settings=ServerSettings(requests_per_minute=12)) as made:
            second = await made.token("user:ann/helper")
            statuses = [(await made.call("GET", API)).status_code for _ in range(2)]
            statuses += [(await made.call("GET", API, by=second)).status_code for _ in range(2)]
            assert [200, 200, 200, 429] == statuses
            late = await made.call("GET", API)
            assert (429, "rate_limited") == (late.status_code, late.json()["reason"])
            assert 1 <= int(late.headers["retry-after"]) <= 60
            assert 200 == (await made.call("GET", API, by=made.bob)).status_code

    run(work())


def test_strangers_wait_and_those_who_are_known_do_not() -> None:
    """A flood of wrong tokens is not looked up for ever, and locks nobody out."""

    async def work() -> None:
        async with served(settings=ServerSettings(strangers_per_minute=8)) as made:
            assert 200 == (await made.call("GET", API)).status_code
            wrong = {"Authorization": "Bearer hf_wrong"}
            statuses = [(await made.call("GET", API, by=wrong)).status_code for _ in range(6)]
            assert [401, 401, 429, 429, 429, 429] == statuses
            assert 200 == (await made.call("GET", API)).status_code

    run(work())


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", "Basic aGY6YQ==", "Bearer hf_ann2", "bearer\thf_ann", "hf_ann"],
)
def test_one_answer_for_all_that_is_no_token(shown: str) -> None:
    """The body does not tell what was wrong."""

    async def work() -> None:
        async with served() as made:
            none = await made.call("GET", API, by={})
            found = await made.call("GET", API, by={"Authorization": shown})
            assert (401, none.content) == (found.status_code, found.content)
            text = made.ann["Authorization"].partition(" ")[2]
            inside = await made.http.get(f"{API}?access_token={text}&token={text}")
            assert 401 == inside.status_code

    run(work())


def test_logs_name_routes_only(caplog: pytest.LogCaptureFixture) -> None:
    """No token, no id, no query, no body."""
    caplog.set_level(logging.DEBUG)

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "secret-name"})
            await made.call("GET", f"{API}/secret-name?cursor=secret-query")
            await made.call("GET", "/secret-path")
            await made.call("GET", API, by={"Authorization": "Bearer hf_secret"})

    run(work())
    access = [one.message for one in caplog.records if one.name == "holdfast.access"]
    assert any(one.startswith("GET /api/v1/sessions/{session_id} 200") for one in access)
    assert "secret" not in "".join(access)
    assert "hf_" not in caplog.text


def test_a_bug_is_one_line_and_no_detail(caplog: pytest.LogCaptureFixture) -> None:
    """The caller is told nothing of it."""

    async def work() -> None:
        async with served() as made:

            async def broken(*args: object, **more: object) -> None:
                raise RuntimeError("the password is hunter2")

            made.sessions.store_health = broken  # type: ignore[method-assign,assignment]  # a stand-in
            found = await made.call("GET", "/ready")
            assert (500, "internal") == (found.status_code, found.json()["reason"])
            assert "hunter2" not in found.text

    run(work())
    assert "hunter2" not in caplog.text
    assert "RuntimeError in broken" in caplog.text


def test_addresses() -> None:
    """Of IPv6 a network counts as one; lengths that are none are none."""
    shown = [
        address_of({"client": (text, 1)})
        for text in ("192.0.2.1", "2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1", "unix")
    ]
    assert ["192.0.2.1", "2001:db8::/64", "2001:db8::/64", "192.0.2.1", "unix"] == shown
    assert "" == address_of({})
    assert [12, 0, 0] == [int_of(text) for text in ("12", "-1", "9" * 30)]
