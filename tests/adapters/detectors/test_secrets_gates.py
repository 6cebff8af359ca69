"""What tells a secret from a name, a slug, a path or a placeholder."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.secrets_gates import (
    is_empty_form,
    is_password,
    is_placeholder,
    is_secret,
    is_slug,
    words,
)


@pytest.mark.parametrize(
    "value",
    ["your-api-key", "YOUR_TOKEN", "xxxxxxxxxxxx", "<token>", "${TOKEN}", "changeme", "$(cat f)",
     "{{ secret }}", "os.environ[x]", "********", "example-key", "None", "aaaaaaaaaaaa", "%(pw)s"],
)  # fmt: skip
def test_placeholders(value: str) -> None:
    """They stand where a secret would, and are neither secrets nor passwords."""
    assert is_placeholder(value)
    assert not is_secret(value)
    assert not is_password(value, quoted=False)


@pytest.mark.parametrize(
    "value",
    ["my-long-slug-for-2024", "some_module.function_name2", "/usr/local/lib/python3",
     "https://example.com/a1b2c3d4", "self.next_token2", "1234567890123456", "getAuthTokenValue",
     "short1"],
)  # fmt: skip
def test_no_secrets(value: str) -> None:
    """Slugs, names, paths, numbers, what is short."""
    assert not is_secret(value)


@pytest.mark.parametrize(
    "value",
    ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "0123456789abcdef0123456789abcdef",
     "kexNbiupwscCHyvVeuNZTQSBvEEcydqe", "a1b2c3d4e5", "123e4567-e89b-12d3-a456-426614174000"],
)  # fmt: skip
def test_secrets(value: str) -> None:
    """Random enough, where a word says that they may be one."""
    assert is_secret(value)


@pytest.mark.parametrize(
    ("value", "quoted", "bare"),
    [("hunter2", True, True), ("letmein", True, False), ("self.password", True, False),
     ("getPass", True, False), ("abc", False, False), ("$HOME", True, False), ("p@ss", True, True),
     ("/etc/passwd", False, False)],
)  # fmt: skip
def test_passwords(value: str, quoted: bool, bare: bool) -> None:
    """A bare word is taken for the name of something; a quoted one is not."""
    assert (quoted, bare) == (is_password(value, quoted=True), is_password(value, quoted=False))


def test_empty_forms() -> None:
    """The form of a key with nothing in it."""
    assert is_empty_form("ghp_" + "x" * 36)
    assert is_empty_form("sk-ant-your-key-here-1234567890")
    assert not is_empty_form("AKIAIOSFODNN7EXAMPLE")


def test_slugs_and_words() -> None:
    """Words, short numbers and what joins them."""
    assert (True, False) == (is_slug("a-b_c.d1"), is_slug("a1b2c3-d4e5"))
    assert frozenset({"a", "b"}) == words(" a\n b a ")
