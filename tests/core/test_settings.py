"""Settings and their defaults (seed D3)."""

from __future__ import annotations

import pytest

from holdfast.core.settings import Limits, QueuePolicy, Settings, StorageType


def test_defaults_are_the_seeds() -> None:
    """Nothing is switched on, nothing runs unasked, a file keeps it."""
    fresh = Settings()
    assert (QueuePolicy.ENQUEUE, StorageType.FILE) == (fresh.queue_policy, fresh.storage_type)
    assert (False, False, False) == (
        fresh.unsafe_auto_approve,
        fresh.auto_compact,
        fresh.thinking,
    )
    assert 0.80 == fresh.auto_compact_threshold
    assert Limits(max_rounds=50, turn_s=3600, tool_s=600, parallel_tools=8) == fresh.limits


@pytest.mark.parametrize(("given", "tokens"), [(0, 200_000), (1, 1), (8_000, 8_000)])
def test_context_tokens(given: int, tokens: int) -> None:
    """No length means the usual one."""
    assert tokens == Settings(max_context_length=given).context_tokens
