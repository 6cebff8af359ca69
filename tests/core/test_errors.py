"""Errors: stable reasons, statuses and exit codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.core import errors, faults
from holdfast.core.errors import HoldfastError


def _all(base: type[HoldfastError] = HoldfastError) -> Iterator[type[HoldfastError]]:
    for kind in base.__subclasses__():
        if kind.__module__ in (errors.__name__, faults.__name__):
            yield kind
            yield from _all(kind)


ALL = sorted(set(_all()), key=lambda kind: kind.__name__)
EXIT_CODES = {
    "InvalidInput": 2,
    "NotFound": 3,
    "TokenInvalid": 5,
    "AlreadyThere": 4,
    "NotNow": 4,
    "Denied": 5,
    "WriteRefused": 6,
    "Damaged": 7,
    "Unavailable": 8,
    "ProviderFailed": 9,
}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_error_has_a_reason_of_its_own(kind: type[HoldfastError]) -> None:
    """A reason names one error, in snake case."""
    assert [kind] == [other for other in ALL if other.reason == kind.reason]
    assert kind.reason.replace("_", "a").isalnum() and kind.reason == kind.reason.lower()


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_each_error_has_its_branchs_exit_code(kind: type[HoldfastError]) -> None:
    """The exit code is the branch's; the status is one of HTTP's failures."""
    branch = next(one for one in kind.__mro__ if HoldfastError in one.__bases__)
    assert EXIT_CODES[branch.__name__] == kind.exit_code
    assert 400 <= kind.status <= 599


def test_branches_are_all_there() -> None:
    """The tree has ten branches, and each has its exit code."""
    assert set(EXIT_CODES) == {kind.__name__ for kind in HoldfastError.__subclasses__()}


def test_message_is_one_line() -> None:
    """Only the first line of a message is shown."""
    assert "first" == HoldfastError("  first\nsecond").message


def test_error_without_a_message_explains_itself() -> None:
    """The docstring stands in for a missing message."""
    assert "There is no session with that id." == errors.SessionNotFound().message


def test_error_without_words_gives_its_reason() -> None:
    """Without a docstring the reason code is the message."""
    bare = type("Bare", (HoldfastError,), {"__doc__": None, "reason": "bare"})
    assert "bare" == bare().message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.Stale("grants"), "grants has changed since it was read"),
        (errors.CounterRefused("usd"), "usd has not enough left"),
        (errors.DuplicateCommand(7), "this command was carried out at version 7"),
        (
            errors.MissingExtra("a model", "llm"),
            "a model needs an optional part: pip install 'holdfast[llm]'",
        ),
    ],
)
def test_errors_with_facts_say_them(error: HoldfastError, words: str) -> None:
    """An error that carries a fact names it."""
    assert words == error.message


def test_errors_keep_their_facts() -> None:
    """Programs read the facts from attributes."""
    assert "grants" == errors.Stale("grants").scope
    assert "usd" == errors.CounterRefused("usd").counter
    assert 7 == errors.DuplicateCommand(7).version
    assert not errors.ProviderFailed("x").retryable
    assert errors.ProviderTimeout("x", retryable=True).retryable
