"""What tells a secret from a name, a slug, a path or a placeholder.

All of it is vetoes: a value that passes is random enough to be a key, or odd
enough to be a password where a word before it says that it is one.
"""

from __future__ import annotations

import re

from holdfast.adapters.detectors.checks import entropy
from holdfast.adapters.detectors.linear import compile_text

SECRET_LENGTH_MIN = 8
PASSWORD_LENGTH_MIN = 4
_DISTINCT_MIN, _DISTINCT_LENGTH = 5, 8
_MIXED_MIN = 16
_ENTROPY_SHORT, _ENTROPY_LONG = 2.5, 3.0


def words(text: str) -> frozenset[str]:
    """The words of a text that are divided by blanks."""
    return frozenset(text.split())


# What is written where a secret would stand. Whole values, in lower case.
_EMPTY_WORDS = words(
    """
    password passwd pass pwd passphrase secret token key apikey api_key api-key none null nil true
    false undefined string str text bytes int bool optional any required input prompt hidden
    masked redacted removed default value empty user username admin_password test123 mypassword
    my_password my-password yourpassword foo bar baz foobar changeme change_me change-me changeit
    replaceme password1 passw0rd_here todo tbd unset disabled enabled env self args kwargs data
    result response request config settings options params function return import lambda class
    async await yes no on off n/a na example sample dummy secretkey secret_key secret-key mysecret
    my_secret my-secret mytoken my_token my-token token123 accesstoken access_token not never the
    and hash hashed encrypted plaintext
    """
)
# Parts of values that are there to be replaced.
_PLACEHOLDER = compile_text(
    r"your[-_ ]?|[-_]here\b|(?:^|[-_./@])example|placeholder|change[-_]?me|replace|redacted"
    r"|insert[-_]|dummy"
    r"|[xX]{4}|\*{3}|\.{3}|0{8}|\$\{|\$\(|\{\{|<[^>]*>|%\(|%[sd]\b|\bxxx\b|todo|fixme|fake[-_]"
    r"|sample[-_]|test[-_]?(?:key|token|secret|pass)|my[-_](?:secret|token|key|api|password)"
    r"|process\.env|os\.environ|getenv|secrets?\.|vault:|env:|file:|keyring:"
)
_FORM_PLACEHOLDER = compile_text(
    r"[xX]{6}|\*{3}|\.{3}|your[-_]|[-_]here\b|placeholder|(?:0{12})|<|\{"
)
_SEGMENTS = re.compile(r"[-_./:+@,|]+")
_WORD_SEGMENT = re.compile(r"[A-Za-z]*\d{0,4}|\d{1,4}[a-z]{0,3}")
_VARIABLE = re.compile(r"[$%&@*(\[{<]")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[A-Za-z]")
_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z_.\-]*")
_CAMEL = re.compile(r"[A-Za-z][a-z]+(?:[A-Z][a-z]+)*\d{0,3}")


def is_placeholder(value: str) -> bool:
    """Whether a value only stands where a secret would."""
    low = value.lower()
    if low in _EMPTY_WORDS or _PLACEHOLDER.search(low):
        return True
    # Of characters that are all one placeholder nothing is known.
    return (
        len(value) >= _DISTINCT_LENGTH and "\xff" not in value and len(set(value)) < _DISTINCT_MIN
    )


def is_empty_form(value: str) -> bool:
    """Whether a value has the form of a provider's key but nothing in it."""
    return bool(_FORM_PLACEHOLDER.search(value))


def is_slug(value: str) -> bool:
    """Whether a value is words, short numbers and what joins them: a name or a path."""
    return all(
        _WORD_SEGMENT.fullmatch(part) and not _mixed(part) for part in _SEGMENTS.split(value)
    )


def _mixed(part: str) -> bool:
    """Whether letters are mixed as no words are, CamelCase included."""
    capitals = sum(char.isupper() for char in part)
    return len(part) >= _MIXED_MIN and 0.3 <= capitals / len(part) <= 0.7


def is_path(value: str) -> bool:
    """Whether a value is a path or an address of something."""
    return (
        value.startswith(("/", "./", "../", "~/", "http:", "https:", "arn:", "C:\\"))
        or "://" in value
    )


def is_secret(value: str) -> bool:
    """Whether a value is random enough to be a key, where a word says that it may be one."""
    if len(value) < SECRET_LENGTH_MIN or is_placeholder(value) or is_path(value):
        return False
    if is_slug(value) or _VARIABLE.match(value):
        return False
    letters, digits = bool(_LETTER.search(value)), bool(_DIGIT.search(value))
    if not letters or (not digits and (len(value) < 20 or value.lower() == value)):
        return False
    least = _ENTROPY_SHORT if len(value) < 16 else _ENTROPY_LONG
    return entropy(value) >= min(least, 2.4 if set(value) <= set("0123456789abcdef") else least)


def is_password(value: str, *, quoted: bool) -> bool:
    """Whether a value is a password, where a word says that it is one.

    Args:
        quoted: it stands in quotes; a bare word is taken for the name of something.
    """
    if len(value) < PASSWORD_LENGTH_MIN or is_placeholder(value) or is_path(value):
        return False
    if quoted:
        return True
    if _VARIABLE.match(value) or _PLAIN_WORD.fullmatch(value):
        return False
    return not (_CAMEL.fullmatch(value) and value.lower() != value)
