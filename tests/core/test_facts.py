"""Facts: what is assumed when the shell says nothing."""

from __future__ import annotations

from holdfast.core.authority import Authority, HookFinding
from holdfast.core.facts import Facts, Found
from holdfast.core.ids import EffectRef


def test_no_facts_permit_nothing() -> None:
    """Without a normalised action nothing can be allowed."""
    facts = Facts(now_ms=5)
    assert (None, {}, {}, ()) == (facts.model, facts.actions, facts.found, facts.revisions)
    assert (False, False, (0, 0)) == (facts.queued, facts.behind, facts.kept)


def test_found_without_a_result() -> None:
    """A tool that cannot tell brings no message."""
    assert (None, None, 0) == (Found(None).done, Found(None).message, Found(None).tokens)


def test_what_hooks_said_of_one_call_only() -> None:
    """A word about a call is no word about another one like it."""
    first, second = EffectRef(3, 1), EffectRef(3, 2)
    said = {first: HookFinding(digest="d"), second: HookFinding(digest="d", blocked="no")}
    facts = Facts(now_ms=5, authority=Authority(found=said))
    assert {second: said[second]} == facts.about(second).authority.found
    assert {} == facts.about(EffectRef(9, 1)).authority.found
    assert 5 == facts.about(first).now_ms
