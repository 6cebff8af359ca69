"""What a reconcilable tool's answer about an earlier attempt means."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.facts import Found
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import ToolUse, estimate_tokens, tool_result
from holdfast.ports.tool import Reconciled, Reconciliation
from holdfast.runtime.perform import clean


def found_of(use: ToolUse, said: Reconciled) -> Found:
    """Turn the answer into a fact; what a tool brings in came from outside."""
    if said.state is Reconciliation.NOT_DONE:
        return Found(False)
    if said.state is not Reconciliation.DONE:
        return Found(None)
    content = said.outcome.content if said.outcome else "[it was done; its output was lost]"
    label = replace(UNTRUSTED, origins=(f"tool:{use.name}",))
    message = tool_result(use.id, use.name, clean(content), label=label)
    return Found(True, message, estimate_tokens(message))
