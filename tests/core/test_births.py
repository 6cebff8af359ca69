"""What comes in, as it is written for ever: fields, defaults, and what they mean to a session."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest

from core_talk import START_MS, opened
from holdfast.core import births
from holdfast.core.births import (
    Admitted,
    Ancestor,
    Configured,
    CostRecord,
    Details,
    Imported,
    Opened,
    Origin,
    Outcome,
    Refused,
    Totals,
)
from holdfast.core.events import KIND_OF, Event
from holdfast.core.findings import Threat
from holdfast.core.gitstate import GitState
from holdfast.core.inspection import Inspected
from holdfast.core.labels import TRUSTED, UNTRUSTED, Sensitivity
from holdfast.core.messages import user
from holdfast.core.quantities import Usage
from holdfast.core.risk import NO_RISK, UNEXPOSED, Exposure, Risk
from holdfast.core.session import evolve
from holdfast.core.settings import Settings
from holdfast.core.view import Recorded, SessionView
from holdfast.runtime.codec import decode_event, encode_event

# Fields are never removed or reordered; a new one comes last (contract 4.1).
FIELDS = {
    CostRecord: "model provider usage time_ms",
    Origin: "session_id stream version head",
    Ancestor: "session_id stream",
    Totals: "messages turns rounds tool_calls approvals usage last_prompt_tokens",
    Details: "title tags custom",
    Opened: "session_id tenant user_id installation commitment settings system_prompt details"
    " channel_id chat_id git origin messages tokens totals label lineage exposure risk",
    Configured: "settings system_prompt details git git_checked touched limits raise_to tee_active",
    Imported: "source head messages tokens totals records created_ms updated_ms inert found",
    Admitted: "message tokens turn command found bearer",
    Refused: "action guard reason command",
}

OLDEST: tuple[tuple[type[Event], bytes, Event], ...] = (
    (
        Opened,
        b'{"session_id":"one","tenant":"t","user_id":"u","installation":"i","commitment":"c"}',
        Opened(session_id="one", tenant="t", user_id="u", installation="i", commitment="c"),
    ),
    (Configured, b"{}", Configured()),
    (Imported, b'{"source":"a3s"}', Imported(source="a3s")),
    (
        Refused,
        b'{"action":"send","guard":"g","reason":"r"}',
        Refused(action="send", guard="g", reason="r"),
    ),
)
"""A kind, the least that was ever written of it, and what that means today."""

FOUND = Inspected(
    level=Sensitivity.SENSITIVE,
    kinds=(("email", 2),),
    values=("ab" * 16,),
    threat=Threat.SUSPICIOUS,
    score=55,
    reasons=("role_override.ignore",),
    weak=("pii: the extra is not installed",),
)

FULL: tuple[Event, ...] = (
    Opened(
        session_id="one",
        tenant="t",
        user_id="u",
        installation="i",
        commitment="c",
        settings=Settings(name="n", workspace="/w"),
        system_prompt="be brief",
        details=Details(title="T", tags=("a", "b"), custom='{"n":1}'),
        channel_id="web",
        chat_id="c1",
        git=GitState("main", "abc"),
        origin=Origin(session_id="up", stream=3, version=9, head="ff"),
        messages=(user("hello"),),
        tokens=5,
        totals=Totals(messages=1, usage=Usage(input_tokens=7)),
        label=UNTRUSTED,
        lineage=(Ancestor("root", 1), Ancestor("up", 3)),
        exposure=Exposure(level=Sensitivity.SENSITIVE, kinds=("email",), at=9),
        risk=Risk(kinds=(("email", 2, 7),), grew_at=9),
    ),
    Configured(
        settings=Settings(),
        git_checked=True,
        limits=(("a", 5), ("b", None)),
        raise_to=Sensitivity.CRITICAL,
        tee_active=True,
    ),
    Imported(
        source="a3s",
        messages=(user("old"),),
        records=(CostRecord(model="m", provider="p", usage=Usage(), time_ms=4),),
        found=FOUND,
    ),
    Admitted(message=user("hi"), tokens=4, turn=False, command="0f", found=FOUND),
    Refused(action="send", guard="g", reason="r", command="0f"),
)


def born(view: SessionView, event: Event, time_ms: int = START_MS + 5) -> SessionView:
    """The session after one more event."""
    return evolve(view, Recorded(version=view.version + 1, time_ms=time_ms, event=event))


@pytest.fixture(name="view")
def _view() -> SessionView:
    birth = opened(system_prompt="be brief", git=GitState("main", "abc"))
    return born(SessionView(), birth, START_MS)


def test_fields_are_never_removed_or_reordered() -> None:
    """Each value of the module has the fields that were always written, in their order."""
    kinds = {one for one in vars(births).values() if is_dataclass(one)}
    here = {kind for kind in kinds if kind.__module__ == births.__name__}
    assert FIELDS == {kind: " ".join(each.name for each in fields(kind)) for kind in here}


@pytest.mark.parametrize(("kind", "written", "meaning"), OLDEST, ids=lambda one: str(one)[:12])
def test_the_least_that_was_written_still_reads(
    kind: type[Event], written: bytes, meaning: Event
) -> None:
    """What a record does not say has its default."""
    assert meaning == decode_event(KIND_OF[kind], written)


@pytest.mark.parametrize("event", FULL, ids=lambda event: type(event).__name__)
def test_what_is_written_is_read_back(event: Event) -> None:
    """Every field survives the wire form."""
    assert event == decode_event(*encode_event(event))


def test_outcomes_are_written_as_they_were() -> None:
    """The words in the log never change."""
    expected = ["done", "failed", "refused", "cancelled", "lost"]
    assert expected == [outcome.value for outcome in Outcome]


def test_a_birth_stands_alone_unless_it_says_otherwise() -> None:
    """No parent, no fork's origin, nothing brought along, trusted (contracts 1.3, 1.4)."""
    birth = opened()
    assert ((), None, (), Totals(), TRUSTED, UNEXPOSED, NO_RISK) == (
        birth.lineage,
        birth.origin,
        birth.messages,
        birth.totals,
        birth.label,
        birth.exposure,
        birth.risk,
    )


