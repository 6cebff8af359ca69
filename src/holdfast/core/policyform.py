"""Permission policies as plain data, as the seeds' configurations write them (seed D3).

    {"deny": ["bash(rm:*)"], "allow": ["read", {"rule": "bash(git status:*)"}],
     "ask": [{"rule": "write", "always_ask": true}], "default_decision": "ask"}

A rule is its text, or an object with `rule` and what else there is to say of it.
`default_decision` deny, ask and allow stand for the modes strict, default and
unsafe_permissive; `enabled` false means unsafe_permissive, though what is denied
stays denied. Whatever else stands there is refused: a misspelt word must not
make a rule vanish (a3s#A4).
"""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.errors import InvalidInput, MalformedRule
from holdfast.core.presets import DEVELOPER, developer_policy
from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, check_policy, parse_rule

_DECISIONS = {
    "deny": PolicyMode.STRICT,
    "ask": PolicyMode.DEFAULT,
    "allow": PolicyMode.UNSAFE_PERMISSIVE,
}
_WORDS = {mode: word for word, mode in _DECISIONS.items()}
_LISTS = ("deny", "allow", "ask")
_KEYS = {*_LISTS, "mode", "default_decision", "enabled"}
_FLAGS = {"literal": False, "always_ask": False, "role": "", "task_type": ""}


def policy_of(value: object) -> Policy | None:
    """Return what a configuration's `permission_policy` says; None stays None.

    Args:
        value: a `Policy`, the name of a preset, or a mapping as in the module.

    Raises:
        MalformedRule, NeverMatches: a rule.
        InvalidInput: something else is not as it should be.
        TooLarge: it has too many rules.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return developer_policy() if value == DEVELOPER else Policy.preset(value)
    if isinstance(value, Policy):
        policy = value
    elif isinstance(value, Mapping):
        policy = _from_mapping(value)
    else:
        raise InvalidInput(
            "a permission policy is a PermissionPolicy, a preset's name or a mapping"
        )
    check_policy(policy)
    return policy


def _from_mapping(data: Mapping[object, object]) -> Policy:
    unknown = sorted(str(key) for key in data if key not in _KEYS)
    if unknown:
        raise InvalidInput(f"a permission policy has no {', '.join(unknown)}")
    rules: list[Rule] = []
    for name in _LISTS:
        items = data.get(name) or ()
        if not isinstance(items, (list, tuple)):
            raise MalformedRule(f"{name} is a list of rules")
        rules += [rule_of(RuleEffect(name), item) for item in items]
    return Policy(mode=_mode(data)).with_rules(*rules)


def _mode(data: Mapping[object, object]) -> PolicyMode:
    enabled, decision = data.get("enabled", True), data.get("default_decision")
    if not isinstance(enabled, bool):
        raise InvalidInput("enabled is true or false")
    if not enabled:
        return PolicyMode.UNSAFE_PERMISSIVE
    if decision is not None and "mode" in data:
        raise InvalidInput("mode and default_decision say the same thing; give one")
    if decision is not None:
        if not isinstance(decision, str) or decision not in _DECISIONS:
            raise InvalidInput(f"default_decision {decision!r} is not deny, ask or allow")
        return _DECISIONS[decision]
    return Policy.preset(str(data.get("mode", PolicyMode.DEFAULT.value))).mode


def rule_of(effect: RuleEffect, item: object) -> Rule:
    """Return a rule from its text or its object.

    Raises:
        MalformedRule, NeverMatches: it does not parse.
    """
    if isinstance(item, str):
        return parse_rule(effect, item)
    if not isinstance(item, Mapping) or not isinstance(item.get("rule"), str):
        raise MalformedRule(f"{item!r} is not a rule's text, nor an object with `rule`")
    unknown = sorted(str(key) for key in item if key != "rule" and key not in _FLAGS)
    if unknown:
        raise MalformedRule(f"a rule has no {', '.join(unknown)}")
    flags = {key: item.get(key, default) for key, default in _FLAGS.items()}
    for key, default in _FLAGS.items():
        if type(flags[key]) is not type(default):
            raise MalformedRule(f"{key} of a rule is a {type(default).__name__}")
    return parse_rule(
        effect,
        item["rule"],
        literal=flags["literal"] is True,
        always_ask=flags["always_ask"] is True,
        role=str(flags["role"]),
        task_type=str(flags["task_type"]),
    )


def rule_form(rule: Rule) -> str | dict[str, str | bool]:
    """Write a rule: its text, or an object if there is more to say."""
    said: dict[str, str | bool] = {
        key: getattr(rule, key) for key, default in _FLAGS.items() if getattr(rule, key) != default
    }
    return {"rule": rule.text, **said} if said else rule.text


def policy_form(policy: Policy) -> dict[str, object]:
    """Write a policy as a mapping that `policy_of` reads back as one with the same rules."""
    lists: dict[str, object] = {
        name: [rule_form(rule) for rule in policy.rules if rule.effect.value == name]
        for name in _LISTS
    }
    return {**lists, "default_decision": _WORDS[policy.mode], "enabled": True}
