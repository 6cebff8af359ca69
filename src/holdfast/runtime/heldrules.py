"""The rules that come with a file: denials hold at once, permissions wait for a person."""

from __future__ import annotations

from holdfast.core.policyform import rule_form
from holdfast.core.rules import Policy, PolicyMode, RuleEffect
from holdfast.runtime.seedjson import Json, JsonObject

HELD_RULES = "allow_rules"
"""The inert name of allow rules that came with a file and wait for a person."""


def narrowed(policy: Policy | None) -> Policy | None:
    """What a file may bring about by itself: denials and questions, never permission."""
    if policy is None:
        return None
    strict = policy.mode is PolicyMode.STRICT
    rules = tuple(rule for rule in policy.rules if rule.effect is not RuleEffect.ALLOW)
    if not rules and not strict:
        return None
    return Policy(mode=PolicyMode.STRICT if strict else PolicyMode.DEFAULT, rules=rules)


def held_rules(policy: Policy | None, inert: JsonObject) -> JsonObject:
    """The inert part of a session with the allow rules that wait for a person."""
    before = inert.get(HELD_RULES)
    held = list(before) if isinstance(before, list) else []
    for rule in policy.rules if policy else ():
        form: Json = {**said} if isinstance(said := rule_form(rule), dict) else said
        if rule.effect is RuleEffect.ALLOW and form not in held:
            held.append(form)
    return {**inert, HELD_RULES: held} if held else inert
