"""What permission rules come to, worked out the slow way from docs/how-to/permissions.md.

Nothing of the gate is used here but its plain values: patterns become regular
expressions, each question is answered by trying everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.core.actions import Action
from holdfast.core.commandline import Segment
from holdfast.core.grants import Grant
from holdfast.core.rules import Rule
from holdfast.core.settings import Settings

RANK = {"allow": 0, "ask": 1, "deny": 2}
HARMLESS = ("/dev/null", "/dev/stdout", "/dev/stderr")
SYSTEM = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/")


@dataclass(frozen=True)
class Thing:
    """One thing that needs permission."""

    tool: str
    kind: str
    name: str
    words: tuple[str, ...] = ()
    program: str = ""
    inside: str | None = None
    real: str = ""
    operation: str = "execute"
    owner: int = -1


@dataclass(frozen=True)
class Scope:
    """A policy above the session, or the session's own."""

    name: str
    mode: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class World:
    """Everything a decision depends on."""

    settings: Settings
    own: Scope | None
    outer: tuple[Scope, ...]
    grants: tuple[Grant, ...]
    now_ms: int
    role: str
    task_type: str


def quoted(segment: Segment) -> str:
    """The literal name of a command; the tests' words never need quoting but for `*` and ~."""

    def one(word: str) -> str:
        return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else f"'{word}'"

    words = [segment.program or "".join(segment.argv[:1]), *segment.argv[1:]]
    if not (segment.argv or segment.program):
        words = []
    text = " ".join(one(word) for word in words)
    return (
        text
        + "".join(f" <{one(path)}" for path in segment.reads)
        + "".join(f" >{one(path)}" for path in segment.writes)
    )


def flat(path: str) -> str:
    """An absolute path without `.`, `..` and doubled slashes."""
    steps: list[str] = []
    for step in path.split("/"):
        if step == "..":
            steps = steps[:-1]
        elif step not in ("", "."):
            steps.append(step)
    return "/" + "/".join(steps)


def redirected(tool: str, path: str, root: str, owner: int) -> Thing:
    """A file a command is redirected from or to."""
    if path.startswith("~"):
        return Thing(tool, "path", path, real=path, operation=tool, owner=owner)
    real = flat(path if path.startswith("/") else f"{root}/{path}")
    inside = None
    if real == root:
        inside = "."
    elif real.startswith(root + "/"):
        inside = real[len(root) + 1 :]
    return Thing(
        tool, "path", inside or real, inside=inside, real=real, operation=tool, owner=owner
    )


def things(action: Action, root: str) -> tuple[list[Thing], list[Thing], list[Thing]]:
    """What has to be allowed, the files written, the files read."""
    tool = action.name.casefold()
    if action.command is not None:
        needs, writes, reads = [], [], []
        for number, one in enumerate(action.command.segments):
            needs.append(Thing(tool, "command", quoted(one), words=one.argv, program=one.program))
            writes += [redirected("write", path, root, number) for path in one.writes]
            reads += [redirected("read", path, root, number) for path in one.reads]
        return needs, [one for one in writes if one.real not in HARMLESS], reads
    if action.paths:
        found = [
            Thing(
                tool,
                "path",
                use.inside if use.inside is not None else use.real or use.given,
                inside=use.inside,
                real=use.real,
                operation=use.operation.value,
            )
            for use in action.paths
        ]
        return found, [], []
    return [Thing(tool, "text", action.subject)], [], []


# --- one rule -----------------------------------------------------------------------


def names(rule_tool: str, tool: str) -> bool:
    """Whether a rule speaks of a tool."""
    if rule_tool.endswith("*"):
        return tool.startswith(rule_tool[:-1])
    if rule_tool.startswith("mcp__") and "__" not in rule_tool[5:]:
        return tool == rule_tool or tool.startswith(rule_tool + "__")
    return tool == rule_tool


def anything(rule: Rule) -> bool:
    """Whether a rule holds for any arguments."""
    return rule.pattern is None or (rule.pattern in ("*", "**") and not rule.literal)


def word(pattern: str, text: str) -> bool:
    """`*` is any characters."""
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.S))


