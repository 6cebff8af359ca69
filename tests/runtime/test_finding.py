"""What a tool says of an earlier attempt becomes a fact, and is a stranger's word."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.tools.registry import ToolRegistry
from holdfast.core.commands import ToolEnded
from holdfast.core.facts import Found
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import Inspected
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import ToolResult, ToolUse, estimate_tokens, tool_result
from holdfast.ports.tool import Reconciled, Reconciliation, ToolOutcome
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.finding import found_of
from holdfast.runtime.normalise import Prepared, prepare
from sessionhelp import run

REF = EffectRef(3, 1)
KEY = MemoryKeys().create_session_key(tenant="t", user="u", stream=1)
SEEN = Inspected(level=Sensitivity.CRITICAL)


def prepared() -> Prepared:
    """A call of no known tool."""
    return prepare(ToolUse("c1", "ship", "{}"), ToolRegistry([]), "", Crypto(KEY, os.urandom))


async def look(ended: ToolEnded, call: Prepared) -> ToolEnded:
    """Take everything for critical, and hide it."""
    assert (REF, "ship") == (ended.ref, call.use.name)
    part = ended.message.parts[0]
    assert isinstance(part, ToolResult)
    label = ended.message.label.join(Label(sensitivity=Sensitivity.CRITICAL))
    message = tool_result("c1", "ship", f"hidden {len(part.content)}", label=label)
    return replace(ended, message=message, found=SEEN, exposes=Sensitivity.SENSITIVE)


async def never(ended: ToolEnded, call: Prepared) -> ToolEnded:
    """There is nothing to look at."""
    raise AssertionError("nothing came")


@pytest.mark.parametrize(
    ("state", "done"), [(Reconciliation.NOT_DONE, False), (Reconciliation.UNKNOWN, None)]
)
def test_what_was_not_done_has_no_result(state: Reconciliation, done: bool | None) -> None:
    """It is run again, or a person is asked."""
    said = Reconciled(state=state, outcome=ToolOutcome(content="x"))
    assert Found(done) == run(found_of(REF, prepared(), said, never))


@pytest.mark.parametrize("content", ["it did \ud800", None])
def test_what_was_done_is_looked_at(content: str | None) -> None:
    """The result is what may be seen of it, and its label is at least untrusted."""
    outcome = None if content is None else ToolOutcome(content=content)
    said = Reconciled(state=Reconciliation.DONE, outcome=outcome)
    found = run(found_of(REF, prepared(), said, look))
    assert found.done and found.message is not None
    size = len(content or "[it was done; its output was lost]")
    part = found.message.parts[0]
    assert isinstance(part, ToolResult) and f"hidden {size}" == part.content
    label = found.message.label
    assert (Integrity.UNTRUSTED, ("tool:ship",)) == (label.integrity, label.origins)
    assert (SEEN, 2) == (found.found, found.exposes)
    assert estimate_tokens(found.message) == found.tokens
