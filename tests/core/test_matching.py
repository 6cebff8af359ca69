"""Matching: commands word for word, paths by segment, arguments as text."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.matching import Part, case_of, crosses, matcher, star
from holdfast.core.rules import Rule, RuleEffect, parse_rule

HOME = "/".join(["", "home", "u"])
"""A home directory that is nobody's."""

ROOT = "/".join(["", "root"])


def on_command(effect: str, pattern: str, line: str, program: str = "") -> bool:
    """Whether a rule fits a simple command."""
    segment = Segment(tuple(line.split()), program)
    action = Action(kind=ActionKind.TOOL, name="Bash", command=CommandLine((segment,)))
    (part,) = case_of(action, "/w").parts
    return matcher(parse_rule(effect, f"bash({pattern})")).fits(part)


def on_path(effect: str, pattern: str, inside: str | None, real: str = "") -> bool:
    """Whether a rule fits a path."""
    use = PathUse(inside or real, inside, real=real)
    action = Action(kind=ActionKind.TOOL, name="read", paths=(use,))
    (part,) = case_of(action, "/w").parts
    return matcher(parse_rule(effect, f"read({pattern})")).fits(part)


@pytest.mark.parametrize(
    ("pattern", "line", "program", "expected"),
    [
        ("git status:*", "git status", "", True),
        ("git status:*", "git status -s x", "", True),
        ("git status:*", "git statusx", "", False),
        ("ls:*", "lsof", "", False),
        ("git *", "git status", "", True),
        ("git *", "git", "", False),
        ("git *", "git a b", "", False),
        ("git **", "git", "", True),
        ("git **", "git a b", "", True),
        ("npm run:*", "npm run build", "npm", True),
        ("git st*us", "git st/at us", "", False),
        ("git st*us", "git st/atus", "", True),
        ("git", "git", "/usr/bin/git", True),
        ("git", "git", "./git", False),
        ("git", "git", "/tmp/git", False),
        ("./git", "git", "./git", True),
        ("/usr/bin/git:*", "git status", "/usr/bin/git", True),
        ("/usr/bin/git:*", "git status", "git", False),
        ("git", "GIT", "", False),
    ],
)
def test_commands_that_are_allowed(pattern: str, line: str, program: str, expected: bool) -> None:
    """Whole words, exactly; a program is the system's own unless its place is named (a3s#A5)."""
    assert expected is on_command("allow", pattern, line, program)


@pytest.mark.parametrize(
    ("pattern", "line", "program"),
    [
        ("rm:*", "rm -rf /", "/bin/rm"),
        ("rm:*", "rm x", "/tmp/rm"),
        ("rm:*", "RM x", ""),
        ("/bin/rm:*", "rm x", "rm"),
        ("RM", "rm", ""),
    ],
)
def test_commands_that_are_denied(pattern: str, line: str, program: str) -> None:
    """A denial asks neither for case nor for where the program lies (astrid#AW-5)."""
    assert on_command("deny", pattern, line, program)


@pytest.mark.parametrize(
    ("pattern", "inside", "real", "expected"),
    [
        ("src/*", "src/a", "", True),
        ("src/*", "src/a/b", "", False),
        ("src/**", "src/a/b", "", True),
        ("src/**", "src", "", True),
        ("src/**", "srcx", "", False),
        ("src/", "src/a/b", "", True),
        ("./src/a", "src/a", "", True),
        ("**/*.py", "a.py", "", True),
        ("**/*.py", "a/b/c.py", "", True),
        ("**/*.py", "a/b/c.pyc", "", False),
        ("a/**/b", "a/b", "", True),
        ("a/**/b", "a/x/y/b", "", True),
        (".", ".", "", True),
        ("*.md", "docs/x.md", "", False),
        ("/etc/*", None, "/etc/passwd", True),
        ("/etc/*", None, "/etc/ssl/x", False),
        ("/w/src/**", "src/a", "", True),
        ("src/a", None, "/x/src/a", False),
        ("~/.ssh/**", None, HOME + "/.ssh/id", True),
        ("~/.ssh/**", None, ROOT + "/.ssh/id", True),
        ("~/.ssh/**", None, "/home/.ssh/id", False),
        ("~/.ssh/*", None, "~/.ssh/id", True),
        ("SRC/a", "src/a", "", False),
    ],
)
def test_paths_that_are_allowed(
    pattern: str, inside: str | None, real: str, expected: bool
) -> None:
    """`*` stays in its segment and `**` crosses (astrid#AW-2)."""
    assert expected is on_path("allow", pattern, inside, real)


