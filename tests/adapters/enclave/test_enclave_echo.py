"""The model that repeats."""

from __future__ import annotations

import asyncio

from enclavekit import all_of, asked

from holdfast.adapters.enclave.echo import EchoModel
from holdfast.ports.model import ModelClient, ModelReply, ModelRequest, TextDelta, ZonedClient


def test_it_repeats_the_last_message() -> None:
    """Whole, or word by word."""

    async def work() -> None:
        model = EchoModel()
        assert isinstance(model, ModelClient) and isinstance(model, ZonedClient)
        delta, reply = await all_of(model.stream(asked("a b")))
        assert TextDelta("a b") == delta
        assert isinstance(reply, ModelReply) and "a b" == reply.parts[0].text
        slow = await all_of(EchoModel(delay_ms=1).stream(asked("a b")))
        assert [TextDelta("a "), TextDelta("b ")] == slow[:-1]
        nothing = await all_of(model.stream(ModelRequest(system="", messages=())))
        assert "" == nothing[-1].parts[0].text
        await model.aclose()

    asyncio.run(work())
