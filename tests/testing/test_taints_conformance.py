"""The conformance suite of the taints port finds what breaks the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from holdfast.adapters.taints.local import LocalTaintMatcher
from holdfast.core.errors import HoldfastError
from holdfast.core.findings import TaintMatch
from holdfast.ports.taints import Taint
from holdfast.testing import taints_conformance
from holdfast.testing.taints_conformance import CHECKS


class Blind(LocalTaintMatcher):
    """Sees plain values only."""

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Drop what was hidden."""
        return tuple(match for match in await super().scan(session, text) if not match.view)


class Short(LocalTaintMatcher):
    """Tells places that end too soon."""

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Cut every place."""
        found = await super().scan(session, text)
        return tuple(replace(match, end=match.end - 4) for match in found)


class Longest(LocalTaintMatcher):
    """Tells the longest of values within each other only."""

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Drop what is within another."""
        found = await super().scan(session, text)
        return tuple(
            one
            for one in found
            if not any(other.start <= one.start and one.end < other.end for other in found)
        )


class Shared(LocalTaintMatcher):
    """Has one session for all."""

    async def load(self, session: str, taints: Sequence[Taint]) -> None:
        """Ignore the session."""
        await super().load("", taints)

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Ignore the session."""
        return await super().scan("", text)


class Remembering(LocalTaintMatcher):
    """Forgets nothing."""

    async def forget(self, session: str) -> None:
        """Do nothing."""

    async def aclose(self) -> None:
        """Do nothing."""


class Losing(LocalTaintMatcher):
    """Loses all sessions' values with one's, and does not say so."""

    async def forget(self, session: str) -> None:
        """Drop everything."""
        await self.aclose()


class Hasty(LocalTaintMatcher):
    """Says that nothing has to be waited for."""

    async def reach(self, session: str) -> int:
        """Lie."""
        return 1


def test_every_check_is_listed_and_described() -> None:
    """No check is forgotten in the list, and each states its fact."""
    names = {name for name in vars(taints_conformance) if name.startswith("check_")}
    assert names == {check.__name__ for check in CHECKS}
    assert all(check.__doc__ for check in CHECKS)


@pytest.mark.parametrize(
    ("bad", "found_by"),
    [
        (Blind, "check_finds_every_encoding"),
        (Short, "check_tells_places_and_labels"),
        (Longest, "check_what_is_more_secret_is_told_everywhere"),
        (Longest, "check_finds_values_that_overlap"),
        (Shared, "check_sessions_are_apart"),
        (Remembering, "check_forget_drops_values"),
        (Remembering, "check_closing_drops_everything"),
        (Losing, "check_forget_drops_values"),
        (Hasty, "check_reach_covers_encodings"),
    ],
)
def test_broken_matchers_are_found(bad: type[LocalTaintMatcher], found_by: str) -> None:
    """Each planted fault is found by the check that is meant for it."""
    check = next(check for check in CHECKS if check.__name__ == found_by)
    with pytest.raises((AssertionError, HoldfastError)):
        asyncio.run(check(bad))
