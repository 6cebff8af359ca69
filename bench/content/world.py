"""One AgentDojo run through Holdfast: the tools, the session, and what was done.

AgentDojo asks a *pipeline* to answer a prompt with its tools in its environment, and
judges the environment afterwards. Here the pipeline is a session: the prompt goes in by
`Session.stream`, every call crosses the gate, tools are `FunctionTool`s around
AgentDojo's own functions, and questions are answered through `Session.on_approval`.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.functions_runtime import Function, FunctionCall, FunctionsRuntime, TaskEnvironment
from agentdojo.task_suite.task_suite import TaskSuite
from agentdojo.types import (
    ChatAssistantMessage,
    ChatMessage,
    ChatUserMessage,
    text_content_block_from_string,
)
from columns import Column, Person
from compromised import CompromisedModel
from manifests import FLOWS
from pydantic import BaseModel
from suites import Case

from holdfast import Nature, SessionManager, ToolOutcome, ToolRegistry, ToolSpec, tool
from holdfast.adapters.tools.function import FunctionTool
from holdfast.core.flows import Sink
from holdfast.runtime.stream import StreamEvent


@dataclass(slots=True, kw_only=True)
class Done:
    """What one run came to.

    Args:
        tried: calls the model made; done: those that were carried out.
        denied: tools whose call the gate refused, with the reason.
        started: calls the session's log says were started.
        failed: why the run broke, or "".
    """

    answer: str = ""
    tried: list[FunctionCall] = field(default_factory=list)
    done: list[FunctionCall] = field(default_factory=list)
    denied: list[tuple[str, str]] = field(default_factory=list)
    started: int = 0
    turned: bool = False
    asked: int = 0
    granted: int = 0
    questions: list[tuple[str, str, str, bool]] = field(default_factory=list)
    cut: int = 0
    failed: str = ""


class Stage:
    """A manager with one suite's tools; runs come one after the other."""

    def __init__(self, suite: TaskSuite, directory: Path) -> None:
        self.suite = suite
        self._runtime = FunctionsRuntime(suite.tools)
        self._environment: TaskEnvironment | None = None
        self._done = Done()
        nothing = directory / "empty.toml"
        nothing.touch(mode=0o600)
        registry = ToolRegistry([self._tool(function) for function in suite.tools])
        self._names = [function.name for function in suite.tools]
        self._sessions = SessionManager(tool_executor=registry, policy=os.fspath(nothing))

    def _tool(self, function: Function) -> FunctionTool:
        """One of AgentDojo's functions as a tool."""
        flow = FLOWS[function.name]
        schema = {**function.parameters.model_json_schema(), "additionalProperties": False}
        spec = ToolSpec(
            name=function.name,
            description=function.description,
            parameters=json.dumps(schema),
            nature=Nature.READ_ONLY if flow.sink is Sink.NONE else Nature.ONCE,
            flow=flow,
        )

        async def run(**arguments: object) -> ToolOutcome:
            return self._perform(function.name, arguments)

        return tool(spec)(run)

    def _perform(self, name: str, arguments: Mapping[str, object]) -> ToolOutcome:
        self._done.done.append(FunctionCall(function=name, args=dict(arguments)))
        result, error = self._runtime.run_function(self._environment, name, arguments)
        if error is not None:
            return ToolOutcome(content=error, is_error=True, exit_code=1)
        return ToolOutcome(content=rendered(result))

    async def close(self) -> None:
        """End the manager."""
        await self._sessions.close()

    async def run(
        self,
        prompt: str,
        environment: TaskEnvironment,
        *,
        model: CompromisedModel,
        person: Person,
        column: Column,
    ) -> Done:
        """Have a prompt answered in a session of its own."""
        self._environment, self._done = environment, Done()
        done = self._done
        await self._sessions.set_default_llm(model)
        session = await self._sessions.create_session(None, column.config(self._names))
        attendant = session.on_approval(person.answer)
        try:
            await column.fix(session, person.own)
            async for event in session.stream(prompt):
                _note(done, event)
        finally:
            attendant.close()
        done.turned = model.turned
        done.asked, done.granted, done.cut = len(person.asked), person.granted, person.cut
        await self._sessions.terminate_session(session.id)
        return done


