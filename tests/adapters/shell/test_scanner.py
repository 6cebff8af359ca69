"""Words: quotes, escapes, expansions, characters that are refused."""

from __future__ import annotations

import pytest

from holdfast.adapters.shell.grammar import Found, Parser
from holdfast.adapters.shell.scanner import Unreadable, Word, forbidden_character


def word(text: str) -> Word:
    """Read the first word of a text."""
    return Parser(text, Found()).word()


@pytest.mark.parametrize(
    ("text", "value"),
    [("a b", "a"), ("'a b'c d", "a bc"), ('"a $ b"', "a $ b"), ('"\\a\\$\\""', '\\a$"'),
     ("\\ \\a", " a"), ("$'\\n\\t\\x41\\101\\u0041\\q'", "\n\tAAA\\q"), ("''", ""), ("$/x", "$/x"),
     ("a#b", "a#b"), ("'a\nb'", "a\nb"), ("a;b", "a"), ("é'日'", "é日")],
)  # fmt: skip
def test_words_are_read_as_bash_does(text: str, value: str) -> None:
    """Quotes and escapes are gone, and nothing else."""
    found = word(text)
    assert (value, "") == (found.text, found.unclear)
    assert len(found.text) == len(found.mask)


@pytest.mark.parametrize(
    "text",
    ["$a", '"$a"', "${a}", "$1", "$@", "$((1))", "$[1]", "$(a)", "`a`", '"`a`"', "<(a)", '$"a"',
     "$'\\xff'", "$'\\0'", "$'\\cx'", "a\\\nb", '"$\\\na"', "a\u00a0b", "$'\\a'"],
)  # fmt: skip
def test_values_that_are_not_in_the_text_are_doubted(text: str) -> None:
    """Variables, substitutions, arithmetic, translations, bytes, joined lines."""
    assert "" != word(text).unclear


@pytest.mark.parametrize("text", ["'a", '"a', "`a", "${a", "$((1)", "$(a", "a\\", "$'a", "<(a"])
def test_what_is_not_closed_cannot_be_read(text: str) -> None:
    """A quote or expansion that does not end is an error, never a guess."""
    with pytest.raises(Unreadable):
        word(text)


def test_plain_is_only_what_is_not_quoted() -> None:
    """Reserved words and here-document ends have to know."""
    assert "if" == word("if").plain()
    assert [None, None, None] == [word(text).plain() for text in ("i'f'", "i''f", "$if")]


def test_characters_that_do_not_show_are_refused() -> None:
    """Control, format and private characters and surrogates; not tabs and line ends."""
    assert "" == forbidden_character("a\tb\nc é 日 🙂")
    for char in "\0\r\x0b\x7f\x85\u200b\u202e\u2028\ufeff\ud800\ue000":
        assert f"U+{ord(char):04X}" in forbidden_character(f"a{char}")
