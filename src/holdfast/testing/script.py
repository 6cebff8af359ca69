"""Scripts: what a scripted provider says, turn by turn.

A script is a sequence of items, one per call of the model. An item is a `Turn`
or a callable that is given the request and returns a `ModelReply` or a `Turn`.
The same script is played by `ScriptedModel` in the process and by
`ProviderServer` over HTTP.

File format (JSON), read by `read_script`; every key but `turns` is optional:

    {"format": "holdfast.script/1",
     "model": "scripted", "provider": "scripted", "context_tokens": 200000,
     "turns": [
       {"text": ["Hel", "lo"]},
       {"text": "I will look.",
        "tool_calls": [{"name": "read", "arguments": {"path": "a"}, "id": "c1"}],
        "usage": {"input_tokens": 10, "output_tokens": 3, "cost_micros": 20}},
       {"thinking": ["hm"], "signature": "s", "text": "done", "stop": "stop"},
       {"error": {"message": "busy", "retryable": true, "status": 529,
                  "retry_after": "2", "timeout": false}, "after": 0},
       {"text": "half", "hang": true, "after": 1},
       {"text": "slow", "delay_s": 1.5}]}

`text` and `thinking` are one text or a list of deltas. `arguments` is an object,
or the text as a model would write it, which may be malformed. `after` is the
number of deltas that are sent before the error or the hang. `usage` takes the
fields of `holdfast.core.quantities.Usage`.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from holdfast.core.errors import InvalidInput, ProviderFailed
from holdfast.core.messages import Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelReply, ModelRequest

FORMAT = "holdfast.script/1"


@dataclass(frozen=True, slots=True)
class Say:
    """Text, in the deltas it is streamed in."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Think:
    """Reasoning, in the deltas it is streamed in, and its signature."""

    pieces: tuple[str, ...]
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call.

    Args:
        name: the tool's name.
        arguments: JSON text as the model writes it; may be malformed.
        id: the call's id; empty for a fresh one.
    """

    name: str
    arguments: str = "{}"
    id: str = ""


Step = Say | Think | Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a turn fails.

    Args:
        message: one line.
        retryable: whether another attempt may succeed.
        billable: it may have been charged all the same.
        status: the HTTP status a server answers; default 503 or 400.
        retry_after: the Retry-After header a server sends.
        timeout: it is a `ProviderTimeout`.
        drop: a server closes the connection instead of answering.
    """

    message: str = "scripted failure"
    retryable: bool = False
    status: int | None = None
    retry_after: str | None = None
    timeout: bool = False
    drop: bool = False
    billable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one call of the model does.

    Args:
        steps: what is said, in order.
        usage: tokens and cost of the call; None for the player's default.
        stop: why it ended; None for "tool_use" after a call, else "stop".
        failure: the turn fails after `after` deltas.
        hang: the turn says nothing more after `after` deltas.
        after: deltas before the failure or hang.
        delay_s: seconds to wait on the clock before the first delta.
    """

    steps: tuple[Step, ...] = ()
    usage: Usage | None = None
    stop: str | None = None
    failure: Failure | None = None
    hang: bool = False
    after: int = 0
    delay_s: float = 0.0

    @property
    def stop_reason(self) -> str:
        """Why the turn ends."""
        if self.stop is not None:
            return self.stop
        called = any(isinstance(step, Call) for step in self.steps)
        return "tool_use" if called else "stop"


ScriptItem = Turn | Callable[[ModelRequest], "ModelReply | Turn"]


def say(*pieces: str, usage: Usage | None = None, delay_s: float = 0.0) -> Turn:
    """Make a turn of plain text, one delta for each piece."""
    return Turn(steps=(Say(pieces),), usage=usage, delay_s=delay_s)


def call(
    name: str,
    arguments: Mapping[str, object] | str | None = None,
    *,
    text: str = "",
    id: str = "",
    usage: Usage | None = None,
) -> Turn:
    """Make a turn of one tool call, after `text` if there is any."""
    return calls(make_call(name, arguments, id=id), text=text, usage=usage)


def calls(*wanted: Call, text: str = "", usage: Usage | None = None) -> Turn:
    """Make a turn of several parallel tool calls, after `text` if there is any."""
    before: tuple[Step, ...] = (Say((text,)),) if text else ()
    return Turn(steps=(*before, *wanted), usage=usage)


def make_call(
    name: str, arguments: Mapping[str, object] | str | None = None, *, id: str = ""
) -> Call:
    """Make a call from arguments as an object or as written text."""
    written = arguments if isinstance(arguments, str) else json.dumps(dict(arguments or {}))
    return Call(name=name, arguments=written, id=id)


def fail(
    message: str = "scripted failure",
    *,
    retryable: bool = False,
    billable: bool = False,
    status: int | None = None,
    retry_after: str | None = None,
    after_text: tuple[str, ...] = (),
) -> Turn:
    """Make a turn that fails, after the deltas `after_text`."""
    failure = Failure(
        message=message,
        retryable=retryable,
        billable=billable,
        status=status,
        retry_after=retry_after,
    )
    steps = (Say(after_text),) if after_text else ()
    return Turn(steps=steps, failure=failure, after=len(after_text))


def hang(*pieces: str) -> Turn:
    """Make a turn that never ends, after the deltas `pieces`."""
    return Turn(steps=(Say(pieces),) if pieces else (), hang=True, after=len(pieces))


def turn_of(reply: ModelReply) -> Turn:
    """Make the turn that a reply would be, each part in one piece."""
    steps: list[Step] = []
    for part in reply.parts:
        match part:
            case Text(text=text):
                steps.append(Say((text,)))
            case Thinking(text=text, signature=signature):
                steps.append(Think((text,), signature))
            case ToolUse(id=id_, name=name, arguments=arguments):
                steps.append(Call(name=name, arguments=arguments, id=id_))
            case ToolResult():
                raise AssertionError("a model does not answer with a tool result")
    return Turn(steps=tuple(steps), usage=reply.usage, stop=reply.stop)


class Script:
    """A sequence of items that is played once; endless iterators are fine."""

    def __init__(self, items: Iterable[ScriptItem] = ()) -> None:
        self._items = iter(items)
        self._added: deque[ScriptItem] = deque()
        self._calls = 0
        self.played = 0

    def add(self, *items: ScriptItem) -> None:
        """Play these once the items given at first are at their end."""
        self._added.extend(items)

    def next_turn(self, request: ModelRequest) -> Turn:
        """Return the turn that answers `request`, with an id for each call.

        Raises:
            ProviderFailed: the script is exhausted, or a callable raised it.
        """
        item = next(self._items, None)
        if item is None:
            if not self._added:
                raise ProviderFailed(f"script exhausted after {self.played} turns")
            item = self._added.popleft()
        self.played += 1
        if not isinstance(item, Turn):
            answer = item(request)
            item = answer if isinstance(answer, Turn) else turn_of(answer)
        return self._with_ids(item)

    def _with_ids(self, turn: Turn) -> Turn:
        steps: list[Step] = []
        for step in turn.steps:
            named = step
            if isinstance(step, Call) and not step.id:
                self._calls += 1
                named = Call(step.name, step.arguments, f"call_{self._calls}")
            steps.append(named)
        return Turn(
            steps=tuple(steps),
            usage=turn.usage,
            stop=turn.stop,
            failure=turn.failure,
            hang=turn.hang,
            after=turn.after,
            delay_s=turn.delay_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFile:
    """A script file's contents; see the module's text for the format."""

    turns: tuple[Turn, ...]
    model: str = "scripted"
    provider: str = "scripted"
    context_tokens: int = 200_000


def read_script(path: Path | str) -> ScriptFile:
    """Read a script file.

    Raises:
        InvalidInput: the file cannot be read or is not a script.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read the script: {type(error).__name__}") from error
    return parse_script(found)


