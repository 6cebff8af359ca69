"""Guard: what the rules, grants and confirmations say of a tool call (seeds B7, D7).

See docs/how-to/permissions.md, which this file carries out. In short: a denial of
any scope holds; then an ask marked `always_ask` of any scope; then what the session
says, and what the scopes above it say, each in the order allow, ask; then the mode.
A strict policy, a parent's and the installation's must permit by themselves: nothing
inside one widens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.actions import Action, ActionKind
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.hearing import Hearing, Scope, grants_for, hear
from holdfast.core.matching import Matcher
from holdfast.core.rules import PolicyMode, Rule
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature
from holdfast.core.verdicts import ALLOW, Allow, Ask, Deny, Verdict, join
from holdfast.core.view import SessionView

NAME = "permission"
_STRICTNESS = {PolicyMode.UNSAFE_PERMISSIVE: 0, PolicyMode.DEFAULT: 1, PolicyMode.STRICT: 2}


@dataclass(slots=True)  # not frozen: one is made for every judgement
class Finding:
    """A verdict and what decided it.

    Args:
        scope, rule: of the rule that decided; "" and None if a mode or a grant did.
    """

    verdict: Verdict
    scope: str = ""
    rule: Rule | None = None


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge a tool call by the rules, the grants and the session's confirmations."""
    if action.kind is not ActionKind.TOOL:
        return ALLOW
    return weigh(view, facts, action).verdict


def weigh(view: SessionView, facts: Facts, action: Action) -> Finding:
    """Judge a tool call, and tell which rule decided."""
    settings, hearing = view.settings, hear(view, facts, action)
    finding = _problem(hearing) or _denied(hearing) or _always(hearing)
    if finding is None:
        finding = _own(hearing, settings)
        for ceiling, mode in () if _alone(hearing, settings) else _ceilings(hearing):
            finding = _stricter(finding, ceiling, mode, hearing)
    verdict = finding.verdict
    if isinstance(verdict, Ask) and not settings.confirmation.enabled:
        denial = Deny(NAME, "confirmation_disabled", f"nobody is to be asked: {verdict.question}")
        return Finding(denial, finding.scope, finding.rule)
    return finding


def matched(view: SessionView, facts: Facts, action: Action) -> tuple[tuple[str, Rule], ...]:
    """Every rule that holds for any part of an action, with its scope."""
    hearing = hear(view, facts, action)
    found: list[tuple[str, Rule]] = []
    for scope in hearing.scopes:
        if scope.rules.problem is not None:
            continue
        case = hearing.case
        for parts in (case.parts, case.writes, case.reads):
            for tool in {case.tool} if parts is case.parts else {one.tool for one in parts}:
                rules = scope.rules.tool(tool)
                buckets = (rules.deny, rules.always, rules.allow, rules.ask)
                found += [
                    (scope.name, one.rule)
                    for bucket in buckets
                    for one in bucket.all()
                    if one.holds(*hearing.who)
                    and (one.rule.whole or any(one.fits(part) for part in parts))
                ]
    return tuple(dict.fromkeys(found))


def effective_mode(settings: Settings, authority: Authority) -> PolicyMode:
    """What holds in a session where no rule says anything."""
    if settings.unsafe_auto_approve:
        return PolicyMode.UNSAFE_PERMISSIVE
    if settings.permission is not None:
        return settings.permission.mode
    return outer_mode(authority)


def outer_mode(authority: Authority) -> PolicyMode:
    """The strictest mode of the scopes above a session."""
    modes = [scoped.policy.mode for scoped in authority.policies]
    return max(modes, key=_STRICTNESS.__getitem__, default=PolicyMode.DEFAULT)


# --- what any scope may say ------------------------------------------------------


def _problem(hearing: Hearing) -> Finding | None:
    """A policy that does not parse denies everything: its denials are not known."""
    found = []
    for scope in hearing.scopes:
        problem = scope.rules.problem
        if problem is not None:
            detail = f"the {scope.name}'s permission policy does not hold: {problem[1]}"
            found.append((problem[0], detail, scope.name))
    if not found:
        return None
    reason, detail, name = min(found)
    return Finding(Deny(NAME, reason, detail), name)


def _denied(hearing: Hearing) -> Finding | None:
    found = [
        (scope.name, scope.said.deny) for scope in hearing.scopes if scope.said.deny is not None
    ]
    if not found:
        return None
    scope, one = min(found, key=_order)
    detail = f"a rule of the {scope} denies it: {one.rule.text}"
    return Finding(Deny(NAME, "rule", detail), scope, one.rule)


def _always(hearing: Hearing) -> Finding | None:
    found = [
        (scope.name, scope.said.always) for scope in hearing.scopes if scope.said.always is not None
    ]
    if not found:
        return None
    scope, one = min(found, key=_order)
    question = f"{hearing.action.name}: a rule always asks about {one.rule.text}"
    return Finding(Ask(NAME, "always_ask", question), scope, one.rule)


def _order(found: tuple[str, Matcher]) -> tuple[str, str]:
    return found[1].rule.text, found[0]


def _hidden(hearing: Hearing) -> bool:
    """Whether a rule that denies or always asks might match what cannot be seen."""
    case = hearing.case
    if not (case.unclear or case.blind):
        return False
    tools = (case.tool, "write", "read") if case.unclear else (case.tool,)
    return any(
        rules.deny.patterned or rules.always.patterned
        for scope in hearing.scopes
        for tool in tools
        for rules in (scope.rules.tool(tool),)
    )


