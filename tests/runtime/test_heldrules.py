"""Rules that come with a file."""

from __future__ import annotations

from holdfast.core.rules import Policy, PolicyMode, parse_rule
from holdfast.runtime.heldrules import HELD_RULES, held_rules, narrowed

ALLOW, DENY = parse_rule("allow", "act"), parse_rule("deny", "look")


def test_a_file_denies_and_permits_nothing() -> None:
    """Denials and a strict mode hold at once; without them there is no policy."""
    assert Policy(rules=(DENY,)) == narrowed(Policy(rules=(ALLOW, DENY)))
    assert Policy(mode=PolicyMode.STRICT) == narrowed(
        Policy(mode=PolicyMode.STRICT, rules=(ALLOW,))
    )
    loose = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE, rules=(DENY,))
    assert Policy(mode=PolicyMode.DEFAULT, rules=(DENY,)) == narrowed(loose)
    assert narrowed(Policy(rules=(ALLOW,))) is None
    assert narrowed(None) is None


def test_what_permits_waits_once() -> None:
    """Beside what waited already, each rule once."""
    first = held_rules(Policy(rules=(ALLOW, DENY)), {"kept": 1})
    assert {"kept": 1, HELD_RULES: ["act"]} == first
    assert first == held_rules(Policy(rules=(ALLOW,)), first)
    assert {"kept": 1} == held_rules(None, {"kept": 1})
