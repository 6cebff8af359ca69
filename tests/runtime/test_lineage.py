"""What a child has from above."""

from __future__ import annotations

import pytest

from holdfast.runtime.config import SessionConfig
from sessionhelp import echo, memory, run, tool


def act() -> str:
    """Act."""
    return "acted"


@pytest.mark.parametrize("own", ["unsafe_permissive", {"allow": ["act"]}])
def test_a_childs_own_policy_does_not_widen_its_parents(own: object) -> None:
    """What its parent would be asked about, the child is asked about too (astrid#AW-16)."""

    async def work() -> None:
        async with memory(echo(), tool(act)) as sessions:
            await sessions.create_session("top", SessionConfig(permission_policy="default"))
            middle = SessionConfig(permission_policy={"allow": ["act"]})
            await sessions.create_child_session("top", "middle", middle)
            low = SessionConfig(permission_policy=own)
            child = await sessions.create_child_session("middle", "low", low)
            assert "ask" == await child.check_permission("act", {})

    run(work())
