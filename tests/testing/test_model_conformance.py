"""The cases of the models port hold for the script player and can fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
from holdfast.testing.model_conformance import CASES, ModelCase, Subject
from holdfast.testing.script import ScriptItem
from holdfast.testing.scripted import ScriptedModel


@asynccontextmanager
async def scripted(script: Sequence[ScriptItem]) -> AsyncIterator[Subject]:
    """Run a script player."""
    model = ScriptedModel(script)

    async def abandoned() -> None:
        assert 1 == model.cancelled

    yield Subject(client=model, abandoned=abandoned)
    await model.aclose()


class Chatterbox(ScriptedModel):
    """A client that breaks the contract: it goes on after its reply."""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer, then say more, whatever happens."""
        try:
            async for event in super().stream(request):
                yield event
        except Exception as error:  # the broken client swallows failures
            yield TextDelta(str(error))
        yield TextDelta("and another thing")


@asynccontextmanager
async def broken(script: Sequence[ScriptItem]) -> AsyncIterator[Subject]:
    """Run the broken client."""

    async def abandoned() -> None:
        return

    yield Subject(client=Chatterbox(script), abandoned=abandoned)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_scripted_model_conforms(case: ModelCase) -> None:
    """The script player fulfils the case."""
    asyncio.run(case.run(scripted))


def test_cases_find_a_client_that_breaks_the_contract() -> None:
    """All but the cases that look at facts and cancelling reject a broken client."""
    passed = []
    for case in CASES:
        try:
            asyncio.run(case.run(broken))
        except AssertionError:
            continue
        passed.append(case.name)
    assert ["a client knows its facts"] == passed
