"""Every fence of the sandbox holds, tried with real commands, as root and as another user."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxhelp import CHECKS, as_ordinary_user, ordinary_user, taken

from holdfast.adapters.sandbox.status import SandboxKind, detect


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that another user can get to, outside the private one of the tests."""
    made = Path(tempfile.mkdtemp(prefix="holdfast-checks-")).resolve()
    yield made
    shutil.rmtree(made)


@pytest.fixture(autouse=True)
def bubblewrap() -> None:
    """All of this is about bubblewrap."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(status.reason)


def test_every_fence_holds(folder: Path) -> None:
    """As the user the tests run as."""
    outcomes = taken(folder)
    assert [] == [(one.name, one.said) for one in outcomes if not one.held]
    assert 30 == len(outcomes)


def test_every_fence_holds_for_an_ordinary_user(folder: Path) -> None:
    """The same table, run by another user, if the tests run as root."""
    if isinstance(why := ordinary_user(), str):
        pytest.skip(why)
    outcomes = as_ordinary_user(folder)
    assert isinstance(outcomes, list)
    assert [] == [(name, said) for name, held, said in outcomes if not held]
    assert len(CHECKS) == len(outcomes)


def test_the_checks_notice_what_is_open(folder: Path) -> None:
    """Without a sandbox those that can be tried there do not hold, so holding means something."""
    checks = [one for one in CHECKS if one.contrast]
    outcomes = taken(folder, SandboxKind.NONE, checks)
    held = [one.name for one in outcomes if one.held]
    # The launcher lets nothing gain privileges in any tier.
    assert ["no privileges can be gained"] == held


@pytest.mark.slow
def test_no_way_out_for_an_ordinary_user(folder: Path) -> None:
    """The attempts of `test_egress`, from the sandbox of another user."""
    if isinstance(why := ordinary_user(), str):
        pytest.skip(why)
    found = as_ordinary_user(folder, "egress")
    assert isinstance(found, list)
    tried, reached, strange = found
    assert [] == reached
    assert [] == strange
    assert 300 <= tried
