"""Tools made from ordinary Python functions."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping

from holdfast.adapters.tools.text import clip
from holdfast.core.tools import ToolSpec
from holdfast.ports.tool import Json, ToolContext, ToolOutcome

ToolFunction = Callable[..., object] | Callable[..., Awaitable[object]]
"""Takes the arguments by name, and `context` when it has such a parameter."""


class FunctionTool:
    """A tool whose work is a function, sync (run in a thread) or async.

    It may return a `ToolOutcome`, a string, or any JSON value. What it raises
    is reported as a failure of the call by whoever runs the tool. A sync
    function cannot be stopped: when the call is cancelled it runs to its end
    in its thread and its result is dropped.

    Args:
        function: the work.
        spec: what the tool declares; its nature is `once` unless said otherwise.
    """

    def __init__(self, function: ToolFunction, spec: ToolSpec) -> None:
        self._function = function
        self._spec = spec
        self._wants_context = "context" in inspect.signature(function).parameters
        self._async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object with an async __call__
        )

    @property
    def spec(self) -> ToolSpec:
        """What the tool declares about itself."""
        return self._spec

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Call the function."""
        given: dict[str, object] = dict(arguments)
        if self._wants_context:
            given["context"] = context
        if self._async:
            result = self._function(**given)
        else:
            result = await asyncio.to_thread(self._function, **given)
        if inspect.isawaitable(result):
            result = await result
        return await _outcome(result, context)


def tool(spec: ToolSpec) -> Callable[[ToolFunction], FunctionTool]:
    """Turn the decorated function into a tool."""

    def decorate(function: ToolFunction) -> FunctionTool:
        return FunctionTool(function, spec)

    return decorate


async def _outcome(result: object, context: ToolContext) -> ToolOutcome:
    if isinstance(result, ToolOutcome):
        return result
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return ToolOutcome(content=await clip(text, context))