def command(pattern: str, thing: Thing, *, strict: bool) -> bool:
    """Word by word."""
    wanted, words = pattern.split(), list(thing.words)
    rest = False
    if wanted[-1] == "**":
        rest, wanted = True, wanted[:-1]
    elif wanted[-1].endswith(":*"):
        rest, wanted = True, [one for one in [*wanted[:-1], wanted[-1][:-2]] if one]
    if not words or len(words) < len(wanted) or (len(words) > len(wanted) and not rest):
        return False
    for place, one in enumerate(wanted):
        if place:
            good = word(one, words[place])
        elif "/" in one:
            good = word(one, thing.program or words[0])
            good = good or (not strict and word(one.split("/")[-1], words[0]))
        else:
            good = word(one, words[0])
        if not good:
            return False
    if strict and not (wanted and "/" in wanted[0]) and thing.program not in ("", words[0]):
        return thing.program.rpartition("/")[0] + "/" in SYSTEM
    return True


def walk(pattern: Sequence[str], steps: Sequence[str]) -> bool:
    """Segment by segment; `**` is any number of them."""
    if not pattern:
        return not steps
    if pattern[0] == "**":
        return any(walk(pattern[1:], steps[place:]) for place in range(len(steps) + 1))
    return bool(steps) and word(pattern[0], steps[0]) and walk(pattern[1:], steps[1:])


def path(pattern: str, thing: Thing, *, strict: bool) -> bool:
    """Relative to the workspace, absolute, or below a home."""

    def split(text: str) -> list[str]:
        return [one for one in text.split("/") if one not in ("", ".")]

    steps = split(pattern)
    if pattern.endswith("/") and steps:
        steps.append("**")
    if ".." in steps:
        return False
    if pattern.startswith("~/"):
        if thing.real.startswith("~"):
            return walk(steps, split(thing.real))
        homes = (["root"], ["home", "*"], ["Users" if strict else "users", "*"])
        return any(walk([*home, *steps[1:]], split(thing.real)) for home in homes)
    if pattern.startswith("/"):
        return thing.real.startswith("/") and walk(steps, split(thing.real))
    return thing.inside is not None and walk(steps, split(thing.inside))


def fits(rule: Rule, thing: Thing) -> bool:
    """Whether a rule's pattern fits a thing; its tool is looked at elsewhere."""
    if anything(rule):
        return True
    pattern = rule.pattern or ""
    if rule.literal:
        return pattern == thing.name
    strict = rule.effect.value == "allow"
    if not strict:
        pattern = pattern.casefold()
        thing = Thing(
            thing.tool,
            thing.kind,
            thing.name.casefold(),
            tuple(one.casefold() for one in thing.words),
            thing.program.casefold(),
            None if thing.inside is None else thing.inside.casefold(),
            thing.real.casefold(),
        )
    if thing.kind == "command":
        return command(pattern, thing, strict=strict)
    if thing.kind == "path":
        return path(pattern, thing, strict=strict)
    return thing.kind == "text" and thing.name != "" and word(pattern, thing.name)


# --- all of them --------------------------------------------------------------------


def holding(world: World, scope: Scope, effect: str, *, always: bool = False) -> list[Rule]:
    """The rules of a scope for whoever acts."""
    return [
        rule
        for rule in scope.rules
        if rule.effect.value == effect
        and rule.always_ask is always
        and rule.role in ("", world.role)
        and rule.task_type in ("", world.task_type)
    ]


def hit(rules: Iterable[Rule], found: Iterable[Thing]) -> bool:
    """Whether any rule fits any thing."""
    every = list(found)
    return any(names(rule.tool, one.tool) and fits(rule, one) for rule in rules for one in every)


def covered(rules: list[Rule], thing: Thing, needs: list[Thing]) -> bool:
    """Whether rules allow a thing; a literal rule of a command allows its files."""
    if hit(rules, [thing]):
        return True
    if thing.owner < 0:
        return False
    owner = needs[thing.owner]
    literal = [rule for rule in rules if rule.literal]
    return hit(literal, [owner])


def best(world: World, thing: Thing, *, literal: bool = False) -> Grant | None:
    """The grant that is taken for a thing."""

    def good(grant: Grant) -> bool:
        rule = grant.rule
        return (
            (grant.expires_ms is None or world.now_ms < grant.expires_ms)
            and (rule.literal or not literal)
            and rule.role in ("", world.role)
            and rule.task_type in ("", world.task_type)
            and rule.tool == thing.tool
            and fits(rule, thing)
            and not (
                thing.kind == "path"
                and grant.operations
                and thing.operation not in [one.value for one in grant.operations]
            )
        )

    def order(grant: Grant) -> tuple[object, ...]:
        rule = grant.rule
        stars = (rule.pattern or "").replace("*", "")
        return (
            not rule.literal,
            rule.pattern is None,
            -len(stars),
            -len(rule.tool),
            grant.uses_max is not None,
            grant.id,
        )

    return min(filter(good, world.grants), key=order, default=None)


