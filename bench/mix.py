"""What the measured sessions say: the coding mix and the chat mix.

Both are made from a seeded generator, so every run stores the same bytes.

Coding mix, one turn (sizes in characters, drawn around these medians):

    user's request            180
    3 to 6 tool calls         arguments 90 each, half of them with a remark of 120
      read (every second)     result 2,400
      bash                    result 900
      grep, edit              result 350
    closing answer            700

It is stored as the engine stores a turn: `Admitted`, and for each model call and
each tool call an intent (`EffectStarted`) and an outcome (`EffectEnded`).

Chat mix, one turn: a question of 40 and an answer of 120 characters; model
intents are stored as well. The text of a turn is what people, model and tools
said: message texts, arguments and results; nothing else counts as content.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from holdfast.core.events import Admitted, EffectEnded, EffectStarted, Event, Outcome
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    ToolUse,
    estimate_tokens,
    tool_result,
    user,
)
from holdfast.core.quantities import Usage

_WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "as",
    "with",
    "was",
    "on",
    "be",
    "by",
    "this",
    "are",
    "or",
    "an",
    "at",
    "from",
    "not",
    "have",
    "return",
    "value",
    "session",
    "append",
    "event",
    "store",
    "import",
    "function",
    "class",
    "async",
    "await",
    "result",
    "error",
    "test",
    "file",
    "path",
    "line",
    "assert",
    "config",
    "index",
    "version",
    "model",
    "tool",
    "call",
    "reply",
    "message",
    "stream",
]
_RESULTS = (
    ("read", 2400),
    ("bash", 900),
    ("read", 2400),
    ("grep", 350),
    ("read", 2400),
    ("edit", 350),
)
ENGINE = "a1b2c3d4e5f60718"


@dataclass
class Mix:
    """Turns of one kind.

    Args:
        coding: the coding mix, else the chat mix.
        text_bytes: UTF-8 bytes of all text said so far.
    """

    coding: bool
    seed: int = 1
    text_bytes: int = 0
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # reproducible text, no secret

    def _say(self, about: int) -> str:
        size = max(8, int(self._random.lognormvariate(0, 0.4) * about))
        words: list[str] = []
        length = 0
        while length < size:
            word = self._random.choice(_WORDS)
            words.append(word)
            length += len(word) + 1
        text = " ".join(words)[:size]
        self.text_bytes += len(text.encode())
        return text

    def turn(self, version: int) -> list[Event]:
        """The events of one turn, for the versions from `version` on."""
        events: list[Event] = []
        rounds = self._random.randint(3, 6) if self.coding else 0
        message = user(self._say(180 if self.coding else 40))
        command = f"{self._random.getrandbits(128):032x}"
        events.append(Admitted(message=message, tokens=estimate_tokens(message), command=command))
        cause = version
        for number in range(rounds):
            answer = version + len(events) + 1
            events += self._asked(cause, number)
            events += self._ran(answer, number)
            cause = version + len(events) - 1
        events += self._model(cause, (Text(self._say(700 if self.coding else 120)),), "stop")
        return events

    def _asked(self, cause: int, number: int) -> list[Event]:
        name, _ = _RESULTS[number]
        arguments = json.dumps({"file_path": self._say(60), "limit": 200})
        self.text_bytes += len(arguments) - 60
        parts: tuple[Part, ...] = (
            ToolUse(f"toolu_{self._random.getrandbits(64):016x}", name, arguments),
        )
        if number % 2 == 0:
            parts = (Text(self._say(120)), *parts)
        return self._model(cause, parts, "tool_use")

    def _model(self, cause: int, parts: tuple[Part, ...], stop: str) -> list[Event]:
        message = Message(Role.ASSISTANT, parts)
        start = EffectStarted(
            cause=cause, ordinal=0, effect="model", name="claude-sonnet-4-5", engine=ENGINE
        )
        end = EffectEnded(
            cause=cause,
            ordinal=0,
            effect="model",
            outcome=Outcome.DONE,
            message=message,
            tokens=estimate_tokens(message),
            parallel=(1,) if message.tool_uses else (),
            usage=Usage(input_tokens=12_345, output_tokens=234, cache_read_tokens=11_000),
            model="claude-sonnet-4-5",
            provider="anthropic",
            stop=stop,
            duration_ms=2345,
        )
        return [start, end]

    def _ran(self, answer: int, number: int) -> list[Event]:
        name, size = _RESULTS[number]
        label = replace(UNTRUSTED, origins=(f"tool:{name}",))
        message = tool_result(f"toolu_{number}", name, self._say(size), label=label)
        digest = f"{self._random.getrandbits(128):032x}"
        start = EffectStarted(
            cause=answer, ordinal=1, effect="tool", name=name, digest=digest, engine=ENGINE
        )
        end = EffectEnded(
            cause=answer,
            ordinal=1,
            effect="tool",
            outcome=Outcome.DONE,
            message=message,
            tokens=estimate_tokens(message),
            duration_ms=12,
        )
        return [start, end]

    def turns(self, version: int, events: int) -> Iterator[list[Event]]:
        """Turns until so many events are made."""
        made = 0
        while made < events:
            turn = self.turn(version + made)
            made += len(turn)
            yield turn
