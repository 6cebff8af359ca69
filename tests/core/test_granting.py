"""What a yes may grant: literal rules, and the wider ones a person may choose."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.granting import (
    NEVER_WIDE,
    chosen_rules,
    grant_id,
    literal_rules,
    path_text,
    samples,
    segment_text,
    subjects,
    wider_patterns,
    wider_rules,
)
from holdfast.core.matching import case_of, matcher
from holdfast.core.rules import RuleEffect, parse_rule


def command(*lines: tuple[str, ...], unclear: str = "") -> Action:
    """A bash call."""
    segments = tuple(Segment(argv=words, program=words[0]) for words in lines)
    return Action(
        kind=ActionKind.TOOL, name="Bash", command=CommandLine(segments, unclear), subject="s"
    )


def files(*paths: PathUse, name: str = "write") -> Action:
    """A call of a file tool."""
    return Action(kind=ActionKind.TOOL, name=name, paths=paths, subject="{}")


def test_a_star_in_an_argument_is_literal() -> None:
    """Approving `/srv/u/*` or `rm *` grants just that text (astrid#AW-1)."""
    (rule,) = literal_rules(files(PathUse("/srv/u/*", None, real="/srv/u/*"), name="read"))
    assert ("read", "/srv/u/*", True) == (rule.tool, rule.pattern, rule.literal)
    (case,) = case_of(files(PathUse("/srv/u/a", None, real="/srv/u/a"), name="read"), "").parts
    assert not matcher(rule).fits(case)
    (rule,) = literal_rules(command(("rm", "*")))
    assert "rm '*'" == rule.pattern
    (part,) = case_of(command(("rm", "-rf")), "").parts
    assert not matcher(rule).fits(part)
    (same,) = case_of(command(("rm", "*")), "").parts
    assert matcher(rule).fits(same)


def test_each_command_and_path_is_granted_by_itself() -> None:
    """A line of two commands makes two rules, one said twice makes one."""
    line = command(("git", "status"), ("ls", "-l"), ("git", "status"))
    assert ["git status", "ls -l"] == [rule.pattern for rule in literal_rules(line)]
    both = files(PathUse("a", "src/a"), PathUse("/x", None, real="/x"))
    assert ["src/a", "/x"] == [rule.pattern for rule in literal_rules(both)]
    assert all(rule.effect is RuleEffect.ALLOW for rule in literal_rules(both))


def test_texts_of_commands_differ_when_the_commands_do() -> None:
    """Quotes, programs elsewhere and redirections are all in a command's text."""
    same = [
        Segment(("echo", "a b"), "echo"),
        Segment(("echo", "a", "b"), "echo"),
        Segment(("echo", "a"), "./echo"),
        Segment(("echo", "a"), "echo"),
        Segment(("echo", "a"), "echo", writes=("b",)),
        Segment(("echo", "a"), "echo", reads=("b",)),
        Segment(("echo", "a", ">b"), "echo"),
        Segment(("echo", "a", ">", "b"), "echo"),
    ]
    assert len(same) == len({segment_text(one) for one in same})


def test_what_is_not_clear_is_never_granted() -> None:
    """An unclear line, a model call, and arguments that are too long have no literal rule."""
    assert () == literal_rules(command(("echo", "x"), unclear="substitution"))
    assert () == wider_patterns(command(("git", "x"), unclear="substitution"))
    assert () == subjects(Action(kind=ActionKind.MODEL, name="m", subject="x"))
    assert () == subjects(Action(kind=ActionKind.TOOL, name="t"))
    assert ("{}",) == subjects(Action(kind=ActionKind.TOOL, name="t", subject="{}"))


def test_wider_patterns_are_the_persons_choice() -> None:
    """A prefix of a command, a folder of a path, the bare tool; the narrowest first."""
    assert ("bash(git status:*)", "bash(git:*)") == wider_patterns(command(("git", "status")))
    deep = files(PathUse("x", "src/a/b.py"))
    assert ("write(src/a/**)", "write(src/**)", "write") == wider_patterns(deep)
    assert ("note",) == wider_patterns(Action(kind=ActionKind.TOOL, name="note", subject="{}"))


@pytest.mark.parametrize("program", sorted(NEVER_WIDE))
def test_no_prefix_of_what_runs_anything_is_offered(program: str) -> None:
    """`python:*` or `sudo:*` would be everything: only the literal command is offered."""
    assert () == wider_patterns(command((program, "x")))


@pytest.mark.parametrize(
    "segment",
    [
        Segment(("git", "status"), "./git"),
        Segment(("git", "status"), "/tmp/git"),
        Segment(("git", "*"), "g*t"),
        Segment(("ls",), "ls", wrapped=True),
        Segment(("ls",), "ls", writes=("f",)),
    ],
)
def test_no_prefix_of_an_odd_command_is_offered(segment: Segment) -> None:
    """A program of another place, a wrapped or redirected command has no wider pattern."""
    action = Action(kind=ActionKind.TOOL, name="bash", command=CommandLine((segment,)))
    assert () == wider_patterns(action)


def test_which_folders_are_offered() -> None:
    """At the top, or with a star in the name, only the bare tool; outside its own folder."""
    for path in (PathUse("a", "a"), PathUse("b*/c", "b*/c"), PathUse("/y", None, real="/y")):
        assert ("write",) == wider_patterns(files(path))
    outside = PathUse("/x/y/z", None, real="/x/y/z")
    assert ("write(/x/y/**)", "write") == wider_patterns(files(outside))


def test_samples_are_matched_by_their_pattern() -> None:
    """Each of the three samples shown with a pattern is really covered by it (IMP-10)."""
    line = command(("git", "status"))
    for pattern in wider_patterns(line):
        shown = samples(pattern, line)
        assert 3 == len(shown) == len(set(shown))
        rule = matcher(parse_rule(RuleEffect.ALLOW, pattern))
        for text in shown:
            (part,) = case_of(command(tuple(text.split())), "").parts
            assert rule.fits(part), (pattern, text)
    deep = files(PathUse("x", "src/a/b.py"))
    for pattern in wider_patterns(deep)[:2]:
        rule = matcher(parse_rule(RuleEffect.ALLOW, pattern))
        for text in samples(pattern, deep):
            (part,) = case_of(files(PathUse(text, text)), "").parts
            assert rule.fits(part), (pattern, text)
    assert 3 == len(set(samples("write", deep)))
    assert () == samples("write(/**)", deep)


def test_what_a_chosen_pattern_leaves_out_is_literal() -> None:
    """`git status:*` for `git status && ls` covers the first and leaves the second literal."""
    line = command(("git", "status"), ("ls", "-l"))
    rules = chosen_rules(line, "bash(git status:*)")
    assert [("git status:*", False), ("ls -l", True)] == [(r.pattern, r.literal) for r in rules]
    two = files(PathUse("a", "src/a"), PathUse("b", "doc/b"))
    rules = chosen_rules(two, "write(src/**)")
    assert [("src/**", False), ("doc/b", True)] == [(r.pattern, r.literal) for r in rules]
    (bare,) = chosen_rules(Action(kind=ActionKind.TOOL, name="note", subject="{}"), "note")
    assert "note" == bare.text


def test_a_pattern_that_was_not_offered_is_refused() -> None:
    """Nobody grants more than what the question showed."""
    with pytest.raises(ValueError, match="offered"):
        chosen_rules(command(("git", "status")), "bash")


def test_every_rule_that_is_offered_parses() -> None:
    """The text of each wider rule reads back as the same rule."""
    for action in (command(("git", "status")), files(PathUse("x", "src/a/b.py"))):
        for rule in wider_rules(action):
            assert rule == parse_rule(RuleEffect.ALLOW, rule.text)


def test_ids_tell_their_parts_apart() -> None:
    """Ids are 32 hexadecimal characters and differ when any part does."""
    ids = {grant_id("a", "bc"), grant_id("ab", "c"), grant_id("a", "bc", 1), grant_id("a", 1)}
    assert 4 == len(ids)
    assert all(32 == len(one) and set(one) <= set("0123456789abcdef") for one in ids)


def test_a_path_is_named_from_the_workspace_or_absolute() -> None:
    """Inside it is the relative path, outside the real one."""
    assert "a/b" == path_text(PathUse("../w/a/b", "a/b", real="/w/a/b"))
    assert "/etc/x" == path_text(PathUse("../x", None, real="/etc/x"))
