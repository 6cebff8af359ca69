"""Secrets that people choose: the empty, the default and the short ones are refused (CW-12)."""

from __future__ import annotations

from typing import Final

from holdfast.core.errors import InvalidInput

CHARS_MIN: Final = 12
_DIFFERENT_MIN: Final = 5
_DEFAULTS: Final = frozenset(
    {
        "administrator", "changemechangeme", "changemenow!", "changethisnow",
        "correcthorsebatterystaple",
        "defaultdefault", "defaultpassword", "defaultsecret", "development-secret", "examplesecret",
        "insert-secret-here", "letmeinletmein", "my-secret-key", "mysecretkey123", "passphrase123",
        "password12345", "password123456", "passwordpassword", "please-change-me", "qwertyuiop123",
        "replace-with-secret", "secret-key-here", "secretsecret", "supersecretkey",
        "your-secret-key",
        "your-secret-here", "yoursecretkey",
    }
)  # fmt: skip


def check_passphrase(text: object) -> str:
    """Return a passphrase if it can be one.

    Raises:
        InvalidInput: it is empty, shorter than 12 characters, made of fewer than five
            different ones, or one that stands in examples.
    """
    if not isinstance(text, str) or len(text.strip()) < CHARS_MIN:
        raise InvalidInput(f"a passphrase has at least {CHARS_MIN} characters")
    folded = text.strip().casefold()
    if folded in _DEFAULTS or len(set(folded)) < _DIFFERENT_MIN:
        raise InvalidInput("this passphrase is one of the first that anybody tries")
    return text