def test_paths_are_denied_whatever_their_case() -> None:
    """A denial holds on file systems that see no case as well (astrid#AW-6)."""
    assert on_path("deny", "secrets/**", "Secrets/KEY")
    assert on_path("deny", "~/.ssh/**", None, "/users/u/.SSH/id")


def test_a_literal_rule_is_only_what_it_says() -> None:
    """Approving a read of `a/*` lets nobody read `a/b` (astrid#AW-1)."""
    one = matcher(parse_rule("allow", "read(a/*)", literal=True))
    fit = {path: one.fits(case_of(_read(path), "/w").parts[0]) for path in ("a/*", "a/b", "A/*")}
    assert {"a/*": True, "a/b": False, "A/*": False} == fit


def _read(path: str) -> Action:
    return Action(kind=ActionKind.TOOL, name="read", paths=(PathUse(path, path),))


def test_arguments_are_compared_as_text() -> None:
    """Of a tool without paths and commands; arguments nobody has are fitted by nothing."""
    one = matcher(parse_rule("allow", 'fetch({"url":"https://example.com/*"})'))

    def fits(subject: str) -> bool:
        action = Action(kind=ActionKind.TOOL, name="fetch", subject=subject)
        return one.fits(case_of(action, "").parts[0])

    assert fits('{"url":"https://example.com/a/b"}')
    assert not fits('{"url":"https://example.org/"}')
    assert not fits("")
    assert case_of(Action(kind=ActionKind.TOOL, name="fetch"), "").blind


@pytest.mark.parametrize(
    ("path", "inside", "real"),
    [
        ("out", "out", "/w/out"),
        ("./a/../b", "b", "/w/b"),
        ("/w/x", "x", "/w/x"),
        ("/w", ".", "/w"),
        ("../x", None, "/x"),
        ("/wx", None, "/wx"),
        ("~/x", None, "~/x"),
    ],
)
def test_redirections_are_placed_by_their_words(path: str, inside: str | None, real: str) -> None:
    """Relative to the workspace when they lie within, else absolute."""
    line = CommandLine((Segment(("echo",), "echo", writes=(path, "/dev/null")),))
    case = case_of(Action(kind=ActionKind.TOOL, name="bash", command=line), "/w")
    assert [("write", inside, real)] == [(one.tool, one.inside, one.real) for one in case.writes]
    assert (("bash", case.parts), ("write", case.writes)) == case.by_tool


def test_a_line_that_is_not_clear_says_so() -> None:
    """The guard asks about it."""
    line = CommandLine((Segment(("ls",)),), "substitution")
    assert case_of(Action(kind=ActionKind.TOOL, name="bash", command=line), "").unclear


def test_a_line_is_taken_apart_once_for_a_tool_and_a_workspace() -> None:
    """Decisions about the same call share it; another tool or workspace gets its own."""
    line = CommandLine((Segment(("echo",), "echo", writes=("/w/out",)),))
    first, again = (Action(kind=ActionKind.TOOL, name="bash", command=line) for _ in range(2))
    case = case_of(first, "/w")
    assert case is case_of(again, "/w")
    assert ["out"] == [part.inside for part in case.writes]
    assert [None] == [part.inside for part in case_of(again, "/elsewhere").writes]
    other = case_of(Action(kind=ActionKind.TOOL, name="Shell", command=line), "/w")
    assert ("shell", "shell") == (other.tool, other.parts[0].tool)


def test_stars_take_linear_time() -> None:
    """A pattern made to backtrack for ever does not."""
    pieces = tuple("*".join("a" * 200).split("*"))
    assert not star(pieces, "a" * 5_000 + "b")
    assert star(("a", "", "b"), "ab")
    assert not star(("ab", "ba"), "aba")
    assert not crosses((("x",),), [])


