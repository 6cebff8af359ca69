"""Classifiers are made of what sessions ask for, and equal wishes share one."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.adapters.detectors.factory import KEPT_MAX, Classifiers
from holdfast.core.errors import InvalidInput
from holdfast.core.findings import Classification, Finding
from holdfast.core.labels import Sensitivity
from holdfast.core.security import CustomRule, Security
from holdfast.ports.detector import SlowClassifier

PLAIN = Security()


def ruled(name: str, pattern: str = "PX-[0-9]+") -> Security:
    """Settings with one rule."""
    rule = CustomRule(name=name, pattern=pattern, level=Sensitivity.CRITICAL)
    return Security(rules=(rule,))


class Slow:
    """Takes every text for the worst."""

    name = "slow"

    async def classify_slowly(self, text: str) -> Classification:
        """Find all of it."""
        found = Finding(kind="all", start=0, end=len(text), level=Sensitivity.CRITICAL)
        return Classification(level=Sensitivity.CRITICAL, findings=(found,))


class Stuck:
    """Never answers."""

    name = "stuck"

    async def classify_slowly(self, text: str) -> Classification:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


def test_equal_wishes_share_one() -> None:
    """What settings say beside rules and packs makes no classifier of its own."""
    made = Classifiers()
    assert made(PLAIN) is made(Security(warn_kinds=7))
    assert made(PLAIN) is not made(ruled("badge"))
    assert made(ruled("badge")) is made(ruled("badge"))
    assert not isinstance(made(PLAIN), SlowClassifier)


def test_rules_and_packs_are_used() -> None:
    """A session's own rule and its packs find what the rules of all do not."""
    made = Classifiers()
    found = made(ruled("badge")).classify("badge PX-12")
    assert (Sensitivity.CRITICAL, ["badge"]) == (found.level, [f.kind for f in found.findings])
    assert Sensitivity.NORMAL == made(PLAIN).classify("badge PX-12").level
    text = "medical record number: MRN 12345678"
    rules = {finding.rule for finding in made(Security(packs=("hipaa",))).classify(text).findings}
    assert "hipaa.mrn" in rules
    assert "hipaa.mrn" not in {one.rule for one in made(PLAIN).classify(text).findings}


def test_what_cannot_be_used_is_refused() -> None:
    """A bad pattern and an unknown pack are named, and do not take a place."""
    made = Classifiers()
    for wish in (ruled("badge", "("), Security(packs=("nobody's",))):
        for _ in range(2):
            with pytest.raises(InvalidInput):
                made(wish)


def test_only_so_many_are_kept() -> None:
    """The oldest goes; who asks for it again gets an equal one."""
    made = Classifiers()
    first, wishes = made(PLAIN), [ruled(f"kind{number}") for number in range(KEPT_MAX)]
    last = [made(wish) for wish in wishes][-1]
    assert first is not made(PLAIN)
    assert last is made(wishes[-1])


def test_slow_engines_are_asked_besides() -> None:
    """The higher verdict holds, and one that is late takes nothing away."""
    made = Classifiers((Slow(), Stuck()), 0.01)(PLAIN)
    assert isinstance(made, SlowClassifier)
    found = asyncio.run(made.classify_slowly("nothing here"))
    assert (Sensitivity.CRITICAL, ("stuck: timed out",)) == (found.level, found.weak)
    assert Sensitivity.NORMAL == made.classify("nothing here").level
