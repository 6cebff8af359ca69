"""Rules: one type behind policies, confirmations, allowances and capabilities.

A rule is `Tool` or `Tool(pattern)`, for example `read`, `bash(git status:*)`,
`write(src/**)`, `mcp__github__*` (seed D7). What a pattern is compared with
depends on the action, see `matching`: each command of a command line, each
path, or else the normalised arguments as text.

Order (rulings R11): deny, ask marked `always_ask`, allow (rule, allowance or
capability), ask, default. Rules are parsed when they are set and again when
they are loaded: one that does not parse is never ignored (a3s#A4).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.errors import InvalidInput, MalformedRule, NeverMatches, TooLarge
from holdfast.core.tools import ToolSpec

LITERAL_CHARS_MAX = 65_536
RULES_MAX = 256
RULE_CHARS_MAX = 1_024
TOOL_CHARS_MAX = 128
TOOL_MARKS = frozenset("_-.:/")
FILE_TOOLS = frozenset({"read", "write", "edit", "ls", "glob", "grep"})
"""Tools of ours whose patterns are paths; of others the registry says it."""


class RuleEffect(StrEnum):
    """What a rule says."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class PolicyMode(StrEnum):
    """What happens when no rule says anything (rulings R11).

    `strict` denies, `default` asks, except for tools the registry declares
    read-only, and `unsafe_permissive` allows.
    """

    STRICT = "strict"
    DEFAULT = "default"
    UNSAFE_PERMISSIVE = "unsafe_permissive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Args:
        effect: allow, ask or deny.
        tool: the tool's name in lower case; a `*` at its end stands for any rest.
        pattern: what the arguments are compared with; None means any arguments.
        literal: `*` in the pattern means itself.
        always_ask: an ask that no allow overrides.
        role, task_type: the rule holds only for these; "" means all.
    """

    effect: RuleEffect
    tool: str
    pattern: str | None = None
    literal: bool = False
    always_ask: bool = False
    role: str = ""
    task_type: str = ""

    @property
    def text(self) -> str:
        """The rule as it is written."""
        return self.tool if self.pattern is None else f"{self.tool}({self.pattern})"

    @property
    def whole(self) -> bool:
        """Whether it holds for any arguments: no pattern, or one that is only `*` or `**`."""
        return self.pattern is None or (not self.literal and self.pattern in ("*", "**"))

    def hides(self, other: Rule) -> bool:
        """Whether it always decides before another, weaker one can."""
        about = (self.role, self.task_type) in (("", ""), (other.role, other.task_type))
        same = (self.pattern, self.literal) == (other.pattern, other.literal)
        return about and self.tool == other.tool and (self.whole or same)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A permission policy (seed D7): rules and what holds without one.

    It has no slots: what `matching` makes of it is kept beside it.
    """

    mode: PolicyMode = PolicyMode.DEFAULT
    rules: tuple[Rule, ...] = ()

    @classmethod
    def preset(cls, name: str) -> Policy:
        """Return the policy `strict`, `default` or `unsafe_permissive`, without rules.

        Raises:
            InvalidInput: there is no such preset.
        """
        try:
            return cls(mode=PolicyMode(name))
        except ValueError:
            names = ", ".join(mode.value for mode in PolicyMode)
            raise InvalidInput(f"{name!r} is not one of: {names}") from None

    def with_rules(self, *rules: Rule) -> Policy:
        """Return the same policy with more rules; one that is there already is not added."""
        fresh = [rule for rule in dict.fromkeys(rules) if rule not in self.rules]
        return Policy(mode=self.mode, rules=(*self.rules, *fresh)) if fresh else self


PermissionPolicy = Policy
"""The public name of `Policy`: there are other policies beside this one."""


