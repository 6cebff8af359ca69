"""The renderer of a growing window says what rendering the whole would say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.context import Entry, Renderer, render
from holdfast.core.labels import TRUSTED, UNTRUSTED, Label, Sensitivity
from holdfast.core.messages import Message, Role, Text, ToolUse, assistant, tool_result, user
from holdfast.testing.conversation import check_conversation

IDS = st.sampled_from(["a", "b", ""])
READ = Label(origins=("tool:read",))
SECRET = Label(sensitivity=Sensitivity.CRITICAL)
MESSAGES = st.one_of(
    st.sampled_from(["hello", " ", "more"]).map(user),
    st.sampled_from(["yes", ""]).map(assistant),
    st.lists(IDS, min_size=1, max_size=3).map(
        lambda ids: Message(Role.ASSISTANT, (Text("t"), *(ToolUse(id, "read", "{}") for id in ids)))
    ),
    IDS.map(lambda id: tool_result(id, "read", "out")),
)


@given(st.lists(MESSAGES, max_size=25), st.lists(st.integers(0, 25), max_size=6))
def test_growing_and_whole_agree(messages: list[Message], stops: list[int]) -> None:
    """Whenever it is asked on the way, the end is the same; and it is always valid."""
    entries = [Entry(place, message) for place, message in enumerate(messages, start=1)]
    renderer = Renderer()
    for stop in sorted(stops):
        assert render(entries[:stop]) == renderer.render(entries[:stop])
    whole = render(entries)
    assert whole == renderer.render(entries)
    if whole and whole[-1].role is not Role.ASSISTANT:
        assert [] == check_conversation(whole)


def test_a_call_id_that_is_there_twice_wants_two_results() -> None:
    """An exchange is not settled while the second call of that id waits."""
    uses = (ToolUse("", "read", "{}"), ToolUse("", "read", "{}"))
    result = tool_result("", "read", "out")
    messages = [Message(Role.ASSISTANT, uses), result, user("a"), result, user("b")]
    entries = [Entry(place, message) for place, message in enumerate(messages, start=1)]
    renderer = Renderer()
    renderer.render(entries[:3])
    assert 0 == renderer.done
    assert render(entries) == renderer.render(entries)


def test_a_small_budget_keeps_the_newest_exchange() -> None:
    """Older exchanges are left out whole."""
    entries = [
        Entry(place, message)
        for place, message in enumerate(
            [user("old " * 50), assistant("old"), user("new"), assistant("yes"), user("go")]
        )
    ]
    renderer = Renderer()
    assert 5 == len(renderer.render(entries, 10_000))
    assert ["new", "yes", "go"] == [message.text for message in renderer.render(entries, 40)]
    assert ["go"] == [message.text for message in renderer.render(entries, 1)]


def test_a_renderer_can_start_anew() -> None:
    """After a reset nothing of the old window remains."""
    renderer = Renderer()
    renderer.render([Entry(1, user("a")), Entry(2, assistant("b")), Entry(3, user("c"))])
    renderer.reset()
    assert ["x"] == [message.text for message in renderer.render([Entry(9, user("x"))])]


@given(
    st.lists(st.tuples(MESSAGES, st.sampled_from([TRUSTED, UNTRUSTED, READ, SECRET])), max_size=25),
    st.lists(st.tuples(st.integers(0, 25), st.integers(1, 60)), max_size=6),
)
def test_the_label_is_the_join_of_what_was_rendered(
    said: list[tuple[Message, Label]], stops: list[tuple[int, int]]
) -> None:
    """Whatever was settled and left out before, budgets included, nothing is lost or added."""
    entries = [
        Entry(place, replace(message, label=label))
        for place, (message, label) in enumerate(said, start=1)
    ]
    renderer = Renderer()
    for stop, budget in sorted(stops):
        shown = renderer.render(entries[:stop], budget)
        assert render(entries[:stop], budget) == shown
        expected = TRUSTED
        for message in shown:
            expected = expected.join(message.label)
        assert expected == renderer.label