def test_nothing_said_changes_nothing(view: SessionView) -> None:
    """None leaves a part as it is; only version and time go on."""
    after = born(view, Configured())
    assert view.version + 1 == after.version
    for name in ("settings", "prompt_at", "details", "git", "last_activity_ms"):
        assert getattr(view, name) == getattr(after, name)


def test_an_empty_prompt_is_a_change_and_none_is_not(view: SessionView) -> None:
    """ "" takes the prompt away; None keeps it."""
    assert (1, 1, 0) == (
        view.prompt_at,
        born(view, Configured(system_prompt=None)).prompt_at,
        born(view, Configured(system_prompt="")).prompt_at,
    )


def test_git_is_forgotten_only_when_it_was_looked_at(view: SessionView) -> None:
    """No git state counts only together with `git_checked`."""
    assert view.git is not None
    assert view.git == born(view, Configured(git=None)).git
    assert born(view, Configured(git=None, git_checked=True)).git is None


def test_touched_notes_activity(view: SessionView) -> None:
    """The time of the last activity moves, and nothing else of the settings."""
    after = born(view, Configured(touched=True))
    assert START_MS + 5 == after.last_activity_ms
    assert view.settings == after.settings


def test_a_refusal_changes_nothing_but_the_version(view: SessionView) -> None:
    """It is on record, without content, and the session is what it was (contract 2.20)."""
    after = born(view, Refused(action="send", guard="g", reason="r"))
    assert (view.window, view.state, view.turn) == (after.window, after.state, after.turn)
    assert view.version + 1 == after.version


def test_values_do_not_change() -> None:
    """What was written cannot be altered in memory."""
    with pytest.raises(FrozenInstanceError):
        opened().tenant = "other"  # type: ignore[misc]  # that it is refused is the fact
