"""Policies, compiled: their rules by tool, and by the first word of what they want.

A policy of hundreds of rules is looked through in microseconds. What comes of it
is kept beside the policy, which never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from holdfast.core.errors import InvalidInput
from holdfast.core.matching import Case, Matcher, Part, matcher
from holdfast.core.rules import Policy, PolicyMode, RuleEffect, check_policy

MEMO_MAX = 1_024
CASE_MAX = 16
"""Of how many policies a case keeps what they say."""


@dataclass(slots=True)
class Bucket:
    """Rules of one effect for one tool, found by the first word of what they want.

    Args:
        empty: it has no rule.
        patterned: it has rules for some arguments only.
    """

    whole: list[Matcher] = field(default_factory=list)
    literal: dict[str, list[Matcher]] = field(default_factory=dict)
    commands: dict[str, list[Matcher]] = field(default_factory=dict)
    paths: dict[str, list[Matcher]] = field(default_factory=dict)
    patterns: list[Matcher] = field(default_factory=list)
    empty: bool = True
    patterned: bool = False

    def add(self, one: Matcher) -> None:
        """Put a rule where it is looked for."""
        self.empty = False
        self.patterned = self.patterned or not one.rule.whole
        if one.rule.whole:
            self.whole.append(one)
        elif one.rule.literal:
            self.literal.setdefault(one.rule.pattern or "", []).append(one)
        else:
            self.commands.setdefault(one.command_key, []).append(one)
            self.paths.setdefault(one.path_key, []).append(one)
            self.patterns.append(one)

    def any_arguments(self, who: tuple[str, str]) -> Matcher | None:
        """The first rule for any arguments."""
        return next((one for one in self.whole if one.holds(*who)), None)

    def exact(self, part: Part, who: tuple[str, str]) -> Matcher | None:
        """The first literal rule for just this part."""
        if not self.literal:
            return None
        return next((one for one in self.literal.get(part.text, ()) if one.holds(*who)), None)

    def find(self, part: Part, who: tuple[str, str]) -> Matcher | None:
        """The first rule with a pattern that fits a part."""
        if self.literal and (one := self.exact(part, who)) is not None:
            return one
        if not self.patterns:
            return None
        if part.kind == "text":
            return _fitting(self.patterns, part, who)
        near = self.commands if part.kind == "command" else self.paths
        found = None
        for key in part.keys:
            if key in near and (one := _fitting(near[key], part, who)) is not None:
                # The one that sorts first, however it was found.
                found = one if found is None or one.rule.text < found.rule.text else found
        return found

    def any(self, parts: Sequence[Part], who: tuple[str, str]) -> Matcher | None:
        """The rule that matches any part; of several, the one that sorts first."""
        if self.whole and (one := self.any_arguments(who)) is not None:
            return one
        if not self.patterned:
            return None
        found = [one for part in parts if (one := self.find(part, who)) is not None]
        return min(found, key=_text, default=None)

    def all(self) -> list[Matcher]:
        """Every rule of it."""
        literal = [one for several in self.literal.values() for one in several]
        return [*self.whole, *literal, *self.patterns]


def _text(one: Matcher) -> str:
    return one.rule.text


def _fitting(several: Iterable[Matcher], part: Part, who: tuple[str, str]) -> Matcher | None:
    for one in several:
        if one.fits(part) and one.holds(*who):
            return one
    return None


@dataclass(slots=True)
class ToolRules:
    """What one policy says of one tool."""

    deny: Bucket = field(default_factory=Bucket)
    always: Bucket = field(default_factory=Bucket)
    allow: Bucket = field(default_factory=Bucket)
    ask: Bucket = field(default_factory=Bucket)

    def add(self, one: Matcher) -> None:
        """Put a rule to its like."""
        if one.rule.always_ask:
            self.always.add(one)
        elif one.rule.effect is RuleEffect.DENY:
            self.deny.add(one)
        else:
            (self.allow if one.rule.effect is RuleEffect.ALLOW else self.ask).add(one)


@dataclass(slots=True)  # not frozen: one is made for most judgements
class Said:
    """What one policy says of one action, whatever others say.

    Args:
        deny, always: the rule that denies any part of it, that always asks.
        whole: the rule that allows it whatever its arguments.
        covered: the rule that allows each part, where one does and `whole` is None.
    """

    deny: Matcher | None = None
    always: Matcher | None = None
    whole: Matcher | None = None
    covered: dict[Part, Matcher] = field(default_factory=dict)


class Compiled:
    """A policy, compiled: its rules by tool.

    Args:
        problem: why the policy does not parse, as (reason, detail), or None.
    """

    __slots__ = ("_memo", "_named", "_open", "mode", "problem", "rules")

    def __init__(self, policy: Policy) -> None:
        self.mode: PolicyMode = policy.mode
        self.problem: tuple[str, str] | None = None
        self.rules: tuple[Matcher, ...] = ()
        self._named: dict[str, list[Matcher]] = {}
        self._open: list[tuple[str, Matcher]] = []
        self._memo: dict[str, ToolRules] = {}
        try:
            check_policy(policy)
        except InvalidInput as error:
            self.problem = (error.reason, error.message)
            return
        # Sorted, so that of several that match the same one is named every time.
        ordered = sorted(policy.rules, key=lambda one: (one.text, one.role, one.task_type))
        self.rules = tuple(matcher(rule) for rule in ordered)
        for one in self.rules:
            name = one.rule.tool
            if name.endswith("*"):
                self._open.append((name[:-1], one))
                continue
            self._named.setdefault(name, []).append(one)
            if name.startswith("mcp__") and "__" not in name.removeprefix("mcp__"):
                self._open.append((f"{name}__", one))

    def tool(self, name: str) -> ToolRules:
        """The rules that name a tool; names are in lower case."""
        known = self._memo.get(name)
        if known is not None:
            return known
        found = ToolRules()
        for one in sorted(
            [*self._named.get(name, ()), *(o for stem, o in self._open if name.startswith(stem))],
            key=lambda one: one.rule.text,
        ):
            found.add(one)
        if len(self._memo) < MEMO_MAX:
            self._memo[name] = found
        return found

    def says(self, case: Case, who: tuple[str, str]) -> Said:
        """What it says of an action; kept with one that may be judged again."""
        if case.kept is None:
            return self._said(case, who)
        key = (self, who)
        known = case.kept.get(key)
        if not isinstance(known, Said):
            known = self._said(case, who)
            if len(case.kept) >= CASE_MAX:
                case.kept.clear()
            case.kept[key] = known
        return known

    def _said(self, case: Case, who: tuple[str, str]) -> Said:
        if not self.rules:
            return Said()
        if case.reads or case.writes:
            several = [(self.tool(tool), parts) for tool, parts in case.by_tool]
            denying = [r.deny.any(parts, who) for r, parts in several if not r.deny.empty]
            asking = [r.always.any(parts, who) for r, parts in several if not r.always.empty]
            said = Said(_least(denying), _least(asking))
            rules = several[0][0]
        else:
            rules, parts = self.tool(case.tool), case.parts
            said = Said(
                None if rules.deny.empty else rules.deny.any(parts, who),
                None if rules.always.empty else rules.always.any(parts, who),
            )
        said.whole = rules.allow.any_arguments(who)
        if said.whole is None and not case.unclear:
            self._cover(case, who, said.covered)
        return said

    def _cover(self, case: Case, who: tuple[str, str], covered: dict[Part, Matcher]) -> None:
        for part in case.all:
            bucket = self.tool(part.tool).allow
            if not bucket.empty and (one := bucket.any_arguments(who) or bucket.find(part, who)):
                covered[part] = one
        for part in case.parts:
            if part.files and (one := self.tool(part.tool).allow.exact(part, who)):
                for file in part.files:
                    covered.setdefault(file, one)

    @property
    def empty(self) -> bool:
        """Whether it has no rule and nothing is wrong with it."""
        return not self.rules and self.problem is None


def _least(found: Iterable[Matcher | None]) -> Matcher | None:
    return min((one for one in found if one is not None), key=_text, default=None)


def compiled(policy: Policy) -> Compiled:
    """Compile a policy; what comes of it is kept beside it."""
    known = policy.__dict__.get("_compiled")
    if isinstance(known, Compiled):
        return known
    fresh = Compiled(policy)
    policy.__dict__["_compiled"] = fresh
    return fresh
