"""Guard: what may be done with which path.

- A tool that needs a workspace has one.
- A place that is forbidden for good is never reached (`core.places`), whoever
  permitted what. What is compared is the resolved path.
- A path outside the workspace is asked about, unless an escape grant covers
  just that path, or the folder a person chose, and just that operation
  (seed E1 "escape handler", astrid#AW-9).
- To change what runs later with the user's rights, or what says what is
  permitted, is asked about even inside the workspace and in every policy mode.

The tool opens the path so that all of this holds again at that moment.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant
from holdfast.core.places import forbidden, protected
from holdfast.core.rules import RuleEffect
from holdfast.core.verdicts import ALLOW, Allow, Ask, Deny, Verdict, join_all
from holdfast.core.view import SessionView

NAME = "boundary"
ABOUT = "escape"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by the paths it names."""
    if action.kind is not ActionKind.TOOL:
        return ALLOW
    if (action.needs_workspace or action.paths) and not action.has_workspace:
        return Deny(NAME, "no_workspace", "the session has no workspace here")
    if not action.paths:
        return ALLOW
    return join_all(judged(view, facts, action, use) for use in action.paths)


def judged(view: SessionView, facts: Facts, action: Action, use: PathUse) -> Verdict:
    """Judge one path that an action uses."""
    if not use.real and use.inside is None:
        return Deny(NAME, "bad_path", f"{use.given[:200]!r} is not a path that can be resolved")
    place = forbidden(use.real or use.inside or "", use.operation, facts.private)
    if place:
        return Deny(NAME, "hard_forbidden_path", f"{use.given!r} leads to {place}")
    if use.inside is not None and not protected(use.inside, use.operation):
        return ALLOW
    grant = granted(view, facts, action.name, use)
    if grant is not None:
        takes = () if grant.uses_max is None else ((grant.counter, 1),)
        return Allow(takes=takes, grants=(grant.id,))
    wants = f"{action.name} wants to {use.operation} {use.real or use.given!r}"
    if use.inside is None:
        return Ask(NAME, "path_escape", f"{wants}, which is outside the workspace", ABOUT)
    return Ask(NAME, "protected_path", f"{wants}, which is protected", ABOUT)


def granted(view: SessionView, facts: Facts, tool: str, use: PathUse) -> Grant | None:
    """Return the escape grant that covers a path, or None.

    Of several: one without a number of uses first (astrid#AW-39), then the
    narrower, then by id, so that the order of the grants never matters.
    """
    found = [
        grant
        for grant in facts.authority.grants.escapes()
        if facts.authority.usable(grant, view, facts.now_ms)
        and grant.rule.effect is RuleEffect.ALLOW
        and grant.rule.tool in ("*", tool.casefold())
        and use.operation in grant.operations
        and covers(grant, use.real)
    ]
    return min(found, key=_preference, default=None)


def covers(grant: Grant, real: str) -> bool:
    """Whether an escape's pattern names a path: itself, or `folder/**` all beneath."""
    pattern = grant.rule.pattern
    if not pattern or not real:
        return False
    if grant.rule.literal:
        return pattern == real
    if not pattern.endswith("/**"):
        return False
    folder = pattern.removesuffix("/**")
    return real == folder or real.startswith(folder + "/")


def _preference(grant: Grant) -> tuple[bool, bool, int, str]:
    pattern = grant.rule.pattern or ""
    return (grant.uses_max is not None, not grant.rule.literal, -len(pattern), grant.id)
