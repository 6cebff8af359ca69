"""Every route × foreign ids × every role: never a word of what is others' (CW-10, bar).

The routes are those of the application itself, so that a new one is tried as well.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from holdfast.core.principals import ROLES
from holdfast.server.app import DESCRIPTION
from holdfast.server.settings import ServerSettings
from serverkit import Served, served
from sessionhelp import run

PUBLIC = {"/health", "/ready", "/.well-known/jwks.json"}
SECRET = "Zanzibar"
BODIES: dict[str, Any] = {
    "gateway_open_session": {"user_id": "x", "channel_id": "c", "chat_id": "1"},
    "gateway_send_message": {"content": "hi"},
    "gateway_confirm": {"approve": True},
    "fork_session": {},
    "create_child_session": {},
    "create_session": {},
    "change_session": {"title": "taken over"},
    "rewind_session": {"to_version": 1},
    "generate": {"content": "hi"},
    "add_message": {"role": "user", "text": "hi"},
    "set_permission_policy": {"policy": {"allow": ["bash"]}},
    "add_permission_rule": {"effect": "allow", "rule": "bash"},
    "explain": {"tool": "bash", "arguments": {}},
    "set_confirmation_policy": {"policy": {}},
    "answer_approval": {"decision": "once"},
    "grant_allowance": {"rule": "bash(*)"},
    "set_budget": {},
    "relabel": {"why": "w", "trusted": True},
    "reset_risk": {"why": "w"},
    "fix_plan": {"steps": [{"tool": "bash"}]},
}


def routes(made: Served) -> list[APIRoute]:
    """Every route of the application."""
    found: list[APIRoute] = []
    for one in made.app.api.routes:
        for route in getattr(getattr(one, "original_router", None), "routes", [one]):
            if isinstance(route, APIRoute):
                found.append(route)
            else:
                assert route.path == DESCRIPTION, route
    assert len(found) > 40
    return found


def scope_of(route: APIRoute) -> str:
    """The scope that a route asks for, or ""."""
    asked = [getattr(one.dependency, "scope", "") for one in route.dependencies]
    return next((one for one in asked if one), "")


def of_sessions(made: Served) -> Iterator[tuple[APIRoute, str]]:
    """Every route that names a session, with each of its methods."""
    for route in routes(made):
        if "{session_id}" in route.path:
            for method in sorted(route.methods):
                yield route, method


def test_every_route_asks_for_a_scope() -> None:
    """Without a token: 401 with one body. None but the public ones is open."""

    async def work() -> None:
        async with served(settings=ServerSettings(strangers_per_minute=100_000)) as made:
            bodies = set()
            for route in routes(made):
                if route.path in PUBLIC:
                    continue
                assert scope_of(route), route.path
                path = re.sub(r"{\w+}", "x", route.path)
                for method in sorted(route.methods):
                    found = await made.call(method, path, {}, by={})
                    assert 401 == found.status_code, (method, path)
                    assert found.headers["www-authenticate"].startswith("Bearer")
                    bodies.add(found.content)
            assert 1 == len(bodies)

    run(work())


@pytest.mark.slow
def test_foreign_ids_are_unknown_ids() -> None:
    """The answer for a foreign session is that for no session, byte by byte but its id."""

    async def work() -> None:
        async with served() as made:
            api = "/api/v1/sessions"
            await made.ok("POST", api, {"id": "mine-1", "config": {"name": SECRET}})
            await made.ok("POST", f"{api}/mine-1/messages", {"content": SECRET})
            before = await made.ok("GET", f"{api}/mine-1")
            await made.ok("POST", api, {"id": "home-1"}, by=made.bob)
            others = {
                (role, bound): await made.token(f"{role}{bound}", role, "other", bound)
                for role, bound in itertools.product(ROLES, ("", "home-1"))
            }
            tried = 0
            for route, method in of_sessions(made):
                body = BODIES.get(route.operation_id or "")
                assert body is not None or method in ("GET", "DELETE") or _bare(route), route.path
                for (role, _), by in others.items():
                    texts = []
                    for id in ("mine-1", "none-1"):
                        path = re.sub(r"{(?!session_id)\w+}", "1", route.path)
                        path = path.replace("{session_id}", id)
                        found = await made.call(method, path, body, by=by)
                        assert SECRET not in found.text
                        texts.append((found.status_code, found.text.replace(id, "ID")))
                    permitted = by_role(role, scope_of(route))
                    assert texts[0] == texts[1], (method, route.path, role)
                    assert (404 if permitted else 403) == texts[0][0], (method, path, role, texts)
                    tried += 1
            assert tried > 400
            assert before == await made.ok("GET", f"{api}/mine-1")
            listed = await made.ok("GET", api, by=made.bob)
            assert ["home-1"] == [one["id"] for one in listed["sessions"]]
            assert SECRET not in json.dumps(listed)

    run(work())


def by_role(role: str, scope: str) -> bool:
    """Whether a built-in role has a scope."""
    resource = scope.partition(":")[0]
    return bool(ROLES[role] & {scope, f"{resource}:*", "*"})


def _bare(route: APIRoute) -> bool:
    """Whether a route takes no body."""
    return route.body_field is None or not route.body_field.field_info.is_required()
