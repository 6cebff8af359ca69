"""The grammar: compound commands, here-documents, errors."""

from __future__ import annotations

import pytest

from holdfast.adapters.shell.grammar import SIMPLE_MAX, Found, Parser


def read(text: str) -> Found:
    """Read a text."""
    found = Found()
    Parser(text, found).run()
    return found


def programs(text: str) -> list[str]:
    """The first word of every simple command."""
    return [simple.words[0].text for simple in read(text).simples if simple.words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("if a; then b; elif c; then d; else e; fi; f", "abcdef"), ("while a; do b; done; c", "abc"),
     ("until a\ndo b\ndone", "ab"), ("for i in x; do a; done; b", "ab"), ("for i do a; done", "a"),
     ("case x in a) b;; (c|d) e;& f) g;;& *) ;; esac; h", "begh"), ("(a; (b)); c", "abc"),
     ("{ a; { b; }; }; c", "abc"), ("a && ! b || c", "abc"), ("a | b |& c & d", "abcd"),
     ("a # b\nc", "ac"), ("a <<E; b\n c\nE\nd", "abd"), ("a <<-E\n\tb\n\tE\nc", "ac"),
     ("a <<E | b\n;\nE\nc", "abc"), (">x a <y b", "a"), ("X=1 Y=2 a", "a"), ("a\n\n\nb", "ab")],
)  # fmt: skip
def test_every_command_of_every_branch_is_listed(text: str, expected: str) -> None:
    """What may run is listed in order, and all of this is clear."""
    assert list(expected) == programs(text)
    assert "" == read(text).unclear


@pytest.mark.parametrize(
    "text",
    ["a ;; b", "a &&", "| a", "a | | b", "fi", "}", "a )", "(a", "{ a }", "if a; fi", "a () b c (",
     "for 1 in a; do b; done", "for ((;;)); do a; done", "while a; done", "case x in a b) c;; esac",
     "a <<E", "a <<E\nb", "a <<$x\n$x", "a=(b c)", "(", "()", "a >", "a > ; b",
     "a &&& b", "[[ a", "if a; then b; fi c", "function", "a <<''\n\n"],
)  # fmt: skip
def test_what_is_not_understood_is_unclear(text: str) -> None:
    """An error never passes for the end of a line."""
    assert "" != read(text).unclear


def test_reading_goes_on_behind_an_error() -> None:
    """What stands behind it may still be denied."""
    assert "sudo" in programs("ls ( ; sudo x")
    assert "sudo" in programs("ls ;; sudo x")


def test_functions_are_listed_with_their_body() -> None:
    """A definition is a command `function`; whoever calls it runs the body."""
    assert ["function", "a", "f"] == programs("f() { a; }; f")
    assert ["function", "a"] == programs("function f { a; }")


def test_what_feeds_shares_a_number() -> None:
    """Pipelines and substitutions, nested ones as a whole."""
    first, second, third = read("(a; b) | c").simples
    assert 0 != first.pipe == second.pipe == third.pipe
    one, two = read("a; b").simples
    assert 0 == one.pipe == two.pipe


def test_there_is_a_limit() -> None:
    """Over the limit it stops and says so."""
    found = read("a;" * (SIMPLE_MAX * 2))
    assert SIMPLE_MAX == len(found.simples)
    assert "" != found.unclear
