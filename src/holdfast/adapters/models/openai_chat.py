"""OpenAI's chat protocol as compatible servers really speak it.

Some of them give every parallel tool call the same index (or none). The library
tells calls apart by index alone and would join their arguments into nonsense,
so each new id under a known index is given an index of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from openai.types.chat import ChatCompletionMessageFunctionToolCallParam
from openai.types.chat.chat_completion_chunk import Choice
from pydantic_ai.messages import ModelResponseStreamEvent, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


class ChatStream(OpenAIStreamedResponse):
    """A streamed answer whose parallel tool calls are told apart by id as well."""

    def _map_tool_call_delta(self, choice: Choice) -> Iterable[ModelResponseStreamEvent]:
        for piece in choice.delta.tool_calls or []:
            piece.index = self._index_of(piece.index, piece.id)
        return super()._map_tool_call_delta(choice)

    def _index_of(self, index: int | None, id_: str | None) -> int:
        """Return an index that belongs to one call only."""
        given = -1 if index is None else index
        calls: dict[tuple[int, str], int] = self.__dict__.setdefault("_calls_by_id", {})
        current: dict[int, int] = self.__dict__.setdefault("_current_call", {})
        if id_:
            number = calls.setdefault((given, id_), len(calls))
            current[given] = number
        elif given not in current:
            current[given] = calls.setdefault((given, ""), len(calls))
        return current[given]


class ChatModel(OpenAIChatModel):
    """A chat model that reads its answers with `ChatStream`.

    Arguments go back byte for byte as the model wrote them, which keeps the
    provider's prompt cache; only what is no JSON object goes back inside of one.
    """

    @staticmethod
    def _map_tool_call(t: ToolCallPart) -> ChatCompletionMessageFunctionToolCallParam:
        call = OpenAIChatModel._map_tool_call(t)
        if isinstance(t.args, str) and _is_object(t.args):
            call["function"]["arguments"] = t.args
        return call

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return ChatStream
