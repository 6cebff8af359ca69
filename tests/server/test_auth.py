"""Bearer tokens out of headers; scopes; workspaces by header."""

from __future__ import annotations

import pytest

from holdfast.core.errors import InvalidInput, TokenInvalid
from holdfast.server.auth import bearer_of, require
from serverkit import served
from sessionhelp import run

API = "/api/v1/sessions"


def test_a_token_stands_in_one_header() -> None:
    """Two headers, no ASCII, too long: no token."""
    assert "abc" == bearer_of([(b"authorization", b"bEARER abc")])
    for headers in (
        [],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [(b"authorization", "Bearer é".encode())],
        [(b"authorization", b"Bearer " + b"a" * 5000)],
    ):
        with pytest.raises(TokenInvalid):
            bearer_of(headers)


def test_a_scope_has_to_exist() -> None:
    """What nobody could have is a mistake of the route."""
    with pytest.raises(InvalidInput):
        require("sessions:everything")


def test_workspaces() -> None:
    """An administrator of all picks one; anybody else has one."""

    async def work() -> None:
        async with served() as made:
            await made.ok("POST", API, {"id": "a"}, by=made.bob)
            there = {"Holdfast-Workspace": "other"}
            await made.ok("GET", f"{API}/a", by=made.admin, headers=there)
            assert 404 == (await made.call("GET", f"{API}/a", by=made.admin)).status_code
            foreign = await made.call("GET", f"{API}/a", headers=there)
            assert (403, "scope_denied") == (foreign.status_code, foreign.json()["reason"])
            odd = await made.call("GET", API, by=made.admin, headers={"Holdfast-Workspace": "../x"})
            assert 422 == odd.status_code

    run(work())


def test_an_empty_key_is_none() -> None:
    """A blank Idempotency-Key would be everybody's."""

    async def work() -> None:
        async with served() as made:
            found = await made.call("POST", API, {}, headers={"Idempotency-Key": " "})
            assert 422 == found.status_code

    run(work())


def test_keys_of_the_installation_are_lent_by_its_administrator_alone() -> None:
    """A workspace's own administrator sends none of them anywhere by a session's model."""

    async def work() -> None:
        async with served() as made:
            local = await made.token("user:x", "admin")
            await made.ok("POST", API, {"id": "home"}, by=local)
            bound = await made.token("user:y", "admin", session="home")
            here = {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
            named = {"provider": "openai", "model": "m", "key": "env:HOME"}
            for by in (local, bound):
                for model in (here, named, {**here, "provider": "home", "key": "file:/x"}):
                    for method, path, body in (
                        ("POST", API, {"config": {"model": model}}),
                        ("PATCH", f"{API}/home", {"model": model}),
                    ):
                        found = await made.call(method, path, body, by=by)
                        assert (403, "scope_denied") == (found.status_code, found.json()["reason"])
            await made.ok("PATCH", f"{API}/home", {"model": named}, by=made.admin)

    run(work())


def test_what_only_administrators_may_ask_for() -> None:
    """Endpoints and keys of models, calls that run unasked, directories that are not offered."""

    async def work() -> None:
        async with served() as made:
            agent = await made.token("bot", "agent")
            model = {"provider": "openai", "model": "m", "key": "env:HOME"}
            for config, reason in (
                ({"model": model}, "scope_denied"),
                ({"unsafe_auto_approve": True}, "scope_denied"),
                ({"workspace": "/"}, "denied"),
            ):
                found = await made.call("POST", API, {"config": config}, by=agent)
                assert (403, reason) == (found.status_code, found.json()["reason"])

    run(work())