def parse_script(found: object) -> ScriptFile:
    """Read a decoded script file, or a bare list of its turns.

    Raises:
        InvalidInput: it is not a script.
    """
    if isinstance(found, list):
        found = {"turns": found}
    top = _object(found, "the script", {"format", "model", "provider", "context_tokens", "turns"})
    if top.get("format", FORMAT) != FORMAT:
        raise InvalidInput(f"the script's format is not {FORMAT}")
    turns = top.get("turns")
    if not isinstance(turns, list):
        raise InvalidInput("the script has no list of turns")
    context_tokens = top.get("context_tokens", 200_000)
    if not isinstance(context_tokens, int) or context_tokens < 1:
        raise InvalidInput("context_tokens is not a positive number")
    return ScriptFile(
        turns=tuple(_turn(turn, f"turn {index}") for index, turn in enumerate(turns)),
        model=_text(top.get("model", "scripted"), "model"),
        provider=_text(top.get("provider", "scripted"), "provider"),
        context_tokens=context_tokens,
    )


_TURN_KEYS = {
    "text",
    "thinking",
    "signature",
    "tool_calls",
    "usage",
    "stop",
    "error",
    "hang",
    "after",
    "delay_s",
}


def _turn(found: object, where: str) -> Turn:
    given = _object(found, where, _TURN_KEYS)
    steps: list[Step] = []
    if "thinking" in given:
        signature = given.get("signature")
        pieces = _pieces(given["thinking"], f"{where}: thinking")
        signed = None if signature is None else _text(signature, f"{where}: signature")
        steps.append(Think(pieces, signed))
    if "text" in given:
        steps.append(Say(_pieces(given["text"], f"{where}: text")))
    wanted = given.get("tool_calls", [])
    if not isinstance(wanted, list):
        raise InvalidInput(f"{where}: tool_calls is not a list")
    steps += [_call(one, f"{where}: tool call") for one in wanted]
    stop = given.get("stop")
    return Turn(
        steps=tuple(steps),
        usage=_usage(given["usage"], where) if "usage" in given else None,
        stop=None if stop is None else _text(stop, f"{where}: stop"),
        failure=_failure(given["error"], where) if "error" in given else None,
        hang=given.get("hang") is True,
        after=int(_number(given.get("after", 0), f"{where}: after")),
        delay_s=_number(given.get("delay_s", 0), f"{where}: delay_s"),
    )


