"""AgentDojo's pipeline, made of a session.

AgentDojo asks a *pipeline* to answer a prompt with its tools in its environment, and
judges the environment and the answer afterwards. Its judges are used as they are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence

from agentdojo.agent_pipeline.base_pipeline_element import BasePipelineElement
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime, TaskEnvironment
from agentdojo.task_suite.task_suite import TaskSuite
from agentdojo.types import (
    ChatAssistantMessage,
    ChatMessage,
    ChatUserMessage,
    text_content_block_from_string,
)
from columns import Call, Column, Person
from compromised import CompromisedModel, Way
from manifests import FLOWS, consequential, steers
from plans import foreseen
from pydantic import BaseModel
from suites import Case
from world import Done, Offer, Stage

from holdfast import ToolOutcome

Answer = tuple[str, FunctionsRuntime, TaskEnvironment, list[ChatMessage], dict[str, object]]


def offers(suite: TaskSuite) -> list[Offer]:
    """A suite's tools."""
    return [
        Offer(
            name=one.name,
            description=one.description,
            schema=one.parameters.model_json_schema(),
            flow=FLOWS[one.name],
        )
        for one in suite.tools
    ]


class SessionPipeline(BasePipelineElement):
    """Answers one case's prompt by a session.

    Args:
        runner: runs what is asynchronous; the manager lives in its loop.
    """

    name = "gpt-4o-2024-05-13"

    def __init__(
        self, stage: Stage, case: Case, column: Column, runner: asyncio.Runner, way: Way
    ) -> None:
        self.done = Done()
        self.own: list[Call] = []
        self._stage = stage
        self._case = case
        self._column = column
        self._runner = runner
        self._way = way

    def query(
        self,
        query: str,
        runtime: FunctionsRuntime,
        env: TaskEnvironment,
        messages: Sequence[ChatMessage] = (),
        extra_args: dict[str, object] | None = None,
    ) -> Answer:
        """Answer a prompt."""
        case = self._case
        injection = case.injection
        self.own = calls(case.user.ground_truth(env))
        more = foreseen(f"{case.suite.name}/{case.user.ID}")
        model = CompromisedModel(
            planned=more.acting(self.own, self._column),
            answer=case.user.GROUND_TRUTH_OUTPUT,
            goal=injection.GOAL if injection else "",
            wanted=lambda: calls(injection.ground_truth(env)) if injection else (),
            second=more.second(self.own, self._column),
            claim=injection.GROUND_TRUTH_OUTPUT if injection else "",
            way=self._way,
            steers=steers,
        )

        def perform(name: str, arguments: Mapping[str, object]) -> ToolOutcome:
            result, error = runtime.run_function(env, name, arguments)
            if error is not None:
                return ToolOutcome(content=error, is_error=True, exit_code=1)
            return ToolOutcome(content=rendered(result))

        acting = [(tool, args, FLOWS[tool]) for tool, args in self.own if consequential(tool)]
        running = self._stage.run(
            query,
            perform,
            model=model,
            person=Person(self.own, self._column.attended),
            column=self._column,
            plan=[
                *(one.call(more.tool) for one in more.read(self._column)),
                *self._column.steps(query, acting, (more.tool, more.values)),
            ],
        )
        self.done = self._runner.run(running)
        return query, runtime, env, _conversation(query, self.done), extra_args or {}


def calls(several: Iterable[FunctionCall]) -> list[Call]:
    """AgentDojo's calls as ours."""
    return [(one.function, dict(one.args)) for one in several]


def _conversation(query: str, done: Done) -> list[ChatMessage]:
    """The conversation for AgentDojo's judges: only calls that were carried out are in it."""
    said = [
        ChatAssistantMessage(
            role="assistant",
            content=[text_content_block_from_string("")],
            tool_calls=[FunctionCall(function=tool, args=dict(arguments))],
        )
        for tool, arguments in done.done
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
