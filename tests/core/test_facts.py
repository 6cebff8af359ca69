"""Facts: what is assumed when the shell says nothing."""

from __future__ import annotations

from holdfast.core.facts import Facts, Found


def test_no_facts_permit_nothing() -> None:
    """Without a normalised action nothing can be allowed."""
    facts = Facts(now_ms=5)
    assert (None, {}, {}, ()) == (facts.model, facts.actions, facts.found, facts.revisions)
    assert (False, False, (0, 0)) == (facts.queued, facts.behind, facts.kept)


def test_found_without_a_result() -> None:
    """A tool that cannot tell brings no message."""
    assert (None, None, 0) == (Found(None).done, Found(None).message, Found(None).tokens)