def take(world: World, left: list[Thing], needs: list[Thing]) -> list[Grant] | None:
    """Grants for what no rule covers; literal ones of a command with files come first."""
    taken: dict[str, Grant] = {}
    for number, owner in enumerate(needs):
        if any(one.owner == number for one in left):
            grant = best(world, owner, literal=True)
            if grant is not None:
                taken[grant.id] = grant
                left = [one for one in left if one is not owner and one.owner != number]
    for one in left:
        grant = best(world, one)
        if grant is None:
            return None
        taken[grant.id] = grant
    return list(taken.values())


@dataclass(frozen=True)
class Said:
    """A decision and the grants it rests on."""

    decision: str
    grants: frozenset[str] = frozenset()


def settle(
    world: World, action: Action, layers: list[list[Scope]], mode: str, hidden: bool, use: bool
) -> Said:
    """One walk through layers, innermost first."""
    needs, writes, reads = things(action, world.settings.workspace)
    unclear = action.command is not None and action.command.unclear != ""
    left = [*needs, *writes]
    known = not unclear and bool(needs)
    open_end = "ask" if hidden else "allow"
    for layer in layers:
        allows = [rule for scope in layer for rule in holding(world, scope, "allow")]
        if any(anything(rule) and names(rule.tool, action.name.casefold()) for rule in allows):
            return Said("ask" if unclear and mode != "unsafe_permissive" else open_end)
        if known:
            left = [one for one in left if not covered(allows, one, needs)]
            if not left:
                return Said("allow")
            taken = take(world, left, needs) if use else None
            if taken is not None:
                return Said("allow", frozenset(grant.id for grant in taken))
        asks = [rule for scope in layer for rule in holding(world, scope, "ask")]
        if hit(asks, [*needs, *writes, *reads] or [Thing(action.name.casefold(), "none", "")]):
            return Said("ask")
    if mode == "strict":
        return Said("deny")
    if mode == "unsafe_permissive":
        return Said(open_end)
    if unclear or action.nature.value != "read_only":
        return Said("ask")
    return Said(open_end)


def both(world: World, action: Action, layers: list[list[Scope]], mode: str, hidden: bool) -> Said:
    """Without grants if that is enough, else with them."""
    plain = settle(world, action, layers, mode, hidden, False)
    if plain.decision == "allow":
        return plain
    granted = settle(world, action, layers, mode, hidden, True)
    return granted if granted.decision == "allow" else plain


def decide(world: World, action: Action) -> Said:
    """What the permission guard has to say."""
    said = _decide(world, action)
    if said.decision == "ask" and not world.settings.confirmation.enabled:
        return Said("deny")
    return said


def _decide(world: World, action: Action) -> Said:
    needs, writes, reads = things(action, world.settings.workspace)
    every = [*needs, *writes, *reads] or [Thing(action.name.casefold(), "none", "")]
    scopes = [*([world.own] if world.own else []), *world.outer]
    if any(hit(holding(world, scope, "deny"), every) for scope in scopes):
        return Said("deny")
    if any(hit(holding(world, scope, "ask", always=True), every) for scope in scopes):
        return Said("ask")
    unclear = action.command is not None and action.command.unclear != ""
    blind = action.command is None and not action.paths and action.subject == ""
    tools = {action.name.casefold()} | ({"read", "write"} if unclear else set())
    hidden = (unclear or blind) and any(
        (rule.effect.value == "deny" or rule.always_ask)
        and not anything(rule)
        and any(names(rule.tool, tool) for tool in tools)
        for scope in scopes
        for rule in scope.rules
    )
    outer = list(world.outer)
    strictness = ["unsafe_permissive", "default", "strict"]
    if world.settings.unsafe_auto_approve:
        mode = "unsafe_permissive"
    elif world.own is not None:
        mode = world.own.mode
    else:
        mode = max((one.mode for one in outer), key=strictness.index, default="default")
    layers = [[world.own], outer] if world.own else [outer]
    results = [both(world, action, layers, mode, hidden)]
    if results[0].decision == "ask" and (
        action.lane in world.settings.confirmation.unsafe_auto_approve
    ):
        results = [Said("ask" if hidden else "allow")]
    for scope in scopes:
        if scope.mode == "strict":
            results.append(both(world, action, [[scope]], "strict", hidden))
        elif scope.name == "installation" or scope.name.startswith("parent:"):
            above = outer[: outer.index(scope)]
            results.append(both(world, action, [[scope], above], scope.mode, hidden))
    worst = max((one.decision for one in results), key=RANK.__getitem__)
    grants = frozenset(id for one in results for id in one.grants)
    return Said(worst, frozenset() if worst == "deny" else grants)
