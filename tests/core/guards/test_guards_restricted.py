"""What a session's lists rule out by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_content import CALL, said, session
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.guards.restricted import check
from holdfast.core.security import Security

HOSTS = ("api.example.org", "*.example.net")
FACTS = Facts(now_ms=0)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ((), "allow"),
        (("api.example.org",), "allow"),
        (("a.b.example.net", "api.example.org"), "allow"),
        (("example.net",), "deny:host_not_listed"),
        (("api.example.org", "evil.test"), "deny:host_not_listed"),
        (("api.example.org.evil.test",), "deny:host_not_listed"),
        (("?",), "deny:host_not_listed"),
    ],
)
def test_only_listed_hosts_may_be_named(hosts: tuple[str, ...], expected: str) -> None:
    """Exact names, and names below one that is listed with a star; what is unsure is none."""
    assert expected == said(check(session(hosts=HOSTS), FACTS, replace(CALL, hosts=hosts)))
    assert "allow" == said(check(session(), FACTS, replace(CALL, hosts=hosts)))


def test_dangerous_calls_are_denied() -> None:
    """By rules as the permission policy has them; the installation's hold as well."""
    view = session(dangerous=("mail",))
    assert "deny:dangerous" == said(check(view, FACTS, CALL))
    assert "allow" == said(check(view, FACTS, replace(CALL, name="look")))
    outer = replace(FACTS, security=Security(dangerous=("mail",)))
    assert "deny:dangerous" == said(check(session(), outer, CALL))


@pytest.mark.parametrize(
    "action", [replace(CALL, kind=ActionKind.MODEL), Action(kind=ActionKind.ADMIT)]
)
def test_only_tool_calls_are_judged(action: Action) -> None:
    """And only while content security is on."""
    assert "allow" == said(check(session(dangerous=("mail",)), FACTS, action))
    off = session(dangerous=("mail",), enabled=False)
    assert "allow" == said(check(off, FACTS, CALL))
