"""What a reconcilable tool's answer about an earlier attempt means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from holdfast.core.commands import ToolEnded
from holdfast.core.events import Outcome
from holdfast.core.facts import Found
from holdfast.core.ids import EffectRef
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import estimate_tokens, tool_result
from holdfast.ports.tool import Reconciled, Reconciliation
from holdfast.runtime.normalise import Prepared
from holdfast.runtime.perform import clean

Looked = Callable[[ToolEnded, Prepared], Awaitable[ToolEnded]]


async def found_of(ref: EffectRef, prepared: Prepared, said: Reconciled, look: Looked) -> Found:
    """Turn the answer into a fact; what a tool brings in came from outside.

    Args:
        look: gives a result its label and hides what may not be seen.
    """
    if said.state is Reconciliation.NOT_DONE:
        return Found(False)
    if said.state is not Reconciliation.DONE:
        return Found(None)
    use = prepared.use
    content = said.outcome.content if said.outcome else "[it was done; its output was lost]"
    label = replace(UNTRUSTED, origins=(f"tool:{use.name}",))
    message = tool_result(use.id, use.name, clean(content), label=label)
    ended = await look(ToolEnded(ref=ref, outcome=Outcome.DONE, message=message), prepared)
    return Found(
        True,
        ended.message,
        estimate_tokens(ended.message),
        found=ended.found,
        exposes=int(ended.exposes),
    )
