"""Realistic actions, policies and allowances, as they meet `judge`: parsed and resolved.

Commands are parsed by the product's own parser and paths are given as the shell
resolves them; none of that is part of what is measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.adapters.shell.parser import BashParser
from holdfast.core.accounts import Account, Holder, Period, Unit
from holdfast.core.actions import Action, ActionKind, Cost, PathUse
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.lifecycle import SessionState
from holdfast.core.presets import DEVELOPER_RULES
from holdfast.core.routing import Destination
from holdfast.core.rules import Policy, Rule, RuleEffect, parse_rule
from holdfast.core.security import Zone
from holdfast.core.settings import Settings
from holdfast.core.tools import Lane, Nature, Operation
from holdfast.core.view import SessionView, Turn

ROOT = "/srv/project"
NOW_MS = 1_700_000_000_000
PRIVATE = tuple(f"/srv/holdfast/{name}" for name in ("s.db", "s.db.keys", "key"))
"""The installation's own files: its store and its keys."""

DENIES = (
    "bash(git push:*)", "bash(rm -rf:*)", "bash(curl:*)", "bash(docker run:*)", "bash(ssh:*)",
    "write(.env)", "write(**/*.pem)", "write(secrets/**)", "read(secrets/**)", "edit(.github/**)",
)  # fmt: skip
ASKS = (
    "bash(git commit --amend:*)", "bash(git rebase:*)", "bash(npm publish:*)",
    "write(migrations/**)", "edit(pyproject.toml)",
)  # fmt: skip
COMMAND = "cd src && git diff --stat HEAD~1 | head -n 20"


def policy(count: int) -> Policy:
    """A policy of so many rules: denials, questions, and what developers are allowed."""
    rules = [parse_rule(RuleEffect.DENY, text) for text in DENIES]
    rules += [parse_rule(RuleEffect.ASK, text) for text in ASKS]
    allowed = [parse_rule(RuleEffect.ALLOW, text) for text in DEVELOPER_RULES]
    wanted = count - len(rules)
    rules += [rule for rule in allowed if rule.tool != "bash"][:wanted]
    bash = [rule for rule in allowed if rule.tool == "bash"]
    needed = {"cd", "git diff", "head"}
    bash.sort(key=lambda rule: (rule.pattern or "").removesuffix(":*") not in needed)
    rules += bash[: count - len(rules)]
    assert count == len(rules), "there are that many rules"
    return Policy(rules=tuple(rules))


def allowances(count: int) -> tuple[Grant, ...]:
    """So many allowances: literal commands and paths, every hundredth a wider pattern."""
    return tuple(_allowance(number) for number in range(count))


def _allowance(number: int) -> Grant:
    tool, pattern = [
        ("bash", f"git log -n {number}"),
        ("write", f"src/part{number}/module.py"),
        ("note", f'{{"text":"note {number}"}}'),
        ("bash", f"make target-{number}"),
    ][number % 4]
    literal = number % 100 != 0
    if not literal:
        tool, pattern = [("write", f"gen{number}/**"), ("bash", f"tool{number} run:*")][
            number // 100 % 2
        ]
    return Grant(
        id=f"{number:032x}",
        kind=GrantKind.ALLOWANCE,
        scope=GrantScope.SESSION,
        holder="h",
        rule=Rule(effect=RuleEffect.ALLOW, tool=tool, pattern=pattern, literal=literal),
        uses_max=5 if number % 50 == 7 else None,
    )


def _command(text: str) -> Action:
    return Action(
        kind=ActionKind.TOOL,
        name="bash",
        digest="d",
        lane=Lane.EXECUTE,
        needs_workspace=True,
        has_workspace=True,
        command=BashParser().parse(text),
        subject=text,
        preview=text,
    )


def _path(tool: str, path: str, operation: Operation, nature: Nature) -> Action:
    return Action(
        kind=ActionKind.TOOL,
        name=tool,
        digest="d",
        nature=nature,
        needs_workspace=True,
        has_workspace=True,
        paths=(PathUse(path, path, operation, f"{ROOT}/{path}"),),
        subject=f'{{"path":"{path}"}}',
    )


def _text(tool: str, subject: str) -> Action:
    return Action(kind=ActionKind.TOOL, name=tool, digest="d", subject=subject)


ACTIONS: dict[str, Action] = {
    "read a path": _path("read", "src/app/main.py", Operation.READ, Nature.READ_ONLY),
    "write a path": _path("write", "src/app/main.py", Operation.WRITE, Nature.ONCE),
    "bash, 1 command": _command("git diff --stat HEAD~1"),
    "bash, 3 commands": _command(COMMAND),
    "model call": Action(
        kind=ActionKind.MODEL,
        name="m",
        lane=Lane.GENERATE,
        cost=Cost(20_000, 4_096, 100_000, 3),
        to=Destination(zone=Zone.LOCAL),
    ),
}
GRANTED: dict[str, Action] = {
    "a tool, literal allowance": _text("note", '{"text":"note 8002"}'),
    "bash, 1 literal allowance": _command("git log -n 8004"),
    "bash, 2 literal allowances": _command("git log -n 8004 && make target-8003"),
    "bash, wider allowance": _command("tool8100 run --fast x"),
}
"""What only the ten thousand allowances permit."""


def view(rules: Policy | None) -> SessionView:
    """A session that works in a turn, as deciding sees it."""
    return SessionView(
        session_id="s",
        state=SessionState.PROCESSING,
        settings=Settings(workspace=ROOT, permission=rules),
        turn=Turn(id=1, cause=1, clock_ms=NOW_MS),
        context_tokens=2_000,
    )


def accounts() -> tuple[Account, ...]:
    """A session's money, and the tenant's day."""
    return (
        Account(
            id="s.m", holder=Holder.SESSION, period=Period.TOTAL, unit=Unit.MICROS,
            limit=100_000_000, used=1_000_000,
        ),
        Account(
            id="t.t19675", holder=Holder.TENANT, period=Period.DAY, unit=Unit.TOKENS,
            limit=50_000_000, used=1_000_000,
        ),
    )  # fmt: skip


def facts(grants: Sequence[Grant] = ()) -> Facts:
    """What the shell has read for a decision."""
    uses = {one.id: 5 for one in grants if one.uses_max is not None}
    authority = Authority(grants=GrantIndex(grants), uses_left=uses, accounts=accounts())
    return Facts(now_ms=NOW_MS, engine="e", authority=authority, private=PRIVATE)
