"""Fitting: whether an action is one that some rules speak of, whatever they say of it."""

from __future__ import annotations

from functools import lru_cache

from holdfast.core.actions import Action
from holdfast.core.matching import case_of
from holdfast.core.policies import Compiled
from holdfast.core.rules import Policy, RuleEffect, parse_rule


def fitting_rule(texts: tuple[str, ...], workspace: str, action: Action) -> str:
    """Return the first of some rules that fits an action, or "".

    A command or arguments that cannot be seen through fit where a rule might.

    Args:
        texts: rules as they are written; they have been checked.
        workspace: absolute path, or "".
    """
    case = case_of(action, workspace)
    bucket = _compiled(texts).tool(case.tool).ask
    who = ("", "default")
    found = bucket.any_arguments(who)
    if found is None and bucket.patterned:
        if case.unclear or case.blind:
            found = bucket.all()[0]
        else:
            hits = (bucket.find(part, who) for part in case.all)
            found = next((one for one in hits if one is not None), None)
    return found.rule.text if found is not None else ""


@lru_cache(maxsize=256)
def _compiled(texts: tuple[str, ...]) -> Compiled:
    return Compiled(Policy(rules=tuple(parse_rule(RuleEffect.ASK, text) for text in texts)))
