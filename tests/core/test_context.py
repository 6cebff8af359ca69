"""What the model is shown is valid for every provider and invents nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.context import (
    CONTINUES,
    IMPORTED_SYSTEM,
    NO_RESULT,
    UNNAMED,
    Entry,
    Renderer,
    render,
)
from holdfast.core.labels import TRUSTED, UNTRUSTED
from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    assistant,
    estimate_tokens,
    tool_result,
    user,
)
from holdfast.testing.conversation import check_conversation


def shown(*messages: Message, budget: int | None = None) -> tuple[Message, ...]:
    """What is rendered of these, one event each."""
    return render([Entry(n, message) for n, message in enumerate(messages, start=1)], budget)


def calls(*ids: str, text: str = "") -> Message:
    """An assistant's message that calls."""
    parts: list[Part] = [Text(text)] if text else []
    return Message(Role.ASSISTANT, (*parts, *(ToolUse(id, "look") for id in ids)))


def results(*pairs: tuple[str, str]) -> Message:
    """A tool message with several results."""
    return Message(Role.TOOL, tuple(ToolResult(id, "look", text) for id, text in pairs))


def lost(id: str) -> Message:
    """The result that says there is none."""
    return Message(Role.TOOL, (ToolResult(id, "look", NO_RESULT, is_error=True),))


def test_plain_conversation_is_shown_as_it_is() -> None:
    """Nothing to put right."""
    messages = (user("a"), assistant("b"), user("c"))
    assert messages == shown(*messages)
    assert () == shown()


def test_results_follow_their_calls_in_order() -> None:
    """Whatever order they came in."""
    messages = (
        user("a"),
        calls("1", "2"),
        tool_result("2", "look", "two"),
        tool_result("1", "look", "one"),
    )
    assert (messages[0], messages[1], results(("1", "one"), ("2", "two"))) == shown(*messages)


def test_what_was_said_between_call_and_result_comes_after() -> None:
    """A person may speak while a tool runs."""
    messages = (user("a"), calls("1"), user("also"), tool_result("1", "look", "one"))
    assert (user("a"), calls("1"), results(("1", "one")), user("also")) == shown(*messages)


def test_missing_result_is_said_to_be_missing() -> None:
    """A window may end in the middle of an exchange."""
    assert (user("a"), calls("1"), lost("1"), user("b")) == shown(user("a"), calls("1"), user("b"))


def test_result_without_a_call_is_left_out() -> None:
    """A window may begin in the middle of an exchange."""
    assert (user("a"),) == shown(tool_result("0", "look", "x"), user("a"))


def test_second_result_of_a_call_is_left_out() -> None:
    """The first one counts."""
    assert (user("a"), calls("1"), results(("1", "x"))) == shown(
        user("a"), calls("1"), tool_result("1", "look", "x"), tool_result("1", "look", "y")
    )


def test_conversation_begins_with_the_user() -> None:
    """What came before is said to be left out."""
    assert (user(CONTINUES), assistant("a"), user("b")) == shown(assistant("a"), user("b"))


def test_neighbours_of_one_role_are_joined() -> None:
    """Providers want them to alternate."""
    one = Message(Role.USER, (Text("a"), Text("b")))
    other = Message(Role.ASSISTANT, (Text("c"), Text("d")))
    assert (one, other, user("e")) == shown(
        user("a"), user("b"), assistant("c"), assistant("d"), user("e")
    )


def test_labels_are_joined_with_their_messages() -> None:
    """Nothing becomes more trusted by being joined."""
    (joined,) = shown(user("a"), user("b", UNTRUSTED))
    assert UNTRUSTED == joined.label
    *_, result = shown(user("a"), calls("1"), tool_result("1", "look", "x", label=UNTRUSTED))
    assert UNTRUSTED == result.label
    assert TRUSTED == shown(user("a"), calls("1"))[1].label


@pytest.mark.parametrize(
    "empty",
    [
        assistant("  \n"),
        Message(Role.ASSISTANT, (Thinking("hm", None),)),
        Message(Role.USER, ()),
        Message(Role.SYSTEM, (Text(""),)),
    ],
)
def test_message_with_nothing_to_say_is_not_sent(empty: Message) -> None:
    """Blank text or nothing but thinking."""
    assert (user("a"), assistant("b"), user("c")) == shown(
        empty, user("a"), assistant("b"), empty, user("c")
    )


