"""Checking that the agent's configuration is the one that its log tells of."""

from __future__ import annotations

from holdfast.runtime.agentbook import AgentBook, tenant_of
from holdfast.runtime.audit_chain import Kind, Walk


async def check_agent_config(walk: Walk) -> None:
    """Check the row that a walked log's last event wrote; other logs have none."""
    tenant = tenant_of(walk.row)
    if tenant is None:
        return
    kept = await AgentBook(walk.backend).read(tenant)
    if kept.problem:
        walk.find(Kind.CONFIG, f"{kept.problem}; it is never used")
