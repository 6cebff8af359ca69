"""Random policies, grants and actions in a small world where they often meet."""

from __future__ import annotations

import random

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.authority import Authority, ScopedPolicy
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.errors import MalformedRule
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, parse_rule
from holdfast.core.settings import ConfirmationPolicy, Settings
from holdfast.core.tools import Lane, Nature, Operation
from holdfast.core.view import SessionView
from oracle_permission import Scope, World, quoted

ROOT = "/w/s"
NOW = 1_000
PROGRAMS = ("git", "rm", "ls", "GIT")
WORDS = ("status", "push", "-f", "src/a", "a*b", "axb")
FOLDERS = ("", "", "", "/usr/bin/", "./", "/tmp/x/", "bin/")
PATHS = ("src/a", "src/b/c", "SRC/a", "x", ".", "a b/c", ".ssh/id", "src")
HOME = "/".join(["", "home", "u"])
MAC = "/".join(["", "Users", "u"])
OUTSIDE = ("/etc/p", HOME + "/.ssh/id", MAC + "/x", "/".join(["", "root", "k"]), "/w/sibling")
FILES = ("out", "src/a", "./src/../x", "../up", "/dev/null", "/etc/p", "~/n", "/w/s/src/b/c")
SUBJECTS = ("", '{"q":"a"}', '{"q":"ab"}', '{"Q":"a"}')
TOOLS = ("bash", "read", "write", "mcp__git__push", "mcp__git2__push", "note")
PIECES = ("src", "a", "b", "*", "**", ".ssh", "id", "s*", "a b", "*c")
STARTS = ("", "", "", "/", "~/", "./", "/etc/", "/w/s/", "~/.ssh/")
ROLES = ("", "", "", "", "agent", "other")
TASKS = ("", "", "", "", "default", "other")


