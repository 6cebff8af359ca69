"""Authority: when a grant can be used."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.authority import NO_AUTHORITY, Authority
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.ids import EffectRef
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.view import OpenEffect, SessionView

GRANT = Grant(
    id="a" * 32,
    kind=GrantKind.ALLOWANCE,
    scope=GrantScope.SESSION,
    holder="s1",
    rule=Rule(effect=RuleEffect.ALLOW, tool="ring"),
    expires_ms=100,
    uses_max=2,
)
VIEW = SessionView(version=9)


def running(version: int, counter: str = GRANT.counter) -> OpenEffect:
    """An effect that has claimed a use."""
    return OpenEffect(
        ref=EffectRef(5, version),
        effect="tool",
        name="ring",
        digest="d",
        attempt=1,
        engine="e",
        version=version,
        takes=((counter, 1),),
    )


def test_an_unlimited_grant_holds_until_its_end() -> None:
    """Uses are not looked at, the time is."""
    free = replace(GRANT, uses_max=None)
    assert NO_AUTHORITY.usable(free, VIEW, 99)
    assert not NO_AUTHORITY.usable(free, VIEW, 100)


def test_a_limited_grant_needs_a_use_that_is_left() -> None:
    """One whose counter was not read has none."""
    assert not NO_AUTHORITY.usable(GRANT, VIEW, 1)
    assert Authority(uses_left={GRANT.id: 1}).usable(GRANT, VIEW, 1)
    assert not Authority(uses_left={GRANT.id: 0}).usable(GRANT, VIEW, 1)


def test_what_was_claimed_since_the_reading_is_used() -> None:
    """Two calls decided in one append never rest on the same use (astrid#AW-13)."""
    read = Authority(uses_left={GRANT.id: 1}, read_at=7)
    assert not read.usable(GRANT, replace(VIEW, open=(running(8),)), 1)
    assert not read.usable(GRANT, replace(VIEW, host_open=(running(8),)), 1)
    assert read.usable(GRANT, replace(VIEW, open=(running(7),)), 1)
    assert read.usable(GRANT, replace(VIEW, open=(running(8, "other"),)), 1)
