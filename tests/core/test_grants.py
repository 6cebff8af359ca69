"""Grants: their order, how they are found, when they hold."""

from __future__ import annotations

import random

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.grants import NO_GRANTS, Grant, GrantIndex, GrantKind, GrantScope, name_matches
from holdfast.core.matching import case_of, matcher
from holdfast.core.rules import Rule, RuleEffect


def grant(
    tool: str,
    pattern: str | None = None,
    *,
    id: str = "",
    literal: bool = False,
    kind: GrantKind = GrantKind.ALLOWANCE,
    uses: int | None = None,
    expires: int | None = None,
) -> Grant:
    """A grant of a session."""
    rule = Rule(effect=RuleEffect.ALLOW, tool=tool, pattern=pattern, literal=literal)
    return Grant(
        id=id or f"{abs(hash((tool, pattern, uses))):032x}",
        kind=kind,
        scope=GrantScope.SESSION,
        holder="s1",
        rule=rule,
        uses_max=uses,
        expires_ms=expires,
    )


def texts(index: GrantIndex) -> list[str]:
    """The rules in order."""
    return [one.rule.text for one in index]


def test_the_most_specific_comes_first() -> None:
    """Literal before pattern before bare tool, longer before shorter (astrid#AW-39, IMP-14)."""
    grants = [
        grant("bash"),
        grant("bash", "git:*"),
        grant("bash", "git status:*"),
        grant("bash", "git status", literal=True),
        grant("mcp__*"),
        grant("mcp__github__*"),
    ]
    wanted = [
        "bash(git status)",
        "bash(git status:*)",
        "bash(git:*)",
        "mcp__github__*",
        "mcp__*",
        "bash",
    ]
    for seed in range(20):
        random.Random(seed).shuffle(grants)
        assert wanted == texts(GrantIndex(grants))


def test_an_unlimited_one_is_used_before_a_limited_one() -> None:
    """Of equal rules the one without a limit comes first, then by id (astrid#AW-39)."""
    limited = grant("read", id="0" * 32, uses=1)
    later, sooner = grant("read", id="f" * 32), grant("read", id="1" * 32)
    for order in ([limited, later, sooner], [later, sooner, limited]):
        assert (sooner, later, limited) == GrantIndex(order).wide("read", "x")


def test_literal_grants_are_looked_up() -> None:
    """A literal grant is found by exactly its tool and subject; `*` means itself (AW-1)."""
    one = grant("read", "/srv/u/*", literal=True)
    index = GrantIndex([one])
    assert (one,) == index.literal("READ", "/srv/u/*")
    assert () == index.literal("read", "/srv/u/a")
    assert () == index.wide("read", "/srv/u/a")
    assert () == index.for_tool("read")


def test_patterns_of_another_first_word_are_left_out() -> None:
    """`wide` gives what may match, which is less than all of the tool's."""
    git, ls, any_ = grant("bash", "git:*"), grant("bash", "ls:*"), grant("bash", "*x")
    index = GrantIndex([git, ls, any_])
    assert {git, any_} == set(index.wide("bash", "git status"))
    assert {ls, any_} == set(index.wide("bash", "ls"))
    assert {any_} == set(index.wide("bash", "gitk"))
    assert {git, ls, any_} == set(index.for_tool("Bash"))


def test_tools_named_with_a_star_are_found() -> None:
    """A grant for all tools of a server is found for each, and for no other."""
    server = grant("mcp__git__*")
    index = GrantIndex([server, grant("read")])
    assert (server,) == index.wide("mcp__git__push", "x")
    assert (server,) == index.for_tool("mcp__git__push")
    assert () == index.for_tool("mcp__other__push")


def test_escapes_are_apart() -> None:
    """An escape lets no tool run, and is found by its path."""
    one = grant("*", "/etc/hosts", literal=True, kind=GrantKind.ESCAPE)
    index = GrantIndex([one])
    assert (one,) == index.escapes("/etc/hosts") == index.escapes()
    assert () == index.escapes("/etc")
    assert () == index.for_tool("read") == index.wide("read", "/etc/hosts")
    assert () == index.literal("*", "/etc/hosts")


def test_equal_indexes_are_equal() -> None:
    """What is in an index makes it equal, not the order it came in."""
    one, other = grant("a"), grant("b")
    assert GrantIndex([one, other]) == GrantIndex([other, one])
    assert hash(GrantIndex([one, other])) == hash(GrantIndex([other, one]))
    assert GrantIndex([one]) != GrantIndex([other])
    assert 2 == len(GrantIndex([one, other])) and 0 == len(NO_GRANTS)
    assert "GrantIndex(1 grants)" == repr(GrantIndex([one]))


def test_a_grant_ends_at_its_end() -> None:
    """It holds before `expires_ms` and no longer (astrid#T-15)."""
    one = grant("a", expires=1_000)
    assert one.live(999)
    assert not one.live(1_000)
    assert grant("a").live(10**15)


def test_a_token_has_a_counter_of_its_own() -> None:
    """Its uses are counted under another name, which no wipe of a session removes."""
    assert f"grant:{'0' * 32}" == grant("a", id="0" * 32).counter
    assert f"cap:{'0' * 32}" == grant("a", id="0" * 32, kind=GrantKind.CAPABILITY).counter


def test_names_match_with_stars() -> None:
    """`*` stands for any characters, also none; without one the name is meant."""
    assert name_matches("mcp__*__read", "mcp__git__read")
    assert name_matches("*", "anything") and name_matches("a*b*c", "a-b-c")
    assert not name_matches("a*b*c", "acb") and not name_matches("ab*ba", "aba")
    assert not name_matches("read", "reads") and name_matches("read", "read")


WORDS = ("git", "log", "-n1", "a", "b", "--x=1", "a:b", "x*", "HEAD~1")
STEPS = ("src", "a", "b.py", "c d", "a:b", ".h")


def test_the_index_never_loses_a_grant_that_fits() -> None:
    """Of random patterns, all that fit a random command or path are among those found."""
    chance = random.Random(7)
    for _ in range(3_000):
        words = tuple(chance.choice(WORDS) for _ in range(chance.randint(1, 4)))
        steps = "/".join(chance.choice(STEPS) for _ in range(chance.randint(1, 4)))
        line = CommandLine((Segment(words, words[0]),))
        for action in (
            Action(kind=ActionKind.TOOL, name="t", command=line),
            Action(kind=ActionKind.TOOL, name="t", paths=(PathUse(steps, steps),)),
        ):
            patterns = {_blurred(chance, words, steps) for _ in range(8)}
            grants = [grant("t", one, id=f"{n:032x}") for n, one in enumerate(sorted(patterns))]
            index = GrantIndex(grants)
            (part,) = case_of(action, "").parts
            fit = {one for one in grants if matcher(one.rule).fits(part)}
            assert fit <= set(index.wide("t", part.text)), (part.text, fit)


def _blurred(chance: random.Random, words: tuple[str, ...], steps: str) -> str:
    """A pattern near a command or a path."""
    if chance.random() < 0.5:
        kept = list(words[: chance.randint(1, len(words))])
        return " ".join(kept) + chance.choice(["", ":*", " *", " **", "*"])
    kept = steps.split("/")[: chance.randint(1, 4)]
    return (
        chance.choice(["", "./", ""]) + "/".join(kept) + chance.choice(["", "/**", "/*", "*", "/"])
    )
