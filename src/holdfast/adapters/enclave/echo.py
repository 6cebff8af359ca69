"""A model that repeats what it was told last: for trying the way to an enclave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Role, Text
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.ports.model import ModelEvent, ModelReply, ModelRequest, TextDelta

MODEL = "echo"


class EchoModel:
    """Implements `ports.model.ModelClient`: the answer is the user's last message.

    Args:
        delay_ms: how long it takes for each word, in milliseconds.
    """

    model = MODEL
    provider = "holdfast"
    context_tokens = 200_000
    zone = Zone.LOCAL
    sees: Sensitivity | None = None

    def __init__(self, *, delay_ms: int = 0) -> None:
        self._delay_s = delay_ms / 1000

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Repeat the user's last message, word by word if it takes its time."""
        said = (one.text for one in reversed(request.messages) if one.role is Role.USER)
        text = next(said, "")
        pieces = [f"{word} " for word in text.split(" ")] if self._delay_s else [text]
        for piece in pieces:
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            yield TextDelta(piece)
        yield ModelReply(
            parts=(Text("".join(pieces)),),
            usage=Usage(input_tokens=len(text) // 4, output_tokens=len(text) // 4),
            model=self.model,
            provider=self.provider,
        )

    async def aclose(self) -> None:
        """There is nothing to close."""
