"""Guard: what the session's content security rules out by name (seed D3).

- A call that a rule of `dangerous` fits is denied, and so is one that cannot be seen
  through where such a rule might.
- Where `hosts` are listed, a call that names another host is denied: exact names, or
  names below one that is listed as `*.example.org`.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.fitting import fitting_rule
from holdfast.core.network import covers
from holdfast.core.verdicts import ALLOW, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "restricted"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge a tool call by the lists of the session and the installation."""
    security = facts.binding(view.settings.security)
    if action.kind is not ActionKind.TOOL or not security.enabled:
        return ALLOW
    if security.dangerous:
        rule = fitting_rule(security.dangerous, view.settings.workspace, action)
        if rule:
            return Deny(NAME, "dangerous", f"{action.name}: {rule} is ruled out here")
    if security.hosts:
        other = [host for host in action.hosts if not _listed(host, security.hosts)]
        if other:
            return Deny(NAME, "host_not_listed", f"{action.name}: {other[0]!r} is not listed")
    return ALLOW


def _listed(host: str, hosts: tuple[str, ...]) -> bool:
    return any(covers(one, host) for one in hosts)
