"""The self-test finds a guard that sleeps, and does not take a broken one for a good one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.bootstrap import check_guards
from holdfast.core.actions import Action
from holdfast.core.facts import Facts
from holdfast.core.judge import GUARDS
from holdfast.core.verdicts import ALLOW, Verdict
from holdfast.core.view import SessionView
from holdfast.runtime.manager import Core
from holdfast.runtime.probing import PROBES, Probed


def checked() -> dict[str, Probed]:
    """What came of every probe."""
    return {one.guard: one for one in asyncio.run(check_guards())}


def test_every_guard_is_hit() -> None:
    """Every guard of the gate has a probe and holds it up, and no tool has run."""
    found = checked()
    assert {name for name, _ in GUARDS} == set(found)
    assert [] == [one for one in found.values() if not one.hit or one.ran]


def asleep(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """A guard that has nothing to say."""
    return ALLOW


@pytest.mark.parametrize("name", [name for name, _ in GUARDS])
def test_a_guard_that_sleeps_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever it is: it alone is named."""
    guards = tuple((one, asleep if one == name else check) for one, check in GUARDS)
    made = Core._host
    monkeypatch.setattr(
        Core, "_host", lambda self, loaded: replace(made(self, loaded), guards=guards)
    )
    assert [name] == [one.guard for one in checked().values() if not one.hit]


def test_a_guard_that_nobody_aims_at_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new guard without a probe is a finding of the self-test."""
    monkeypatch.setattr("holdfast.runtime.probing.GUARDS", (*GUARDS, ("new", asleep)))
    assert not checked()["new"].hit


def test_a_probe_that_breaks_is_no_success() -> None:
    """What it said is told, and it does not count as held up."""
    probed = Probed(guard="x", tries="y", code="x.denied", said=("unexpected.KeyError",))
    assert not probed.hit
    assert not replace(probed, said=("x.denied",), ran=True).hit
    assert replace(probed, said=("x.denied",)).hit
    assert len(PROBES) == len({probe.guard for probe in PROBES})
