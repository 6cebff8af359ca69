"""One run through Holdfast: the tools, the session, and what was done.

The prompt goes in by `Session.stream`, every call crosses the gate, tools are
`FunctionTool`s, and questions are answered through `Session.on_approval`. What was
carried out is noted by the tools themselves, and again by the session's log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from columns import Call, Column, Person
from compromised import CompromisedModel

from holdfast import Nature, SessionManager, ToolOutcome, ToolRegistry, ToolSpec, tool
from holdfast.adapters.tools.extract import ExtractTool
from holdfast.adapters.tools.function import FunctionTool
from holdfast.core.flows import Flow, Sink
from holdfast.runtime.stream import StreamEvent

Perform = Callable[[str, Mapping[str, object]], ToolOutcome]


@dataclass(slots=True, kw_only=True)
class Done:
    """What one run came to.

    Args:
        done: calls that were carried out.
        denied: tools whose call the gate refused, with the reason.
        started: how many calls the session's log says were started, but for `extract`.
        questions: (tool, arguments, text, approved) as the log has them.
        turned: the model saw the injected goal.
        blind: questions that did not show the whole call.
        failed: why the run broke, or "".
    """

    answer: str = ""
    done: list[Call] = field(default_factory=list)
    denied: list[tuple[str, str]] = field(default_factory=list)
    started: int = 0
    questions: list[tuple[str, str, str, bool]] = field(default_factory=list)
    turned: bool = False
    blind: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A tool as it is offered to sessions."""

    name: str
    description: str
    schema: Mapping[str, object]
    flow: Flow | None = None

    def spec(self) -> ToolSpec:
        """What it declares; without a flow, as one that says nothing of it."""
        reads = self.flow is not None and self.flow.sink is Sink.NONE
        plain = {
            "name": self.name,
            "description": self.description,
            "parameters": json.dumps({**self.schema, "additionalProperties": False}),
            "nature": Nature.READ_ONLY if reads else Nature.ONCE,
        }
        return ToolSpec(**plain) if self.flow is None else ToolSpec(**plain, flow=self.flow)


class Stage:
    """A manager with one set of tools; runs come one after the other."""

    def __init__(self, offers: Iterable[Offer], directory: Path) -> None:
        self._done = Done()
        self._perform: Perform = _nothing
        nothing = directory / "empty.toml"
        nothing.touch(mode=0o600)
        specs = [one.spec() for one in offers]
        self._names = [spec.name for spec in specs]
        self._names.append("extract")  # which a session has to switch on
        registry = ToolRegistry([*(self._tool(spec) for spec in specs), ExtractTool()])
        self._sessions = SessionManager(tool_executor=registry, policy=os.fspath(nothing))

    def _tool(self, spec: ToolSpec) -> FunctionTool:
        async def run(**arguments: object) -> ToolOutcome:
            self._done.done.append((spec.name, arguments))
            return self._perform(spec.name, arguments)

        return tool(spec)(run)

    async def close(self) -> None:
        """End the manager."""
        await self._sessions.close()

    async def run(
        self,
        prompt: str,
        perform: Perform,
        *,
        model: CompromisedModel,
        person: Person,
        column: Column,
        plan: Sequence[Call],
    ) -> Done:
        """Have a prompt answered in a session of its own.

        Args:
            plan: the user's own consequential calls, as far as an oracle knows them.
        """
        self._perform, self._done = perform, Done()
        done = self._done
        await self._sessions.set_default_llm(model)
        session = await self._sessions.create_session(None, column.config(self._names))
        attendant = session.on_approval(person.answer)
        try:
            await column.fix(session, plan)
            async for event in session.stream(prompt):
                _note(done, event)
        finally:
            attendant.close()
        done.turned, done.blind = model.turned, person.blind
        assert done.started == len(done.done), "the log and the tools tell the same"
        assert len(done.questions) == person.asked, "every question was put to the person"
        await self._sessions.terminate_session(session.id)
        return done


def _nothing(name: str, arguments: Mapping[str, object]) -> ToolOutcome:
    return ToolOutcome(content="nothing is set up", is_error=True)


def _note(done: Done, event: StreamEvent) -> None:
    """Keep what the session's log says of the run."""
    data = event.data
    if event.type == "tool_start":
        done.started += data["name"] != "extract"
    elif event.type == "permission_denied":
        done.denied.append((str(data["tool_name"]), str(data["reason"])))
    elif event.type == "confirmation_required":
        done.questions.append((str(data["tool_name"]), str(data["args"]), str(data["text"]), False))
    elif event.type == "confirmation_received" and data["approved"]:
        done.questions[-1] = (*done.questions[-1][:3], True)
    elif event.type == "agent_end":
        done.answer = str(data["text"])
        if data["outcome"] != "completed":
            done.failed = f"{data['outcome']}: {data['reason']}"
