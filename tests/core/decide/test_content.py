"""Settings, details, what the model sees, and what is imported."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core_talk import UNASKED, Talk, answer, kept, kinds, opened
from holdfast.core.commands import AddMessage, Configure, GitSeen, Import, SetContext, Terminate
from holdfast.core.decide.content import (
    CUSTOM_CHARS_MAX,
    CUSTOM_DEPTH_MAX,
    DETAILS_BYTES_MAX,
    NAME_BYTES_MAX,
    PATH_CHARS_MAX,
    PROMPT_CHARS_MAX,
    SECURITY_BYTES_MAX,
    SETTINGS_BYTES_MAX,
    TAG_CHARS_MAX,
    TAGS_MAX,
    TITLE_CHARS_MAX,
    check_birth,
    check_details,
    check_settings,
    clip,
)
from holdfast.core.errors import InvalidInput, NotNow
from holdfast.core.events import Ancestor, Configured, ContextSet, Details, Imported, Totals
from holdfast.core.gitstate import GitState
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import assistant, estimate_tokens, user
from holdfast.core.security import Security
from holdfast.core.settings import (
    EXTRA_CHARS_MAX,
    TOOLS_MAX,
    Limits,
    ModelSettings,
    QueuePolicy,
    Settings,
)
from holdfast.core.view import RANGES_MAX, Window

MODEL = ModelSettings(provider="p", model="m")


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        (Configure(thinking=True), replace(UNASKED, thinking=True)),
        (Configure(thinking_tokens=9), replace(UNASKED, thinking_tokens=9)),
        (Configure(model=MODEL), replace(UNASKED, model=MODEL)),
        (
            Configure(queue_policy=QueuePolicy.STEER),
            replace(UNASKED, queue_policy=QueuePolicy.STEER),
        ),
    ],
)
def test_a_setting_is_changed(command: Configure, settings: Settings) -> None:
    """The whole of the new settings is in the event; saying it again changes nothing."""
    talk = Talk()
    assert [Configured(settings=settings)] == talk.say(command)
    assert settings == talk.view.settings
    assert [] == talk.say(command)


def test_prompt_is_kept_in_its_event() -> None:
    """The fold only knows where; "" takes it away."""
    talk = Talk()
    assert [Configured(system_prompt="be brief")] == talk.say(Configure(system_prompt="be brief"))
    assert 2 == talk.view.prompt_at
    talk.say(Configure(system_prompt=""))
    assert 0 == talk.view.prompt_at
    with pytest.raises(InvalidInput, match="the system prompt is longer"):
        talk.say(Configure(system_prompt="x" * (PROMPT_CHARS_MAX + 1)))


def test_details_are_patched() -> None:
    """Title and tags are replaced, metadata is changed key by key."""
    talk = Talk()
    talk.say(Configure(title="T", tags=("a",), custom=(("k", '{"x":1}'), ("l", "2"))))
    assert Details(title="T", tags=("a",), custom='{"k":{"x":1},"l":2}') == talk.view.details
    talk.say(Configure(custom=(("k", ""), ("none", ""), ("l", '"é"'))))
    assert {"l": "é"} == json.loads(talk.view.details.custom)
    assert ("T", ("a",)) == (talk.view.details.title, talk.view.details.tags)
    talk.say(Configure(title="", tags=()))
    assert ("", ()) == (talk.view.details.title, talk.view.details.tags)


DEEP = "[" * 100_000
DEPTH = "[" * CUSTOM_DEPTH_MAX + "]" * CUSTOM_DEPTH_MAX


@pytest.mark.parametrize("text", ["{", "NaN", "-Infinity", DEEP, "'x'", DEPTH])
def test_metadata_is_json(text: str) -> None:
    """What is no JSON, or too deep, is refused."""
    with pytest.raises(InvalidInput, match="metadata"):
        Talk().say(Configure(custom=(("k", text),)))


def test_touch_notes_activity() -> None:
    """Even if nothing changes (seed A3)."""
    talk = Talk()
    talk.now_ms += 5
    assert [Configured(touched=True)] == talk.say(Configure(touch=True))
    assert talk.now_ms == talk.view.last_activity_ms


def test_empty_configure_does_nothing() -> None:
    """No change, no event."""
    assert [] == Talk().say(Configure())


def test_ended_session_is_not_configured() -> None:
    """Nothing follows."""
    talk = Talk()
    talk.say(Terminate())
    for command in (Configure(title="x"), SetContext(reason="clear"), Import(source="x")):
        with pytest.raises(NotNow):
            talk.say(command)
    assert [] == talk.say(GitSeen(git=GitState("main", "c")))


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("name", "x" * TITLE_CHARS_MAX, "x" * (TITLE_CHARS_MAX + 1)),
        ("workspace", "x" * PATH_CHARS_MAX, "x" * (PATH_CHARS_MAX + 1)),
        ("workspace", "/a", "/a\0b"),
        ("max_context_length", 100_000_000, 100_000_001),
        ("max_context_length", 0, -1),
        ("auto_compact_threshold", 1.0, 1.1),
        ("auto_compact_threshold", 0.01, 0.0),
        ("auto_compact_threshold", 0.5, float("nan")),
        ("tools", ("x",) * TOOLS_MAX, ("x",) * (TOOLS_MAX + 1)),
        ("tools", ("x" * 128,), ("x" * 129,)),
        ("thinking_tokens", 1, 0),
        ("thinking_tokens", 1_000_000, 1_000_001),
        ("extra", "x" * EXTRA_CHARS_MAX, "x" * (EXTRA_CHARS_MAX + 1)),
    ],
)
def test_limits_of_settings(field: str, good: object, bad: object) -> None:
    """At the limit it passes, over it the field is named."""
    check_settings(replace(Settings(), **{field: good}))
    with pytest.raises(InvalidInput, match=f"({field}|unknown fields) is out of range"):
        check_settings(replace(Settings(), **{field: bad}))


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("max_rounds", 1, 10_000),
        ("turn_s", 1, 30 * 86_400),
        ("tool_s", 1, 7 * 86_400),
        ("parallel_tools", 1, 16),
    ],
)
def test_limits_of_a_turn(field: str, low: int, high: int) -> None:
    """Both ends pass, one beyond does not."""
    for good in (low, high):
        check_settings(Settings(limits=Limits(**{field: good})))
    for bad in (low - 1, high + 1):
        with pytest.raises(InvalidInput, match=f"limits.{field} is out of range"):
            check_settings(Settings(limits=Limits(**{field: bad})))


@pytest.mark.parametrize(
    ("security", "words"),
    [
        (Security(half_life_days=0), "security.half_life_days is out of range"),
        (Security(redaction="keep"), "security.redaction is out of range"),
        (Security(hosts=("h" * SECURITY_BYTES_MAX,)), f"at most {SECURITY_BYTES_MAX} fit"),
        (Security(hosts=("\ud800",)), "not valid Unicode"),
    ],
)
def test_limits_of_content_security(security: Security, words: str) -> None:
    """Each field, and all of them together; at a birth as well."""
    with pytest.raises(InvalidInput, match=words):
        Talk().say(Configure(security=security))
    with pytest.raises(InvalidInput, match=words):
        check_birth(opened(Settings(security=security)))


def test_content_security_has_room_of_its_own() -> None:
    """It takes none from the other settings."""
    check_settings(Settings(name="x" * 500, security=Security(hosts=("h" * 2_000,))))
    full = Settings(workspace="/" + "w" * (PATH_CHARS_MAX - 1), name="x" * 500)
    check_settings(full)
    check_settings(replace(full, security=Security(hosts=("h" * 2_000,))))


def test_content_security_is_configured() -> None:
    """A root's is replaced, a child's only gets stricter; None leaves it."""
    new = Security(reject_kinds=9)
    root, child = Talk(), Talk(birth=opened(lineage=(Ancestor("root", 1),)))
    assert [Configured(settings=replace(UNASKED, security=new))] == root.say(
        Configure(security=new)
    )
    assert [] == root.say(Configure(security=new)) == root.say(Configure())
    assert [] == child.say(Configure(security=new))
    assert Security() == child.view.settings.security


def test_a_session_is_raised() -> None:
    """An event of its own each time."""
    talk = Talk()
    expected = [Configured(raise_to=Sensitivity.SENSITIVE)]
    assert expected == talk.say(Configure(raise_to=Sensitivity.SENSITIVE))


def test_a_session_is_marked_once() -> None:
    """Once it is on record nothing more is written, and other changes do not repeat it."""
    talk = Talk()
    assert [Configured(tee_active=True)] == talk.say(Configure(tee_active=True))
    assert [] == talk.say(Configure(tee_active=True))
    assert [Configured(touched=True)] == talk.say(Configure(tee_active=True, touch=True))
    assert talk.view.tee_active


def test_settings_are_small_altogether() -> None:
    """Each field may be in order and the whole too large for the fold."""
    with pytest.raises(InvalidInput, match=f"at most {SETTINGS_BYTES_MAX} fit"):
        check_settings(Settings(workspace="\x01" * PATH_CHARS_MAX))


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (Details(title="x" * (TITLE_CHARS_MAX + 1)), "a title has at most"),
        (Details(tags=("x",) * (TAGS_MAX + 1)), "at most 64 tags"),
        (Details(tags=("x" * (TAG_CHARS_MAX + 1),)), "at most 64 tags"),
        (Details(custom='"' + "x" * CUSTOM_CHARS_MAX + '"'), "metadata has at most"),
        (Details(custom="{"), "not valid JSON"),
        (Details(custom="[" * 8_000), "not valid JSON"),
        (Details(custom='{"a":' + DEPTH + "}"), "nested deeper"),
        (Details(custom="[]"), "a JSON object"),
        (Details(tags=("\x01" * TAG_CHARS_MAX,) * TAGS_MAX), f"at most {DETAILS_BYTES_MAX} fit"),
        (Details(title="\ud800"), "not valid Unicode"),
    ],
)
def test_limits_of_details(details: Details, words: str) -> None:
    """Each is refused with what is wrong."""
    with pytest.raises(InvalidInput, match=words):
        check_details(details)


def test_details_at_their_limits_pass() -> None:
    """The longest title, the most tags."""
    check_details(Details(title="x" * TITLE_CHARS_MAX, tags=("x" * TAG_CHARS_MAX,) * TAGS_MAX))


def test_birth_is_checked() -> None:
    """Names together, settings and details each."""
    check_birth(opened(user_id="u" * 900))
    for bad in (
        opened(chat_id="é" * (NAME_BYTES_MAX // 2)),
        opened(Settings(name="x" * 501)),
        opened(details=Details(custom="{")),
    ):
        with pytest.raises(InvalidInput):
            check_birth(bad)


def test_git_is_noted_when_it_changed() -> None:
    """The same again is no event; outside of a repository is."""
    talk = Talk()
    state = GitState("main", "c0")
    assert [Configured(git=state, git_checked=True)] == talk.say(GitSeen(git=state))
    assert [] == talk.say(GitSeen(git=state))
    assert [Configured(git_checked=True)] == talk.say(GitSeen(git=None))
    assert talk.view.git is None


def test_endless_branch_is_noted_once() -> None:
    """It is cut before it is compared."""
    talk = Talk()
    assert 1 == len(talk.say(GitSeen(git=GitState("b" * 9_999))))
    assert [] == talk.say(GitSeen(git=GitState("b" * 9_999)))


# --- what the model sees ------------------------------------------------------------


def two_turns() -> Talk:
    """Versions 2 to 4 are a turn, 5 to 7 the next."""
    talk = Talk()
    for word in ("one", "two"):
        talk.send(word)
        talk.model(answer(text=f"about {word}"))
    assert 7 == talk.view.version
    return talk


def test_clear() -> None:
    """Nothing is visible; what comes later is."""
    talk = two_turns()
    assert [ContextSet(reason="clear", window=(), tokens=0, count=0)] == talk.say(
        SetContext(reason="clear")
    )
    assert Window(start=9) == talk.view.window
    talk.send("three")
    assert 1 == talk.view.window.count


def test_rewind() -> None:
    """The window ends at a version, and what is counted is what is visible."""
    talk = two_turns()
    (event,) = talk.say(SetContext(reason="rewind", to_version=4), kept=kept(talk, 4))
    assert isinstance(event, ContextSet)
    tokens = estimate_tokens(user("one")) + estimate_tokens(assistant("about one"))
    assert (((1, 4),), tokens, 2) == (event.window, event.tokens, event.count)
    assert [2, 4] == [entry.version for entry in talk.entries]
    assert tokens == talk.view.context_tokens


@pytest.mark.parametrize("version", [0, 8, -1])
def test_rewind_to_a_version_that_is_not(version: int) -> None:
    """Only to what there is."""
    with pytest.raises(InvalidInput, match=f"there is no version {version}"):
        two_turns().say(SetContext(reason="rewind", to_version=version))


def test_context_is_not_set_mid_turn() -> None:
    """A queued one waits."""
    talk = Talk()
    talk.send()
    with pytest.raises(NotNow, match="cancel it first"):
        talk.say(SetContext(reason="clear"))
    assert [] == talk.say(SetContext(reason="clear"), queued=True)
    assert talk.decision.later


def test_window_has_so_many_pieces() -> None:
    """Then it has to be cleared."""
    talk = Talk()
    for _ in range(RANGES_MAX):
        talk.say(AddMessage(message=user("x")))
        talk.say(SetContext(reason="rewind", to_version=talk.view.version))
    talk.say(AddMessage(message=user("x")))
    assert RANGES_MAX == len(talk.view.window.closed)
    with pytest.raises(InvalidInput, match="too many pieces"):
        talk.say(SetContext(reason="rewind", to_version=talk.view.version))
    assert ["ContextSet"] == kinds(talk.say(SetContext(reason="clear")))


@pytest.mark.parametrize(
    ("window", "to", "version", "expected"),
    [
        (Window(start=1), 5, 9, ((1, 5),)),
        (Window(start=1), 9, 9, ((1, 9),)),
        (Window(closed=((1, 3),), start=6), 2, 9, ((1, 2),)),
        (Window(closed=((1, 3),), start=6), 4, 9, ((1, 3),)),
        (Window(closed=((1, 3),), start=6), 6, 9, ((1, 3), (6, 6))),
        (Window(start=10), 9, 9, ()),
        (Window(start=6), 5, 9, ()),
    ],
)
def test_clip(window: Window, to: int, version: int, expected: object) -> None:
    """Pieces are cut at the version; empty ones fall away."""
    assert expected == clip(window, to, version)


# --- imports --------------------------------------------------------------------------


def test_import() -> None:
    """Messages and totals are taken over."""
    talk = Talk()
    messages = (user("old"), assistant("words"))
    (event,) = talk.say(
        Import(
            source="json", messages=messages, totals=Totals(messages=1), created_ms=5, inert="[]"
        )
    )
    assert isinstance(event, Imported)
    assert sum(map(estimate_tokens, messages)) == event.tokens == talk.view.window.tokens
    assert (2, 1, 5, 2) == (
        talk.view.window.count,
        talk.view.message_count,
        talk.view.created_ms,
        talk.view.inert_at,
    )


def test_nothing_is_imported_mid_turn() -> None:
    """Only at rest."""
    talk = Talk()
    talk.send()
    with pytest.raises(NotNow, match="at rest"):
        talk.say(Import(source="json"))
