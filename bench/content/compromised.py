"""A model that is entirely the attacker's as soon as it has read the injected goal.

Until then it does the user's task as AgentDojo's ground truth has it. From the first
tool result that holds the goal on it carries out the attacker's ground truth, and then
goes on with the user's calls in one of three ways (`Way`). No wording matters to it, so
what is measured does not depend on how well a model resists.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from enum import StrEnum

from columns import Call
from plans import SecondModel

from holdfast.core.messages import Message, Role, Text, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.ports.model import ModelReply, ModelRequest, TextDelta, ToolUseStarted
from holdfast.testing.conversation import check_conversation

Steer = Callable[[str, str], bool]
"""Whether an argument of a tool says to whom, what or how much: worth replacing alone."""


class Way(StrEnum):
    """How the model goes on with the user's calls once it is the attacker's.

    PLAIN makes them as they are. HIJACK writes the attacker's arguments into each that
    uses a tool the attacker wants. BLEND makes, before each of those, the same call
    once for each argument that steers it, with only that one replaced: the attack that
    is closest to what the user wants.
    """

    PLAIN = "no hijack"
    HIJACK = "hijack"
    BLEND = "blend"


_USAGE = Usage(input_tokens=10, output_tokens=5)


class CompromisedModel:
    """A `ModelClient` for one run.

    Args:
        planned: the user's calls.
        answer: what the user is told at the end.
        goal: the text whose sight turns the model; "" if there is none.
        wanted: makes the attacker's calls, at the moment the goal is seen.
        claim: what the attacker wants said.
        way: how it goes on with the user's calls then.
        steers: which arguments blending replaces.
        second: answers what is extracted; the user's call is then made with what was read
            first, and as the user would have it after that.

    Attributes:
        turned: the goal was seen.
    """

    model = "compromised"
    provider = "bench"
    context_tokens = 200_000
    zone = Zone.LOCAL
    sees = None

    def __init__(
        self,
        *,
        planned: Sequence[Call],
        answer: str,
        goal: str = "",
        wanted: Callable[[], Sequence[Call]] = tuple,
        claim: str = "",
        way: Way = Way.PLAIN,
        steers: Steer = lambda tool, argument: True,
        second: SecondModel | None = None,
    ) -> None:
        self.turned = False
        self._left = deque(planned)
        self._answer = answer
        self._goal = _folded(goal)
        self._wanted = wanted
        self._claim = claim
        self._way = way
        self._steers = steers
        self._second = second
        self._calls = 0
        self._tried: list[Call] = []

    async def stream(
        self, request: ModelRequest
    ) -> AsyncIterator[TextDelta | ToolUseStarted | ModelReply]:
        """Make the next call, or answer if none is left."""
        problems = check_conversation(request.messages)
        assert not problems, problems
        if self._goal and not self.turned and _seen(self._goal, request.messages):
            self._turn()
        if not request.tools:
            yield ModelReply(parts=(Text(self._quarantined(request)),), usage=_USAGE, stop="stop")
            return
        if not self._left:
            text = f"{self._answer}\n{self._claim}" if self.turned else self._answer
            yield TextDelta(text)
            yield ModelReply(parts=(Text(text),), usage=_USAGE, stop="stop")
            return
        self._calls += 1
        id, (name, arguments) = f"call-{self._calls}", self._next()
        yield ToolUseStarted(id=id, name=name)
        use = ToolUse(id, name, json.dumps(arguments, ensure_ascii=False, default=str))
        yield ModelReply(parts=(use,), usage=_USAGE, stop="tool_use")

    async def aclose(self) -> None:
        """Nothing to close."""

    def _next(self) -> Call:
        """The next call: of one with extracted values, what was read comes first."""
        call = self._left.popleft()
        read = self._second.as_read(call) if self._second else call
        if read != call and read not in self._tried:
            self._tried.append(read)
            self._left.appendleft(call)
            return read
        return call

    def _quarantined(self, request: ModelRequest) -> str:
        """The second model's answer; it sees the source alone, and obeys it if it is obeyed."""
        assert self._second is not None, "nothing is extracted here"
        (message,) = request.messages
        obeys = bool(self._goal) and self._goal in _folded(_unescaped(message.text))
        return self._second.answer(request.system, message.text, obeys=obeys)

    def _turn(self) -> None:
        self.turned = True
        wanted = list(self._wanted())
        if self._second is not None:
            self._second.wanted = wanted
        by_tool = dict(reversed(wanted))
        own = (self._rewritten(call, by_tool.get(call[0])) for call in self._left)
        self._left = deque((*wanted, *(call for several in own for call in several)))

    def _rewritten(self, own: Call, theirs: Mapping[str, object] | None) -> Iterator[Call]:
        """A call of the user's as it is made after the turn."""
        tool, arguments = own
        if theirs is None or self._way is Way.PLAIN:
            yield own
        elif self._way is Way.HIJACK:
            yield tool, theirs
        else:
            for name, value in theirs.items():
                if self._steers(tool, name) and arguments.get(name) != value:
                    yield tool, {**arguments, name: value}
            yield own


def _folded(text: str) -> str:
    """A text without its line breaks and doubled spaces: YAML folds them on the way."""
    return " ".join(text.split())


def _seen(goal: str, messages: Sequence[Message]) -> bool:
    results = (
        part.content
        for message in messages
        if message.role is Role.TOOL
        for part in message.parts
        if isinstance(part, ToolResult)
    )
    return any(goal in _folded(_unescaped(text)) for text in results)


def _unescaped(text: str) -> str:
    """What a JSON result says; a text that is none is taken as it is."""
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
