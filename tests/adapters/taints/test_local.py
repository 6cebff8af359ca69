"""The matcher in this process keeps the contract."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.adapters.taints.local import LocalTaintMatcher
from holdfast.core.errors import TooLarge
from holdfast.testing.taints_conformance import CHECKS, Check
from holdfast.testing.taints_kit import taint


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check) -> None:
    """The check passes."""
    asyncio.run(check(LocalTaintMatcher))


def test_values_are_counted_over_all_sessions() -> None:
    """The limit is one for all; what is forgotten counts no more; short ones are named."""

    async def run() -> None:
        matcher = LocalTaintMatcher(values_max=2)
        await matcher.load("a", [taint("value-one-1", id="1")])
        await matcher.load("b", [taint("xy", id="2")])
        assert ("2",) == await matcher.too_short("b")
        with pytest.raises(TooLarge):
            await matcher.load("a", [taint("value-three-3", id="3")])
        await matcher.forget("b")
        await matcher.load("a", [taint("value-three-3", id="3")])
        assert await matcher.known("a") == 2

    asyncio.run(run())