def _call(found: object, where: str) -> Call:
    given = _object(found, where, {"name", "arguments", "id"})
    arguments = given.get("arguments", {})
    if not isinstance(arguments, str | dict):
        raise InvalidInput(f"{where}: arguments are neither an object nor a text")
    name = _text(given.get("name"), f"{where}: name")
    return make_call(name, arguments, id=_text(given.get("id", ""), f"{where}: id"))


def _usage(found: object, where: str) -> Usage:
    names = {field.name for field in fields(Usage)}
    given = _object(found, f"{where}: usage", names)
    counts = {
        name: int(_number(value, f"{where}: {name}"))
        for name, value in given.items()
        if name != "estimated"
    }
    return Usage(**counts, estimated=given.get("estimated") is True)


def _failure(found: object, where: str) -> Failure:
    keys = {field.name for field in fields(Failure)}
    given = _object(found, f"{where}: error", keys)
    status = given.get("status")
    retry_after = given.get("retry_after")
    return Failure(
        message=_text(given.get("message", "scripted failure"), f"{where}: message"),
        retryable=given.get("retryable") is True,
        status=None if status is None else int(_number(status, f"{where}: status")),
        retry_after=None if retry_after is None else str(retry_after),
        timeout=given.get("timeout") is True,
        drop=given.get("drop") is True,
        billable=given.get("billable") is True,
    )


def _object(found: object, where: str, allowed: set[str]) -> dict[str, object]:
    if not isinstance(found, dict):
        raise InvalidInput(f"{where} is not an object")
    unknown = sorted(str(key) for key in found if key not in allowed)
    if unknown:
        raise InvalidInput(f"{where} has unknown keys: {', '.join(unknown)}")
    return found


def _text(found: object, where: str) -> str:
    if not isinstance(found, str):
        raise InvalidInput(f"{where} is not a text")
    return found


def _number(found: object, where: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        raise InvalidInput(f"{where} is not a number ≥ 0")
    return found


def _pieces(found: object, where: str) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,)
    if not isinstance(found, list):
        raise InvalidInput(f"{where} is neither a text nor a list of texts")
    return tuple(_text(piece, where) for piece in found)
