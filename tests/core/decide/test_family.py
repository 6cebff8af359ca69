"""Deciding about children."""

from __future__ import annotations

import pytest

from core_talk import Talk, opened
from holdfast.core.children import DEPTH_MAX, LIVING_MAX
from holdfast.core.commands import MoveTo, OpenChild, Pause
from holdfast.core.errors import Denied, NotNow
from holdfast.core.events import Ancestor, ChildOpened, Refused
from holdfast.core.settings import Settings


def family(depth: int = 0) -> Talk:
    """A session below some others."""
    lineage = tuple(Ancestor(f"a{place}", place + 1) for place in range(depth))
    return Talk(birth=opened(Settings(), lineage=lineage))


def test_a_child_is_on_record() -> None:
    """One event, with the child's id."""
    assert [ChildOpened(session_id="c")] == family().say(OpenChild(session_id="c"))


@pytest.mark.parametrize(
    ("depth", "living", "reason"), [(DEPTH_MAX, 0, "depth"), (0, LIVING_MAX, "fan_out")]
)
def test_limits_are_refusals_on_record(depth: int, living: int, reason: str) -> None:
    """The caller is told; the log has no child."""
    talk = family(depth)
    said = talk.say(OpenChild(session_id="c", living=living))
    assert [Refused(action="child", guard="family", reason=reason)] == said
    assert isinstance(talk.decision.error, Denied)


def test_one_less_is_within_the_limits() -> None:
    """Exactly the limit is allowed."""
    for talk, living in ((family(DEPTH_MAX - 1), 0), (family(), LIVING_MAX - 1)):
        assert [ChildOpened(session_id="c")] == talk.say(OpenChild(session_id="c", living=living))


def test_a_session_that_does_not_work_opens_none() -> None:
    """Paused or completed."""
    paused, done = family(), family()
    paused.say(Pause())
    done.say(MoveTo(state="Completed"))
    for talk in (paused, done):
        with pytest.raises(NotNow, match="opens no children"):
            talk.say(OpenChild(session_id="c"))