def test_blank_text_is_left_out() -> None:
    """Beside a call or other text."""
    message = Message(Role.ASSISTANT, (Text(" "), Thinking("hm", "s"), ToolUse("1", "look")))
    assert (Thinking("hm", "s"), ToolUse("1", "look")) == shown(user("a"), message)[1].parts


def test_imported_system_message_has_no_authority() -> None:
    """It is shown as a user's, marked for what it is."""
    system = Message(Role.SYSTEM, (Text("obey"),), UNTRUSTED)
    assert (Message(Role.USER, (Text(IMPORTED_SYSTEM), Text("obey")), UNTRUSTED),) == shown(system)


def test_empty_output_is_named() -> None:
    """Some providers refuse an empty result."""
    *_, result = shown(user("a"), calls("1"), tool_result("1", "look", ""))
    assert (ToolResult("1", "look", "[no output]"),) == result.parts


def test_repeated_ids_get_fresh_names() -> None:
    """In call and result alike."""
    ids = [
        [getattr(part, "id", getattr(part, "tool_use_id", "")) for part in message.parts]
        for message in shown(
            user("a"),
            calls("1", ""),
            results(("1", "x"), ("", "y")),
            calls("1", "1-2"),
            results(("1-2", "z"), ("1", "w")),
        )[1:]
    ]
    assert [["1", "call"], ["1", "call"], ["1-2", "1-2-2"], ["1-2", "1-2-2"]] == ids


def test_ids_that_are_not_unique_in_a_message() -> None:
    """An import may hold such; each call has its own result."""
    _, said, given = shown(user("a"), calls("1", "1"), results(("1", "x"), ("1", "y")))
    assert ["1", "1-2"] == [use.id for use in said.tool_uses]
    assert (ToolResult("1", "look", "x"), ToolResult("1-2", "look", "y")) == given.parts


def test_call_without_a_name_gets_one() -> None:
    """No provider takes an empty name."""
    message = Message(Role.ASSISTANT, (ToolUse("1", ""),))
    _, said, given = shown(user("a"), message, tool_result("1", "", "x"))
    assert (ToolUse("1", UNNAMED),) == said.parts
    assert (ToolResult("1", UNNAMED, "x"),) == given.parts


def test_oldest_exchanges_are_left_out() -> None:
    """Whole ones, and never the newest."""
    talk = (user("a" * 400), assistant("b"), user("c"), calls("1"), results(("1", "d")), user("e"))
    last = estimate_tokens(user("e"))
    middle = sum(estimate_tokens(message) for message in talk[2:5])
    assert talk == shown(*talk, budget=10_000)
    assert talk[2:] == shown(*talk, budget=last + middle)
    assert talk[5:] == shown(*talk, budget=last + middle - 1)
    assert talk[5:] == shown(*talk, budget=0)


IDS = st.sampled_from(["1", "2", "", "call"])
PARTS = st.one_of(
    st.sampled_from(["a", "", " "]).map(Text),
    st.builds(Thinking, st.just("hm"), st.none()),
    st.builds(ToolUse, IDS, st.sampled_from(["look", ""])),
)
RESULTS = st.builds(ToolResult, IDS, st.just("look"), st.sampled_from(["", "x"]))
TEXTS = st.sampled_from(["a", " ", "b"]).map(Text)
MESSAGES = st.one_of(
    st.builds(Message, st.just(Role.ASSISTANT), st.lists(PARTS, max_size=4).map(tuple)),
    st.builds(Message, st.just(Role.TOOL), st.lists(RESULTS, max_size=3).map(tuple)),
    st.builds(
        Message, st.sampled_from([Role.USER, Role.SYSTEM]), st.lists(TEXTS, max_size=2).map(tuple)
    ),
)
WINDOWS = st.lists(MESSAGES, max_size=12)


@given(WINDOWS, st.none() | st.integers(0, 60))
def test_any_window_is_valid_once_somebody_speaks(
    window: list[Message], budget: int | None
) -> None:
    """However a window was cut, what is sent is accepted by every provider."""
    assert [] == check_conversation(shown(*window, user("go on"), budget=budget))


@given(WINDOWS)
def test_what_was_rendered_once_stays(window: list[Message]) -> None:
    """A renderer that saw the window grow says the same as one that sees it whole."""
    renderer = Renderer()
    entries: list[Entry] = []
    for version, message in enumerate(window, start=1):
        entries.append(Entry(version, message))
        assert render(entries) == renderer.render(entries)
    renderer.reset()
    assert render(entries) == renderer.render(entries)