def command_part(*words: str, program: str = "") -> Part:
    """A simple command as rules see it."""
    line = CommandLine((Segment(words, program),))
    return case_of(Action(kind=ActionKind.TOOL, name="bash", command=line), "/w").parts[0]


def test_parts_are_looked_up_by_their_first_words_and_names() -> None:
    """A rule that may fit stands under one of these, or under none."""
    assert ("", "git") == command_part("Git", "status", program="/usr/bin/git").keys
    assert ("", "git") == command_part("git").keys
    use = PathUse("Src/a.py", "Src/a.py", real="/w/Src/a.py")
    case = case_of(Action(kind=ActionKind.TOOL, name="read", paths=(use,)), "/w")
    assert ("", "src/", "/a.py") == case.parts[0].keys
    assert case.parts[0].keys is case.parts[0].keys


def test_literal_rules_compare_the_text_of_a_part() -> None:
    """It is made when it is asked for, and once."""
    part = command_part("echo", "a b")
    assert "echo 'a b'" == part.text == part.text
    assert matcher(parse_rule("allow", "bash(echo 'a b')", literal=True)).fits(part)
    assert part.fold() is part.fold()


def test_arguments_that_are_no_paths_are_text() -> None:
    """What denies does not regard case; what is too long to compare says so."""
    action = Action(kind=ActionKind.TOOL, name="note", subject='{"Q":1}')
    case = case_of(action, "")
    assert (("note", case.parts),) == case.by_tool
    assert case.parts == case.all and not case.blind
    assert matcher(parse_rule("deny", 'note({"q":*)')).fits(case.parts[0])
    assert not matcher(parse_rule("allow", 'note({"q":*)')).fits(case.parts[0])
    assert matcher(parse_rule("allow", "note")).fits(case.parts[0])
    assert case_of(Action(kind=ActionKind.TOOL, name="note"), "").blind


def test_all_of_a_case_are_its_commands_and_what_they_write() -> None:
    """What is read needs no permission of its own; a denial of it counts."""
    line = CommandLine((Segment(("cat",), "cat", reads=("in",), writes=("out",)),))
    case = case_of(Action(kind=ActionKind.TOOL, name="bash", command=line), "/w")
    assert (*case.parts, *case.writes) == case.all
    assert ["bash", "write", "read"] == [tool for tool, _ in case.by_tool]


@pytest.mark.parametrize(
    ("given", "inside", "workspace", "real"),
    [
        ("a/../b", "b", "/w", "/w/b"),
        ("b", "b", "", ""),
        ("/x/../y", None, "/w", "/y"),
        ("~/x", None, "/w", "~/x"),
        ("x", None, "", "x"),
        ("../x", None, "/w", "/x"),
    ],
)
def test_a_path_that_was_not_resolved_is_placed_by_its_words(
    given: str, inside: str | None, workspace: str, real: str
) -> None:
    """Absolute where the workspace tells it."""
    action = Action(kind=ActionKind.TOOL, name="read", paths=(PathUse(given, inside),))
    assert real == case_of(action, workspace).parts[0].real


def test_rules_hold_for_whom_they_name() -> None:
    """A role and a task type, or anybody."""
    rule = matcher(parse_rule("allow", "read", role="agent", task_type="coding"))
    assert rule.holds("agent", "coding")
    assert not rule.holds("agent", "default")
    assert not rule.holds("", "coding")
    assert matcher(parse_rule("allow", "read")).holds("", "default")


def test_a_path_pattern_that_leads_upwards_fits_nothing() -> None:
    """Nothing resolved has `..` in it; such a rule is refused where it is set."""
    rule = Rule(effect=RuleEffect.ALLOW, tool="read", pattern="../x")
    use = PathUse("x", "x", real="/w/x")
    case = case_of(Action(kind=ActionKind.TOOL, name="read", paths=(use,)), "/w")
    assert not matcher(rule).fits(case.parts[0])
    assert not star(("a", "x", "b"), "ayb")
