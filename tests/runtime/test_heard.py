"""What a window says is put together once, and is what going through it anew gives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest

from holdfast.core.context import Entry
from holdfast.core.flows import Flow, Reads, Sink
from holdfast.core.labels import TRUSTED, UNTRUSTED, Integrity, Label, Sensitivity
from holdfast.core.messages import Message, Role, Text, ToolResult, ToolUse
from holdfast.runtime.grounding import Said, value_of
from holdfast.runtime.heard import Heard
from holdfast.runtime.window import Bodies
from sessionhelp import registry, tool


def files(file_id: str = "") -> str:
    """A reading tool whose service issues ids."""
    return ""


TOOLS = registry(
    tool(
        files,
        params=["file_id"],
        flow=Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE, trusted_fields=("id_",)),
    )
)
SECRET = Label(sensitivity=Sensitivity.SENSITIVE, integrity=Integrity.TRUSTED)


@dataclass
class Window:
    """A session as far as it is looked through."""

    bodies: Bodies = field(default_factory=Bodies)


def said(text: str, label: Label = TRUSTED, role: Role = Role.USER) -> Message:
    """A message."""
    return Message(role, (Text(text),), label=label)


def says(found: Said, text: str) -> bool:
    """Whether a text was said."""
    return found.says(value_of(text))


def window(*messages: Message) -> Window:
    """A window with these messages."""
    return Window(Bodies(entries=[Entry(at, one) for at, one in enumerate(messages, 1)]))


def test_what_comes_behind_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message is taken apart once, however often calls are looked up."""
    seen = window(said("write to Dora"))
    heard = Heard(seen, TOOLS)
    assert says(heard.trusted(), "Dora")
    apart: list[str] = []
    add = Said.add
    monkeypatch.setattr(Said, "add", lambda self, text: (apart.append(text), add(self, text))[1])
    for at in range(50):
        seen.bodies.entries += [Entry(at + 2, said(f"and to Person{at}"))]
        assert says(heard.trusted(), f"Person{at}") and says(heard.trusted(), "Dora")
    assert [f"and to Person{at}" for at in range(50)] == apart


def test_what_strangers_say_and_refusals_ground_nothing() -> None:
    """A stranger's words, an answer after them, and a trusted error."""
    failed = ToolResult("c1", "files", "no such person: Failed", is_error=True)
    seen = window(
        said("Stranger", UNTRUSTED),
        said("Answer", UNTRUSTED, Role.ASSISTANT),
        Message(Role.TOOL, (failed,), label=TRUSTED),
        said("Friend"),
    )
    heard = Heard(seen, TOOLS)
    found = heard.trusted()
    named = ("Stranger", "Answer", "Failed", "Friend")
    assert [False, False, False, True] == [says(found, name) for name in named]
    assert 3 == heard.speaking


def test_a_level_leaves_out_what_is_above_it() -> None:
    """What may be told to a tool is only what is not too sensitive."""
    heard = Heard(window(said("Dora"), said("Secret", SECRET)), TOOLS)
    assert says(heard.trusted(), "Secret")
    plain = heard.trusted(Sensitivity.NORMAL)
    assert says(plain, "Dora") and not says(plain, "Secret")


def test_what_is_not_visible_any_more_is_not_said() -> None:
    """After a rewind, a lowered label and another prompt."""
    seen = window(said("Dora"), said("Elmo"))
    seen.bodies.prompt = "Fritz"
    heard = Heard(seen, TOOLS)
    assert all(says(heard.trusted(), name) for name in ("Dora", "Elmo", "Fritz"))
    seen.bodies.entries = seen.bodies.entries[:1]
    assert says(heard.trusted(), "Dora") and not says(heard.trusted(), "Elmo")
    seen.bodies.prompt = "Gerd"
    assert says(heard.trusted(), "Gerd") and not says(heard.trusted(), "Fritz")
    lowered = replace(seen.bodies.entries[0], message=said("Dora", UNTRUSTED))
    seen.bodies.entries = [lowered]
    assert not says(heard.trusted(), "Dora")
    heard.forget()
    seen.bodies.entries = []
    assert not says(heard.trusted(), "Dora") and 0 == heard.speaking


def test_no_value_stands_across_two_messages() -> None:
    """What ends one message and begins the next was said by nobody."""
    found = Heard(window(said("meet Dora"), said("Smith at *.txt"), said("a.b")), TOOLS).trusted()
    assert says(found, "Dora") and not says(found, "Dora Smith")
    assert says(found, "*.txt") and not found.says(value_of("*.txt\n\0\na.b"))
    assert not says(found, "*.txt a.b")


def test_what_was_issued_is_said_over_the_rest_and_not_kept() -> None:
    """A value that a service issued grounds as long as its result is visible."""
    use = ToolUse("c1", "files", "{}")
    result = ToolResult("c1", "files", '{"id_": "4711-0815", "text": "x"}')
    seen = window(said("look"), Message(Role.ASSISTANT, (use,), label=TRUSTED))
    heard = Heard(seen, TOOLS)
    assert not says(heard.trusted(), "4711-0815")
    seen.bodies.entries += [Entry(3, Message(Role.TOOL, (result,), label=UNTRUSTED))]
    assert says(heard.trusted(), "4711-0815")
    assert not says(heard.trusted(Sensitivity.NORMAL), "4711-0815")
    seen.bodies.entries = seen.bodies.entries[:2]
    assert not says(heard.trusted(), "4711-0815")


NAMES = [f"Name{at}x" for at in range(12)]


def _step(random: Random, seen: Window, version: int) -> None:
    """Something happens to a window."""
    entries = seen.bodies.entries
    label = random.choice((TRUSTED, UNTRUSTED, SECRET))
    fresh = Entry(
        version, said(f"call {random.choice(NAMES)} on 2026-05-0{version % 9 + 1}", label)
    )
    chance = random.random()
    if chance < 0.7 or not entries:
        seen.bodies.entries += [fresh]
    elif chance < 0.8:
        at = random.randrange(len(entries))
        seen.bodies.entries = [*entries[:at], fresh, *entries[at:]]
    elif chance < 0.9:
        seen.bodies.entries = [one for one in entries if random.random() < 0.7]
    else:
        seen.bodies.prompt = random.choice(NAMES)


@pytest.mark.parametrize("seed", range(20))
def test_following_a_window_is_going_through_it_anew(seed: int) -> None:
    """Whatever happens to a window, all that is said in it is what it says now."""
    random, seen = Random(seed), Window()
    heard = Heard(seen, TOOLS)
    for version in range(1, 60):
        _step(random, seen, version)
        for level in (None, Sensitivity.NORMAL):
            known, anew = heard.trusted(level), Heard(seen, TOOLS).trusted(level)
            assert (known.values, known.days, known.times) == (anew.values, anew.days, anew.times)
            assert [says(known, name) for name in NAMES] == [says(anew, name) for name in NAMES]
        assert heard.speaking == Heard(seen, TOOLS).speaking