def _note(done: Done, event: StreamEvent) -> None:
    """Keep what the session's log says of the run."""
    data = event.data
    if event.type == "turn_end":
        calls = data["tool_calls"]
        assert isinstance(calls, list)
        for one in calls:
            arguments = json.loads(one["arguments"])
            done.tried.append(FunctionCall(function=one["name"], args=arguments))
    elif event.type == "tool_start":
        done.started += 1
    elif event.type == "permission_denied":
        done.denied.append((str(data["tool_name"]), str(data["reason"])))
    elif event.type == "confirmation_required":
        asked = (str(data["tool_name"]), str(data["args"]), str(data["text"]), False)
        done.questions.append(asked)
    elif event.type == "confirmation_received" and data["approved"]:
        done.questions[-1] = (*done.questions[-1][:3], True)
    elif event.type == "agent_end":
        done.answer = str(data["text"])
        if data["outcome"] != "completed":
            done.failed = f"{data['outcome']}: {data['reason']}"


class SessionPipeline(BasePipelineElement):
    """AgentDojo's pipeline, made of a session.

    Args:
        runner: runs what is asynchronous; the manager lives in its loop.
    """

    name = "gpt-4o-2024-05-13"

    def __init__(
        self, stage: Stage, case: Case, column: Column, runner: asyncio.Runner, *, hijack: bool
    ) -> None:
        self.done = Done()
        self.own: list[FunctionCall] = []
        self.wanted: list[FunctionCall] = []
        self._stage = stage
        self._case = case
        self._column = column
        self._runner = runner
        self._hijack = hijack

    def query(
        self,
        query: str,
        runtime: FunctionsRuntime,
        env: TaskEnvironment,
        messages: Sequence[ChatMessage] = (),
        extra_args: dict[str, object] | None = None,
    ) -> tuple[str, FunctionsRuntime, TaskEnvironment, list[ChatMessage], dict[str, object]]:
        """Answer a prompt by a session."""
        case = self._case
        self.own = list(case.user.ground_truth(env))
        model = CompromisedModel(
            planned=self.own,
            answer=case.user.GROUND_TRUTH_OUTPUT,
            goal=case.injection.GOAL if case.injection else "",
            wanted=lambda: self._attackers(env),
            claim=case.injection.GROUND_TRUTH_OUTPUT if case.injection else "",
            hijack=self._hijack,
        )
        person = Person(self.own, self._column.attended)
        running = self._stage.run(query, env, model=model, person=person, column=self._column)
        self.done = self._runner.run(running)
        return query, runtime, env, _conversation(query, self.done), extra_args or {}

    def _attackers(self, env: TaskEnvironment) -> list[FunctionCall]:
        assert self._case.injection is not None, "only then is there a goal to see"
        self.wanted = list(self._case.injection.ground_truth(env))
        return self.wanted


def _conversation(query: str, done: Done) -> list[ChatMessage]:
    """The conversation for AgentDojo's judges: only calls that were carried out are in it."""
    said = [
        ChatAssistantMessage(
            role="assistant", content=[text_content_block_from_string("")], tool_calls=[call]
        )
        for call in done.done
    ]
    answer = [text_content_block_from_string(done.answer)]
    return [
        ChatUserMessage(role="user", content=[text_content_block_from_string(query)]),
        *said,
        ChatAssistantMessage(role="assistant", content=answer, tool_calls=None),
    ]


def rendered(result: object) -> str:
    """A result as the model reads it: text as it is, everything else as JSON."""
    if isinstance(result, str):
        return result
    return json.dumps(_plain(result), ensure_ascii=False, default=str)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value


Progress = Callable[[int, int], None]