def parse_rule(
    effect: RuleEffect | str,
    text: str,
    *,
    literal: bool = False,
    always_ask: bool = False,
    role: str = "",
    task_type: str = "",
    spec: ToolSpec | None = None,
) -> Rule:
    """Parse `Tool` or `Tool(pattern)`; `parse_rule(rule.effect, rule.text, …) == rule`.

    Args:
        effect: allow, ask or deny.
        literal: `*` in the pattern means itself.
        always_ask: of an ask: no allow overrides it.
        role, task_type: the rule holds only for these; "" means all.
        spec: what the registry says of the tool, to find rules that never match.

    Raises:
        MalformedRule: the text is not a rule.
        NeverMatches: it is one, but nothing could ever match it.
    """
    try:
        says = RuleEffect(effect)
    except ValueError:
        raise MalformedRule(f"{effect!r} is not allow, ask or deny") from None
    if not isinstance(text, str) or not isinstance(role, str) or not isinstance(task_type, str):
        raise MalformedRule("a rule, a role and a task type are texts")
    if always_ask and says is not RuleEffect.ASK:
        raise MalformedRule("only an ask can be marked always_ask")
    limit = RULE_CHARS_MAX if not literal else LITERAL_CHARS_MAX
    if len(text) > limit or max(len(role), len(task_type)) > TOOL_CHARS_MAX:
        raise MalformedRule(f"a rule has at most {limit} characters")
    tool, pattern = _split(text)
    _check_tool(tool)
    if pattern is not None and not literal:
        _check_pattern(tool, pattern, spec)
    elif pattern == "":
        raise NeverMatches(f"{text!r} has an empty pattern; leave out the brackets for any call")
    return Rule(
        effect=says,
        tool=tool,
        pattern=pattern,
        literal=bool(literal) and pattern is not None,
        always_ask=bool(always_ask),
        role=role,
        task_type=task_type,
    )


def check_rule(rule: Rule) -> None:
    """Refuse a stored rule that is not what parsing its own text gives.

    Raises:
        MalformedRule, NeverMatches.
    """
    again = parse_rule(
        rule.effect,
        rule.text,
        literal=rule.literal,
        always_ask=rule.always_ask,
        role=rule.role,
        task_type=rule.task_type,
    )
    if again != rule:
        raise MalformedRule(f"{rule.text!r} is not written as it would be read")


def check_policy(policy: Policy) -> None:
    """Refuse a policy with a rule that does not parse, or with too many.

    Raises:
        MalformedRule, NeverMatches: a rule.
        TooLarge: over `RULES_MAX` rules.
    """
    if len(policy.rules) > RULES_MAX:
        raise TooLarge(f"a policy has at most {RULES_MAX} rules")
    for rule in policy.rules:
        check_rule(rule)


def _split(text: str) -> tuple[str, str | None]:
    head, bracket, rest = text.partition("(")
    tool = head.strip().casefold()
    if not bracket:
        if ")" in text:
            raise MalformedRule(f"{text!r} has a closing bracket without an opening one")
        return tool, None
    if not rest.rstrip().endswith(")"):
        raise MalformedRule(f"{text!r} has no closing bracket")
    return tool, rest.rstrip()[:-1]


def _check_tool(tool: str) -> None:
    if not tool:
        raise MalformedRule("a rule begins with the name of a tool")
    name = tool[:-1] if tool.endswith("*") else tool
    if len(tool) > TOOL_CHARS_MAX or not all(c.isalnum() or c in TOOL_MARKS for c in name):
        raise MalformedRule(f"{tool!r} is not the name of a tool; a `*` may only be at its end")
    server = name.removeprefix("mcp__")
    if tool.endswith("*") and server != name and server and "__" not in server:
        raise NeverMatches(f"a server is named in full: mcp__{server} or mcp__{server}__*")


def _check_pattern(tool: str, pattern: str, spec: ToolSpec | None) -> None:
    if not pattern.strip():
        raise NeverMatches(f"{tool}() has an empty pattern; leave out the brackets for any call")
    _check_text(pattern)
    runs, paths = tool == "bash", tool in FILE_TOOLS
    if spec is not None:
        runs, paths = bool(spec.command_param), bool(spec.path_params)
        if not (runs or paths or _has_arguments(spec)):
            raise NeverMatches(f"{tool} has no arguments that a pattern could be compared with")
    if paths and not runs and ".." in pattern.split("/"):
        raise NeverMatches(f"{pattern!r} has a `..`; paths are compared without")
    if runs and "**" in pattern.split()[:-1]:
        raise MalformedRule("in a command `**` is the last word: any rest")


def _check_text(pattern: str) -> None:
    """What holds whatever the pattern is compared with."""
    if any(c < " " or c == "\x7f" for c in pattern):
        raise MalformedRule("a pattern has no control characters")
    depth = 0
    for character in pattern:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
    if depth:
        raise NeverMatches(f"the brackets in {pattern!r} do not match")
    if pattern.strip() == ":*":
        raise NeverMatches("`:*` stands behind the words it continues")
    if any("**" in one and one != "**" for one in pattern.replace("/", " ").split()):
        raise MalformedRule("`**` stands for whole segments or words; within one it is `*`")


def _has_arguments(spec: ToolSpec) -> bool:
    try:
        schema = json.loads(spec.parameters)
    except ValueError:
        return True
    return bool(schema.get("properties")) if isinstance(schema, dict) else True