# --- allow, ask, default ---------------------------------------------------------


def _own(hearing: Hearing, settings: Settings) -> Finding:
    """What the session, and then the scopes above it, say."""
    mode = effective_mode(settings, hearing.authority)
    layers = [hearing.outer] if hearing.own is None else [[hearing.own], hearing.outer]
    finding = _settle(hearing, layers, mode)
    verdict = finding.verdict
    unasked = hearing.action.lane in settings.confirmation.unsafe_auto_approve
    return Finding(_hidden_or_allow(hearing)) if isinstance(verdict, Ask) and unasked else finding


def _ceilings(hearing: Hearing) -> Iterable[tuple[list[list[Scope]], PolicyMode]]:
    """Scopes that have to permit by themselves, with what is above them unless they are strict."""
    for scope in hearing.scopes:
        if scope.rules.mode is PolicyMode.STRICT:
            yield [[scope]], PolicyMode.STRICT
        elif scope.ceiling:
            above = hearing.outer[: hearing.outer.index(scope)]
            yield [[scope], above], scope.rules.mode


def _alone(hearing: Hearing, settings: Settings) -> bool:
    """Whether all that was said is one outer policy's: by itself it says the same again."""
    unasked = settings.confirmation.unsafe_auto_approve
    return (
        hearing.own is None
        and len(hearing.outer) == 1
        and not settings.unsafe_auto_approve
        and hearing.action.lane not in unasked
    )


def _stricter(
    finding: Finding, layers: list[list[Scope]], mode: PolicyMode, hearing: Hearing
) -> Finding:
    other = _settle(hearing, layers, mode)
    united = join(finding.verdict, other.verdict)
    if type(united) is type(finding.verdict):
        return Finding(united, finding.scope, finding.rule)
    return Finding(united, other.scope, other.rule)


def _settle(hearing: Hearing, layers: list[list[Scope]], mode: PolicyMode) -> Finding:
    """Walk through layers, innermost first: allow, then ask; then the mode."""
    plain = _walk(hearing, layers, mode, grants=False)
    if isinstance(plain.verdict, Allow) or not len(hearing.authority.grants):
        return plain
    granted = _walk(hearing, layers, mode, grants=True)
    return granted if isinstance(granted.verdict, Allow) else plain


def _walk(
    hearing: Hearing, layers: list[list[Scope]], mode: PolicyMode, *, grants: bool
) -> Finding:
    case = hearing.case
    left, unclear = case.all, case.unclear or not case.parts
    for layer in layers:
        for scope in layer:
            if scope.rules.empty:
                continue
            one = scope.said.whole
            if one is not None and case.unclear and mode is not PolicyMode.UNSAFE_PERMISSIVE:
                return Finding(_unclear_ask(hearing), scope.name, one.rule)
            if one is not None:
                return Finding(_hidden_or_allow(hearing), scope.name, one.rule)
            if unclear:
                continue
            covered = scope.said.covered
            by = next((covered[part] for part in left if part in covered), None)
            if by is not None:
                left = tuple(part for part in left if part not in covered)
            if not left:
                return Finding(ALLOW, scope.name, by.rule if by else None)
        if grants and not unclear and (taken := grants_for(hearing, left)) is not None:
            return Finding(taken)
        asking = _asking(hearing, layer)
        if asking is not None:
            return asking
    return Finding(_default(hearing, mode))


def _asking(hearing: Hearing, layer: list[Scope]) -> Finding | None:
    found = []
    for scope in layer:
        if scope.rules.empty:
            continue
        for tool, parts in hearing.case.by_tool:
            one = scope.rules.tool(tool).ask.any(parts, hearing.who)
            if one is not None:
                found.append((one.rule.text, scope.name, one))
    if not found:
        return None
    text, name, one = min(found, key=lambda item: item[:2])
    question = f"{hearing.action.name}: a rule asks about {text}"
    return Finding(Ask(NAME, "ask_rule", question), name, one.rule)


def _default(hearing: Hearing, mode: PolicyMode) -> Verdict:
    action = hearing.action
    if mode is PolicyMode.STRICT:
        return Deny(NAME, "not_allowed", f"no rule allows {action.name!r}, and the mode is strict")
    if mode is PolicyMode.UNSAFE_PERMISSIVE:
        return _hidden_or_allow(hearing)
    if hearing.case.unclear:
        return _unclear_ask(hearing)
    if action.nature is Nature.READ_ONLY:
        return _hidden_or_allow(hearing)
    return Ask(NAME, "default", f"{action.name}: no rule says whether it may run")


def _unclear_ask(hearing: Hearing) -> Ask:
    line = hearing.action.command
    why = line.unclear if line else ""
    return Ask(NAME, "unclear", f"{hearing.action.name}: what it would run is not clear ({why})")


def _hidden_or_allow(hearing: Hearing) -> Verdict:
    return _hidden_ask(hearing) if _hidden(hearing) else ALLOW


def _hidden_ask(hearing: Hearing) -> Ask:
    name = hearing.action.name
    return Ask(NAME, "hidden", f"{name}: a rule might deny it, but what it would do is not clear")
