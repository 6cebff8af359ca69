"""Tools and models outside of the runtime, and the ledger of what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.core.messages import user
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelReply, ModelRequest
from holdfast.ports.tool import Reconciliation, ToolContext
from holdfast.testing.sim.loop import VirtualLoop
from holdfast.testing.sim.outside import (
    NATURES,
    Ledger,
    SimModel,
    SimRegistry,
    SimTool,
    checked_arguments,
)
from simhelp import randomness


def context(effect_id: str = "eff-1", attempt: int = 1) -> ToolContext:
    """What a tool is told."""

    async def spill(data: bytes) -> str:
        return ""

    async def read_spill(handle: str) -> bytes:
        return b""

    return ToolContext(
        session_id="s1",
        workspace=None,
        effect_id=effect_id,
        epoch=1,
        attempt=attempt,
        timeout_s=20.0,
        emit=lambda piece: None,
        spill=spill,
        read_spill=read_spill,
        unsandboxed_allowed=False,
    )


def tool(name: str, ledger: Ledger, *wild: str) -> SimTool:
    """A tool of a calm or a wild world."""
    return SimTool(name, randomness(), ledger, lengths_of=lambda id: (5, 4), wild=set(wild))


def on_virtual_time(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def test_a_tool_writes_down_what_it_did() -> None:
    """The ledger has the dispatch, the log's lengths, and that it happened."""
    ledger = Ledger()
    outcome = on_virtual_time(tool("put", ledger).run({"n": 1}, context()))
    (record,) = ledger.of("eff-1")
    assert ("put", '{"n": 1}', (5, 4)) == (record.tool, record.arguments, record.lengths)
    assert record.happened and record.returned and not outcome.is_error
    assert ["put happened for eff-1/1"] == ledger.notes


def test_a_reconcilable_tool_tells_the_truth() -> None:
    """Done when it happened, not done when it never began."""
    ledger = Ledger()
    pay = tool("pay", ledger)
    assert Reconciliation.NOT_DONE is on_virtual_time(pay.reconcile({}, context())).state
    on_virtual_time(pay.run({}, context()))
    assert Reconciliation.DONE is on_virtual_time(pay.reconcile({}, context())).state


def test_a_slow_tool_takes_virtual_time_and_hears_a_cancel() -> None:
    """Cancelled in its rest it ends, unless it is stubborn."""
    ledger = Ledger()

    async def work(*wild: str) -> bool:
        slow = tool("fire", ledger, "slow_tools", *wild)
        rest = asyncio.ensure_future(slow._rest(10.0))
        await asyncio.sleep(1)
        rest.cancel()
        await asyncio.wait({rest}, timeout=1)
        ended = rest.done()
        await asyncio.wait({rest})
        return ended

    assert on_virtual_time(work())
    stubborn = [on_virtual_time(work("stubborn_tools")) for _ in range(1)]
    assert all(isinstance(one, bool) for one in stubborn)


def test_the_registry_offers_one_tool_of_each_nature() -> None:
    """Every nature is there; names have no case; arguments are checked."""
    registry = SimRegistry([tool(name, Ledger()) for name in NATURES])
    assert set(Nature) >= set(NATURES.values()) and 4 == len(set(NATURES.values()))
    found = registry.get("FIRE")
    assert found is not None and "fire" == found.spec.name
    assert sorted(NATURES) == [spec.name for spec in registry.specs()]
    assert {"n": 2} == registry.validate("fire", '{"n": 2}')


@pytest.mark.parametrize("arguments", ["{", "[]", '{"m": 1}', '{"n": "x"}'])
def test_wrong_arguments_are_refused(arguments: str) -> None:
    """What the schema does not say is invalid."""
    with pytest.raises(InvalidInput):
        checked_arguments(arguments)


def test_a_model_answers_and_checks_what_it_is_sent() -> None:
    """Each call ends in a reply; an invalid conversation is written down."""
    ledger = Ledger()
    model = SimModel(randomness(), ledger, set())

    async def ask(request: ModelRequest) -> list[object]:
        return [event async for event in model.stream(request)]

    right = ModelRequest(system="", messages=(user("hi"),), tools=())
    for _ in range(20):
        assert isinstance(on_virtual_time(ask(right))[-1], ModelReply)
    on_virtual_time(ask(ModelRequest(system="", messages=(), tools=())))
    assert () == ledger.requests[0].problems
    assert ledger.requests[-1].problems