class Maker:
    """Draws cases from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[CommandLine] = []

    def one(self, *of: object) -> object:
        """Any of these."""
        return self.random.choice(of)

    def segment(self) -> Segment:
        """A simple command."""
        draw = self.random
        program = draw.choice(PROGRAMS)
        written = draw.choice(FOLDERS) + program
        argv = (program, *(draw.choice(WORDS) for _ in range(draw.randrange(3))))
        files = [
            tuple(draw.choice(FILES) for _ in range(draw.choice((0, 0, 0, 1, 2)))) for _ in "rw"
        ]
        if draw.random() < 0.03:
            argv, written = (), ""
        return Segment(argv, "" if written == program else written, files[0], files[1])

    def action(self) -> Action:
        """A call of any tool."""
        draw = self.random
        tool = draw.choice(TOOLS)
        common = {
            "kind": ActionKind.TOOL,
            "name": draw.choice((tool, tool.upper())),
            "digest": "d",
            "nature": draw.choice((Nature.READ_ONLY, Nature.ONCE, Nature.ONCE)),
            "lane": draw.choice(tuple(Lane)),
        }
        if tool == "bash":
            return Action(command=self.line(), **common)
        if tool in ("read", "write"):
            uses = tuple(self.use() for _ in range(draw.choice((0, 1, 1, 2))))
            return Action(paths=uses, subject=draw.choice(SUBJECTS), **common)
        return Action(subject=draw.choice(SUBJECTS), **common)

    def line(self) -> CommandLine:
        """A command line: half of them were judged before, perhaps in another world."""
        draw = self.random
        if self.lines and draw.random() < 0.5:
            return draw.choice(self.lines)
        segments = tuple(self.segment() for _ in range(draw.choice((0, 1, 1, 1, 2, 3))))
        fresh = CommandLine(segments, draw.choice(("", "", "", "substitution")))
        self.lines = [*self.lines[-40:], fresh]
        return fresh

    def use(self) -> PathUse:
        """A path a tool is given."""
        operation = self.random.choice((Operation.READ, Operation.WRITE))
        if self.random.random() < 0.3:
            path = self.random.choice(OUTSIDE)
            return PathUse(path, None, operation, path)
        inside = self.random.choice(PATHS)
        return PathUse(inside, inside, operation, ROOT if inside == "." else f"{ROOT}/{inside}")

    def pattern(self, tool: str) -> str | None:
        """A pattern such as people write for a tool."""
        draw = self.random
        if draw.random() < 0.2:
            return draw.choice((None, "*", "**"))
        if tool == "bash":
            words = [draw.choice(("git", "rm", "g*", "*", "/usr/bin/git", "bin/git", "./git"))]
            words += [
                draw.choice(("status", "push", "*", "a*b", "-f")) for _ in range(draw.randrange(3))
            ]
            return " ".join(words) + draw.choice(("", ":*", " **"))
        if tool in ("read", "write"):
            pieces = [draw.choice(PIECES) for _ in range(draw.randrange(1, 4))]
            return draw.choice(STARTS) + "/".join(pieces) + draw.choice(("", "", "/", "/**"))
        return draw.choice(('{"q":"a"}', '{"q":"a*"}', "*a*", '{"Q":*', "nothing"))

    def literal(self, tool: str) -> str:
        """What an approval of something would be literal about."""
        if tool == "bash":
            return quoted(self.segment()) or "x"
        if tool in ("read", "write"):
            return self.random.choice((*PATHS, *OUTSIDE, *FILES))
        return self.random.choice(SUBJECTS[1:])

    def rule(self, effect: RuleEffect | None = None) -> Rule:
        """A rule that parses."""
        draw = self.random
        while True:
            tool = draw.choice(TOOLS)
            literal = draw.random() < 0.2
            pattern = self.literal(tool) if literal else self.pattern(tool)
            named = draw.choice(
                (tool, tool, tool.upper(), "mcp__git", "mcp__git__*", "mcp__*", "*")
            )
            says = effect or draw.choice(tuple(RuleEffect))
            text = named if pattern is None else f"{named}({pattern})"
            always = says is RuleEffect.ASK and draw.random() < 0.2
            try:
                return parse_rule(
                    says,
                    text,
                    literal=literal,
                    always_ask=always,
                    role=draw.choice(ROLES),
                    task_type=draw.choice(TASKS),
                )
            except MalformedRule:
                continue

    def policy(self) -> Policy:
        """A policy of a few rules."""
        modes = (PolicyMode.DEFAULT, PolicyMode.DEFAULT, *PolicyMode)
        effects = (RuleEffect.ALLOW, RuleEffect.ALLOW, None, None, RuleEffect.ASK)
        count = self.random.randrange(6)
        rules = tuple(self.rule(self.random.choice(effects)) for _ in range(count))
        return Policy(mode=self.random.choice(modes), rules=rules)

    def grant(self, number: int) -> Grant:
        """An allowance; those of the index name a tool in full."""
        while True:
            rule = self.rule(RuleEffect.ALLOW)
            if rule.tool in TOOLS:
                break
        draw = self.random
        return Grant(
            id=f"{draw.randrange(4)}{number:02}".rjust(32, "0"),
            kind=GrantKind.ALLOWANCE,
            scope=GrantScope.SESSION,
            holder="h",
            rule=rule,
            operations=draw.choice(((), (), (Operation.READ,), (Operation.WRITE,))),
            expires_ms=draw.choice((None, None, NOW, NOW + 1)),
            uses_max=draw.choice((None, None, 3)),
        )

    def world(self) -> World:
        """Policies of all scopes, grants and settings."""
        draw = self.random
        own = self.policy() if draw.random() < 0.7 else None
        scopes = [name for name in ("installation", "workspace", "parent:p") if draw.random() < 0.4]
        outer = tuple((name, self.policy()) for name in scopes)
        lanes = tuple(lane for lane in Lane if draw.random() < 0.1)
        confirmation = ConfirmationPolicy(enabled=draw.random() > 0.1, unsafe_auto_approve=lanes)
        settings = Settings(
            workspace=ROOT,
            unsafe_auto_approve=draw.random() < 0.1,
            permission=own,
            confirmation=confirmation,
        )
        return World(
            settings=settings,
            own=None if own is None else Scope("session", own.mode.value, own.rules),
            outer=tuple(Scope(name, one.mode.value, one.rules) for name, one in outer),
            grants=tuple(self.grant(number) for number in range(draw.choice((0, 0, 2, 12)))),
            now_ms=NOW,
            role=draw.choice(("", "agent")),
            task_type=draw.choice(("default", "other")),
        )


def facts_of(world: World) -> tuple[SessionView, Facts]:
    """The same world as the guard is given it."""
    policies = tuple(
        ScopedPolicy(one.name, Policy(mode=PolicyMode(one.mode), rules=one.rules))
        for one in world.outer
    )
    authority = Authority(
        policies=policies,
        grants=GrantIndex(world.grants),
        uses_left={grant.id: 3 for grant in world.grants if grant.uses_max},
        role=world.role,
        task_type=world.task_type,
    )
    return SessionView(settings=world.settings), Facts(now_ms=NOW, authority=authority)
