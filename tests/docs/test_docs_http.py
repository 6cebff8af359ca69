"""The reference of HTTP says what the routes are, which scope each asks for, and what it does."""

from __future__ import annotations

import re

from docs_pages import ROOT
from fastapi.routing import APIRoute

from holdfast.core.faults import PASSING
from holdfast.server.problems import REASONS
from holdfast.server.routes import ROUTERS

ROW = re.compile(r"^\| ([A-Z]+) \| `(/[^`]*)` \| (?:`([^`]+)`)? ?\| (.+) \|$", re.MULTILINE)


def test_every_route_is_listed() -> None:
    """In the order of the routers, with its scope and the first words of its description."""
    listed = ROW.findall((ROOT / "docs/reference/http.md").read_text("utf-8"))
    there = []
    for router in ROUTERS.values():
        for route in router.routes:
            assert isinstance(route, APIRoute)
            scopes = [getattr(one.dependency, "scope", "") for one in route.dependencies]
            said = " ".join((route.endpoint.__doc__ or "").strip().split("\n\n")[0].split())
            there += [
                (method, route.path, "".join(scopes), said) for method in sorted(route.methods)
            ]
    assert there == listed


def test_reasons_of_the_server_are_listed() -> None:
    """Those that have no class of their own."""
    text = (ROOT / "docs/reference/errors.md").read_text("utf-8")
    for reason in (*REASONS.values(), "wrong_origin", "draining", "internal"):
        assert f"| `{reason}` |" in text, reason


def test_what_passes_by_itself_is_listed() -> None:
    """The reasons with `Retry-After`, no more and no fewer."""
    text = (ROOT / "docs/reference/errors.md").read_text("utf-8")
    (line,) = [one for one in text.splitlines() if one.startswith("A 503 has `Retry-After`")]
    assert PASSING == set(re.findall(r"`([a-z_]+)`", line))
